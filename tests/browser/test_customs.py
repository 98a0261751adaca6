"""What every panel of JupyterLab does: palette, focus, settings, a layout that is restored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from support.environment import Environment
    from support.lab import Lab
    from support.notebook import Notebook
    from support.panel import Panel
    from support.templates import Templates
    from support.wheelhouse import Wheelhouse

pytestmark = pytest.mark.live


@pytest.fixture
def environment(templates: Templates, house: Wheelhouse) -> Environment:
    environment = templates.make("kernel")
    environment.install(house, "alpha==1.0", "delta==1.0")
    return environment


def test_the_palette_opens_it_and_gives_it_the_keyboard(panel: Panel, notebook: Notebook) -> None:
    notebook.write("alpha==2.0", "delta==1.0")
    notebook.open()
    panel.tab.click()  # closed
    expect(panel.root).to_be_hidden()
    panel.page.keyboard.press("Control+Shift+C")
    panel.page.keyboard.type("Environment: Open Panel")
    panel.page.keyboard.press("Enter")
    panel.face("differs")
    expect(panel.root).to_be_focused()
    panel.page.keyboard.press("Tab")
    expect(panel.button("Compare again")).to_be_focused()
    for name in ("Apply Lock File…", "Freeze to Lock File…", "Undo Last Change…"):
        described = panel.page.evaluate(
            "async name => Object.keys(await window.jupyterapp.commands.describedBy(name))",
            f"envmagic:{name.split()[0].lower()}",
        )
        assert described == ["args"]


def test_settings(panel: Panel, notebook: Notebook) -> None:
    notebook.write("alpha==2.0", lock="first_env.txt")
    notebook.write("alpha==1.0", lock="mine.txt")
    settings = {"lock": "mine.txt", "options": "--keep-extraneous", "statusBar": False}
    panel.set_preferences(json.dumps(settings))
    try:
        panel.visit(notebook.path)
        panel.command("envmagic:open-panel")
        panel.face("equal")  # delta is kept
        expect(panel.root.get_by_role("combobox")).to_have_value("mine.txt")
        expect(panel.status).to_be_hidden()
        panel.set_preferences('{"options": "--nonsense"}')
        panel.visit(notebook.path)
        panel.command("envmagic:open-panel")
        expect(panel.face("refused")).to_contain_text("--nonsense")
    finally:
        panel.set_preferences("{}")
        panel.command("envmagic:open-panel")
        notebook.open()


def test_the_layout_is_restored(panel: Panel, notebook: Notebook, lab: Lab) -> None:
    notebook.write("alpha==2.0", "delta==1.0")
    notebook.open()
    panel.face("differs")
    panel.wait_until(lambda: _is_saved(lab, notebook))
    panel.page.goto(lab.url().replace("&reset", ""))
    panel.face("differs")
    assert panel.tab.get_attribute("aria-selected") == "true"


def _is_saved(lab: Lab, notebook: Notebook) -> bool:
    layouts = [file.read_text("utf-8") for file in lab.workspaces.glob("*.jupyterlab-workspace")]
    words = (f'"notebook:{notebook.path}"', '"current":"envmagic-panel"')
    return any(all(word in layout for word in words) for layout in layouts)
