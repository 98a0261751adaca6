"""A notebook or a console that the sidebar follows, with locks beside it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from support.browser import await_kernel
from support.slow import wait_until_half_done

if TYPE_CHECKING:
    from support.environment import Environment
    from support.panel import Panel
    from support.wheelhouse import Wheelhouse

_NUMBERS = itertools.count()


class Notebook:
    """A folder of its own below the server's, whose kernel runs in `environment`."""

    def __init__(self, panel: Panel, house: Wheelhouse, environment: Environment) -> None:
        self.name = f"story{next(_NUMBERS)}"
        self.path = f"{self.name}/n.ipynb"
        self.environment, self.house = environment, house
        self._panel = panel
        panel.lab.add_kernel(self.name, environment)
        panel.lab.write_notebook(self.path, "import alpha", kernel=self.name)
        self.folder = panel.lab.root / self.name

    def write(self, *lines: str, lock: str = "first_env.txt") -> None:
        """Write a lock that takes its wheels from the house alone; `lines` are its first."""
        places = ("--no-index", f"--find-links {self.house.folder}")
        (self.folder / lock).write_text("\n".join([*lines, *places, ""]), "utf-8")

    def open(self) -> None:
        """Open it as a notebook."""
        self._panel.open_notebook(self.path)

    def open_console(self) -> None:
        """Open a console in its folder."""
        self._panel.refresh_kernels()
        preference = {"name": self.name, "autoStartDefault": False, "shouldStart": True}
        self._panel.command(
            "console:create", basePath=self.name, kernelPreference=preference, activate=True
        )
        self._panel.page.locator(".jp-ConsolePanel:visible").wait_for()
        await_kernel(self._panel.page)

    def apply(self) -> None:
        """Press Apply, and agree."""
        self._panel.button("Apply…").click()
        self._panel.answer("Apply")

    def begin_slow_change(self) -> None:
        """Open it, apply a lock that keeps pip at work, and wait until that is half done."""
        self.write("alpha==2.0", "many==1.0")
        self.open()
        self._panel.face("differs")
        self.apply()
        wait_until_half_done(self.environment)

    def close(self) -> None:
        """End its kernel, and close it."""
        self._panel.close_document()
        self._panel.face("no-document")
