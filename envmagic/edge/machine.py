"""Another machine, as it has told of itself: `python -m envmagic info --json` in a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envmagic.core.errors import EnvmagicError
from envmagic.core.report import Accelerator, Gpu

if TYPE_CHECKING:
    from collections.abc import Mapping

_HINT = "make it on that machine: `python -m envmagic info --json > machine.json`"
_HERE = Path()


class MachineError(EnvmagicError):
    """The file of another machine cannot be used."""

    exit_code = 2


def read_machine(path: str, folder: Path = _HERE) -> Accelerator:
    """Return the driver and the GPUs that a file tells of; raises MachineError.

    Its path is relative to `folder`.
    """
    try:
        data = json.loads((folder / Path(path).expanduser()).read_text("utf-8"))
    except OSError as error:
        raise MachineError(f"cannot read `{path}`: {error.strerror}", _HINT) from None
    except ValueError:
        raise MachineError(f"`{path}` is not JSON", _HINT) from None
    try:
        machine = accelerator_from_json(data["accelerator"])
        platform = str(data["node"]["platform"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise MachineError(f"`{path}` does not describe a machine", _HINT) from None
    return replace(machine, platform=platform, origin=path)


def accelerator_from_json(data: Mapping[str, Any]) -> Accelerator:
    """Return driver and GPUs from their wire form; what an older form lacks is not known."""
    return Accelerator(
        driver=_text(data["driver"]),
        driver_cuda=_text(data["driver_cuda"]),
        gpus=tuple(_gpu(gpu) for gpu in data["gpus"]),
        problem=_text(data.get("problem")),
        absent=bool(data.get("absent")),
        host=str(data.get("host") or ""),
        hidden=bool(data.get("hidden")),
        libraries=tuple(str(path) for path in data.get("libraries") or ()),
    )


def _gpu(data: Mapping[str, Any]) -> Gpu:
    return Gpu(
        name=str(data["name"]),
        uuid=_text(data.get("uuid")),
        memory_total=_number(data.get("memory_total")),
        memory_used=_number(data.get("memory_used")),
        capability=_text(data.get("capability")),
        vendor=str(data.get("vendor") or "nvidia"),
        unified=bool(data.get("unified")),
        mig=data.get("mig"),
        slices=tuple(_gpu(piece) for piece in data.get("slices") or ()),
        ecc=data.get("ecc"),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _number(value: Any) -> int | None:  # noqa: ANN401 (JSON)
    return None if value is None else int(value)
