"""The lock, the journal and what is left of a change, without any pip."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from envmagic.change import rescue
from envmagic.change.history import (
    Limits,
    find_untold,
    kept_bytes,
    mark_told,
    prune,
    read_history,
)
from envmagic.change.rescue import RescueError, put_back
from envmagic.change.stash import Footprint, Stash
from envmagic.change.transaction import hold_environment, recover
from envmagic.face.view import past_line

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
        "format": rescue.FORMAT,
        "base": str(home.parent.resolve()),
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
    """The file that was put by is gone: that is told once, and is not tried again."""
    site = home.parent / "site"
    site.mkdir()
    make_change(home, 1, {str(site): folder({"a.py": [0, 0, 1, 2, 3], "b.py": None})})
    (past,) = recover(home)
    assert past.state == "failed"
    assert "a.py" in past.problems[-1]
    assert "could not be put back" in past_line(past)
    mark_told(past.folder)
    (site / "b.py").write_text("mended by its user")
    assert recover(home) == []
    with hold_environment(home):
        pass
    assert (site / "b.py").exists()
    assert past.folder.exists()


def test_a_journal_is_read_in_the_terms_of_where_it_lies(tmp_path: Path) -> None:
    """A copied environment puts itself back, and never touches the other one."""
    site = tmp_path / "env" / "site"
    site.mkdir(parents=True)
    home = tmp_path / "env" / ".envmagic"
    home.mkdir()
    make_change(home, 1, {str(site): folder({"new.py": None})})
    (site / "new.py").write_text("")
    shutil.copytree(tmp_path / "env", tmp_path / "copy")
    (told,) = recover(tmp_path / "copy" / ".envmagic")
    assert told.state == "rolled_back"
    assert not (tmp_path / "copy" / "site" / "new.py").exists()
    assert (site / "new.py").exists()
    (tmp_path / "env").rename(tmp_path / "moved")
    (told,) = recover(tmp_path / "moved" / ".envmagic")
    assert told.state == "rolled_back"
    assert not (tmp_path / "moved" / "site" / "new.py").exists()
    assert not (tmp_path / "env").exists()


def test_a_copy_never_reaches_outside_of_itself(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    home = tmp_path / "env" / ".envmagic"
    home.mkdir(parents=True)
    make_change(home, 1, {str(elsewhere): folder({"new.py": None})})
    (elsewhere / "new.py").write_text("")
    shutil.copytree(tmp_path / "env", tmp_path / "copy")
    recover(tmp_path / "copy" / ".envmagic")
    assert (elsewhere / "new.py").exists()
    assert rescue.find_unfinished(str(tmp_path / "copy" / ".envmagic")) == []


def test_an_outcome_that_a_failed_commit_left_hides_nothing(home: Path) -> None:
    site = home.parent / "site"
    site.mkdir()
    change = make_change(home, 1, {str(site): folder({"new.py": None})}, "succeeded")
    (site / "new.py").write_text("")
    rescue.roll_back(str(change), ["a test"])
    assert not (site / "new.py").exists()
    assert [past.state for past in recover(home)] == ["rolled_back"]


def test_a_journal_of_another_format_is_not_acted_on(home: Path) -> None:
    site = home.parent / "site"
    site.mkdir()
    change = make_change(home, 1, {str(site): folder({"new.py": None})})
    (site / "new.py").write_text("")
    journal = json.loads((change / rescue.JOURNAL).read_text())
    (change / rescue.JOURNAL).write_text(json.dumps(journal | {"format": 2}))
    with pytest.raises(rescue.RescueError):
        rescue.roll_back(str(change), ["a test"])
    assert (site / "new.py").exists()


def test_a_door_is_ascii_and_goes_by_its_own_prefix() -> None:
    text = rescue.door_text("/é/.envmagic/rescue.py", "/é/lib/site-packages/x.pth", "/é")
    assert text.isascii()
    assert "/" not in text.partition("join(sys.prefix, '")[2].partition(".envmagic")[0]


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
    (past,) = read_history(home)
    assert (past.title, kept_bytes([past])) == ("sync 3", {past.folder: 100})


def test_what_changes_share_is_counted_once(home: Path) -> None:
    """After a sync, its undo and the sync again, two of them hold the same old files."""
    files = [make_change(home, number, {}, "succeeded") / "files" for number in (1, 2, 3)]
    (files[0] / "0").write_bytes(b"x" * 100)
    (files[2] / "0").hardlink_to(files[0] / "0")
    (files[1] / "0").write_bytes(b"y" * 10)
    (home.parent / "used.py").hardlink_to(files[1] / "0")
    (files[0] / "1").write_bytes(b"z")

    def costs() -> list[int]:
        history = read_history(home)
        found = kept_bytes(history)
        return [found[past.folder] for past in history]

    rolled_back = make_change(home, 4, {})
    (rolled_back / rescue.JOURNAL).rename(rolled_back / rescue.ROLLED_BACK)
    rescue.write_outcome(str(rolled_back), "cancelled", [])
    mark_told(rolled_back)
    assert costs() == [0, 100, 0, 1]
    for change in files:
        mark_told(change.parent)
    prune(home, Limits(count=3, size=100))
    assert costs() == [100, 0]
    prune(home, Limits(count=3, size=99))
    assert costs() == []
    assert (home.parent / "used.py").exists()


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
