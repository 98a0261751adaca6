"""Long work in a thread of this kernel, which any number of panels can watch and cancel."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING

from envmagic.core.errors import EnvmagicError
from envmagic.core.report import Progress
from envmagic.story.sync import Face, has_grown

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from envmagic.core.report import Outcome, Report

    Task = Callable[[Face], Outcome | Report]
    """What is to be done: a sync, an undo, a look with the index; needs nothing but a face."""

_KEPT = 400_000
"""How many bytes of what the tools say are kept, the last ones."""
_OUR_FAULT = EnvmagicError("stopped by an error of envmagic itself", "see the kernel's log")


class Work:
    """One piece of work: begun at once, asked after from any thread until it has ended."""

    def __init__(self, what: str, title: str, task: Task, shown: Report | None) -> None:
        self.id = uuid.uuid4().hex
        self.what = what
        """`preview`, `sync`, `undo`."""
        self.title = title
        self.progress = Progress(phase="Starting")
        self.question: Report | None = None
        """What must be agreed to before it goes on: there is more to do than was shown."""
        self.result: Outcome | Report | None = None
        self.error: EnvmagicError | None = None
        self._shown = shown
        self._task = task
        self._cancel = threading.Event()
        self._answered = threading.Event()
        self._log = _Log()
        self._thread = threading.Thread(target=self._run, name="envmagic-work", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether there is a result, or an error."""
        return self.result is not None or self.error is not None

    @property
    def cancelling(self) -> bool:
        """Whether it was told to stop, and has not yet."""
        return self._cancel.is_set() and not self.ended

    def agree(self) -> None:
        """Go on with what was asked about."""
        self._answered.set()

    def cancel(self) -> None:
        """Stop; what was changed is put back."""
        self._cancel.set()
        self._answered.set()

    def said(self, start: int) -> tuple[str, int]:
        """Return what the tools have said from `start` on, and where that ends; in bytes."""
        return self._log.since(start)

    def _run(self) -> None:
        face = Face(agree=self._ask, tell=self._tell, hear=self._log.open, cancel=self._cancel)
        error: EnvmagicError = _OUR_FAULT
        try:
            self.result = self._task(face)
        except EnvmagicError as caught:
            error = caught
        finally:
            if self.result is None:
                self.error = error

    def _ask(self, report: Report) -> bool:
        if self._shown is None or not has_grown(self._shown, report):
            return True
        self._shown = self.question = report
        self._answered.clear()
        if not self._cancel.is_set():
            self._answered.wait()
        self.question = None
        return not self._cancel.is_set()

    def _tell(self, progress: Progress) -> None:
        self._log.read()
        self.progress = progress


class _Log:
    """What the tools say, read while they say it: in the end the file is gone."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._text = b""
        self._gone = 0
        """How many bytes before `_text` are forgotten."""
        self._reading = threading.Lock()

    def open(self, path: Path) -> None:
        self._path = path

    def read(self) -> None:
        with self._reading:
            if self._path is None:
                return
            try:
                with self._path.open("rb") as file:
                    file.seek(self._gone + len(self._text))
                    self._text += file.read()
            except OSError:  # not there yet, or no more
                return
            self._gone += max(0, len(self._text) - _KEPT)
            self._text = self._text[-_KEPT:]

    def since(self, start: int) -> tuple[str, int]:
        self.read()
        with self._reading:
            text = self._text[max(0, start - self._gone) :]
            return text.decode("utf-8", "replace"), self._gone + len(self._text)
