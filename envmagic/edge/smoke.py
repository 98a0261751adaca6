"""A smoke test of torch: on each device memory, a multiplication, and what comes out of it.

`story/smoke.py` runs this file as a script in a fresh process; nothing imports it. It stands
on the standard library and on the torch that it finds, and writes each step as a line of JSON
into the file that it is given, before it goes on: whatever ends it, it is known where. It ends
itself in time, too: no GPU is held for one that hangs where nobody waits any more.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIDE = 256
_TOLERANCE = 1e-3
"""How far a product may be off, by its largest number: far more than any rounding."""


def main() -> None:
    """Try what there is, device by device."""
    # Before Python 3.11 the folder of a script is where it imports from first.
    here = str(Path(__file__).resolve().parent)
    sys.path[:] = [entry for entry in sys.path if entry != here]
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, float(sys.argv[2]))
    _tell("begin", device="")
    devices: list[str] = []
    with _telling("failed"):
        devices = _find_devices()
    for device in devices:
        _tell("begin", device=device)
        with _telling("failed", device):
            _tell("passed", device=device, **_try_out(device))
    _tell("end")


@contextmanager
def _telling(step: str, device: str = "") -> Iterator[None]:
    """Tell what torch raises, and go on: whatever it is, it is what was asked for."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 (of foreign code, and the very answer)
        absent = isinstance(error, ModuleNotFoundError) and error.name == "torch"
        problem = f"{type(error).__name__}: {error}"
        _tell("absent" if absent else step, device=device, problem=problem)


def _find_devices() -> list[str]:
    """Return each GPU that torch can use, or the CPU; tell why there is no GPU."""
    torch = import_module("torch")
    version = torch.version
    cuda, hip = getattr(version, "cuda", None), getattr(version, "hip", None)
    _tell("torch", torch=str(torch.__version__), cuda=cuda, hip=hip)
    devices = [device for kind in ("cuda", "xpu", "mps") for device in _devices_of(torch, kind)]
    if devices:
        return devices
    if cuda or hip:
        with _telling("skipped", "cuda"):
            torch.cuda.init()
    return ["cpu"]


def _devices_of(torch: Any, kind: str) -> list[str]:  # noqa: ANN401 (foreign)
    """Return the GPUs of NVIDIA and AMD (`cuda`), of Intel, or of Apple that can be used."""
    if kind == "mps":  # which is but one
        mps = getattr(getattr(torch, "backends", None), kind, None)
        return [kind] if mps is not None and mps.is_available() else []
    found = getattr(torch, kind, None)  # an old torch knows fewer
    if found is None or not found.is_available():
        return []
    return [f"{kind}:{number}" for number in range(found.device_count())]


def _try_out(device: str) -> dict[str, Any]:
    """Return what a device is, and how long it took; raises where something is amiss."""
    torch = import_module("torch")
    told: dict[str, Any] = {}
    kind, mark, _ = device.partition(":")
    if mark:
        told["name"] = str(getattr(torch, kind).get_device_name(device))
    if kind == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        told["capability"] = f"{major}.{minor}"
    numbers = torch.arange(_SIDE * _SIDE, dtype=torch.float32).reshape(_SIDE, _SIDE)
    left, right = numbers % 7, numbers % 5
    expected = left.double() @ right.double()
    began = time.perf_counter()
    product = left.to(device) @ right.to(device)
    if kind != "cpu":
        getattr(torch, kind).synchronize(*([device] if mark else []))
    told["milliseconds"] = round((time.perf_counter() - began) * 1e3, 3)
    off = float((product.cpu().double() - expected).abs().max())
    if not off <= _TOLERANCE * float(expected.abs().max()):  # nor is NaN
        raise ArithmeticError(f"the product is wrong, by up to {off:g}")
    return told


def _tell(step: str, **said: Any) -> None:  # noqa: ANN401 (JSON)
    with Path(sys.argv[1]).open("a", encoding="ascii") as file:
        file.write(f"{json.dumps({'smoke': step, **said})}\n")


if __name__ == "__main__":
    main()
