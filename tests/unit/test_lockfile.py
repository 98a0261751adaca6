"""Which file is the lock where none is named."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from envmagic.core.lock import LockError
from envmagic.edge.lockfile import find_lock, list_locks, read_lock
from envmagic.edge.probe import look_at_platform

if TYPE_CHECKING:
    from pathlib import Path


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_text("six==1.16.0\n", "utf-8")
    return folder


@pytest.mark.parametrize("name", ["first_env.txt", "requirements.lock", "requirements.txt"])
def test_the_only_one_is_taken(tmp_path: Path, name: str) -> None:
    assert find_lock(fill(tmp_path, name, "notes.txt")) == name


def test_what_cannot_be_read_yet_is_passed_over(tmp_path: Path) -> None:
    assert find_lock(fill(tmp_path, "pylock.toml", "requirements.txt")) == "requirements.txt"


def test_what_cannot_be_read_yet_is_told_so_where_it_is_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(fill(tmp_path, "pylock.toml"))
    with pytest.raises(LockError, match="not supported by this version yet"):
        read_lock(find_lock(tmp_path), look_at_platform())


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "no lock file in"),
        (("first_env.txt", "requirements.txt", "pylock.toml"), "several lock files in"),
    ],
)
def test_none_and_several(tmp_path: Path, names: tuple[str, ...], said: str) -> None:
    with pytest.raises(LockError) as caught:
        find_lock(fill(tmp_path, *names))
    assert caught.value.message.startswith(said)
    assert caught.value.hint.startswith("name one")
    assert "%" not in caught.value.hint
    assert "pylock" not in caught.value.message


def test_the_files_that_may_be_a_lock_are_listed_the_usual_names_first(tmp_path: Path) -> None:
    fill(tmp_path, "a_env.txt", "requirements.txt", "team.lock")
    (tmp_path / "notes.txt").write_text("to do == nothing\n# six==1.16.0\n", "utf-8")
    (tmp_path / "data.txt").write_bytes(b"\xff\x00" * 100)
    (tmp_path / "folder.txt").mkdir()
    assert list_locks(tmp_path) == ["requirements.txt", "a_env.txt", "team.lock"]


def test_no_pipe_is_opened_nor_what_cannot_be_named(tmp_path: Path) -> None:
    """Who opens a pipe waits until somebody writes into it."""
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    (tmp_path / "gone.txt").symlink_to("nothing")
    (tmp_path / "linked.txt").symlink_to(fill(tmp_path, "team.lock") / "team.lock")
    fill(tmp_path, "\udcff.txt", "new\nline.txt", "日本.txt")
    assert list_locks(tmp_path) == ["linked.txt", "team.lock", "日本.txt"]
    assert list_locks(tmp_path / "none") == []


def test_a_folder_full_of_data_is_not_read_through(tmp_path: Path) -> None:
    fill(tmp_path, *(f"{number:04}.txt" for number in range(1000)), "zz.lock", "requirements.txt")
    found = list_locks(tmp_path)
    assert found[0] == "requirements.txt"
    assert "zz.lock" in found
    assert 100 < len(found) < 300


def test_what_has_changed_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("six, 1.16.0\n", "utf-8")
    status = file.stat()
    assert list_locks(tmp_path) == []
    time.sleep(0.02)  # a file system's clock may be late by some milliseconds
    file.write_text("six==1.16.0\n", "utf-8")  # as long, in the same place
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert list_locks(tmp_path) == ["notes.txt"]
    file.unlink()
    assert list_locks(tmp_path) == []
