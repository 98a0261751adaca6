"""What a kernel, its user and its browser do while pip is at work: whole or nothing."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from support.kernel import live_kernel
from support.slow import add_many, wait_until_half_done
from support.story import QUIET, Story, wait_until
from support.wheelhouse import Wheelhouse
from support.witness import Witness, paused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.environment import Environment
    from support.kernel import CellResult, LiveKernel

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Wheelhouse:
    house = Wheelhouse.standard(tmp_path_factory.mktemp("house"))
    add_many(house)
    return house


@pytest.fixture
def story(kernel_environment: Environment, house: Wheelhouse) -> Story:
    kernel_environment.install(house, "alpha==1.0", "delta==1.0")
    story = Story(kernel_environment, house)
    places = [story.places[0], story.places[1].replace("=", " ", 1)]
    story.write(*places, "alpha==2.0", "many==1.0")
    return story


@pytest.fixture
def kernel(story: Story) -> Iterator[LiveKernel]:
    with live_kernel(story.environment, cwd=story.lock.parent, env=QUIET) as kernel:
        kernel.run("%load_ext envmagic").check()
        yield kernel


def texts(*cells: CellResult) -> str:
    return "\n".join(d.get("text/plain", "") for cell in cells for d in cell.displays)


def click(kernel: LiveKernel, cell: CellResult, button: str) -> CellResult:
    (comm,) = [
        content["comm_id"]
        for kind, content in cell.messages
        if kind == "comm_open" and content["data"]["state"].get("description") == button
    ]
    return kernel.send_comm(comm, {"method": "custom", "content": {"event": "click"}})


def wait_until_ended(story: Story) -> None:
    wait_until(lambda: not (story.environment.prefix / ".envmagic" / "lock").exists())


def test_the_stop_button_puts_back(story: Story, kernel: LiveKernel) -> None:
    before = story.environment.manifest()
    cell = kernel.start("%envsync --yes")
    wait_until_half_done(story.environment)
    kernel.interrupt()
    kernel.finish(cell)
    assert cell.error is not None
    assert cell.error.ename == "Cancelled"
    assert cell.error.evalue == "cancelled; everything is as it was before"
    assert kernel.run("1 + 1").check().result == {"text/plain": "2"}
    assert story.environment.manifest() == before


def test_the_work_outlives_its_kernel_and_the_next_one_tells(
    story: Story, kernel: LiveKernel
) -> None:
    kernel.start("%envsync --yes")
    wait_until_half_done(story.environment)
    os.kill(kernel.pid, signal.SIGKILL)
    kernel.restart()
    loaded = kernel.run("%load_ext envmagic").check()
    kernel.listen(lambda: "has ended: 3 projects changed" in texts(loaded))
    wait_until(lambda: any(story.environment.prefix.glob(".envmagic/change-*/told")))
    assert texts(kernel.run("%envsync --dry-run").check()).count("has ended") == 0
    kernel.restart()
    assert texts(kernel.run("%load_ext envmagic").check()) == ""
    report: dict[str, Any] = story.diff()
    assert report["parity"]


def test_a_restart_presses_the_stop_button_first(story: Story, kernel: LiveKernel) -> None:
    """Jupyter interrupts a kernel before it asks it to end, so this is a cancel."""
    before = story.environment.manifest()
    kernel.start("%envsync --yes")
    wait_until_half_done(story.environment)
    kernel.manager.restart_kernel(now=False)
    kernel.client.wait_for_ready(timeout=60)
    wait_until_ended(story)
    assert story.environment.manifest() == before
    told = texts(kernel.run("%load_ext envmagic").check())
    assert "was cancelled, and everything was put back" in told


def test_a_new_kernel_follows_and_is_refused_meanwhile(story: Story, kernel: LiveKernel) -> None:
    witness = Witness(story.environment)
    cell = kernel.start("%envsync --yes")
    wait_until_half_done(story.environment)
    with (
        paused(witness),
        live_kernel(story.environment, cwd=story.lock.parent, env=QUIET) as second,
    ):
        loaded = second.run("%load_ext envmagic").check()
        refused = second.run("%envsync --yes")
        assert refused.error is not None
        assert "is running (process " in refused.error.evalue
        assert ": changing, " in refused.error.evalue
        second.listen(lambda: "Changing" in texts(loaded))
    kernel.finish(cell).check()
    assert "done: " in texts(cell)


def test_the_cancel_button_puts_back_and_a_closed_browser_does_not(
    story: Story, kernel: LiveKernel
) -> None:
    before = story.environment.manifest()
    cell = kernel.run("%envsync", allow_stdin=True).check()
    clicked = click(kernel, cell, "Apply")
    wait_until_half_done(story.environment)
    cancelled = click(kernel, cell, "Cancel")
    kernel.listen(lambda: "everything is as it was" in texts(cell, clicked, cancelled))
    assert story.environment.manifest() == before
    again = kernel.run("%envsync", allow_stdin=True).check()
    click(kernel, again, "Apply")
    wait_until_half_done(story.environment)
    kernel.client.stop_channels()
    wait_until_ended(story)
    assert story.diff()["parity"]
