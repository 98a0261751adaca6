"""One wheel, installed beside each server that it is for: the panel is there, and does its work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support.lab import live_lab
from support.notebook import Notebook
from support.panel import Panel
from support.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page
    from support.lab import Application
    from support.templates import Kind, Templates

pytestmark = pytest.mark.live


@pytest.mark.parametrize(
    ("application", "kind"),
    [("jupyterlab", "oldest-server"), ("notebook", "server"), ("notebook", "oldest-server")],
    ids=["JupyterLab 4.2", "Notebook", "Notebook 7.2"],
)
def test_from_a_drift_to_an_undo(
    page: Page, templates: Templates, tmp_path: Path, application: Application, kind: Kind
) -> None:
    house = Wheelhouse.standard(tmp_path / "house")
    environment, server = templates.make("kernel"), templates.template(kind)
    environment.install(house, "alpha==1.0", "delta==1.0")
    before = environment.freeze()
    with live_lab(
        tmp_path / "lab", application=application, python=server.python, extensions=()
    ) as lab:
        panel = Panel(page, lab)
        notebook = Notebook(panel, house, environment)
        notebook.write("alpha==2.0", "epsilon==1.0")
        panel.visit(notebook.path)
        panel.run("import alpha")
        panel.pick("Kernel", "Environment: Open Panel")
        panel.face("differs")
        panel.root.get_by_role("searchbox").fill("alp")
        expect(panel.rows).to_have_count(1)
        panel.root.get_by_role("searchbox").fill("")
        expect(panel.rows).to_have_count(3)
        panel.shoot(f"server-{application}-{kind}", tmp_path)

        notebook.apply()
        panel.face("succeeded")
        panel.button("Restart kernel…").click()
        panel.answer("Restart")
        panel.face("equal")
        expect(panel.button("Restart kernel…")).to_have_count(0)
        after = environment.freeze()
        assert (after["alpha"], after["epsilon"], "delta" in after) == ("2.0", "1.0", False)

        panel.button("Undo…").click()
        panel.answer("Undo")
        panel.face("succeeded")
        assert environment.freeze() == before
        panel.button("Dismiss").click()
        panel.face("differs")

        panel.pick("Kernel", "Environment: Freeze to Lock File…")
        panel.dialog.get_by_role("textbox").fill("frozen.txt")
        page.keyboard.press("Enter")
        expect(panel.root).to_contain_text("frozen.txt: ")
        assert "delta==1.0\n" in (notebook.folder / "frozen.txt").read_text("utf-8")
