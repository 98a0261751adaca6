"""A sync that fails after it began, for each reason that can be caused: all is put back."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.slow import add_many, wait_until_half_done
from support.story import QUIET, Story, wait_until
from support.wheelhouse import Wheelhouse
from support.witness import Witness, paused

if TYPE_CHECKING:
    from support.environment import Environment, Manifest
    from support.process import Process

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Wheelhouse:
    """The standard wheels, and some that go wrong only when they are installed."""
    house = Wheelhouse.standard(tmp_path_factory.mktemp("house"))
    add_many(house)
    house.add("collides", "1.0", files={"collides/x": "", "collides/x/y": ""})
    house.add("stops", "1.0", files={"zz-stops.pth": "import sys; sys.exit(3)\n"})
    house.add("customizes", "1.0", files={"sitecustomize.py": "raise SystemExit(3)\n"})
    house.add_liar()
    return house


@pytest.fixture
def story(bare_environment: Environment, house: Wheelhouse) -> Story:
    bare_environment.install(house, "alpha==1.0", "delta==1.0", "epsilon==1.0")
    return Story(bare_environment, house)


def assert_untouched(story: Story, before: Manifest) -> None:
    assert story.environment.manifest() == before
    home = story.environment.prefix / ".envmagic"
    left = {path.name.partition("-")[0] for path in home.iterdir()} if home.exists() else set()
    assert left <= {"change", "last"}
    assert not list(home.glob("change-*/files"))


FAILURES = {
    "collides": "`piptools` ended with 1",
    "lies": "`lies` lacks 1 of its files, such as `lies/nowhere.py`",
    "stops": "Python cannot start",
    "customizes": "Python cannot start",
}


_CUSTOMIZES = pytest.param(
    "customizes",
    marks=pytest.mark.skipif(
        Path(sysconfig.get_path("stdlib"), "sitecustomize.py").exists(),
        reason="this Python has a sitecustomize of its own (Debian's), and looks for no other",
    ),
)


@pytest.mark.parametrize("name", ["collides", "lies", "stops", _CUSTOMIZES])
def test_what_fails_is_put_back(story: Story, name: str) -> None:
    story.write("alpha==2.0", f"{name}==1.0")
    before = story.environment.manifest()
    done = story.sync("--json", code=4)
    outcome = json.loads(done.stdout)["outcome"]
    assert outcome["state"] == "rolled_back"
    assert FAILURES[name] in str(outcome)
    assert_untouched(story, before)
    log = story.environment.prefix / ".envmagic" / "last-sync.log"
    assert log.stat().st_mode & 0o777 == 0o600
    assert "alpha" in log.read_text()


@pytest.mark.parametrize("name", ["stops", _CUSTOMIZES])
def test_a_kernel_that_would_not_start_is_put_back(
    kernel_environment: Environment, house: Wheelhouse, name: str
) -> None:
    kernel_environment.install(house, "alpha==1.0")
    story = Story(kernel_environment, house)
    story.write("alpha==2.0", f"{name}==1.0")
    before = kernel_environment.manifest()
    done = story.sync(code=4)
    assert "a kernel cannot start" in done.stderr + done.stdout
    assert "everything was put back" in done.stderr + done.stdout
    assert_untouched(story, before)


def start(story: Story) -> Process:
    environment = story.environment
    process = environment.start(
        "-m", "envmagic", "sync", story.lock, "--yes", *story.places, env=QUIET
    )
    wait_until_half_done(environment)
    return process


def wait_until_ended(story: Story) -> None:
    """Wait for a process that nobody is the parent of: it takes its lock away."""
    wait_until(lambda: not (story.environment.prefix / ".envmagic" / "lock").exists())


def test_ctrl_c_puts_back(story: Story) -> None:
    story.write("alpha==2.0", "many==1.0")
    before = story.environment.manifest()
    process = start(story)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "cancelled; everything is as it was before" in said
    assert_untouched(story, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_the_end_of_the_terminal_is_not_the_end_of_the_sync(
    story: Story, number: signal.Signals
) -> None:
    story.write("alpha==2.0", "many==1.0")
    process = start(story)
    os.killpg(process.pid, number)
    process.communicate(timeout=60)
    assert process.returncode == -number
    wait_until_ended(story)
    told = story.run("diff")
    assert told.returncode == 0
    assert "has ended: 4 projects changed" in told.stderr
    assert story.run("diff").stderr == ""


def test_a_second_sync_is_told_who_and_how_far(story: Story) -> None:
    story.write("alpha==2.0", "many==1.0")
    witness = Witness(story.environment)
    process = start(story)
    with paused(witness):
        second = story.sync(code=3)
        undo = story.environment.run("-m", "envmagic", "undo", "--yes", check=False, env=QUIET)
    assert f"another sync of `{story.environment.prefix}` is running (process " in second.stderr
    assert ": changing, " in second.stderr
    assert " of 4)" in second.stderr
    assert undo.returncode == 3
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert story.diff()["parity"]


def test_what_cannot_be_put_back_is_said_and_kept(story: Story, tmp_path: Path) -> None:
    """A hostile wheel makes a file that nobody can take away: for root that is `chattr +i`."""
    own = Wheelhouse.standard(tmp_path / "wheels")
    made = story.environment.site_packages / "stuck" / "__init__.py"
    stick = f"(os.system('chattr +i {made}'), sys.exit(3))"
    hook = f"import os, sys; os.path.exists({str(made)!r}) and {stick}\n"
    own.add("stuck", "1.0", files={"zz-stuck.pth": hook})
    other = Story(story.environment, own)
    other.write("alpha==2.0", "stuck==1.0")
    before = story.environment.manifest()
    try:
        done = other.sync("--json", code=5)
    finally:
        os.system(f"chattr -i {made}")  # noqa: S605 (the test's own path)
    assert json.loads(done.stdout)["outcome"]["state"] == "failed"
    assert str(made) in done.stdout
    # No start tries again, over what its user may have mended; who asks for it can.
    half = story.environment.manifest()
    story.environment.run("-c", "pass", env=QUIET)
    assert story.environment.manifest() == half
    assert "failed" in story.environment.run("-m", "envmagic", "info", env=QUIET).stdout
    story.environment.run("-m", "envmagic", "undo", "--yes", env=QUIET)
    assert story.environment.manifest() == before


def test_modes(story: Story) -> None:
    """Whatever the umask says, all of it is for its user alone."""
    story.write("alpha==2.0", "many==1.0")
    script = (
        "import os, sys; os.umask(0); from envmagic.face.cli import main; "
        f"sys.exit(main(['sync', {str(story.lock)!r}, '--yes', *{story.places!r}]))"
    )
    environment = story.environment
    process = environment.start("-c", script, env=QUIET)
    wait_until_half_done(environment)
    home = environment.prefix / ".envmagic"
    seen = {*modes(home)}
    process.communicate(timeout=60)
    assert process.returncode == 0
    seen |= {*modes(home)}
    assert {"lock", "rescue.py", "journal.json", "progress.json", "outcome.json", "told"} <= {
        name for name, _ in seen
    }
    assert not [entry for entry in seen if entry[1] & 0o077]
    assert (environment.site_packages / "many" / "m0100.txt").stat().st_mode & 0o777 == 0o666


def modes(home: Path) -> list[tuple[str, int]]:
    """Return the modes of all but the files put by, and pip's own wheels, in their folders."""
    found = [("", home.stat().st_mode & 0o777)]
    for folder, folders, files in os.walk(home):
        inner = os.path.basename(folder) in {"files", "wheels"}  # noqa: PTH119
        for name in [*folders, *([] if inner else files)]:
            with contextlib.suppress(FileNotFoundError):
                found.append((name, os.stat(os.path.join(folder, name)).st_mode & 0o777))  # noqa: PTH116, PTH118
    return found
