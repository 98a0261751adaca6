"""A fault at every step of a real sync: all is as it was before, or as the lock says.

`make torture` does this hundreds of times, and prints the table.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from support.faults import (
    CANCEL,
    CTRL_C,
    FULL,
    FULL_AND_KILL,
    RANDOM,
    RESTART,
    ROLL_BACK,
    STEPS,
    STOP,
    Fault,
    pick_victim,
)
from support.kernel import live_kernel
from support.moments import MOMENTS, Sight
from support.scene import WORKS, Scene, make_scene
from support.toll import render_toll
from support.torture import Result, play
from support.witness import Witness, await_moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.templates import Templates

pytestmark = pytest.mark.live

_SEED = "test"
_TRIES = 5
"""A fault that comes too late is none: then the round is played again."""


@pytest.fixture(scope="module")
def scene(
    tmp_path_factory: pytest.TempPathFactory, templates: Templates, machine: dict[str, str]
) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("torture")
    yield make_scene(folder, templates, machine)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def results() -> list[Result]:
    return []


def suffer_kill(scene: Scene, results: list[Result], step: str, number: int) -> None:
    victim = pick_victim(step, f"{_SEED}:{number}")
    suffer(scene, results, Fault(step=step, victim=victim), number)


def suffer(scene: Scene, results: list[Result], fault: Fault, number: int) -> None:
    for again in range(_TRIES):
        result = play(scene, f"{_SEED}:{again}", number, fault)
        results.append(result)
        if result.caused:
            break
    assert result.caused, result
    assert result.end != "lost", f"{result}\n{render_toll(results)}"


def test_a_kernel_waits_for_a_sync_of_what_it_starts_with(scene: Scene) -> None:
    """Restarted meanwhile, it would die of an import, and Jupyter would give up."""
    story = scene.enter("waits")
    sight = Sight(Witness(story.environment))
    options = ("sync", str(story.lock), "--yes", *story.places)
    process = story.environment.start("-m", "envmagic", *options)
    moment = MOMENTS["between uninstall and install"]
    assert await_moment(lambda: moment(sight.look()), lambda: process.poll() is None)
    with live_kernel(story.environment) as kernel:
        assert sight.is_over
        kernel.run(WORKS).check()
    out, err = process.communicate()
    assert process.returncode == 0, f"{out}{err}"


@pytest.mark.parametrize("step", [step for step in STEPS if step != RANDOM])
def test_a_kill_at_each_step(scene: Scene, results: list[Result], step: str) -> None:
    suffer_kill(scene, results, step, 1000 + STEPS.index(step))


@pytest.mark.parametrize("number", range(20))
def test_a_kill_at_a_random_moment(scene: Scene, results: list[Result], number: int) -> None:
    suffer_kill(scene, results, RANDOM, number)


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        (STOP, "numpy is out, not in"),
        (CTRL_C, "late in the install"),
        (CANCEL, ROLL_BACK),
        (RESTART, "between uninstall and install"),
        (FULL, "half of numpy is in"),
        (FULL_AND_KILL, "numpy is out, not in"),
    ],
)
def test_another_fault_at_a_step(scene: Scene, results: list[Result], kind: str, step: str) -> None:
    suffer(scene, results, Fault(kind=kind, step=step), 2000)
