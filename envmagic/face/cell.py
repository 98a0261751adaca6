"""What a cell shows: displays whose content can be replaced, and progress."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from IPython.display import DisplayHandle

from envmagic.face.table import render_progress_html

if TYPE_CHECKING:
    from envmagic.core.report import Progress

_REDRAW = 0.2
"""Seconds between two pictures of the progress."""


def _bundle(html: str, text: str) -> dict[str, str]:
    return {"text/html": html, "text/plain": text}


class Spot:
    """A display of its own, whose content can be replaced; the first content makes it."""

    def __init__(self) -> None:
        self._handle: DisplayHandle | None = None

    def show(self, html: str, text: str) -> None:
        """Show this, in place of what is shown here."""
        if self._handle is None:
            self._handle = DisplayHandle()
            self._handle.display(_bundle(html, text), raw=True)
        else:
            self._handle.update(_bundle(html, text), raw=True)

    def show_widget(self, widget: object) -> None:
        """Show a widget, which `show` can replace."""
        self._handle = DisplayHandle()
        self._handle.display(widget)


class Bar:
    """Progress for a cell that waits: redrawn in a notebook, a line a phase elsewhere."""

    def __init__(self, *, redraws: bool) -> None:
        self._redraws = redraws
        self._spot = Spot()
        self._drawn = 0.0
        self._phase = ""

    def tell(self, progress: Progress) -> None:
        """Show how far the work has come."""
        if not self._redraws:
            if progress.phase != self._phase:
                print(f"{progress.phase} ...")
            self._phase = progress.phase
            return
        now = time.monotonic()
        if now - self._drawn >= _REDRAW or progress.phase != self._phase:
            self._spot.show(render_progress_html(progress), f"{progress.phase} ...")
            self._drawn, self._phase = now, progress.phase

    def end(self, html: str, text: str) -> None:
        """Put the result in the place of the bar, or nothing."""
        if self._redraws:
            self._spot.show(html, text)
        elif text:
            print(text)
