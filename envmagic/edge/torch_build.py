"""What the torch on the disk is built for, read without importing it."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from envmagic.core.cuda_build import TORCH
from envmagic.core.model import TorchBuild
from envmagic.edge.record import code_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

    from envmagic.core.model import Snapshot

_LIBRARIES = ("libtorch_python.so", "torch_python.dll")
_MOST = 64 * 1024
"""More than any `version.py` has: another file than we take it for is not read whole."""
_CODES = re.compile(rb"(?:(?:sm|compute)_\d{2,3}[a-z]?(?: +|\Z))+")
_CODE = 512
"""More bytes than a list of architectures has on either side of one of them."""
_PIECE = 128 * 1024
"""What is read at once: it stays in the cache of the processor."""


def read_torch_build(snapshot: Snapshot) -> TorchBuild | None:
    """Return what the torch that is imported is built for; None: there is none, or no knowing."""
    torch = next((d for d in snapshot.distributions if d.name == TORCH), None)
    if torch is None:
        return None
    package = Path(code_folder(torch), "torch")
    said = _read_version(package / "version.py")
    version, cuda = said.get("__version__"), said.get("cuda")
    if not version or "cuda" not in said:
        return None
    return TorchBuild(
        version=version,
        cuda=cuda,
        hip=said.get("hip"),
        xpu=said.get("xpu"),
        architectures=_find_architectures(package / "lib") if cuda else (),
    )


def _read_version(path: Path) -> dict[str, str | None]:
    """Return the texts and the None that a `version.py` sets; nothing of it is run."""
    try:
        with path.open("rb") as file:
            tree = ast.parse(file.read(_MOST))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    return {
        target.id: value.value
        for statement in tree.body
        for target, value in _assignments(statement)
        if isinstance(target, ast.Name) and isinstance(value, ast.Constant)
        if value.value is None or isinstance(value.value, str)
    }


def _assignments(statement: ast.stmt) -> Iterator[tuple[ast.expr, ast.expr]]:
    if isinstance(statement, ast.Assign):
        yield from ((target, statement.value) for target in statement.targets)
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        yield statement.target, statement.value


def _find_architectures(folder: Path) -> tuple[str, ...]:
    """Return what `torch.cuda.get_arch_list()` would; empty: it is not to be found."""
    for name in _LIBRARIES:
        path = folder / name
        try:
            status = path.stat()
            return _read_architectures(str(path), status.st_mtime_ns, status.st_size)
        except OSError:
            continue
    return ()


@lru_cache(maxsize=8)
def _read_architectures(path: str, _changed: int, _size: int) -> tuple[str, ...]:
    """Return the architectures that stand in a library as one text, for this state of it.

    `CUDA_ARCH_FLAGS` of torch's build, `sm_75 sm_80 sm_90`. A regular expression over the
    whole would take thirty times as long, and a map of a file that is cut short is death.
    """
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 (a text)
        for anchor in (b" sm_", b"\0sm_"):  # the second: a build for one alone
            file.seek(0)
            for window in _windows(file):
                if codes := _find_codes(window, anchor):
                    return tuple(codes.decode("ascii").split())
    return ()


def _windows(file: FileIO) -> Iterator[bytes]:
    """Yield a file piece by piece, each with the end of the one before it."""
    window = b""
    while piece := file.read(_PIECE):
        window = window[-2 * _CODE :] + piece
        yield window


def _find_codes(window: bytes, anchor: bytes) -> bytes:
    """Return the first list of architectures that has this text in it; empty: there is none."""
    at = window.find(anchor)
    while at >= 0:
        if codes := _text_around(window, at + 1):
            return codes
        at = window.find(anchor, at + 1)
    return b""


def _text_around(window: bytes, at: int) -> bytes:
    """Return the text, from one zero byte to the next, if it is a list of architectures."""
    start = window.rfind(b"\0", max(0, at - _CODE), at)
    end = window.find(b"\0", at, at + _CODE)
    text = window[start + 1 : end] if 0 <= start < end else b""
    return text if _CODES.fullmatch(text) else b""
