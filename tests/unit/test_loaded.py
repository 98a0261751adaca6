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

from envmagic.core.model import Distribution, Name, Source, SourceKind, canonical_name
from envmagic.edge.loaded import UNKNOWN, LoadedVersions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MINE = canonical_name("mine")
OTHER = canonical_name("other")
BEFORE = 0.0
"""When a process began that was there before all that is on the disk."""


class Site:
    """A folder of modules, where projects come, change and go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.versions = LoadedVersions()
        self.there: dict[Name, Distribution] = {}

    def install(
        self,
        version: str = "1.0",
        code: str = "",
        name: Name = MINE,
        more: Mapping[str, str] | None = None,
    ) -> None:
        """Put a version in the place of another one, as pip does."""
        self.uninstall(name)
        files = {"__init__": code, **(more or {})}
        modules = {f"em_{name}/{module}.py": text for module, text in files.items()}
        self.put(version, modules, name)

    def put(self, version: str, modules: Mapping[str, str], name: Name = MINE) -> None:
        """Install these modules, beside whatever is there."""
        info = self.folder / f"{name}-{version}.dist-info"
        record = "".join(f"{file},,\n" for file in modules)
        for file, text in {**modules, f"{info.name}/RECORD": record}.items():
            path = self.folder / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        self.there[name] = Distribution(
            name=name, version=Version(version), location=str(self.folder), metadata=info.name
        )

    def uninstall(self, name: Name = MINE) -> None:
        """Take a project away."""
        if self.there.pop(name, None) is not None:
            for entry in [*self.folder.glob(f"em_{name}*"), *self.folder.glob(f"{name}-*")]:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def load(self, module: str = "em_mine") -> None:
        """Import something."""
        importlib.invalidate_caches()
        importlib.import_module(module)

    def look(self, since: float | None = BEFORE) -> None:
        """Look at the disk, as a comparison does."""
        self.versions.look(self.there.values(), self.versions.mark(), since)

    @property
    def stale(self) -> tuple[str, ...]:
        """Why a restart is needed."""
        return self.versions.compare(self.there).stale

    @property
    def told(self) -> str | None:
        """The version in memory; None: it is not loaded."""
        return self.versions.versions(self.there.values()).get(MINE)

    @property
    def doubtful(self) -> tuple[Name, ...]:
        """What may be another version than that on the disk."""
        return self.versions.compare(self.there).doubtful


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield Site(tmp_path)
    for name in [name for name in sys.modules if name.startswith("em_")]:
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


def test_what_was_uninstalled_is_still_loaded(site: Site) -> None:
    site.install()
    site.look(None)
    site.load()
    site.versions.settle()
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


def test_what_was_imported_after_a_change_that_nobody_saw_is_asked_itself(site: Site) -> None:
    site.install("1.0")
    site.look(None)
    site.install("2.0", "__version__ = '2.0'")
    site.load()
    site.versions.settle()  # what is on the disk is not what was seen there
    assert not site.told
    site.look(None)
    assert (site.told, site.stale) == ("2.0", ())


@pytest.mark.parametrize("after", ["module", "elsewhere", "no-record", "editable"])
def test_what_was_loaded_is_known_whatever_comes_in_its_place(
    site: Site, tmp_path: Path, after: str
) -> None:
    site.install("1.0")
    site.look(None)
    site.load()
    site.versions.settle()
    site.uninstall()
    if after == "module":
        site.put("2.0", {"em_mine.py": ""})
    else:
        site.install("2.0")
    if after == "no-record":
        (site.folder / "mine-2.0.dist-info/RECORD").unlink()
    if after == "elsewhere":
        site.there[MINE] = Distribution(
            name=MINE, version=Version("2.0"), location="/elsewhere", metadata="mine-2.0.dist-info"
        )
    if after == "editable":
        source = Source(kind=SourceKind.DIRECTORY, url=(tmp_path / "t").as_uri(), editable=True)
        site.there[MINE] = Distribution(name=MINE, version=Version("2.0"), source=source)
    site.look(None)
    assert site.stale == ("`mine` 1.0 is loaded, 2.0 is on disk",)


def test_what_was_not_there_before_is_loaded_as_it_is(site: Site) -> None:
    site.install(name=OTHER)
    site.look()
    site.install("1.0")
    site.load()
    site.look()
    assert (site.told, site.stale, site.doubtful) == ("1.0", (), ())


def test_unless_it_says_another_thing(site: Site) -> None:
    """`%pip install mine==0.9`, an import, `%pip install mine==1.0`, and only then a look."""
    site.install(name=OTHER)
    site.look()
    site.install("0.9", "__version__ = '0.9'")
    site.load()
    site.install("1.0", "__version__ = '1.0'")
    site.look()
    assert site.stale == ("`mine` 0.9 is loaded, 1.0 is on disk",)


def test_a_file_system_whose_clock_ticks(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes a moment after a look may bear the time of a moment before it."""
    site.install(name=OTHER)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    site.look()
    site.install("0.9", "__version__ = '0.9'")
    site.load()
    site.install("1.0", "__version__ = '1.0'")
    os.utime(site.folder / "mine-1.0.dist-info", (now - 0.004, now - 0.004))
    site.look()
    assert site.stale == ("`mine` 0.9 is loaded, 1.0 is on disk",)


@pytest.mark.parametrize(
    ("loaded", "there", "told"),
    [
        ("__version__ = '1.0'", "", "1.0"),
        ("__version__ = '1.0.0'", "", "1.0"),
        ("__version__ = '0.9'", "__version__ = '1.0'", "0.9"),
        ("__version__ = '0.9'", "version = '1.0'\n__version__: str = version", "0.9"),
        ("__version__ = '0.9'", "# 0.9 had no...\n__version__ = '1.0'", "0.9"),
        ("__version__ = '4.9'", "__version__ = '4.9'", "1.0"),  # OpenCV tells another one
        ("__version__ = '4.8'", "__version__ = '4.9'", UNKNOWN),
        ("__version__ = '4.9'", "__version__ = '.'.join('49')", UNKNOWN),
        ("from .version import __version__", "from .version import __version__", "0.8"),
        ("from .deep import __version__", "from .deep import __version__", UNKNOWN),
        ("__version__ = 'of late'", "__version__ = 'of late'", UNKNOWN),
        ("__version__ = 1.0", "__version__ = 1.0", UNKNOWN),
        ("", "", UNKNOWN),
        ("", "this is no Python", UNKNOWN),
    ],
)
def test_what_came_after_the_kernel_is_asked_itself(
    site: Site, loaded: str, there: str, told: str
) -> None:
    deep = {"deep": "__version__ = '7.0'"}
    site.install("0.9", loaded, more=deep | {"version": "__version__ = '0.8'"})
    site.load()
    site.install("1.0", there, more=deep | {"version": "__version__ = '1.0'"})
    site.look()
    assert site.told == told
    assert site.doubtful == ((MINE,) if told == UNKNOWN else ())
    known = told not in {UNKNOWN, "1.0"}
    assert site.stale == ((f"`mine` {told} is loaded, 1.0 is on disk",) if known else ())


def test_what_changed_again_under_an_unknown_version_is_stale(site: Site) -> None:
    site.install("1.0")
    site.load()
    site.look()
    assert site.doubtful == (MINE,)
    (site.folder / "mine-1.0.dist-info").chmod(0o750)  # who owns it, and so on, is not the matter
    assert site.doubtful == (MINE,)
    site.install("2.0")
    site.look()
    assert site.told == UNKNOWN
    assert not site.doubtful
    assert site.stale == ("`mine` was loaded before 2.0 came on the disk",)


def test_what_was_loaded_again_is_not_stale(site: Site) -> None:
    site.install("1.0", "__version__ = '1.0'")
    site.load()
    site.look(None)
    site.install("2.0", "__version__ = '2.0'")
    site.look(None)
    assert site.stale
    importlib.reload(sys.modules["em_mine"])
    assert site.stale == ()


def mark(site: Site) -> None:
    """End a cell; a file system's clock may be late by some milliseconds."""
    time.sleep(0.02)
    site.versions.mark()
    time.sleep(0.02)


def test_what_was_imported_in_a_later_cell_is_what_came(site: Site) -> None:
    mark(site)
    site.install("1.0")
    mark(site)
    site.load()
    mark(site)
    site.look()
    assert (site.told, site.doubtful, site.stale) == ("1.0", (), ())


@pytest.mark.parametrize("was_seen", [True, False])
def test_what_was_imported_in_an_earlier_cell_is_what_was_there(
    site: Site,
    was_seen: bool,  # noqa: FBT001 (a case)
) -> None:
    site.install("1.0")
    if was_seen:
        site.look()
    site.load()
    mark(site)
    site.install("2.0")
    mark(site)
    site.look()
    known = "`mine` 1.0 is loaded, 2.0 is on disk"
    assert site.stale == (known if was_seen else "`mine` was loaded before 2.0 came on the disk",)
    assert site.doubtful == ()


def test_what_was_there_before_the_kernel_is_what_is_loaded(site: Site) -> None:
    site.install("1.0")
    site.load()
    site.look(time.time() + 10)
    assert (site.told, site.doubtful) == ("1.0", ())


def test_a_link_out_of_a_cache_came_when_it_was_made(site: Site) -> None:
    """The times of its files are those of the cache (uv links them)."""
    site.install("1.0")
    for path in site.folder.rglob("*.*"):
        if path.is_file():
            os.utime(path, (1, 1))
    site.load()
    site.look(1.0)
    assert site.doubtful == (MINE,)


def test_what_several_have_installed_tells_of_none(site: Site) -> None:
    """The root of a namespace, as pkgutil makes it."""
    root = {"em_ns/__init__.py": ""}
    site.put("1.0", root | {"em_ns/mine.py": ""})
    site.put("1.0", root | {"em_ns/other.py": ""}, OTHER)
    site.load("em_ns.mine")
    site.look(None)
    assert site.versions.versions(site.there.values()) == {MINE: "1.0"}
    site.load("em_ns.other")
    site.versions.settle()
    assert site.versions.versions(site.there.values()) == {MINE: "1.0", OTHER: "1.0"}


@pytest.mark.parametrize("name", [MINE, OTHER])
def test_projects_that_came_at_the_same_instant_are_not_taken_for_each_other(
    site: Site, name: Name
) -> None:
    """As in an image that is built to be the same each time."""
    site.install("1.0")
    site.install("1.0", name=OTHER)
    for info in site.folder.glob("*.dist-info"):
        os.utime(info, (1, 1))
    site.load(f"em_{name}")
    site.look(None)
    assert site.versions.versions(site.there.values()) == {name: "1.0"}


def test_without_a_record_it_is_known_by_its_name(site: Site) -> None:
    site.install("1.0")
    (site.folder / "mine-1.0.dist-info/RECORD").unlink()
    (site.folder / "mine-1.0.dist-info/top_level.txt").write_text("em_mine\n")
    site.look(None)
    site.load()
    site.look(None)
    assert site.told == "1.0"
