"""What the operating system itself shows of GPUs, whoever makes them: files, no driver.

It says which machine this is where that decides what a driver's silence means: WSL2, a
Jetson, a container.
"""

from __future__ import annotations

import platform
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from envmagic.core.report import Gpu

_LIBRARY = re.compile(
    r"lib(?:cudart|cudnn\w*|cublas(?:Lt)?|cusparse|nvJitLink|nvrtc|nccl)\.so\.\d+"
)
_NVIDIA, _AMD, _INTEL = "0x10de", "0x1002", "0x8086"
_MAKERS = {_AMD: "amd", _INTEL: "intel"}
# The compute capabilities of NVIDIA's list, by the word of the model; Orin Nano is an Orin.
_JETSONS = {
    "Thor": "11.0",
    "Orin": "8.7",
    "Xavier": "7.2",
    "TX2": "6.2",
    "TX1": "5.3",
    "Nano": "5.3",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What can be told of a machine without its driver."""

    host: str = ""
    """`wsl2`, `jetson`, `container`, or nothing worth a word."""
    nvidia: bool | None = None
    """Whether a GPU of NVIDIA is there; None: not known."""
    module: str = ""
    """The version of NVIDIA's kernel module that is loaded."""
    gpus: tuple[Gpu, ...] = ()
    """The GPUs of other makers, and that of a Jetson."""
    memory: tuple[int, int] | None = None
    """The bytes of main memory in all, and those in use."""


def look_around(root: Path = Path("/"), system: str = "", machine: str = "") -> Surroundings:
    """Return what a machine is; `root`, `system` and `machine` are those of this one."""
    system, machine = system or platform.system(), machine or platform.machine()
    if system == "Darwin":
        apple = Gpu(name="Apple silicon", vendor="apple", unified=True)
        return Surroundings(nvidia=False, gpus=(apple,) if machine == "arm64" else ())
    if system != "Linux":
        return Surroundings()
    host, jetson = _host(root), _jetson(root)
    makers = _makers(root)
    return Surroundings(
        host=host,
        nvidia=None if makers is None or host in {"wsl2", "jetson"} else _NVIDIA in makers,
        module=_read(root / "sys/module/nvidia/version"),
        gpus=(*jetson, *_others(root, makers or [])),
        memory=_memory(root),
    )


def find_libraries(path: str, prefix: str) -> tuple[str, ...]:
    """Return the libraries of CUDA that an `LD_LIBRARY_PATH` has outside an environment."""
    found: dict[str, str] = {}
    for folder in filter(None, path.split(":")):
        if Path(folder).is_relative_to(prefix):
            continue
        with suppress(OSError):
            for entry in sorted(Path(folder).iterdir()):
                if match := _LIBRARY.match(entry.name):
                    found.setdefault(match[0], str(entry.with_name(match[0])))
    return tuple(found.values())


def _host(root: Path) -> str:
    if "microsoft" in _read(root / "proc/sys/kernel/osrelease").lower():
        return "wsl2"
    if _jetson(root):
        return "jetson"
    marks = (root / ".dockerenv", root / "run/.containerenv")
    return "container" if any(mark.exists() for mark in marks) else ""


def _jetson(root: Path) -> tuple[Gpu, ...]:
    model = _read(root / "proc/device-tree/model").strip("\0")
    if "Jetson" not in model:
        return ()
    capability = next((cc for word, cc in _JETSONS.items() if word in model), None)
    return (Gpu(name=model, capability=capability, unified=True),)


def _makers(root: Path) -> list[str] | None:
    """Return the makers of what PCI calls a display controller; None: PCI is not shown."""
    devices = list((root / "sys/bus/pci/devices").glob("*"))
    if not devices:
        return None
    shown = [d for d in devices if _read(d / "class").startswith("0x03")]
    return [_read(device / "vendor") for device in shown]


def _others(root: Path, makers: list[str]) -> list[Gpu]:
    """Return the GPUs of AMD, as ROCm's driver names them, and of Intel."""
    nodes = sorted((root / "sys/class/kfd/kfd/topology/nodes").glob("*/properties"))
    versions = [_gfx_version(_read(node)) for node in nodes]
    amd = [Gpu(name=f"AMD {gfx}", vendor="amd") for gfx in versions if gfx]
    named = {"amd"} if amd else set()
    rest = [m for m in makers if _MAKERS.get(m, "") not in {"", *named}]
    plain = [Gpu(name=f"{'AMD' if m == _AMD else 'Intel'} GPU", vendor=_MAKERS[m]) for m in rest]
    return [*amd, *plain]


def _gfx_version(properties: str) -> str:
    """Return `gfx1100` for `gfx_target_version 110000`; empty: a CPU."""
    found = re.search(r"^gfx_target_version (\d+)$", properties, re.MULTILINE)
    number = int(found[1]) if found else 0
    return f"gfx{number // 10000}{number // 100 % 100:x}{number % 100:x}" if number else ""


def _memory(root: Path) -> tuple[int, int] | None:
    text = _read(root / "proc/meminfo")
    found = dict(re.findall(r"^(MemTotal|MemAvailable): +(\d+) kB$", text, re.MULTILINE))
    if len(found) < 2:  # noqa: PLR2004 (both)
        return None
    total, free = (int(found[key]) * 1024 for key in ("MemTotal", "MemAvailable"))
    return total, total - free


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace").strip()
    except OSError:
        return ""
