"""The badge follows what happens to the environment, and nobody is asked while nobody looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support.browser import await_kernel, new_page, run_cell
from support.notebook import Notebook
from support.panel import Panel
from support.story import QUIET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, WebSocket
    from support.environment import Environment
    from support.lab import Lab
    from support.templates import Templates
    from support.wheelhouse import Wheelhouse

pytestmark = pytest.mark.live


@pytest.fixture(params=["kernel"])
def environment(
    templates: Templates, house: Wheelhouse, request: pytest.FixtureRequest
) -> Environment:
    environment = templates.make(request.param)
    environment.install(house, "alpha==1.0")
    return environment


WITH_AND_WITHOUT_SUBSHELLS = pytest.mark.parametrize(
    "environment", ["kernel", "patient"], indirect=True
)


class Line:
    """What a page sends to its kernels, as it goes over the wire."""

    def __init__(self) -> None:
        self.questions: list[str] = []
        """The methods that envmagic was asked for."""

    def listen(self, socket: WebSocket) -> None:
        socket.on("framesent", self._take)

    def _take(self, payload: bytes | str) -> None:
        text = payload if isinstance(payload, str) else payload.decode("utf-8", "replace")
        if "envmagic.face.panel" in text and "gpus" not in text:  # a driver may take its time
            self.questions.append(text)


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def panel(browser: Browser, lab: Lab, line: Line) -> Iterator[Panel]:
    """A page of its own for each test: its panel was never open."""
    with new_page(browser) as page:
        page.on("websocket", line.listen)
        panel = Panel(page, lab)
        panel.load_page()
        yield panel


def focus(panel: Panel) -> None:
    """Come back to the window, as from a terminal."""
    panel.page.evaluate("() => window.dispatchEvent(new Event('focus'))")


def settle(panel: Panel) -> None:
    """Let be asked what would be asked: after a cell, it is asked a moment later."""
    panel.page.wait_for_timeout(1500)


def sync(notebook: Notebook) -> None:
    """Sync in a terminal."""
    lock = notebook.folder / "first_env.txt"
    notebook.environment.run("-m", "envmagic", "sync", "--yes", lock, env=QUIET)


@WITH_AND_WITHOUT_SUBSHELLS
def test_the_badge_follows(panel: Panel, house: Wheelhouse, environment: Environment) -> None:
    notebook = Notebook(panel, house, environment)
    notebook.write("alpha==1.0")
    notebook.open()
    panel.tab.click()
    panel.face("equal")
    panel.type_cell("import alpha; 1 / 0")  # what waits for a cell that fails is not asked in vain
    run_cell(panel.page)
    expect(panel.page.locator(".jp-OutputArea-output").first).to_contain_text("ZeroDivisionError")
    await_kernel(panel.page)  # a cell that is sent before is not run

    places = f"--quiet --no-index --find-links {house.folder}"
    panel.type_cell(f"%pip install {places} epsilon==1.0")
    run_cell(panel.page)
    expect(panel.status).to_have_text("Environment: 1 project differs")
    panel.expect_badge("differs", "1")

    panel.tab.click()  # it hides the panel; the badge goes on
    expect(panel.root).to_be_hidden()
    sync(notebook)
    focus(panel)
    expect(panel.status).to_have_text("Environment: equal to its lock")

    notebook.write("alpha==2.0", "epsilon==1.0")
    focus(panel)
    expect(panel.status).to_have_text("Environment: 2 projects differ")
    panel.expect_badge("differs", "2")

    panel.type_cell(f"%pip install {places} alpha==2.0 epsilon==1.0")
    run_cell(panel.page)
    expect(panel.status).to_have_text("Environment: equal to its lock, restart the kernel")
    panel.expect_badge("restart", "0")
    panel.tab.click()
    expect(panel.root).to_contain_text("alpha 1.0 is loaded, 2.0 is on disk")


def test_the_lock_of_a_cell_is_followed(
    panel: Panel, house: Wheelhouse, environment: Environment
) -> None:
    notebook = Notebook(panel, house, environment)
    notebook.write("alpha==1.0")
    notebook.write("alpha==2.0", lock="other.txt")
    panel.tab.click()
    notebook.open()
    panel.choose("first_env.txt")
    panel.face("equal")
    panel.type_cell("%load_ext envmagic\n%envsync --dry-run other.txt")
    run_cell(panel.page)
    panel.face("differs")
    expect(panel.root.get_by_role("combobox")).to_have_value("other.txt")
    panel.on_kernel("restartKernel()")
    panel.face("starting")
    expect(panel.root.get_by_role("combobox")).to_have_value("other.txt")


def test_nothing_is_asked_before_the_panel_was_open(
    panel: Panel, line: Line, house: Wheelhouse, environment: Environment
) -> None:
    notebook = Notebook(panel, house, environment)
    notebook.write("alpha==1.0")
    notebook.open()
    focus(panel)
    panel.type_cell("import sys; print([n for n in sys.modules if n.startswith('envmagic')])")
    run_cell(panel.page)
    output = panel.page.locator(".jp-OutputArea-output").first
    expect(output).to_have_text("[]")
    settle(panel)
    assert line.questions == []
    panel.tab.click()
    panel.face("equal")
    assert line.questions


def test_nothing_is_asked_while_it_is_hidden_if_one_says_so(
    panel: Panel, line: Line, house: Wheelhouse, environment: Environment
) -> None:
    panel.set_preferences('{"watch": "panel"}')
    try:
        notebook = Notebook(panel, house, environment)
        notebook.write("alpha==1.0")
        notebook.open()
        panel.tab.click()
        panel.face("equal")
        panel.tab.click()
        expect(panel.root).to_be_hidden()
        asked = len(line.questions)
        notebook.write("alpha==2.0")
        focus(panel)
        panel.type_cell("print('done')")
        run_cell(panel.page)
        expect(panel.page.locator(".jp-OutputArea-output").first).to_have_text("done")
        focus(panel)
        settle(panel)
        assert len(line.questions) == asked
        panel.expect_badge("", "0")  # what nobody looks at may be out of date
        panel.tab.click()
        panel.face("differs")
    finally:
        panel.set_preferences("{}")


def test_where_nothing_has_changed_nothing_is_compared(
    panel: Panel, line: Line, house: Wheelhouse, environment: Environment
) -> None:
    notebook = Notebook(panel, house, environment)
    notebook.write("alpha==1.0")
    notebook.open()
    panel.tab.click()
    panel.face("equal")
    before = len(line.questions)
    for count in range(1, 4):
        focus(panel)
        panel.wait_until(lambda: len(line.questions) >= before + count)  # noqa: B023 (ends here)
    asked = line.questions[before:]
    assert [question for question in asked if "stamp" not in question] == []
