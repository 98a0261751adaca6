"""Real kernels and processes of one environment, as each other and a terminal see them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.kernel import live_kernel
from support.story import Story

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.environment import Environment
    from support.kernel import LiveKernel
    from support.templates import Templates
    from support.wheelhouse import Wheelhouse

pytestmark = pytest.mark.live

HINT = "it keeps what it has loaded until it is restarted"
ANALYSIS = {"JPY_SESSION_NAME": "work/2024/analysis.ipynb"}
ZMQ_LOADED = "import zmq; print('ready', flush=True); import time; time.sleep(600)"


@pytest.fixture
def story(kernel_environment: Environment, wheelhouse: Wheelhouse) -> Story:
    """A kernel's environment with `alpha` too old."""
    kernel_environment.install(wheelhouse, "alpha==1.0")
    story = Story(kernel_environment, wheelhouse)
    story.write(*story.places[:1], story.places[1].replace("=", " ", 1), "alpha==2.0")
    return story


@pytest.fixture
def kernel(story: Story) -> Iterator[LiveKernel]:
    with live_kernel(story.environment, cwd=story.lock.parent) as kernel:
        kernel.run("%load_ext envmagic").check()
        yield kernel


def neighbours(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [finding for finding in report["findings"] if finding["kind"] == "neighbour"]


def seen_by(kernel: LiveKernel) -> list[dict[str, Any]]:
    return neighbours(json.loads(kernel.run("%envsync --dry-run --json").check().stdout))


def test_exactly_the_other_kernel_of_the_environment_is_named(
    story: Story, kernel: LiveKernel, templates: Templates
) -> None:
    assert seen_by(kernel) == []
    elsewhere = {"JPY_SESSION_NAME": "elsewhere.ipynb"}
    with live_kernel(templates.make("kernel"), env=elsewhere):
        assert seen_by(kernel) == []
        with live_kernel(story.environment, env=ANALYSIS) as other:
            (finding,) = seen_by(kernel)
            assert finding == {
                "kind": "neighbour",
                "name": "analysis.ipynb",
                "text": "another kernel of this environment is running: `analysis.ipynb` "
                f"(process {other.pid})",
                "hint": HINT,
                "requirement": None,
                "found": str(other.pid),
                "severity": "warning",
                "when": "now",
            }
            other.run("%load_ext envmagic").check()
            other.run(f"%cd {story.lock.parent}").check()
            (back,) = seen_by(other)
            assert back["text"].endswith(f"is running: process {kernel.pid}")
        assert seen_by(kernel) == []


def test_nobody_is_named_where_nothing_would_change(story: Story, kernel: LiveKernel) -> None:
    with live_kernel(story.environment, env=ANALYSIS):
        assert len(seen_by(kernel)) == 1
        story.write("alpha==1.0")
        assert seen_by(kernel) == []


def test_it_is_said_before_the_button_and_before_an_unasked_sync(
    story: Story, kernel: LiveKernel
) -> None:
    with live_kernel(story.environment, env=ANALYSIS) as other:
        line = f"is running: `analysis.ipynb` (process {other.pid}) — {HINT}"
        offered, *_ = kernel.run("%envsync", allow_stdin=True).check().displays
        assert f"warning: another kernel of this environment {line}" in offered["text/plain"]
        assert "<code>analysis.ipynb</code>" in offered["text/html"]
        shown, *_ = kernel.run("%envsync --yes").check().displays
        assert f"warning: another kernel of this environment {line}" in shown["text/plain"]
        assert story.environment.freeze()["alpha"] == "2.0"


def test_a_terminal_names_kernels_even_the_one_whose_cell_it_is(
    story: Story, kernel: LiveKernel
) -> None:
    (finding,) = neighbours(story.diff())
    named = f"a kernel of this environment is running: process {kernel.pid}"
    assert finding["text"] == named
    python = story.environment.python
    command = f"!{python} -m envmagic diff {story.lock} {' '.join(story.places)}"
    assert named in kernel.run(command).stdout


def test_forks_and_children_of_kernels_are_not_named(story: Story, kernel: LiveKernel) -> None:
    fork = "import os, time\nif not (pid := os.fork()): time.sleep(600); os._exit(0)"
    child = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {ZMQ_LOADED!r}], "
        "stdout=subprocess.PIPE)\n"
        "assert child.stdout.readline() == b'ready\\n'"
    )
    end = "import signal\nos.kill(pid, signal.SIGKILL); os.waitpid(pid, 0); child.kill()"
    kernel.run(fork).check()
    kernel.run(child).check()
    assert seen_by(kernel) == []
    with live_kernel(story.environment, env=ANALYSIS) as other:
        other.run(fork).check()
        other.run(child).check()
        (finding,) = seen_by(kernel)
        assert finding["found"] == str(other.pid)
        other.run(end).check()
    kernel.run(end).check()


def test_another_process_is_named_once_it_has_loaded_something(
    story: Story, kernel: LiveKernel
) -> None:
    script = story.environment.home / "train.py"
    script.write_text(ZMQ_LOADED)
    idle = story.environment.start("-c", ZMQ_LOADED.replace("import zmq; ", ""))
    busy = story.environment.start(script)
    with idle, busy:
        for process in (idle, busy):
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        (finding,) = seen_by(kernel)
        for process in (idle, busy):
            process.kill()
    assert finding["severity"] == "note"
    assert finding["text"] == (
        f"another Python process runs from this environment: `train.py` (process {busy.pid})"
    )
