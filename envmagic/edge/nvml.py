"""What NVML says, asked in a child process: the standard library and `nvidia-ml-py` only.

`gpu.py` runs this file as a script; nothing imports it. The arguments are the seconds
that it may take and the folders that `pynvml` may be imported from; the answer is one
line of JSON. What a failed call means is told by `gpu.py`: here is only what was said.
"""

from __future__ import annotations

import ctypes
import json
import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


_NOT_SUPPORTED = 3
_LIBRARY = "libnvidia-ml.so.1"
_ON_WSL = f"/usr/lib/wsl/lib/{_LIBRARY}"


class Nvml:
    """The driver's library, asked one thing at a time; what it refused is kept."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self.failures: list[tuple[str, int, str]] = []
        """The call, NVML's code (0: the call is not there at all), NVML's words."""

    def ask(self, call: str, *arguments: object) -> object:
        """Return one answer; None where this driver does not give it."""
        try:
            answer = getattr(self._module, call)(*arguments)
        except (self._module.NVMLError, AttributeError, ValueError) as error:
            self.failures.append((call, getattr(error, "value", 0), str(error)))
            return None
        # Early releases of the bindings hand on C strings as they are.
        return answer.decode(errors="replace") if isinstance(answer, bytes) else answer

    def ask_gpu(self, index: int) -> dict[str, object]:
        """Return what is known of one GPU."""
        handle = self.ask("nvmlDeviceGetHandleByIndex", index)
        if handle is None:
            return {}
        # Each is [now, after the next reset].
        mig = self.ask("nvmlDeviceGetMigMode", handle)
        ecc = self.ask("nvmlDeviceGetEccMode", handle)
        sliced = bool(mig[0]) if isinstance(mig, list) else None
        return {
            **self._describe(handle),
            "capability": self.ask("nvmlDeviceGetCudaComputeCapability", handle),
            "mig": sliced,
            "slices": self._ask_slices(handle) if sliced else [],
            "ecc": bool(ecc[0]) if isinstance(ecc, list) else None,
        }

    def _ask_slices(self, handle: object) -> list[dict[str, object]]:
        """Return the slices of a GPU: the only thing that CUDA sees of it."""
        most = self.ask("nvmlDeviceGetMaxMigDeviceCount", handle)
        numbers = range(most if isinstance(most, int) else 0)
        found = [self.ask("nvmlDeviceGetMigDeviceHandleByIndex", handle, n) for n in numbers]
        return [self._describe(piece) for piece in found if piece is not None]

    def _describe(self, handle: object) -> dict[str, object]:
        memory = self.ask("nvmlDeviceGetMemoryInfo", handle)
        failed = self.failures[-1][:2] if self.failures and memory is None else ()
        return {
            "name": self.ask("nvmlDeviceGetName", handle),
            "uuid": self.ask("nvmlDeviceGetUUID", handle),
            "memory_total": getattr(memory, "total", None),
            "memory_used": getattr(memory, "used", None),
            "unified": failed == ("nvmlDeviceGetMemoryInfo", _NOT_SUPPORTED),
        }


def ask_nvml() -> dict[str, object]:
    """Return the driver, the CUDA version that it serves, its GPUs, and what failed."""
    try:
        module = import_module("pynvml")
    except ImportError as error:
        return {"failures": [("import", 0, str(error))]}
    if not hasattr(module, "nvmlInit") or not hasattr(module, "NVMLError"):
        where = getattr(module, "__file__", None) or ", ".join(module.__path__)
        return {"failures": [("foreign", 0, where)]}
    if sys.platform == "linux":
        try:  # the bindings call every failure to load "not found"; the loader knows better
            _load()
        except OSError as error:
            return {"failures": [("load", 0, str(error))]}
    nvml = Nvml(module)
    nvml.ask("nvmlInit")
    if nvml.failures:
        return {"failures": nvml.failures}
    driver = nvml.ask("nvmlSystemGetDriverVersion")
    # Not the first version of this call: without libcuda that one answers with a guess.
    cuda = nvml.ask("nvmlSystemGetCudaDriverVersion_v2")
    count = nvml.ask("nvmlDeviceGetCount")
    gpus = [nvml.ask_gpu(index) for index in range(count if isinstance(count, int) else 0)]
    # No nvmlShutdown: the process ends here, and one more call could hang.
    return {"driver": driver, "cuda": cuda, "gpus": gpus, "failures": nvml.failures}


def _load() -> None:
    """Load the driver's library; the bindings then find it by its name."""
    try:
        ctypes.CDLL(_LIBRARY)
    except OSError:
        try:  # the Windows driver puts it where the loader may not look
            ctypes.CDLL(_ON_WSL)
        except OSError:
            pass
        else:
            return
        raise


def main() -> None:
    """Answer in one line; end in time even when whoever asked is gone."""
    seconds, *folders = sys.argv[1:]
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, float(seconds))
    sys.path += folders
    sys.stdout.write(f"\n{json.dumps(ask_nvml())}\n")


if __name__ == "__main__":
    main()
