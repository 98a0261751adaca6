"""What is put by before a change, on full disks and odd ones."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from support.disks import apart, layered, leave_free, make_room, tmpfs
from support.slow import add_many
from support.story import AT_A_TERMINAL, QUIET, Story
from support.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.environment import Environment, Manifest

pytestmark = pytest.mark.live

_PLACE = ".envmagic-change-"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Wheelhouse:
    house = Wheelhouse.standard(tmp_path_factory.mktemp("house"))
    add_many(house)
    house.add("collides", "1.0", files={"collides/x": "", "collides/x/y": ""})
    house.add("huge", "1.0", files={"huge/data.txt": os.urandom(6_000_000).hex()})
    return house


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with tmpfs(tmp_path / "disk") as folder:
        yield folder


@pytest.fixture
def on_disk(disk: Path, bare_environment: Environment, house: Wheelhouse) -> Story:
    """A whole environment on a disk of 200 MB, with thousands of files to lose."""
    environment = bare_environment.copy(disk / "environment", link=False)
    environment.install(house, "alpha==1.0", "many==1.0")
    story = Story(environment, house)
    story.write("alpha==2.0")
    return story


def undo(environment: Environment, *options: str, code: int = 0) -> str:
    done = environment.run("-m", "envmagic", "undo", "--yes", *options, check=False, env=QUIET)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_full_disk_while_the_journal_is_written(on_disk: Story, disk: Path) -> None:
    """The wheel still fits, the list of all that would be taken away does not."""
    before = on_disk.environment.manifest()
    leave_free(disk, 200_000)
    done = on_disk.sync(code=3)
    assert "cannot be used: No space left on device; nothing was changed" in done.stderr
    assert "free some space" in done.stderr
    assert on_disk.environment.manifest() == before
    assert not list((on_disk.environment.prefix / ".envmagic").glob("change-*"))
    make_room(disk)
    on_disk.sync()


def test_a_full_disk_while_pip_installs(on_disk: Story, disk: Path) -> None:
    """Not a byte is free when it is put back: neither pip nor anybody has tidied up."""
    on_disk.write("alpha==2.0", "huge==1.0")
    before = on_disk.environment.manifest()
    leave_free(disk, 13_000_000)
    done = on_disk.sync(code=4)
    assert "No space left on device" in done.stderr + done.stdout
    assert "everything was put back" in done.stderr + done.stdout
    assert on_disk.environment.manifest() == before
    make_room(disk)
    on_disk.sync()
    assert on_disk.diff()["parity"]


def test_an_undo_on_a_full_disk(on_disk: Story, disk: Path) -> None:
    environment = on_disk.environment
    before = environment.manifest()
    on_disk.sync()
    after = environment.manifest()
    leave_free(disk, 0)
    assert "free some space" in undo(environment, code=3)
    assert environment.manifest() == after
    make_room(disk)
    undo(environment)
    assert environment.manifest() == before


def manifest(environment: Environment) -> Manifest:
    found = environment.manifest().items()
    return {path: entry for path, entry in found if _PLACE not in path}


def places(environment: Environment) -> list[Path]:
    return list(environment.site_packages.glob(f"{_PLACE}*"))


@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
def test_site_packages_on_another_disk(
    bare_environment: Environment, house: Wheelhouse, kind: str
) -> None:
    environment = bare_environment
    environment.install(house, "alpha==1.0", "epsilon==1.0")
    story = Story(environment, house)
    with apart(environment.site_packages, kind):
        before = manifest(environment)
        story.write("alpha==2.0", "collides==1.0")
        failed = story.sync(code=4)
        assert "MB will be copied" not in failed.stdout
        assert manifest(environment) == before
        assert not places(environment)
        story.write("alpha==2.0", "beta==1.0")
        story.sync()
        (place,) = places(environment)
        assert place.stat().st_mode & 0o777 == 0o700
        after = manifest(environment)
        undo(environment)
        assert manifest(environment) == before
        undo(environment)
        assert manifest(environment) == after
        story.write("alpha==1.0")
        story.sync(ENVMAGIC_UNDO_COUNT="0")
        assert not places(environment)
        assert [p.name for p in (environment.prefix / ".envmagic").iterdir()] == ["last-sync.log"]


def test_a_disk_without_links_is_copied_and_that_is_asked_once(
    bare_environment: Environment, house: Wheelhouse, disk: Path
) -> None:
    """A container's image: a link of a file of its layers copies the file."""
    environment = bare_environment
    environment.install(house, "alpha==1.0", "huge==1.0")
    story = Story(environment, house)
    with layered(environment.prefix, disk):
        before = environment.manifest()
        story.write("alpha==2.0", "huge==1.0", "collides==1.0")
        assert "MB will be copied first" in story.sync(code=4).stdout
        assert environment.manifest() == before
        story.write("alpha==2.0")
        done = environment.run("-c", AT_A_TERMINAL, "sync", story.lock, *story.places, env=QUIET)
        assert "12 MB will be copied first, to be able to put them back" in done.stdout
        assert done.stdout.count("Apply? [y/N]") == 2  # to the plan, and to the copies
        after = environment.manifest()
        undone = environment.run("-c", AT_A_TERMINAL, "undo", env=QUIET)
        assert "will be copied first, to be able to put them back" in undone.stdout
        assert undone.stdout.count("Apply? [y/N]") == 1
        assert environment.manifest() == before
        assert "12 MB will be copied first" in undo(environment)
        assert environment.manifest() == after


def test_no_room_for_the_copies_is_refused_first(
    bare_environment: Environment, house: Wheelhouse, disk: Path
) -> None:
    bare_environment.install(house, "alpha==1.0", "huge==1.0")
    story = Story(bare_environment, house)
    story.write("alpha==2.0")
    with layered(bare_environment.prefix, disk):
        before = bare_environment.manifest()
        leave_free(disk, 20_000_000)
        done = story.sync(code=3)
        assert "there is no room to put by what changes: 12 MB are needed" in done.stderr
        assert "free some space" in done.stderr
        assert bare_environment.manifest() == before
        make_room(disk)
        story.sync()
        undo(bare_environment)
        before = bare_environment.manifest()
        leave_free(disk, 20_000_000)
        said = undo(bare_environment, code=3)
        assert "there is no room to put by what changes: 12 MB are needed" in said
        assert "free some space" in said
        assert bare_environment.manifest() == before
        make_room(disk)
        undo(bare_environment)
