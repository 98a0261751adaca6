"""What the tests in a browser may ask for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.browser import chromium, new_page, shoot
from support.lab import live_lab
from support.notebook import Notebook
from support.panel import Panel
from support.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page
    from support.environment import Environment
    from support.lab import Lab
    from support.templates import Templates


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One server for the tests of a module."""
    with live_lab(tmp_path_factory.mktemp("lab") / "lab") as lab:
        yield lab


@pytest.fixture(scope="module")
def panel(browser: Browser, lab: Lab) -> Iterator[Panel]:
    """One page for the tests of a module: its panel is open, and no document is."""
    with new_page(browser) as page:
        page.set_viewport_size({"width": 1200, "height": 760})
        panel = Panel(page, lab)
        panel.load()
        yield panel


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Wheelhouse:
    """The standard wheels; a module may have others."""
    return Wheelhouse.standard(tmp_path_factory.mktemp("house"))


@pytest.fixture
def environment(templates: Templates, house: Wheelhouse) -> Environment:
    """A kernel with three projects; a module may have others."""
    environment = templates.make("kernel")
    environment.install(house, "alpha==1.0", "beta==2.0", "delta==1.0")
    return environment


@pytest.fixture
def notebook(panel: Panel, environment: Environment, house: Wheelhouse) -> Iterator[Notebook]:
    """A notebook in a folder of its own, whose kernel runs in `environment`."""
    notebook = Notebook(panel, house, environment)
    yield notebook
    notebook.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page, for one test."""
    with new_page(browser) as page:
        yield page


@pytest.fixture
def picture(page: Page, tmp_path: Path) -> Callable[[str], Path]:
    """Take a picture of the page, under a name."""
    return partial(_shoot, page, tmp_path)


def _shoot(page: Page, folder: Path, name: str) -> Path:
    return shoot(page, name, folder)
