"""A click on a line opens its file, by whatever names the server knows the folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support.lab import live_lab
from support.notebook import Notebook
from support.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.lab import Lab
    from support.panel import Panel
    from support.templates import Templates

pytestmark = pytest.mark.live

_DRIVE = """() => {
  const { contents } = window.jupyterapp.serviceManager;
  contents.addDrive(Object.create(contents.defaultDrive, { name: { value: 'Other' } }));
}"""
_PATH = "() => window.jupyterapp.shell.currentWidget.context?.path"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A server whose root lies behind a link, as homes do on many a cluster."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "disk").mkdir()
    (folder / "home").symlink_to("disk")
    with live_lab(folder / "home" / "lab") as lab:
        yield lab


@pytest.fixture(scope="module")
def notebook(
    panel: Panel, templates: Templates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Notebook]:
    house = Wheelhouse.standard(tmp_path_factory.mktemp("house"))
    notebook = Notebook(panel, house, templates.make("kernel"))
    notebook.write("-r more/base.txt", "alpha", f"-r {notebook.folder.resolve()}/own.txt")
    (notebook.folder / "own.txt").write_text("beta\n", "utf-8")
    (notebook.folder / "more").mkdir()
    (notebook.folder / "more" / "base.txt").write_text("\ngamma\n", "utf-8")
    notebook.open()
    yield notebook
    notebook.close()


def click_line(panel: Panel, name: str) -> str:
    """Click the link to a line, and return what is opened by it."""
    before: str = panel.page.evaluate(_PATH)
    panel.button(name).click()
    panel.page.wait_for_function(f"before => ({_PATH})() !== before", arg=before)
    path: str = panel.page.evaluate(_PATH)
    panel.command("application:close")
    panel.page.wait_for_function(f"path => ({_PATH})() !== path", arg=path)
    return path


def test_a_line_is_opened_behind_a_link(panel: Panel, notebook: Notebook, lab: Lab) -> None:
    panel.face("invalid-lock")
    folder = notebook.folder.relative_to(lab.root).as_posix()
    own = f"{notebook.folder.resolve()}/own.txt:1"
    assert click_line(panel, "first_env.txt:2") == f"{folder}/first_env.txt"
    assert click_line(panel, "more/base.txt:2") == f"{folder}/more/base.txt"
    assert click_line(panel, own) == f"{folder}/own.txt"


def test_a_line_is_opened_on_the_notebooks_own_drive(
    panel: Panel, notebook: Notebook, lab: Lab
) -> None:
    """With real-time collaboration, a notebook is on another drive than the server's own."""
    notebook.close()
    panel.page.evaluate(_DRIVE)
    outside = lab.root.parent.resolve() / "outside.txt"
    outside.write_text("delta\n", "utf-8")
    (lab.root / "first_env.txt").write_text(f"alpha\n-r more/base.txt\n-r {outside}\n", "utf-8")
    (lab.root / "more").mkdir()
    (lab.root / "more" / "base.txt").write_text("gamma\n", "utf-8")
    lab.write_notebook("n.ipynb", kernel=notebook.name)
    panel.open_notebook("Other:n.ipynb")
    panel.face("invalid-lock")
    assert click_line(panel, "first_env.txt:1") == "Other:first_env.txt"
    assert click_line(panel, "more/base.txt:1") == "Other:more/base.txt"
    panel.button(f"{outside}:1").click()
    expect(panel.dialog).to_contain_text("It lies outside the folder that JupyterLab shows.")
    panel.answer("Ok")
