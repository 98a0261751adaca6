"""What must not upset the panel: busy, stopped and lost kernels, other tabs, late answers."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support.browser import new_page, run_cell
from support.notebook import Notebook
from support.panel import Panel
from support.wheelhouse import Wheelhouse
from support.witness import Witness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, WebSocket
    from support.environment import Environment
    from support.lab import Lab
    from support.templates import Templates

pytestmark = pytest.mark.live

_FOCUSED = """() => {
  const { activeElement } = document;
  return activeElement === document.body ? 'body' : activeElement.className;
}"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Wheelhouse:
    house = Wheelhouse.standard(tmp_path_factory.mktemp("house"))
    house.add("grows", "1.0", requires=["epsilon"])
    return house


@pytest.fixture
def sockets(panel: Panel) -> Iterator[list[WebSocket]]:
    """The connections to kernels that the page opens from now on."""
    opened: list[WebSocket] = []

    def take(socket: WebSocket) -> None:
        if "/channels" in socket.url:
            opened.append(socket)

    panel.page.on("websocket", take)
    yield opened
    panel.page.remove_listener("websocket", take)


def hide(panel: Panel) -> None:
    """Load the page anew, so that the panel was never open in it."""
    if panel.root.is_visible():
        panel.tab.click()
    panel.load_page()


def ask_for_more(panel: Panel, notebook: Notebook) -> None:
    """Apply a lock that turns out to bring more than was shown."""
    notebook.write("alpha==2.0", "grows==1.0", "beta==2.0", "delta==1.0")
    notebook.open()
    panel.face("differs")
    notebook.apply()
    panel.face("asking")


def agree(panel: Panel) -> None:
    """Look at what is asked about, which has to be shown, and agree."""
    expect(panel.rows.filter(has_text="epsilon")).to_be_visible()
    panel.button("Go on…").click()
    expect(panel.dialog).to_contain_text("2 to install")
    panel.answer("Apply")


def test_opened_beside_a_running_cell(panel: Panel, notebook: Notebook, lab: Lab) -> None:
    notebook.write("alpha==2.0", "beta==2.0", "delta==1.0")
    hide(panel)
    notebook.open()
    panel.type_cell("import time; time.sleep(120)")
    run_cell(panel.page)
    panel.tab.click()
    panel.face("differs")
    assert panel.root.locator("[data-face='busy']").count() == 0
    # What a page that is loaded now knows of the kernel, it has to learn beside the cell.
    panel.page.goto(lab.url(notebook.path))
    panel.page.locator(".jp-NotebookPanel").wait_for()
    panel.command("envmagic:open-panel")
    panel.face("differs")
    panel.on_kernel("session.kernel.interrupt()")


def test_what_was_agreed_to_is_what_is_done(panel: Panel, notebook: Notebook) -> None:
    notebook.write("alpha==2.0", "beta==2.0", "delta==1.0")
    notebook.open()
    panel.face("differs")
    panel.button("Apply…").click()
    expect(panel.dialog).to_contain_text("1 to upgrade")
    notebook.write("alpha==2.0", "beta==2.0")
    panel.page.evaluate("() => window.dispatchEvent(new Event('focus'))")
    expect(panel.rows.filter(has_text="delta")).to_have_count(1)
    panel.answer("Apply")
    panel.face("succeeded")
    after = notebook.environment.freeze()
    assert (after["alpha"], after["delta"]) == ("2.0", "1.0")
    expect(panel.rows.filter(has_text="delta")).to_have_count(1)  # and that is still to be seen


def test_a_question_is_found_again(
    panel: Panel, notebook: Notebook, browser: Browser, lab: Lab
) -> None:
    ask_for_more(panel, notebook)
    expect(panel.root.get_by_role("combobox")).to_be_disabled()
    panel.command("envmagic:compare", lock="first_env.txt")
    panel.page.wait_for_timeout(1500)  # what is compared now is not shown in its place
    expect(panel.rows.filter(has_text="epsilon")).to_be_visible()
    with new_page(browser) as page:
        other = Panel(page, lab)
        other.load()
        other.open_notebook(notebook.path)
        other.face("asking")
        agree(other)
        other.face("succeeded")
    panel.face("succeeded")
    assert notebook.environment.freeze()["grows"] == "1.0"


def test_a_silent_kernel_that_comes_to_itself(
    panel: Panel, notebook: Notebook, tmp_path: Path
) -> None:
    witness = Witness(notebook.environment)
    notebook.write("alpha==2.0", "beta==2.0", "delta==1.0")
    notebook.open()
    panel.face("differs")
    kernel = next(seen.pid for seen in witness.look() if seen.is_kernel)
    os.kill(kernel, signal.SIGSTOP)
    try:
        panel.button("Compare again").click()
        expect(panel.face("silent")).to_contain_text("does not answer")
        panel.button("Try again").click()
        expect(panel.face("silent")).to_contain_text("is asked again")
        panel.shoot("face-silent", tmp_path)
    finally:
        os.kill(kernel, signal.SIGCONT)
    panel.face("differs")


def test_no_connection_is_left_over(
    panel: Panel, house: Wheelhouse, environment: Environment, sockets: list[WebSocket]
) -> None:
    for _ in range(2):
        notebook = Notebook(panel, house, environment)
        notebook.write("alpha==2.0")
        notebook.open()
        panel.face("differs")
        notebook.close()
    assert len(sockets) >= 4
    panel.wait_until(lambda: all(socket.is_closed() for socket in sockets))


def test_no_connection_is_opened_beside_another(
    panel: Panel, notebook: Notebook, templates: Templates, sockets: list[WebSocket]
) -> None:
    """An old kernel answers when its cell ends; who comes and goes meanwhile leaves nothing."""
    old = Notebook(panel, notebook.house, templates.make("patient"))
    old.write("alpha==2.0")
    old.open()
    panel.face("differs")
    panel.run("import time; time.sleep(60)")
    notebook.open()
    for _ in range(3):
        for each in (old, notebook):
            panel.show_notebook(each.path)
            panel.page.wait_for_timeout(500)
    panel.wait_until(lambda: sum(not socket.is_closed() for socket in sockets) <= 3)
    panel.show_notebook(old.path)
    panel.close_document()
    panel.face("no-lock")


def test_a_filter_can_be_undone(panel: Panel, notebook: Notebook) -> None:
    notebook.write("alpha==1.0", "beta==2.0")
    notebook.open()
    chip = panel.root.locator(".jp-EnvMagic-chip[data-kind='remove']")
    panel.face("differs")
    chip.click()
    notebook.write("alpha==2.0", "beta==2.0", "delta==1.0")
    panel.button("Compare again").click()
    expect(panel.root).to_contain_text("No project is like that.")
    chip.click()
    expect(panel.rows).to_have_count(1)


def test_who_requires_a_project_is_asked_anew(panel: Panel, notebook: Notebook) -> None:
    notebook.write("alpha==1.0", "delta==1.0")
    notebook.open()
    panel.face("differs")
    panel.root.get_by_role("searchbox").fill("alpha")
    panel.root.get_by_role("button", name="alpha", exact=True).click()
    detail = panel.root.locator(".jp-EnvMagic-detail")
    expect(detail).to_contain_text("beta 2.0 requires alpha")
    notebook.apply()
    panel.face("succeeded")
    expect(detail).to_contain_text("nothing that is installed")
    panel.root.get_by_role("searchbox").fill("")


def test_an_installation_of_a_notebook_that_was_closed(
    panel: Panel, notebook: Notebook, lab: Lab, tmp_path: Path
) -> None:
    notebook.environment.pip("uninstall", "--quiet", "--yes", "envmagic")
    file = tmp_path / "pip.conf"
    configuration = "[global]\nindex-url = http://me:hunter2@127.0.0.1:9/simple\nretries = "
    file.write_text(f"{configuration}0\n", "utf-8")
    lab.add_kernel(notebook.name, notebook.environment, environ={"PIP_CONFIG_FILE": str(file)})
    notebook.open()
    panel.face("missing")
    panel.button("Install envmagic…").click()
    panel.answer("Install")
    expect(panel.root.get_by_role("alert")).to_contain_text("pip says")
    expect(panel.root).not_to_contain_text("hunter2")
    file.write_text(f"{configuration}4\n", "utf-8")  # so that it takes some seconds
    panel.button("Install envmagic…").click()
    panel.answer("Install")
    expect(panel.root).to_contain_text("Installing envmagic")
    panel.close_document()
    panel.face("no-document")
    panel.page.wait_for_timeout(9000)
    panel.face("no-document")
    notebook.open()


def test_the_focus_stays_in_the_panel(panel: Panel, notebook: Notebook) -> None:
    notebook.write("alpha==2.0", "beta==2.0", "delta==1.0")
    notebook.open()
    panel.face("differs")
    for button, answer, face in (
        ("Compare again", None, "differs"),
        ("Apply…", "Apply", "succeeded"),
        ("Dismiss", None, "equal"),
    ):
        expect(panel.button(button)).to_be_enabled()
        panel.button(button).focus()
        panel.page.keyboard.press("Enter")
        if answer:
            panel.answer(answer)
        panel.face(face)
        panel.page.wait_for_function(f"() => ({_FOCUSED})().includes('jp-EnvMagic')")


def test_nobody_is_asked_where_that_is_set(panel: Panel, notebook: Notebook) -> None:
    panel.set_preferences('{"watch": "off"}')
    try:
        panel.command("envmagic:open-panel")
        notebook.write("alpha==1.0", "beta==2.0", "delta==1.0")
        notebook.open()
        panel.face("equal")
        notebook.write("alpha==2.0", "beta==2.0", "delta==1.0")
        panel.type_cell("1 + 1")
        run_cell(panel.page)
        panel.page.wait_for_timeout(2000)
        panel.face("equal")
        panel.button("Compare again").click()
        panel.face("differs")
    finally:
        panel.set_preferences("{}")
        panel.command("envmagic:open-panel")
        notebook.open()
