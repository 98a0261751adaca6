"""The lock, the journal and what is left of a change, without any pip."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from envmagic.change import rescue
from envmagic.change.history import Limits, find_untold, mark_told, prune, read_history
from envmagic.change.rescue import RescueError, put_back
from envmagic.change.stash import Footprint, Stash
from envmagic.change.transaction import hold_environment, recover
from envmagic.core.errors import PolicyError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / ".envmagic"
    home.mkdir(mode=0o700)
    return home


def make_change(home: Path, number: int, folders: dict[str, object], state: str = "") -> Path:
    """Make a change as it lies on the disk; without a state it was killed."""
    change = home / f"change-{number}"
    (change / "files").mkdir(parents=True)
    journal = {
        "title": f"sync {number}",
        "began": number,
        "steps": [],
        "worker": 2**22 + 1,
        "door": str(home.parent / rescue.DOOR),
        "script": str(home / rescue.SCRIPT),
        "places": [],
        "folders": folders,
    }
    (change / rescue.JOURNAL).write_text(json.dumps(journal))
    if state:
        rescue.write_outcome(str(change), state, [])
    return change


def folder(entries: dict[str, object], *, whole: bool = False) -> dict[str, object]:
    return {"mode": 0o755, "whole": whole, "entries": entries}


def test_what_cannot_be_put_back_locks_nobody_out(home: Path) -> None:
    """The file that was put by is gone: each try says so, until somebody has mended it."""
    site = home.parent / "site"
    site.mkdir()
    change = make_change(home, 1, {str(site): folder({"a.py": [0, 0, 1, 2, 3]})})
    for _ in range(2):
        with (
            pytest.raises(PolicyError, match=r"could not be rolled back: .*a\.py"),
            hold_environment(home),
        ):
            pass
    (change / rescue.JOURNAL).unlink()
    with hold_environment(home):
        assert not change.exists()


def test_all_else_is_put_back_where_one_thing_cannot_be(tmp_path: Path) -> None:
    """Neither a folder in the way nor a lost file keeps the others from their places."""
    place, site = tmp_path / "place", tmp_path / "site"
    place.mkdir()
    (site / "b.py").mkdir(parents=True)  # somebody else's folder, where a file was
    (place / "0").write_text("was here")
    status = (place / "0").stat()
    entry = [0, 0, status.st_ino, status.st_size, status.st_mtime_ns]
    (tmp_path / "file").write_text("not a folder")
    folders = {
        str(site): folder({"a.py": entry, "b.py": [0, 1, 0, 0, 0], "new.py": None}),
        str(tmp_path / "file" / "below"): folder({}),
    }
    (site / "new.py").write_text("to go")
    with pytest.raises(RescueError) as raised:
        put_back(folders, [str(place)], consume=True)
    assert raised.value.paths == [str(tmp_path / "file" / "below"), str(site / "b.py")]
    assert (site / "a.py").read_text() == "was here"
    assert sorted(path.name for path in site.iterdir()) == ["a.py", "b.py"]


def test_leftovers_of_pip_are_the_changes_own_only_while_it_works(tmp_path: Path) -> None:
    folders = {str(tmp_path): folder({"~before": True})}
    for name in ("~before", "~since"):
        (tmp_path / name).mkdir()
    put_back(folders, [], consume=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["~before", "~since"]
    put_back(folders, [], consume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["~before"]


def test_what_nobody_was_told_of_keeps_its_words(home: Path) -> None:
    first = make_change(home, 1, {}, "succeeded")
    make_change(home, 2, {}, "succeeded")
    mark_told(first)
    prune(home, Limits(count=0))
    (untold,) = find_untold(home)
    assert (untold.title, untold.can_be_undone) == ("sync 2", False)
    assert recover(home) == [untold]
    mark_told(untold.folder)
    assert not home.exists()


def test_the_oldest_goes_first(home: Path) -> None:
    for number in (1, 2, 3):
        change = make_change(home, number, {}, "succeeded")
        (change / "files" / "0").write_bytes(b"x" * 100)
        mark_told(change)
    prune(home, Limits(count=3, size=250))
    assert [past.title for past in read_history(home)] == ["sync 3", "sync 2"]
    prune(home, Limits(count=1, size=250))
    assert [(past.title, past.kept_bytes) for past in read_history(home)] == [("sync 3", 100)]


def test_a_stash_takes_links_and_copies_what_is_written_in_place(tmp_path: Path) -> None:
    site, place = tmp_path / "site", tmp_path / "place"
    (site / "a" / "empty").mkdir(parents=True)
    place.mkdir()
    for name in ("a/m.py", "easy-install.pth", "mine.py"):
        (site / name).write_text(name)
    (site / "a" / "link").symlink_to("m.py")
    files = {str(site / name) for name in ("a/m.py", "a/link", "easy-install.pth", "new.py")}
    footprint = Footprint(files=frozenset(files), roots=frozenset({str(site)}))
    stash = Stash(place, "unused", lambda place: pytest.fail(f"{place} is not needed"))
    folders = stash.take(footprint)
    assert folders[str(site)].entries.keys() == {"easy-install.pth", "new.py"}
    assert folders[str(site)].entries["new.py"] is None
    assert folders[str(site / "a")].entries["link"] == "m.py"
    assert str(site / "a" / "empty") in folders
    linked = {(place / str(n)).stat().st_nlink for n in range(2)}
    assert linked == {1, 2}
    assert stash.copied == len("easy-install.pth")
