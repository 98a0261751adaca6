"""What will be installed, laid out in folders as if it were, for the Python of a build."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from envmagic.core.model import Name

_SHEBANG = b"#!/usr/bin/env python\n"
"""The Python of the build: the first on its path."""
_OLD_SHEBANG = re.compile(rb"\A#![^\n]*python[^\n]*\n")
_LAUNCHER = """\
import sys
from {module} import {name}
sys.exit({call}())
"""
_START = """\
import site
for folder in {folders}:
    site.addsitedir(folder)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Coming:
    """One distribution that will be there: a wheel, or entries of a folder that stay."""

    name: Name
    version: str
    wheel: str = ""
    location: str = ""
    entries: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The folders that Python must look into, and the one with the programs."""

    folders: tuple[Path, ...]
    programs: Path


def read_future(path: Path) -> tuple[Coming, ...]:
    """Return what `describe_future` wrote."""
    entries = json.loads(path.read_text("utf-8"))
    return tuple(Coming(**entry) for entry in entries)


def lay_out(coming: Iterable[Coming], folder: Path, without: Container[Name] = ()) -> Layout:
    """Unpack the wheels that will be installed, and link to what stays."""
    new, old, start, programs = (folder / name for name in ("new", "old", "start", "programs"))
    for made in (new, old, start, programs):
        made.mkdir()
    for found in coming:
        if found.name in without:
            continue
        if found.wheel:
            _unpack(Path(found.wheel), new, programs)
        for name in found.entries:
            _link(Path(found.location, name), old / name)
        for program in found.programs:
            _link_program(Path(program), programs)
    _launch(new, old, programs=programs)
    # The `.pth` of an editable, which is read in a site folder alone.
    text = _START.format(folders=[str(new), str(old)])
    (start / "sitecustomize.py").write_text(text, "utf-8")
    return Layout(folders=(start, new, old), programs=programs)


def _link(path: Path, link: Path) -> None:
    if not os.path.lexists(link):
        link.symlink_to(path)


def _link_program(path: Path, programs: Path) -> None:
    """Link to a program that stays; one in Python gets the Python of the build."""
    try:
        content = path.read_bytes()
    except OSError:
        return
    if _OLD_SHEBANG.match(content):
        _write_program(programs, path.name, content)
    else:
        _link(path, programs / path.name)


def _launch(*folders: Path, programs: Path) -> None:
    """Write the programs that entry points stand for."""
    for folder in folders:
        for path in folder.glob("*/entry_points.txt"):
            for name, target in _read_entries(path):
                module, _, call = target.partition("[")[0].replace(" ", "").partition(":")
                if module and call:
                    text = _LAUNCHER.format(module=module, name=call.split(".")[0], call=call)
                    _write_program(programs, name, _SHEBANG + text.encode())


def _read_entries(path: Path) -> Iterator[tuple[str, str]]:
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(path.read_text("utf-8"))
        yield from parser.items("console_scripts")
    except (OSError, UnicodeDecodeError, configparser.Error):
        return


def _write_program(programs: Path, name: str, content: bytes) -> None:
    target = programs / Path(name).name
    if target == programs or target.name == "..":
        return
    target.unlink(missing_ok=True)
    target.write_bytes(_OLD_SHEBANG.sub(_SHEBANG, content))
    target.chmod(0o700)


def _unpack(wheel: Path, folder: Path, programs: Path) -> None:
    """Unpack what of a wheel a build can import or call; what is executable stays so."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            parts = member.filename.split("/")
            part = parts[1] if parts[0].endswith(".data") and parts[1:] else ""
            if part == "scripts" and not member.is_dir():
                _write_program(programs, parts[-1], archive.read(member))
            elif part in {"", "purelib", "platlib"}:
                _unpack_one(archive, member, folder, parts[2:] if part else parts)


def _unpack_one(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, parts: list[str]
) -> None:
    target = folder.joinpath(*parts)
    if member.is_dir() or ".." in parts or not target.is_relative_to(folder):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as content, target.open("wb") as file:
        shutil.copyfileobj(content, file)
    if member.external_attr >> 16 & 0o111:
        target.chmod(0o700)
