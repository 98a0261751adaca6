"""Environments that were copied or moved, of others, in odd places: nothing acts on another."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest
from support.backend import write_wheel
from support.environment import Environment
from support.slow import add_many, wait_until_half_done
from support.story import QUIET, Story
from support.wheelhouse import Wheelhouse
from support.witness import Witness, kill

if TYPE_CHECKING:
    from pathlib import Path

    from support.environment import Manifest

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Wheelhouse:
    house = Wheelhouse.standard(tmp_path_factory.mktemp("house"))
    add_many(house)
    return house


@pytest.fixture
def story(bare_environment: Environment, house: Wheelhouse) -> Story:
    bare_environment.install(house, "alpha==1.0", "delta==1.0")
    story = Story(bare_environment, house)
    story.write("alpha==2.0", "many==1.0")
    return story


def kill_half_way(story: Story) -> Manifest:
    """Kill everything of a sync in its middle; return what was there before it."""
    before, witness = story.environment.manifest(), Witness(story.environment)
    process = story.environment.start(
        "-m", "envmagic", "sync", story.lock, "--yes", *story.places, env=QUIET
    )
    wait_until_half_done(story.environment)
    while seen := witness.look():
        for one in seen:
            kill(one.pid)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert story.environment.manifest() != before
    return before


def test_a_copy_of_a_half_changed_environment_puts_only_itself_back(
    story: Story, tmp_path: Path
) -> None:
    environment = story.environment
    before = kill_half_way(story)
    half = environment.manifest()
    copy = Environment(tmp_path / "copy")
    shutil.copytree(environment.prefix, copy.prefix, symlinks=True)
    copy.run("-c", "import alpha", env=QUIET)
    assert environment.manifest() == half
    assert copy.manifest().keys() == before.keys()
    assert [entry[2] for entry in copy.manifest().values()] == [e[2] for e in before.values()]
    environment.run("-c", "import alpha", env=QUIET)
    assert environment.manifest() == before


def test_a_moved_environment_puts_itself_back(story: Story, tmp_path: Path) -> None:
    before = kill_half_way(story)
    moved = Environment(tmp_path / "moved")
    story.environment.prefix.rename(moved.prefix)
    moved.run("-c", "import alpha", env=QUIET)
    assert moved.manifest() == before
    assert not story.environment.prefix.exists()


def test_an_undo_in_a_copy_leaves_the_other_alone(story: Story, tmp_path: Path) -> None:
    environment = story.environment
    before = environment.manifest()
    story.sync()
    synced = environment.manifest()
    copy = Environment(tmp_path / "copy")
    shutil.copytree(environment.prefix, copy.prefix, symlinks=True)
    copy.run("-m", "envmagic", "undo", "--yes", env=QUIET)
    assert environment.manifest() == synced
    assert copy.manifest().keys() == before.keys()
    assert copy.freeze()["alpha"] == "1.0"


def test_a_place_that_the_locale_cannot_spell(story: Story, tmp_path: Path) -> None:
    odd = story.environment.copy(tmp_path / "é" / "environment")
    other = Story(odd, None)
    other.places = story.places
    other.write("alpha==2.0", "many==1.0")
    before = kill_half_way(other)
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    odd.run("-c", "import alpha", env=QUIET | ascii_only)
    assert odd.manifest() == before


def test_root_leaves_nothing_that_the_owner_cannot_read(story: Story) -> None:
    prefix = story.environment.prefix
    os.chown(prefix, 1234, 1234)
    story.sync()
    ours = [path for path in (prefix / ".envmagic").rglob("*") if path.parent.name != "files"]
    assert {path.stat().st_uid for path in [prefix / ".envmagic", *ours]} == {1234}


def test_a_kernel_specification_that_goes_is_put_back(
    kernel_environment: Environment, tmp_path: Path
) -> None:
    """A newer ipykernel that brings none: Jupyter would not find this kernel any more."""
    site = kernel_environment.site_packages
    (info,) = site.glob("ipykernel-*.dist-info")
    version = info.name.removesuffix(".dist-info").partition("-")[2]
    members = {}
    for line in (info / "RECORD").read_text().splitlines():
        name = line.partition(",")[0]
        if not name.startswith("..") and not name.endswith((".pyc", "RECORD", "INSTALLER")):
            new = name.replace(info.name, "ipykernel-99.0.dist-info")
            members[new] = (site / name).read_bytes()
    metadata = "ipykernel-99.0.dist-info/METADATA"
    old, new_line = f"\nVersion: {version}\n".encode(), b"\nVersion: 99.0\n"
    members[metadata] = members[metadata].replace(old, new_line)
    own = Wheelhouse(tmp_path / "wheels")
    wheel = own.folder / "ipykernel-99.0-py3-none-any.whl"
    write_wheel(wheel, members, "ipykernel-99.0.dist-info/RECORD")
    story = Story(kernel_environment, own)
    story.write("ipykernel==99.0")
    before = kernel_environment.manifest()
    done = story.sync(code=4)
    assert "the kernel's own specification is gone" in done.stdout
    assert kernel_environment.manifest() == before
