"""A real Chromium, and what a user does with a notebook in it."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page
    from support.lab import Lab

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-sandbox",  # a container has none to give; only pages of these tests are opened
)
SCREENSHOTS = "ENVMAGIC_SCREENSHOTS"
"""The variable that names the folder for pictures."""
_SIZE = {"width": 1400, "height": 900}
_START = 90_000
"""How many ms a page and its kernel may take, on a machine with much else to do."""
_PATIENCE = 30_000
"""How many ms all else may take there: what is there sooner is seen sooner."""
_IDLE = """() => {
  const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
  return context?.isReady && context.session?.kernel?.status === 'idle';
}"""


class NoBrowserError(Exception):
    """There is no Chromium to test with."""


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Run the Chromium of this machine."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        raise NoBrowserError(f"none of {', '.join(_NAMES)} is on PATH: `make browser` installs one")
    expect.set_options(timeout=_PATIENCE)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def new_page(browser: Browser) -> Iterator[Page]:
    """Open a page that knows of no other: its storage is its own, and empty."""
    context = browser.new_context(
        viewport={"width": _SIZE["width"], "height": _SIZE["height"]}, color_scheme="light"
    )
    context.set_default_timeout(_PATIENCE)
    context.set_default_navigation_timeout(_START)
    try:
        yield context.new_page()
    finally:
        context.close()


def open_notebook(page: Page, lab: Lab, path: str) -> None:
    """Open a notebook, and wait until its kernel is idle."""
    page.goto(lab.url(path))
    await_kernel(page)


def await_kernel(page: Page) -> None:
    """Wait until the kernel of the current notebook or console is ready, and idle."""
    page.wait_for_function(_IDLE, timeout=_START)
    page.locator("#jupyterlab-splash").wait_for(state="hidden", timeout=_START)


def run_cell(page: Page) -> None:
    """Run the cell that is selected, and go to the next."""
    page.locator(".jp-Notebook:visible .jp-Cell.jp-mod-active .cm-content").click()
    page.keyboard.press("Shift+Enter")


def shoot(page: Page, name: str, folder: Path) -> Path:
    """Take a picture, into the folder that `ENVMAGIC_SCREENSHOTS` names or else this one."""
    target = Path(os.environ.get(SCREENSHOTS) or folder)
    target.mkdir(parents=True, exist_ok=True)
    path = target / f"{name}.png"
    page.screenshot(path=path)
    return path
