"""Where pip looks by its own configuration: its variables, and its files."""

from __future__ import annotations

import configparser
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envmagic.core.model import Platform

_COMMAND = "wheel"
_ONE = {"index-url": "index-url", "pypi-url": "index-url"}
_MANY = ("extra-index-url", "find-links")
_TRUE = {"y", "yes", "t", "true", "on", "1"}


def configured_places(platform: Platform) -> tuple[str, ...]:
    """Return what pip is configured to ask, as the option lines of a lock; may carry secrets."""
    found: dict[str, list[str]] = {}
    for name, value in _configured(platform):
        if name in _ONE:
            found[_ONE[name]] = [f"--index-url {value}"]
        elif name in _MANY:
            found[name] = [f"--{name} {url}" for url in value.split()]
        elif name == "no-index":
            found[name] = ["--no-index"] if value.lower() in _TRUE else []
    return tuple(line for lines in found.values() for line in lines)


def _configured(platform: Platform) -> Iterator[tuple[str, str]]:
    """Yield the options as pip reads them: of two the later counts, and an empty one is none.

    `ConfigOptionParser` in pip: a section of its own command counts more than `[global]`,
    whichever file has it, and a variable more than both.
    """
    sections: dict[str, dict[str, str]] = {"global": {}, _COMMAND: {}, "": {}}
    for file in _files(platform):
        for section, options in _read(file).items():
            if section in sections:
                sections[section] |= options
    variables = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    sections[""] = {_normalize(name[4:]): value for name, value in variables.items()}
    for options in sections.values():
        yield from ((name, value) for name, value in options.items() if value)


class _Parser(configparser.RawConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return _normalize(optionstr)


def _normalize(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("--")


def _read(file: Path) -> dict[str, dict[str, str]]:
    parser = _Parser()
    try:
        parser.read(file, "utf-8")
    except (configparser.Error, UnicodeDecodeError, OSError):
        return {}  # pip itself will tell
    return {section: dict(parser.items(section)) for section in parser.sections()}


def places_of(options: Iterable[str], platform: Platform) -> tuple[str, ...]:
    """Return option lines that say where things are fetched from, pip's own after them."""
    options = tuple(options)
    named = any(option.startswith(("-i", "--index-url")) for option in options)
    more = configured_places(platform)
    places = (*options, *(place for place in more if not (named and place.startswith("--index"))))
    if "--no-index" in places:
        return tuple(place for place in places if place.startswith(("-f", "--find-links")))
    return places


def _files(platform: Platform) -> list[Path]:
    """Return pip's files, the last one counts most (`iter_config_files` in pip)."""
    named = os.environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return []
    shared = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    folders = [*(Path(folder, "pip") for folder in shared.split(os.pathsep)), Path("/etc")]
    if not (named and Path(named).exists()):  # which stands for the user's own
        own = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
        folders += [Path("~/.pip").expanduser(), Path(own).expanduser() / "pip"]
    folders.append(Path(platform.prefix))
    return [*(folder / "pip.conf" for folder in folders), *([Path(named)] if named else [])]
