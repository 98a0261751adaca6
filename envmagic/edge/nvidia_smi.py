"""What `nvidia-smi` says of driver and GPUs, read: for where NVML itself cannot be asked."""

from __future__ import annotations

import re

from envmagic.core.report import Accelerator, Gpu

_EVER = ("index", "name", "uuid", "driver_version", "memory.total", "memory.used")
QUERIES = (
    (*_EVER, "compute_cap", "mig.mode.current", "ecc.mode.current"),
    _EVER,
)
"""What to ask for: of an unknown field, an older one refuses the whole."""
_MIB = 1024**2
_DRIVER = re.compile(r"<driver_version>\s*([\d.]+)\s*<")
_CUDA = re.compile(r"<cuda_version>\s*(?:(\d+\.\d+)|[^<]*?)\s*<", re.ASCII)
"""A release, or whatever it says where there is no libcuda: `N/A`, `Not Found`."""
_SILENT = {"", "N/A", "ERR!", "Not Supported"}
_NONE_OF_ITS_OWN = {"[N/A]", "N/A", "[Not Supported]", "Not Supported"}
"""What is said of the memory of a GPU that has that of the machine."""


def query_arguments(fields: tuple[str, ...]) -> list[str]:
    """Return the arguments that ask for these fields of each GPU, as `read_gpus` reads them."""
    return [f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]


DETAILS = ["-q", "-x"]
"""The arguments that ask for all else, as `read_machine` reads it: the CUDA of the driver."""


def read_gpus(said: str, fields: tuple[str, ...]) -> list[dict[str, str]]:
    """Return what is said of each GPU, by field; a line that is no such answer is none."""
    rows = [[cell.strip() for cell in line.split(",")] for line in said.splitlines()]
    return [
        dict(zip(fields, row, strict=True))
        for row in rows
        if len(row) == len(fields) and row[0].isdecimal()
    ]


def read_machine(gpus: list[dict[str, str]], details: str, no_cuda: str) -> Accelerator | None:
    """Return the driver and the GPUs; None: that was no answer.

    `no_cuda` is what it means that the driver has no CUDA here.
    """
    drivers = [*(_told(gpu["driver_version"]) for gpu in gpus), *_DRIVER.findall(details)]
    driver = next((driver for driver in drivers if driver), None)
    if driver is None:
        return None
    cuda = _CUDA.search(details)
    release = cuda[1] if cuda else None
    return Accelerator(
        driver=driver,
        driver_cuda=release,
        gpus=tuple(_gpu(gpu) for gpu in gpus),
        problem=no_cuda if cuda and release is None else None,
    )


def _told(cell: str) -> str | None:
    """Return what a cell says; None for `[N/A]`, `[GPU is lost]` and the like."""
    return None if cell in _SILENT or cell.startswith("[") else cell


def _gpu(said: dict[str, str]) -> Gpu:
    told = {field: _told(cell) for field, cell in said.items()}
    return Gpu(
        name=told["name"] or f"GPU {told['index']}",
        uuid=told["uuid"],
        memory_total=_bytes(told["memory.total"]),
        memory_used=_bytes(told["memory.used"]),
        capability=told.get("compute_cap"),
        unified=said["memory.total"] in _NONE_OF_ITS_OWN and told["name"] is not None,
        mig=_switch(told.get("mig.mode.current")),
        ecc=_switch(told.get("ecc.mode.current")),
    )


def _bytes(mebibytes: str | None) -> int | None:
    return int(mebibytes) * _MIB if mebibytes and mebibytes.isdecimal() else None


def _switch(words: str | None) -> bool | None:
    return None if words is None else words == "Enabled"
