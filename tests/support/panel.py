"""The sidebar in a page, as its user sees it and clicks it."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect
from support.browser import await_kernel, shoot
from support.lab import CONTRAST, DARK, LIGHT
from support.templates import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Locator, Page
    from support.lab import Lab

_THEMES = {"light": LIGHT, "dark": DARK}
_AXE = ROOT / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
_GRAVE = """async selector => (await axe.run(selector, {
  runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']
})).violations
  .filter(({ impact }) => impact === 'serious' || impact === 'critical')
  .map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html).join(' ')}`)"""
_BADGED = re.compile(r"\bjp-mod-(differs|equal|working|restart|attention)\b")
_CONTEXT = "window.jupyterapp.shell.currentWidget.sessionContext"
_CURRENT = "path => window.jupyterapp.shell.currentWidget?.context?.path === path"

_UNTOUCHED = """() => {
  const context = window.jupyterapp.shell.currentWidget.context;
  if (context) {
    context.model.dirty = false;
  }
}"""


class Panel:
    """The sidebar of one page."""

    def __init__(self, page: Page, lab: Lab) -> None:
        self.page = page
        self.lab = lab
        self.root = page.locator("#envmagic-panel")
        self.tab = page.locator(".jp-SideBar [data-id='envmagic-panel']")
        self.dialog = page.locator(".jp-Dialog")
        self.rows = self.root.locator("tbody[data-index]")
        self.status = page.locator(".jp-EnvMagic-status button")

    def load(self) -> None:
        """Load the page anew, with no document in it, and open the panel."""
        self.load_page()
        self.tab.click()

    def load_page(self) -> None:
        """Load the page anew, with no document in it; the panel was never open."""
        self.page.goto(self.lab.url())
        self.page.wait_for_function("() => window.jupyterapp", timeout=60_000)
        self.page.evaluate("async () => { await window.jupyterapp.restored; }")

    def visit(self, path: str) -> None:
        """Load the page of a notebook, and wait until its kernel is idle."""
        self.page.goto(self.lab.url(path))
        await_kernel(self.page)

    def pick(self, menu: str, item: str) -> None:
        """Choose an item of a menu of the menu bar."""
        self.page.locator(".lm-MenuBar-itemLabel").get_by_text(menu, exact=True).click()
        self.page.locator(".lm-Menu-itemLabel").get_by_text(item, exact=True).click()

    def open_notebook(self, path: str, *, wait: bool = True) -> None:
        """Open a notebook in the page that is there, and wait until its kernel is idle."""
        self.refresh_kernels()
        self.show_notebook(path)
        if wait:
            await_kernel(self.page)

    def show_notebook(self, path: str) -> None:
        """Make a notebook the current document."""
        self.command("docmanager:open", path=path, factory="Notebook")
        self.page.wait_for_function(_CURRENT, arg=path)

    def refresh_kernels(self) -> None:
        """Let the page know of the kernels that were added since it was loaded."""
        self.page.evaluate("() => window.jupyterapp.serviceManager.kernelspecs.refreshSpecs()")

    def close_document(self) -> None:
        """End the kernel of the current document, and close it."""
        self.page.evaluate(f"() => {_CONTEXT.replace('.session', '?.session')}?.shutdown()")
        self.page.evaluate(_UNTOUCHED)  # or else it asks whether it is saved
        self.command("application:close")

    def command(self, name: str, **arguments: object) -> None:
        """Run a command of JupyterLab; it may wait for a dialog, and so is not waited for."""
        self.page.evaluate(
            "([name, args]) => { void window.jupyterapp.commands.execute(name, args); }",
            [name, arguments],
        )

    def on_kernel(self, code: str) -> None:
        """Evaluate what the session context of the current document can do."""
        self.page.evaluate(f"() => {{ void {_CONTEXT}.{code}; }}")

    def run(self, code: str) -> None:
        """Run code in the kernel, as another tab would: no cell waits for its end."""
        script = f"code => {{ {_CONTEXT}.session.kernel.requestExecute({{ code }}); }}"
        self.page.evaluate(script, code)

    def type_cell(self, code: str) -> None:
        """Write code into the cell that is selected."""
        self.page.locator(".jp-Notebook:visible .jp-Cell.jp-mod-active .cm-content").fill(code)

    def set_preferences(self, raw: str) -> None:
        """Set what a user can, as JSON, and load the page anew."""
        save = "raw => window.jupyterapp.serviceManager.settings.save('envmagic:plugin', raw)"
        self.page.evaluate(save, raw)
        self.load_page()

    def face(self, name: str, *, timeout: float = 60) -> Locator:
        """Wait until the panel has a face, and return what has it."""
        found = self.root.locator(f"[data-face='{name}']").first
        found.wait_for(timeout=timeout * 1000)
        return found

    def button(self, name: str) -> Locator:
        """Return a button by its words."""
        return self.root.get_by_role("button", name=name, exact=True)

    def choose(self, lock: str) -> None:
        """Choose a lock, which has changed or is another one."""
        self.command("envmagic:compare", lock=lock)

    def answer(self, name: str) -> None:
        """Press a button of the dialog that is open."""
        # By what is written on it: some have another name for a screen reader.
        self.dialog.locator(".jp-Dialog-footer").get_by_text(name, exact=True).click()

    def wait_until(self, condition: Callable[[], bool], *, timeout: float = 30) -> None:
        """Wait until something has come, of the page or of elsewhere, and hear the page meanwhile.

        Playwright tells what has happened (a frame was sent, a connection was closed) only while
        somebody waits for the page: who sleeps never hears of it.
        """
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, f"not within {timeout} seconds"
            self.page.wait_for_timeout(20)

    def expect_badge(self, kind: str, number: str | None = None) -> None:
        """Wait until the badge on the icon is of a kind (none: empty), and has a number."""
        if kind:
            expect(self.tab).to_have_class(re.compile(rf"\bjp-mod-{kind}\b"))
        else:
            expect(self.tab).not_to_have_class(_BADGED)
        if number is not None:
            expect(self.tab).to_have_attribute("data-envmagic-count", number)

    def shoot(self, name: str, folder: Path) -> list[Path]:
        """Take a picture in each theme."""
        taken = []
        for theme, title in _THEMES.items():
            self.use_theme(title)
            taken.append(shoot(self.page, f"{name}-{theme}", folder))
        self.use_theme(LIGHT)
        return taken

    def use_theme(self, title: str) -> None:
        """Change the theme of the page."""
        self.command("apputils:change-theme", theme=title)
        body = self.page.locator(f"body[data-jp-theme-name='{title}']")
        body.wait_for(state="attached")  # it has no height of its own
        self.page.locator("#jupyterlab-splash").wait_for(state="hidden")

    def grave_violations(self, selector: str) -> list[str]:
        """Return what axe-core finds serious or worse in a part of the page, in each theme."""
        self.page.add_script_tag(path=_AXE)
        found: list[str] = []
        for title in (LIGHT, DARK, CONTRAST):
            self.use_theme(title)
            violations: Any = self.page.evaluate(_GRAVE, selector)
            found += [f"{title}: {violation}" for violation in violations]
        self.use_theme(LIGHT)
        return found
