"""Torches made by hand: what they say of themselves, and what they do when imported."""

from __future__ import annotations


def version_text(version: str, cuda: str | None, *, hip: str | None = None) -> str:
    """Return a `torch/version.py` as those of real wheels are."""
    return (
        "from typing import Optional\n\n__all__ = ['__version__', 'debug', 'cuda', 'hip']\n"
        f"__version__ = {version!r}\ndebug = False\ncuda: Optional[str] = {cuda!r}\n"
        f"git_version = 'cf30153c4c131c8164ee7798e5022d810682e2cb'\nhip: Optional[str] = {hip!r}\n"
    )


def library_text(architectures: str) -> str:
    """Return a library that holds these among other texts, one of them nearly the same."""
    decoys = "\0compiled for sm_%d\0--gpu-name sm_\0see sm_80 there\0"
    return f"\x7fELF{decoys}{'x' * 100_000}{decoys}\0{architectures}\0{'y' * 100_000}\0"


def torch_files(version: str, cuda: str | None, architectures: str = "") -> dict[str, str]:
    """Return the files of a torch that can be looked at."""
    return {
        "torch/__init__.py": "raise ImportError('not to be imported')\n",
        "torch/version.py": version_text(version, cuda),
        "torch/lib/libtorch_python.so": library_text(architectures),
    }


_WORKING = '''\
import os, signal, sys, time, types
from torch import version
__version__ = version.__version__
float32 = "float32"
GPUS = {gpus!r}

class Tensor:
    """A matrix of one number."""
    def __init__(self, value, device="cpu"):
        self.value, self.device = value, device
    def reshape(self, *_):
        return self
    def __mod__(self, number):
        return Tensor(self.value % number)
    def double(self):
        return self
    def to(self, device):
        return Tensor(self.value, device)
    def cpu(self):
        return Tensor(self.value)
    def __matmul__(self, other):
        return Tensor(act(self.device, self.value * other.value), self.device)
    def __sub__(self, other):
        return Tensor(self.value - other.value)
    def abs(self):
        return Tensor(abs(self.value))
    def max(self):
        return self
    def __float__(self):
        return float(self.value)

def arange(number, dtype):
    return Tensor(number - 1)

def act(device, value):
    deed = GPUS.get(device, "")
    if deed == "dies":
        os.kill(os.getpid(), signal.SIGSEGV)
    if deed.startswith("hangs at "):
        open(deed[9:], "w").close()
        time.sleep(600)
    if deed == "errs":
        return value + 1
    if deed:
        raise RuntimeError(deed)
    return value

def init():
    raise RuntimeError({no_gpu!r})

cuda = types.SimpleNamespace(
    init=init,
    is_available=lambda: bool(GPUS),
    device_count=lambda: len(GPUS),
    get_device_name=lambda device: "GPU of " + device,
    get_device_capability=lambda device: (8, 0),
    synchronize=lambda device: None,
)
'''


def working_torch(
    version: str,
    cuda: str | None,
    architectures: str = "",
    *,
    gpus: dict[str, str] | None = None,
    no_gpu: str = "Found no NVIDIA driver on your system.",
) -> dict[str, str]:
    """Return the files of a torch that can be imported, and multiplies on these GPUs.

    A GPU, `cuda:0`, has what it does instead: `dies`, `errs`, `hangs at PATH`, where it
    makes a file, or the words of an error. `no_gpu` is why there is none.
    """
    code = _WORKING.format(gpus=gpus or {}, no_gpu=no_gpu)
    return torch_files(version, cuda, architectures) | {"torch/__init__.py": code}
