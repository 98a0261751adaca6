"""Which version of a project is in memory, whatever the disk has become since."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from envmagic.core.model import Distribution, canonical_name
from envmagic.edge.loaded import UNKNOWN, LoadedVersions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from envmagic.core.model import Name

MINE = canonical_name("mine")
LATER = 0.0
"""A process that began before everything here."""


class Site:
    """A folder of modules, whose one project comes, changes and goes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.versions = LoadedVersions()
        self.there: dict[Name, Distribution] = {}

    def install(self, version: str, code: str = "", more: str = "") -> None:
        """Put a version in the place of another one, as pip does."""
        self.uninstall()
        info = self.folder / f"mine-{version}.dist-info"
        for path, text in {
            self.folder / "em_mine/__init__.py": code,
            self.folder / "em_mine/version.py": more,
            info / "RECORD": "em_mine/__init__.py,,\nem_mine/version.py,,\n",
        }.items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        self.there[MINE] = Distribution(
            name=MINE, version=Version(version), location=str(self.folder), metadata=info.name
        )

    def uninstall(self) -> None:
        """Take away what is there."""
        self.there.clear()
        for entry in list(self.folder.iterdir()):
            shutil.rmtree(entry)

    def load(self) -> None:
        """Import it."""
        importlib.invalidate_caches()
        importlib.import_module("em_mine")

    def look(self, since: float | None = LATER) -> None:
        """Look at the disk, as a comparison does."""
        self.versions.look(self.there.values(), since)

    @property
    def stale(self) -> tuple[str, ...]:
        """Why a restart is needed."""
        return self.versions.stale(self.there)

    @property
    def told(self) -> str | None:
        """The version in memory; None: it is not loaded."""
        return self.versions.versions(self.there.values()).get(MINE)

    @property
    def is_doubted(self) -> bool:
        """Whether that is not known."""
        return self.versions.doubtful(self.there) == (MINE,)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield Site(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "em_mine"]:
        del sys.modules[name]


def test_what_was_loaded_at_the_last_look_is_what_was_there_then(site: Site) -> None:
    site.install("1.0")
    site.look(None)
    assert (site.told, site.stale) == (None, ())
    site.load()
    site.look(None)
    assert (site.told, site.stale) == ("1.0", ())
    site.install("2.0")
    site.look(None)
    assert (site.told, site.stale) == ("1.0", ("`mine` 1.0 is loaded, 2.0 is on disk",))
    site.install("1.0")
    site.look(None)
    assert (site.told, site.stale) == ("1.0", ())
    site.uninstall()
    site.look(None)
    assert site.stale == ("`mine` 1.0 is loaded, and no longer on disk",)


def test_what_was_imported_while_nothing_changed_came_from_that(site: Site) -> None:
    site.install("1.0")
    site.look(None)
    site.load()
    site.versions.settle()
    site.install("2.0")
    site.look(None)
    assert site.stale == ("`mine` 1.0 is loaded, 2.0 is on disk",)


def test_what_was_not_there_before_is_loaded_as_it_is(site: Site) -> None:
    site.install("0.1")
    site.look()
    site.uninstall()
    site.versions = LoadedVersions()
    other = canonical_name("other")
    site.versions.look([Distribution(name=other, version=Version("1"))], LATER)
    site.install("1.0")
    site.load()
    site.look()
    assert (site.told, site.stale, site.is_doubted) == ("1.0", (), False)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("__version__ = '1.0'", "1.0"),
        ("__version__ = '1.0.0'", "1.0"),
        ("__version__ = '.'.join('09')", "0.9"),
        ("__version__ = '0.9'", "1.0"),  # OpenCV's own way: the disk tells that, too
        ("from em_mine.version import __version__", "1.0"),
        ("__version__ = 'of late'", UNKNOWN),
        ("__version__ = 1.0", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_what_came_after_the_kernel_is_asked_itself(site: Site, code: str, told: str) -> None:
    site.install("1.0", code, "__version__ = '0.8'")
    site.load()
    site.look()
    assert site.told == told
    assert site.is_doubted is (told == UNKNOWN)
    assert site.stale == (("`mine` 0.9 is loaded, 1.0 is on disk",) if told == "0.9" else ())


def test_what_changed_again_under_an_unknown_version_is_stale(site: Site) -> None:
    site.install("1.0")
    site.load()
    site.look()
    assert site.is_doubted
    site.install("2.0")
    site.look()
    assert site.told == UNKNOWN
    assert not site.is_doubted
    assert site.stale == ("`mine` was loaded before 2.0 came on the disk",)


def test_what_is_about_to_change_is_remembered_as_it_is(site: Site) -> None:
    site.install("1.0")
    site.load()
    site.look()
    site.versions.remember({MINE: "7.0"})  # too late: it is known to be unknown
    assert site.told == UNKNOWN
    site.versions = LoadedVersions()
    site.look(None)
    site.versions.remember({MINE: "1.0"})
    site.install("2.0")
    site.look(None)
    assert site.stale == ("`mine` 1.0 is loaded, 2.0 is on disk",)


def test_what_was_there_before_the_kernel_is_what_is_loaded(site: Site) -> None:
    site.install("1.0")
    site.load()
    site.look(time.time() + 10)
    assert (site.told, site.is_doubted) == ("1.0", False)


def test_a_link_out_of_a_cache_came_when_it_was_made(site: Site) -> None:
    """The times of its files are those of the cache (uv links them)."""
    site.install("1.0")
    for path in site.folder.rglob("*"):
        os.utime(path, (1, 1))
    site.load()
    site.look(1.0)
    assert site.is_doubted
