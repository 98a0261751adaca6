"""Driver, CUDA and GPUs, without importing any framework."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envmagic.core.report import Accelerator, Gpu
from envmagic.edge import nvidia_smi
from envmagic.edge.hardware import find_libraries, look_around
from envmagic.edge.visible import hides_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envmagic.edge.hardware import Surroundings

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
_SURE = (4, 9, 18)
"""The codes of what has no other cause than the driver itself."""
_NOT_FOUND = (
    f"no NVIDIA driver library ({_LIBRARY}) found: this machine has no NVIDIA driver, "
    "or its container was started without access to it"
)
_NO_CUDA = (
    "the driver's CUDA library (libcuda.so.1) is not visible here: "
    "start the container with NVIDIA_DRIVER_CAPABILITIES=compute,utility"
)


_IN_PCI = (
    f"a GPU of NVIDIA is in this machine, but no driver library ({_LIBRARY}) is found: install "
    "the driver, or start the container with access to it"
)
_ON_WSL = (
    f"no NVIDIA driver library ({_LIBRARY}) in WSL2: install NVIDIA's driver for Windows, and "
    "none inside WSL2"
)
_ON_JETSON = "the driver of this Jetson cannot be asked by NVML: which CUDA it serves is not known"
_OVERRIDES = ("ENVMAGIC_CUDA_DRIVER", "ENVMAGIC_CUDA", "ENVMAGIC_GPU")


def describe_machine(executable: str, environ: Mapping[str, str]) -> Accelerator:
    """Return the driver and the GPUs, and what the operating system adds to that.

    Variables stand for another machine: `ENVMAGIC_CUDA_DRIVER=550.54.15`,
    `ENVMAGIC_CUDA=12.4` and `ENVMAGIC_GPU=8.0,9.0`, or with names: `RTX 5090=12.0`.
    """
    driver, cuda, gpus = (environ.get(name, "").strip() or None for name in _OVERRIDES)
    if driver or cuda:
        found = Accelerator(driver=driver, driver_cuda=cuda)
    else:
        found = complete(probe_accelerator(executable), look_around(), environ)
    if gpus:
        found = replace(found, gpus=tuple(_gpu_from(text) for text in gpus.split(",")))
    if driver or cuda or gpus:
        names = (name for name in _OVERRIDES if environ.get(name, "").strip())
        found = replace(found, origin=", ".join(names))
    return found


def complete(asked: Accelerator, around: Surroundings, environ: Mapping[str, str]) -> Accelerator:
    """Return what the driver said, and what its silence means on this machine."""
    gpus = tuple(_with_memory(gpu, around) for gpu in asked.gpus)
    ours = [gpu for gpu in around.gpus if gpu.vendor != "nvidia" or not gpus]
    problem, absent = asked.problem, asked.absent
    if absent and around.host == "jetson":
        problem, absent = _ON_JETSON, False
    elif absent and around.host == "wsl2":
        problem = _ON_WSL
    elif absent and around.nvidia is not None:
        problem = _IN_PCI if around.nvidia else None
    if problem and around.module and asked.driver is None:
        problem = f"{problem} (the kernel module is {around.module})"
    return replace(
        asked,
        gpus=(*gpus, *(_with_memory(gpu, around) for gpu in ours)),
        problem=problem,
        absent=absent,
        host=around.host,
        hidden=hides_all((*gpus, *ours), environ),
        libraries=find_libraries(environ.get("LD_LIBRARY_PATH", ""), sys.prefix),
    )


def _with_memory(gpu: Gpu, around: Surroundings) -> Gpu:
    """Return a GPU that has no memory of its own with that of the machine."""
    if not gpu.unified or gpu.memory_total is not None or around.memory is None:
        return gpu
    return replace(gpu, memory_total=around.memory[0], memory_used=around.memory[1])


def _gpu_from(text: str) -> Gpu:
    name, _, capability = text.strip().rpartition("=")
    return Gpu(name=name or f"GPU of compute {capability}", capability=capability)


def probe_accelerator(executable: str, *, timeout: float = 10.0) -> Accelerator:
    """Ask the driver in child processes that live at most `timeout` seconds together.

    `pynvml` comes from where this process imports, its working folder left out. Where NVML
    cannot be asked with it, `nvidia-smi` is.
    """
    end = time.monotonic() + timeout
    script = [executable, *_FLAGS, str(_SCRIPT), str(timeout + _GRACE), *_folders()]
    try:
        output, errors, code = _run(script, end)
    except OSError as error:
        return Accelerator(problem=f"cannot run `{executable}` to ask the driver: {error.strerror}")
    except subprocess.TimeoutExpired:
        return Accelerator(problem=f"the NVIDIA driver did not answer within {timeout:g} seconds")
    try:
        answer = json.loads(output.splitlines()[-1])
    except (IndexError, ValueError):
        last = errors.decode(errors="replace").strip().rpartition("\n")[2]
        what = f"asking the NVIDIA driver failed (exit code {code})"
        return _ask_nvidia_smi(end) or Accelerator(problem=f"{what}: {last}" if last else what)
    found = _read(answer)
    return found if _is_settled(answer) else _ask_nvidia_smi(end) or found


def _is_settled(answer: Mapping[str, Any]) -> bool:
    """Whether `nvidia-smi`, which stands on the same library, could say no more."""
    failed = {(call, code) for call, code, _ in answer["failures"]}
    return answer.get("driver") is not None or any(("nvmlInit", code) in failed for code in _SURE)


def _ask_nvidia_smi(end: float) -> Accelerator | None:
    """Return what `nvidia-smi` says; None: there is none, or it does not know either."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    gpus: list[dict[str, str]] = []
    try:
        for fields in nvidia_smi.QUERIES:
            said = _run([tool, *nvidia_smi.query_arguments(fields)], end)[0]
            gpus = nvidia_smi.read_gpus(said.decode(errors="replace"), fields)
            if gpus:
                break
        details = _run([tool, *nvidia_smi.DETAILS], end)[0].decode(errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return None
    return nvidia_smi.read_machine(gpus, details, _NO_CUDA)


def _run(arguments: list[str], end: float) -> tuple[bytes, bytes, int]:
    """Run a child that lives until `end` at most; return what it said, and its exit code."""
    process = subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=os.sep,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=max(0.0, end - time.monotonic()))
    finally:
        _end(process)
    return output, errors, process.returncode


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
        self._answer = describe_machine(self._executable, os.environ)


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
        absent=any(call == "load" and _is_missing(words) for call, _, words in answer["failures"]),
    )


def _is_missing(words: str) -> bool:
    return f"{_LIBRARY}: " in words and "No such file" in words


def _read_gpu(index: int, gpu: Mapping[str, Any]) -> Gpu:
    capability = gpu.get("capability")
    return Gpu(
        name=gpu.get("name") or f"GPU {index}",
        uuid=gpu.get("uuid"),
        memory_total=gpu.get("memory_total"),
        memory_used=gpu.get("memory_used"),
        capability=".".join(map(str, capability)) if capability else None,
        unified=bool(gpu.get("unified")),
        mig=gpu.get("mig"),
        slices=tuple(_read_gpu(n, piece) for n, piece in enumerate(gpu.get("slices", ()))),
        ecc=gpu.get("ecc"),
    )


def _explain(call: str, code: int, words: str) -> str:
    """Return what a failed call means; empty where only one field is not known."""
    told = f"{words} (NVML error {code})"
    if call == "nvmlInit":
        return _NOT_INITIALIZED.get(code, f"the NVIDIA driver does not start: {told}")
    if call == "nvmlSystemGetCudaDriverVersion_v2" and code != _NO_LIBRARY:
        return ""
    missing = _is_missing(words)
    return {
        "import": f"`nvidia-ml-py` cannot be imported, so the driver was not asked: {words}",
        "foreign": f"`{words}` hides `nvidia-ml-py`, so the driver was not asked: remove it",
        "load": _NOT_FOUND if missing else f"the NVIDIA driver library cannot be loaded: {words}",
        "nvmlSystemGetCudaDriverVersion_v2": _NO_CUDA,
        "nvmlDeviceGetCount": f"the NVIDIA driver does not tell which GPUs there are: {told}",
        "nvmlDeviceGetHandleByIndex": f"a GPU does not answer: {told}",
    }.get(call, "")
