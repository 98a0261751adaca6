"""What is left of a sync that was killed, and what the next one makes of it."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.story import QUIET, Story, wait_until
from support.wheels import make_project, make_wheel
from support.witness import Witness, paused

if TYPE_CHECKING:
    from support.environment import Environment
    from support.index import Index
    from support.process import Process
    from support.wheelhouse import Wheelhouse

pytestmark = pytest.mark.live


@pytest.fixture
def story(bare_environment: Environment, wheelhouse: Wheelhouse) -> Story:
    bare_environment.install(wheelhouse, "alpha==1.0", "delta==1.0")
    story = Story(bare_environment, wheelhouse)
    story.write("alpha==2.0", "beta==1.0", "epsilon==1.0")
    return story


def kept(environment: Environment) -> list[str]:
    """Return what lies where envmagic keeps its own: neither a stage nor a lock may be left."""
    return [path.name.partition("-")[0] for path in (environment.prefix / ".envmagic").iterdir()]


def start(story: Story) -> Process:
    options = ("--yes", *story.places)
    return story.environment.start("-m", "envmagic", "sync", story.lock, *options, env=QUIET)


def engines(prefix: Path) -> list[int]:
    """Return the pip-syncs that change a prefix now."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().decode().split("\0")
            if str(prefix) in words[0] and "piptools" in words and "--dry-run" not in words:
                found.append(int(folder.name))
    return found


def test_a_worker_that_outlives_its_terminal_holds_the_prefix(story: Story) -> None:
    """The terminal alone is killed: the worker goes on, and the next sync is refused till then."""
    environment = story.environment
    witness = Witness(environment)
    process = start(story)
    wait_until(lambda: bool(engines(environment.prefix)))
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert any(seen.is_worker for seen in witness.look())
    with paused(witness):
        second = story.sync(code=3)
    assert f"another sync of `{environment.prefix}` is running" in second.stderr
    wait_until(lambda: not witness.look())
    frozen = environment.freeze()
    assert (frozen["alpha"], frozen["beta"], "delta" in frozen) == ("2.0", "1.0", False)
    story.sync()
    assert kept(environment) == ["change"]


def test_an_engine_that_outlives_its_worker_is_ended_by_the_next_start(story: Story) -> None:
    """It is halted as well: it cannot have come to its own end."""
    environment = story.environment
    before = environment.manifest()
    witness = Witness(environment)
    process = start(story)
    wait_until(lambda: bool(engines(environment.prefix)))
    (engine,) = engines(environment.prefix)
    os.kill(engine, signal.SIGSTOP)
    for pid in [process.pid, *(seen.pid for seen in witness.look() if seen.is_worker)]:
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    assert engines(environment.prefix) == [engine]
    done = environment.run("-c", "pass", env=QUIET)
    assert "an unfinished sync was rolled back" in done.stderr
    assert not witness.look()
    assert environment.manifest() == before


def test_what_a_killed_sync_left_is_not_used(story: Story, wheelhouse: Wheelhouse) -> None:
    left = story.environment.prefix / ".envmagic" / "stage-killed" / "wheels"
    left.mkdir(parents=True)
    for name in ("alpha-1.1-py3-none-any.whl", "beta-2.0-py3-none-any.whl"):
        (left / name).write_bytes((wheelhouse.folder / name).read_bytes())
    story.sync()
    frozen = story.environment.freeze()
    assert (frozen["alpha"], frozen["beta"]) == ("2.0", "1.0")
    assert kept(story.environment) == ["change"]


def test_a_folder_that_cannot_be_used_is_one_error_and_no_lock_is_left(story: Story) -> None:
    folder = story.environment.prefix / ".envmagic"
    folder.write_text("a file where a folder should be")
    done = story.sync(code=3)
    assert "cannot be used" in done.stderr
    folder.unlink()
    story.sync()


def test_strict_labels_fetch_what_they_ask_for(story: Story, wheelhouse: Wheelhouse) -> None:
    story.environment.install(wheelhouse, "tlocal==2.4.0+cpu")
    story.write("tlocal==2.4.0")
    story.sync("--strict-labels")
    assert story.environment.freeze()["tlocal"] == "2.4.0"
    assert story.diff("--strict-labels")["parity"]


def test_a_kernel_specification_that_was_not_there_is_not_missed(
    kernel_environment: Environment, wheelhouse: Wheelhouse
) -> None:
    (kernel_environment.prefix / "share/jupyter/kernels/python3/kernel.json").unlink()
    story = Story(kernel_environment, wheelhouse)
    story.write("alpha==1.0")
    story.sync()


def test_a_version_for_another_python_is_told_as_such(story: Story, index: Index) -> None:
    make_wheel(index.folder, "future", "1.0", requires_python=">=3.99")
    story.places = [f"--index-url={index.url}"]
    story.write("future==1.0")
    done = story.sync(code=4)
    assert "`future==1.0`" in done.stderr
    assert "needs Python >=3.99" in done.stderr


def test_an_editable_is_built_from_the_places_of_the_lock(story: Story, tmp_path: Path) -> None:
    project = make_project(tmp_path / "tree", "edited", "0.1")
    settings = project / "pyproject.toml"
    settings.write_text(settings.read_text().replace("requires = []", 'requires = ["nowhere"]'))
    story.write("alpha==1.0", f"-e {project}#egg=edited")
    before = story.environment.manifest()
    done = story.sync(code=4)
    assert "`edited`" in done.stderr
    assert "cannot be built" in done.stderr
    assert story.environment.manifest() == before


def test_what_the_lock_breaks_is_said_again_at_the_end(story: Story) -> None:
    story.write("alpha==2.0", "gamma==1.0")
    done = story.sync()
    assert "but `gamma` 1.0 requires `alpha<2`, but alpha 2.0 is installed" in done.stdout


def test_a_sync_beside_another_never_says_that_all_is_equal(story: Story) -> None:
    """It was equal a moment ago, and will not be: a pipeline that asked must not get a 0."""
    environment = story.environment
    story.write("alpha==1.0", "delta==1.0")
    other = environment.home / "other.txt"
    other.write_text("alpha==2.0\nbeta==1.0\n")
    witness = Witness(environment)
    process = environment.start("-m", "envmagic", "sync", other, "--yes", *story.places, env=QUIET)
    wait_until(lambda: bool(list(environment.prefix.glob(".envmagic/change-*/journal.json"))))
    with paused(witness):
        looked, refused = story.run("diff"), story.sync(code=3)
    assert "is at work here: what is compared now is about to change" in looked.stdout
    assert f"another sync of `{environment.prefix}` is running" in refused.stderr
    process.communicate()
    assert process.returncode == 0
