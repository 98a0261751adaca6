"""`python -m envmagic` as scripts see it: exit codes, streams, files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.story import QUIET, Story

if TYPE_CHECKING:
    from support.environment import Environment
    from support.wheelhouse import Wheelhouse

pytestmark = pytest.mark.live


@pytest.fixture
def story(bare_environment: Environment, wheelhouse: Wheelhouse) -> Story:
    story = Story(bare_environment, wheelhouse)
    story.write("alpha==1.0")
    return story


def test_exit_codes_of_a_comparison(story: Story) -> None:
    assert story.run("diff").returncode == 1
    assert story.run("sync", "--dry-run").returncode == 0
    assert story.run("sync", "--check").returncode == 1
    story.sync()
    assert story.run("diff").returncode == 0
    assert story.run("sync", "--check").returncode == 0


def test_a_comparison_touches_nothing(story: Story) -> None:
    before = story.environment.manifest()
    home = sorted(story.environment.home.rglob("*"))
    story.run("diff")
    story.run("diff", "--json")
    assert sorted(story.environment.home.rglob("*")) == home
    story.run("diff", "--online")
    assert story.environment.manifest() == before


def test_a_pipe_cannot_be_asked(story: Story) -> None:
    done = story.run("sync")
    assert done.returncode == 3
    assert "add `--yes`" in done.stderr
    assert "alpha" not in story.environment.freeze()


def test_json_of_a_sync_is_one_document(story: Story) -> None:
    done = story.sync("--json")
    report = json.loads(done.stdout)
    assert report["outcome"]["state"] == "succeeded"
    assert report["outcome"]["done"]["install"] == 1
    assert report["parity"]


def test_info_and_version(story: Story) -> None:
    run = story.environment.run
    told = run("-m", "envmagic", "info", env=QUIET).stdout
    assert str(story.environment.prefix) in told
    assert "GPU: unknown" in told
    data = json.loads(run("-m", "envmagic", "info", "--json", env=QUIET).stdout)
    assert data["distributions"]["pip-tools"]
    assert data["accelerator"]["driver"] is None
    assert data["accelerator"]["problem"]
    version = run("-m", "envmagic", "--version", env=QUIET).stdout
    assert version.startswith("envmagic ")
    assert run("-m", "envmagic", check=False, env=QUIET).returncode == 2


def test_the_console_script_is_the_same_door(story: Story) -> None:
    script = story.environment.prefix / "bin" / "envmagic"
    told = story.environment.run(script, "info", env=QUIET).stdout
    assert str(story.environment.prefix) in told


def test_a_question_in_a_terminal(story: Story) -> None:
    """On a pseudo-terminal: refused, then agreed to."""
    ask = (
        "import os, pty, sys\n"
        "answer = sys.argv[1].encode()\n"
        "seen = b''\n"
        "def read(fd):\n"
        "    global seen\n"
        "    data = os.read(fd, 65536)\n"
        "    asked = b'[y/N]' in seen\n"
        "    seen += data\n"
        "    if b'[y/N]' in seen and not asked:\n"
        "        os.write(fd, answer + b'\\n')\n"
        "    return data\n"
        "sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[2:], read)))\n"
    )
    command = [str(story.environment.python), "-m", "envmagic", "sync", str(story.lock)]

    def answer(word: str) -> tuple[int, str]:
        done = story.environment.run(
            "-c", ask, word, *command, *story.places, check=False, env=QUIET | {"COLUMNS": "120"}
        )
        return done.returncode, done.stdout

    code, said = answer("n")
    assert (code, "not applied; nothing was changed" in said) == (130, True)
    assert "alpha" not in story.environment.freeze()
    code, said = answer("y")
    assert (code, "done: 1 installed" in said) == (0, True)
    assert story.environment.freeze()["alpha"] == "1.0"
