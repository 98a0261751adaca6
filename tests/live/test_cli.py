"""`python -m envmagic` as scripts see it: exit codes, streams, files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.story import QUIET, Story
from support.templates import ROOT
from support.wheels import make_project

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
    assert "accelerator   " in told
    data = json.loads(run("-m", "envmagic", "info", "--json", env=QUIET).stdout)
    assert data["distributions"]["pip-tools"]
    assert data["accelerator"]["driver"] is None
    assert data["accelerator"]["absent"]
    assert data["accelerator"]["verdict"] == "ok"
    version = run("-m", "envmagic", "--version", env=QUIET).stdout
    assert version.startswith("envmagic ")
    assert run("-m", "envmagic", check=False, env=QUIET).returncode == 2


def test_the_verdict_for_another_machine(story: Story) -> None:
    story.write("torch==2.4.0")
    place = f"--as-machine={ROOT / 'tests' / 'machines' / 'rtx5090-570.json'}"
    accelerator = story.diff(place)["accelerator"]
    assert accelerator["verdict"] == "fail"
    assert accelerator["wanted"]["cuda"] == "12.1"
    assert "sm_120" in accelerator["reasons"][0]["text"]
    assert "✗ fail: this will not run on `" in story.run("diff", place).stdout
    wrong = story.run("diff", f"--as-machine={story.lock}")
    assert (wrong.returncode, "is not JSON" in wrong.stderr) == (2, True)


def test_variables_stand_for_another_machine(story: Story) -> None:
    story.write("torch==2.4.0")
    told = story.run("diff", ENVMAGIC_CUDA_DRIVER="470.82.01", ENVMAGIC_GPU="8.0").stdout
    assert "✗ fail: this will not run on `ENVMAGIC_CUDA_DRIVER, ENVMAGIC_GPU`" in told
    assert "driver 470.82.01 (CUDA 11.4) is too old for CUDA 12.1 (torch 2.4.0)" in told


def test_what_info_says_of_a_machine_can_be_judged_for(story: Story) -> None:
    variables = {"ENVMAGIC_CUDA_DRIVER": "580.95.05", "ENVMAGIC_GPU": "H200=9.0"}
    info = story.environment.run("-m", "envmagic", "info", "--json", env=QUIET | variables)
    machine = story.lock.with_name("box.json")
    machine.write_text(info.stdout)
    story.write("torch==2.8.0")
    accelerator = story.diff(f"--as-machine={machine}")["accelerator"]
    assert (accelerator["verdict"], accelerator["origin"]) == ("ok", str(machine))
    assert accelerator["gpus"][0]["name"] == "H200"


def test_the_console_script_is_the_same_door(story: Story) -> None:
    script = story.environment.prefix / "bin" / "envmagic"
    told = story.environment.run(script, "info", env=QUIET).stdout
    assert str(story.environment.prefix) in told


def test_a_dry_run_is_what_a_diff_is_anyway(story: Story) -> None:
    plain, dry = story.run("diff"), story.run("diff", "-n")
    assert (dry.returncode, dry.stdout) == (plain.returncode, plain.stdout) == (1, plain.stdout)
    assert story.run("diff", "--dry-run").returncode == 1


def run_into_a_closed_pipe(story: Story, *arguments: str) -> tuple[int, str]:
    """Run a command whose reader is gone before the first word; return its end and its errors."""
    program = (
        "import os, subprocess, sys\n"
        "read, write = os.pipe()\n"
        "os.close(read)\n"
        "sys.exit(subprocess.run(sys.argv[1:], stdout=write).returncode)\n"
    )
    command = [str(story.environment.python), "-m", "envmagic", *arguments]
    done = story.environment.run("-c", program, *command, check=False, env=QUIET)
    return done.returncode, done.stderr


def test_a_reader_that_goes_away_ends_nothing(story: Story) -> None:
    place = [str(story.lock), *story.places]
    assert run_into_a_closed_pipe(story, "diff", *place) == (1, "")
    assert run_into_a_closed_pipe(story, "info") == (0, "")
    assert run_into_a_closed_pipe(story, "--help") == (0, "")
    code, said = run_into_a_closed_pipe(story, "sync", "--yes", *place)
    assert (code, "Traceback" in said) == (0, False)
    assert story.environment.freeze()["alpha"] == "1.0"


def test_a_stream_that_cannot_say_it_all(story: Story) -> None:
    done = story.run("diff", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (1, "")
    assert "+ install" in done.stdout
    assert "alpha" in done.stdout


def test_what_a_freeze_wrote(story: Story) -> None:
    project = make_project(story.environment.home / "tree", "edited", "0.1")
    story.write("alpha==1.0", f"-e {project}#egg=edited")
    story.sync()
    run = story.environment.run
    told = run("-m", "envmagic", "freeze", "my.txt", env=QUIET)
    lines = (story.environment.home / "my.txt").read_text("utf-8").splitlines()
    pins = sum(bool(line) and not line.startswith("#") for line in lines)
    assert told.stdout == f"wrote my.txt: {pins} pins, 1 left out (edited)\n"
    again = run("-m", "envmagic", "freeze", "my.txt", env=QUIET)
    assert again.stdout == f"my.txt: {pins} pins, 1 left out (edited), as it was\n"
    printed = run("-m", "envmagic", "freeze", "-", env=QUIET).stdout
    assert printed.splitlines() == lines == run("-m", "envmagic", "freeze").stdout.splitlines()


def test_help_tells_examples_and_exit_codes(story: Story) -> None:
    told = story.environment.run("-m", "envmagic", "--help", env=QUIET).stdout
    assert told.count("\n  envmagic ") == 3
    codes = told.partition("exit codes:")[2].splitlines()
    assert [line.split()[0] for line in codes if line] == ["0", "1", "2", "3", "4", "5", "130"]
    assert "as in pip" not in story.run("sync", "--help").stdout


def test_a_mistyped_option_tells_no_secret(story: Story) -> None:
    done = story.run("diff", "--extra-idx-url=https://u:hunter2@h/?token=hunter2")
    assert done.returncode == 2
    assert "--extra-idx-url=https://****@h/?token=****" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_several_locks_are_told_without_a_magic(story: Story) -> None:
    (story.lock.parent / "requirements.txt").write_text("alpha==1.0\n")
    done = story.environment.run("-m", "envmagic", "diff", check=False, env=QUIET)
    assert done.returncode == 2
    assert "several lock files" in done.stderr
    assert "%envsync" not in done.stderr


def test_a_question_in_a_terminal(story: Story) -> None:
    """On a pseudo-terminal: refused, interrupted, then agreed to."""
    ask = (
        "import os, pty, sys, time\n"
        "answer = sys.argv[1].encode()\n"
        "seen = b''\n"
        "def read(fd):\n"
        "    global seen\n"
        "    data = os.read(fd, 65536)\n"
        "    asked = b'[y/N]' in seen\n"
        "    seen += data\n"
        "    if b'[y/N]' in seen and not asked:\n"
        # A person answers once the prompt waits; Python loses a signal before that.
        "        time.sleep(2)\n"
        "        os.write(fd, answer)\n"
        "    return data\n"
        "sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[2:], read)))\n"
    )
    command = [str(story.environment.python), "-m", "envmagic", "sync", str(story.lock)]

    def answer(word: str) -> tuple[int, str]:
        done = story.environment.run(
            "-c", ask, word, *command, *story.places, check=False, env=QUIET | {"COLUMNS": "120"}
        )
        return done.returncode, done.stdout

    code, said = answer("n\n")
    assert (code, "\nnot applied; nothing was changed" in said.replace("\r", "")) == (130, True)
    assert "error:" not in said
    code, said = answer("\x03")
    assert (code, "\ncancelled; nothing was changed" in said.replace("\r", "")) == (130, True)
    assert "Traceback" not in said
    assert "alpha" not in story.environment.freeze()
    code, said = answer("y\n")
    assert (code, "done: 1 installed" in said) == (0, True)
    assert story.environment.freeze()["alpha"] == "1.0"
