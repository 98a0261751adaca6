"""Where pip looks by its own configuration: its variables, and its files."""

from __future__ import annotations

import configparser
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envmagic.core.model import Platform

_PLACES = ("index-url", "extra-index-url")


def configured_places(platform: Platform) -> tuple[str, ...]:
    """Return what pip is configured to ask, as the option lines of a lock; may carry secrets."""
    found: dict[str, str] = {}
    for file in _files(platform):
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read(file, "utf-8")
        except (configparser.Error, UnicodeDecodeError, OSError):
            continue  # pip itself will tell
        for section in ("global", "wheel"):
            if parser.has_section(section):
                found |= {name: value for name, value in parser.items(section) if name in _PLACES}
    variables = ((name, f"PIP_{name.upper().replace('-', '_')}") for name in _PLACES)
    found |= {name: os.environ[variable] for name, variable in variables if variable in os.environ}
    return tuple(f"--{name} {url}" for name, value in found.items() for url in value.split())


def places_of(options: Iterable[str], platform: Platform) -> tuple[str, ...]:
    """Return option lines that say where things are fetched from, pip's own after them."""
    options = tuple(options)
    if "--no-index" in options:
        return options
    named = any(option.startswith(("-i", "--index-url")) for option in options)
    more = configured_places(platform)
    return (*options, *(place for place in more if not (named and place.startswith("--index"))))


def _files(platform: Platform) -> list[Path]:
    """Return pip's files, the last one counts most (`get_configuration_files` in pip)."""
    named = os.environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return []
    shared = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    own = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    folders = [*(Path(folder, "pip") for folder in shared.split(os.pathsep)), Path("/etc")]
    folders += [Path("~/.pip").expanduser(), own / "pip", Path(platform.prefix)]
    return [*(folder / "pip.conf" for folder in folders), *([Path(named)] if named else [])]
