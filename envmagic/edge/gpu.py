"""Driver, CUDA and GPUs, without importing any framework."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envmagic.core.report import Accelerator, Gpu

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCRIPT = Path(__file__).with_name("nvml.py")
# Isolated (neither the working folder nor the environment's PYTHON* decides what is
# imported), no `site` (no .pth file and no sitecustomize runs), no bytecode written.
_FLAGS = ("-I", "-S", "-B")
_GRACE = 1.0

_LIBRARY = "libnvidia-ml.so.1"
_NO_LIBRARY = 12
_NOT_INITIALIZED = {
    4: "no permission to use the NVIDIA driver: see who may read and write /dev/nvidia*",
    9: "the NVIDIA driver is installed but not loaded: load its kernel module, or reboot",
    13: "the NVIDIA driver is older than `nvidia-ml-py` can ask: update the driver",
    18: (
        "the NVIDIA driver was updated while its older kernel module is loaded "
        "(version mismatch): reboot"
    ),
}
"""What it means when NVML does not start, by NVML's code."""
_NOT_FOUND = (
    f"no NVIDIA driver library ({_LIBRARY}) found: this machine has no NVIDIA driver, "
    "or its container was started without access to it"
)
_NO_CUDA = (
    "the driver's CUDA library (libcuda.so.1) is not visible here: "
    "start the container with NVIDIA_DRIVER_CAPABILITIES=compute,utility"
)


def probe_accelerator(executable: str, *, timeout: float = 10.0) -> Accelerator:
    """Ask the driver in a child process that lives at most `timeout` seconds.

    `pynvml` comes from where this process imports, its working folder left out.
    """
    try:
        process = subprocess.Popen(
            [executable, *_FLAGS, str(_SCRIPT), str(timeout + _GRACE), *_folders()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=os.sep,
            start_new_session=True,
        )
    except OSError as error:
        return Accelerator(problem=f"cannot run `{executable}` to ask the driver: {error.strerror}")
    try:
        output, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        return Accelerator(problem=f"the NVIDIA driver did not answer within {timeout:g} seconds")
    finally:
        _end(process)
    try:
        return _read(json.loads(output.splitlines()[-1]))
    except (IndexError, ValueError):
        last = errors.decode(errors="replace").strip().rpartition("\n")[2]
        what = f"asking the NVIDIA driver failed (exit code {process.returncode})"
        return Accelerator(problem=f"{what}: {last}" if last else what)


class AcceleratorProbe:
    """The accelerator, asked once a process, beside everything else."""

    def __init__(self, executable: str) -> None:
        self._executable = executable
        self._answer: Accelerator | None = None
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to ask, unless that was done before."""
        self._started()

    def result(self, timeout: float | None) -> Accelerator | None:
        """Return the answer; None: there is none within `timeout` seconds.

        It begins to ask where `start` was not called. None as `timeout`: wait for it.
        """
        self._started().join(timeout)
        return self._answer

    def _started(self) -> threading.Thread:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._ask, name="envmagic-gpu", daemon=True)
                self._thread.start()
            return self._thread

    def _ask(self) -> None:
        self._answer = probe_accelerator(self._executable)


def _folders() -> list[str]:
    """Return where this process imports from, without its working folder.

    There lie the user's own files, of which one may be called `pynvml.py`.
    """
    here: Path | None = None
    with suppress(FileNotFoundError):
        here = Path.cwd()
    folders = [Path(entry) for entry in sys.path if entry]
    return [str(f) for f in folders if f.is_absolute() and f.resolve() != here]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a child with all that it started, without waiting for a driver that hangs."""
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _read(answer: Mapping[str, Any]) -> Accelerator:
    cuda = answer.get("cuda")
    return Accelerator(
        driver=answer.get("driver"),
        driver_cuda=f"{cuda // 1000}.{cuda % 1000 // 10}" if cuda else None,
        gpus=tuple(_read_gpu(index, gpu) for index, gpu in enumerate(answer.get("gpus", ()))),
        problem="; ".join(filter(None, (_explain(*told) for told in answer["failures"]))) or None,
    )


def _read_gpu(index: int, gpu: Mapping[str, Any]) -> Gpu:
    capability = gpu.get("capability")
    return Gpu(
        name=gpu.get("name") or f"GPU {index}",
        uuid=gpu.get("uuid"),
        memory_total=gpu.get("memory_total"),
        memory_used=gpu.get("memory_used"),
        capability=".".join(map(str, capability)) if capability else None,
    )


def _explain(call: str, code: int, words: str) -> str:
    """Return what a failed call means; empty where only one field is not known."""
    told = f"{words} (NVML error {code})"
    if call == "nvmlInit":
        return _NOT_INITIALIZED.get(code, f"the NVIDIA driver does not start: {told}")
    if call == "nvmlSystemGetCudaDriverVersion_v2" and code != _NO_LIBRARY:
        return ""
    missing = f"{_LIBRARY}: " in words and "No such file" in words
    return {
        "import": f"`nvidia-ml-py` cannot be imported, so the driver was not asked: {words}",
        "foreign": f"`{words}` hides `nvidia-ml-py`, so the driver was not asked: remove it",
        "load": _NOT_FOUND if missing else f"the NVIDIA driver library cannot be loaded: {words}",
        "nvmlSystemGetCudaDriverVersion_v2": _NO_CUDA,
        "nvmlDeviceGetCount": f"the NVIDIA driver does not tell which GPUs there are: {told}",
        "nvmlDeviceGetHandleByIndex": f"a GPU does not answer: {told}",
    }.get(call, "")
