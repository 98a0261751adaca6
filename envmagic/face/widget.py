"""The diff table with its controls: Apply, Cancel, filter, search, progress."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import ipywidgets as widgets

from envmagic.core.errors import Cancelled, EnvmagicError
from envmagic.core.model import Kind
from envmagic.face.table import render_html, render_outcome_html, render_words_html
from envmagic.face.view import render_outcome, render_text, shown_changes
from envmagic.story.sync import Face, has_grown

if TYPE_CHECKING:
    from collections.abc import Callable

    from envmagic.core.report import Outcome, Progress, Report

    Show = Callable[[str, str], None]
    """Takes HTML and plain text, and shows them in place of what was shown before."""
    Work = Callable[[Face], Outcome]
    """A sync or an undo, that needs nothing any more but a face."""


_PATIENCE = 10.0
"""How many seconds are given to what was cancelled before it had changed anything."""


class SyncControls:
    """The controls under a diff table, and the sync that they start.

    The table is a static display of its own, which outlives the kernel; in the end the
    controls' own display becomes static, too, so that no dead control is left behind.
    The work goes on in a thread: the kernel stays usable, and a cell that is running
    does not stop the progress.
    """

    def __init__(
        self,
        report: Report,
        work: Work,
        *,
        show_table: Show,
        replace_controls: Show,
        restart_button: str,
    ) -> None:
        self._report, self._carry_out = report, work
        self._show_table, self._replace_controls = show_table, replace_controls
        self._restart_button = restart_button
        self._cancel = threading.Event()
        self._answered = threading.Event()
        self._thread: threading.Thread | None = None
        self._asks = False
        self._build()

    def withdraw(self) -> None:
        """Cancel it where it waits for an answer; what has begun goes on.

        Meanwhile nothing else could change the environment, and its cell may be gone.
        """
        if self._asks and self._thread is not None:
            self._end()
            self._thread.join(_PATIENCE)

    def _build(self) -> None:
        kinds = [k for k in Kind if any(c.kind is k for c in shown_changes(self._report))]
        self._kind = widgets.ToggleButtons(
            options=[("all", None), *((kind.value, kind) for kind in kinds)],
            style={"button_width": "auto"},
            tooltips=["show every change", *(f"show only: {kind.value}" for kind in kinds)],
        )
        self._search = widgets.Text(placeholder="search a project", continuous_update=True)
        self._apply = widgets.Button(
            description="Apply", button_style="primary", tooltip="make this kernel equal to it"
        )
        self._stop = widgets.Button(description="Cancel", tooltip="change nothing")
        self._bar = widgets.IntProgress(min=0, max=1, layout={"width": "240px"})
        self._status = widgets.HTML()
        self._progress = widgets.HBox([self._bar, self._status], layout={"display": "none"})
        self._kind.observe(self._filter, "value")
        self._search.observe(self._filter, "value")
        self._apply.on_click(lambda _: self._start())
        self._stop.on_click(lambda _: self._end())
        self.widget = widgets.VBox(
            [
                widgets.HBox([self._kind, self._search]),
                self._progress,
                widgets.HBox([self._apply, self._stop]),
            ]
        )

    def _filter(self, _: object) -> None:
        kind = self._kind.value
        kinds = None if kind is None else {kind}
        html = render_html(self._report, kinds=kinds, query=self._search.value.strip())
        self._show_table(html, render_text(self._report))

    def _start(self) -> None:
        self._apply.disabled = True
        self._progress.layout.display = self._bar.layout.display = ""
        if self._thread is not None:
            self._answered.set()
            return
        self._thread = threading.Thread(target=self._work, name="envmagic-sync", daemon=True)
        self._thread.start()

    def _end(self) -> None:
        self._stop.disabled = True
        self._cancel.set()
        self._answered.set()
        if self._thread is None:
            self._finish("cancelled; nothing was changed")

    def _work(self) -> None:
        face = Face(agree=self._agree, tell=self._tell, cancel=self._cancel)
        words = "stopped by an error of envmagic itself: see the kernel's log"
        try:
            self._conclude(self._carry_out(face))
            words = ""
        except Cancelled as stopped:
            words = stopped.message
        except EnvmagicError as error:
            words = str(error)
        finally:
            if words:
                self._finish(words)

    def _agree(self, report: Report) -> bool:
        """Take the click for what was shown; ask for another where the plan has grown."""
        if not has_grown(self._report, report):
            return True
        self._report = replace(report, accelerator=self._report.accelerator)
        self._filter(None)
        self._bar.layout.display = "none"
        self._status.value = "There is more to do than was shown: look again, then apply."
        self._apply.disabled = False
        self._answered.clear()
        self._asks = True
        self._answered.wait()
        self._asks = False
        return not self._cancel.is_set()

    def _tell(self, progress: Progress) -> None:
        self._bar.max = progress.total or 1
        self._bar.value = progress.done
        counted = f" {progress.done} of {progress.total}" if progress.total else ""
        self._status.value = f"{progress.phase}{counted} <small>{progress.detail}</small>"
        if progress.phase == "Changing":
            self._stop.tooltip = "put back what was changed"

    def _conclude(self, outcome: Outcome) -> None:
        html = render_outcome_html(outcome, self._restart_button)
        self._replace_controls(html, render_outcome(outcome))
        self.widget.close()

    def _finish(self, words: str) -> None:
        self._replace_controls(render_words_html(words), words)
        self.widget.close()
