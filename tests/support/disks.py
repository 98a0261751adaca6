"""File systems of a test's own: small ones, full ones, and such as have no hard links."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

from support.process import CommandError, run_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def tmpfs(folder: Path, *, megabytes: int = 200) -> Iterator[Path]:
    """Mount an empty disk of this size on a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with _mounted("-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder):
        yield folder


@contextlib.contextmanager
def apart(folder: Path, kind: str) -> Iterator[None]:
    """Mount a folder with all that is in it as a disk of its own (`tmpfs`), or as `bind`.

    A bind mount is the same disk with the same number, and no link or rename leads out.
    """
    if kind == "bind":
        with _mounted("--bind", folder, folder):
            yield
        return
    aside = folder.with_name(f"{folder.name}-aside")
    shutil.copytree(folder, aside, symlinks=True)
    with tmpfs(folder):
        shutil.copytree(aside, folder, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(aside)
        yield


@contextlib.contextmanager
def layered(folder: Path, layer: Path) -> Iterator[None]:
    """Mount an overlay on a folder, as a container does: what is written goes to `layer`."""
    for name in ("upper", "work"):
        (layer / name).mkdir()
    options = f"lowerdir={folder},upperdir={layer / 'upper'},workdir={layer / 'work'}"
    with _mounted("-t", "overlay", "-o", options, "overlay", folder):
        yield


@contextlib.contextmanager
def _mounted(*arguments: str | Path) -> Iterator[None]:
    run_process(["mount", *arguments], env=dict(os.environ), timeout=10)
    try:
        yield
    finally:
        # Whatever still stands in it must not keep the next test from its own.
        run_process(["umount", "--lazy", arguments[-1]], env=dict(os.environ), timeout=10)


def leave_free(folder: Path, free: int) -> None:
    """Fill a disk up; `make_room` undoes it."""
    make_room(folder)
    status = os.statvfs(folder)
    fill = status.f_bavail * status.f_frsize - free
    with (folder / "filler").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, fill)


def fill_up(folder: Path) -> bool:
    """Fill a disk up to the last byte, whoever else writes on it; whether it is full."""
    with (folder / "filler").open("ab") as file:
        for _ in range(1000):
            status = os.statvfs(folder)
            if status.f_bavail == 0:
                return True
            # Another may have taken what was free: then there is less of it next time.
            with contextlib.suppress(OSError):
                end = os.fstat(file.fileno()).st_size
                os.posix_fallocate(file.fileno(), end, status.f_bavail * status.f_frsize)
    return False


def can_mount(folder: Path) -> bool:
    """Whether disks can be had here: it takes root, and more than many containers allow."""
    try:
        with tmpfs(folder, megabytes=1):
            return True
    except (OSError, CommandError):
        return False


def make_room(folder: Path) -> None:
    """Take away what fills a disk up."""
    (folder / "filler").unlink(missing_ok=True)
