"""The stage of all tests in a browser: a Lab, and kernels in other environments than its own."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from support.browser import open_notebook, run_cell
from support.lab import DARK, LIGHT, live_lab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Page
    from support.environment import Environment
    from support.lab import Lab
    from support.templates import Templates

pytestmark = pytest.mark.live

_ENTRY = """
window._JUPYTERLAB = window._JUPYTERLAB || {};
window._JUPYTERLAB['made-up'] = {
  init: () => {},
  get: async () => () => ({
    __esModule: true,
    default: {
      id: 'made-up:plugin',
      autoStart: true,
      activate: () => { document.body.dataset.madeUp = 'active'; }
    }
  })
};
"""


@pytest.fixture(scope="module")
def other(templates: Templates) -> Environment:
    return templates.make("kernel")


def make_extension(folder: Path) -> Path:
    """Make a built extension that does one thing."""
    (folder / "static").mkdir(parents=True)
    (folder / "static" / "remoteEntry.js").write_text(_ENTRY)
    build = {"load": "static/remoteEntry.js", "extension": "./extension"}
    package = {"name": "made-up", "version": "1.0.0", "jupyterlab": {"_build": build}}
    (folder / "package.json").write_text(json.dumps(package))
    return folder


@pytest.fixture(scope="module", params=[LIGHT, DARK])
def lab(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, other: Environment
) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    extension = make_extension(folder / "made-up")
    with live_lab(folder / "lab", extensions=[extension], theme=request.param) as lab:
        lab.add_kernel("other", other)
        yield lab


def test_a_notebook_runs_in_another_environment_than_its_server(
    lab: Lab,
    page: Page,
    picture: Callable[[str], Path],
    other: Environment,
    request: pytest.FixtureRequest,
) -> None:
    lab.write_notebook("a b/first.ipynb", "import sys; print(sys.prefix)", kernel="other")
    open_notebook(page, lab, "a b/first.ipynb")
    run_cell(page)
    said = page.locator(".jp-OutputArea-output").first.inner_text()
    assert said.strip() == str(other.prefix)
    assert said.strip() != sys.prefix
    assert page.locator("body").get_attribute("data-made-up") == "active"
    theme: str = request.node.callspec.params["lab"]
    assert page.locator("body").get_attribute("data-jp-theme-name") == theme
    path = picture(f"lab-{'dark' if theme == DARK else 'light'}")
    assert path.read_bytes().startswith(b"\x89PNG")
