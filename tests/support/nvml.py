"""A machine with the driver and the GPUs that a test wants."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LIBRARY = "libnvidia-ml.so.1"
SOURCE = Path(__file__).with_name("fake_nvml.c")


@dataclass(frozen=True, kw_only=True)
class FakeGpu:
    """One GPU, as `fake_nvml.c` wants to be told of it."""

    name: str = "NVIDIA A100-SXM4-80GB"
    uuid: str = "GPU-11111111-2222-3333-4444-555555555555"
    memory_total: int = 85899345920
    memory_used: int = 0
    capability: tuple[int, int] = (8, 0)
    mig: int = -1
    """1: on, 0: off, -1: this GPU does not have it; so is `ecc`."""
    ecc: int = -1
    slices: tuple[str, ...] = ()
    """The MIG devices of 40 GiB each, by their UUIDs."""

    def lines(self) -> list[str]:
        """Return the line of this GPU, and one for each slice."""
        numbers = (self.memory_total, self.memory_used, *self.capability, self.mig, self.ecc)
        slices = (f"slice={self.name} MIG 3g.40gb|{uuid}|{40 * 2**30}|0" for uuid in self.slices)
        return ["gpu=" + "|".join([self.name, self.uuid, *map(str, numbers)]), *slices]


@dataclass(frozen=True, kw_only=True)
class FakeNvml:
    """What the driver's library says: write `text()` into the file that FAKE_NVML names."""

    driver: str = "550.54.15"
    cuda: int = 12040
    gpus: tuple[FakeGpu, ...] = ()
    failures: Mapping[str, int] = field(default_factory=dict)
    """Functions that fail, with NVML's code."""
    hang: Path | None = None
    """Where nvmlInit writes its process id before it hangs."""

    def text(self) -> str:
        lines = [f"driver={self.driver}", f"cuda={self.cuda}"]
        lines += [line for gpu in self.gpus for line in gpu.lines()]
        lines += [f"fail={function} {code}" for function, code in self.failures.items()]
        lines += [f"hang={self.hang}"] if self.hang else []
        return "\n".join(lines) + "\n"


def compiler() -> str | None:
    """Return the C compiler, if there is one."""
    return shutil.which("cc")


def build_fake_nvml(folder: Path, *, old: bool = False) -> Path:
    """Compile the library into a folder for LD_LIBRARY_PATH; `old`: that of an old driver."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"-Wl,-soname,{LIBRARY}", "-o", str(folder / LIBRARY), str(SOURCE)]
    options = ["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", *(["-DOLD_DRIVER"] * old)]
    subprocess.run([compiler() or "cc", *options, *names], check=True)
    return folder
