"""Long work in a thread of this kernel, which any number of panels can watch and cancel."""

from __future__ import annotations

import codecs
import threading
import uuid
from typing import TYPE_CHECKING

from envmagic.core.errors import Cancelled, EnvmagicError
from envmagic.core.report import Progress
from envmagic.story.sync import Face, has_grown

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

    from envmagic.core.report import Outcome, Report
    from envmagic.core.request import Request

    Task = Callable[[Face], Outcome | Report]
    """What is to be done: a sync, an undo, a look with the index; needs nothing but a face."""

_KEPT = 400_000
"""How many bytes of what the tools say are kept, the last ones."""
_PIECE = 64_000
"""How many of them are told at once: escaped for JSON, they may become six times as many."""
_PATIENCE = 3600.0
"""How many seconds a question waits. Meanwhile nobody else can change the environment, and the tab
that would answer may be closed for good; who comes back from a meal should still find it."""
_OUR_FAULT = EnvmagicError("stopped by an error of envmagic itself", "see the kernel's log")


class Work:
    """One piece of work: begun at once, asked after from any thread until it has ended."""

    def __init__(
        self,
        what: str,
        title: str,
        task: Task,
        shown: Report | None,
        request: Request | None = None,
        *,
        patience: float = _PATIENCE,
    ) -> None:
        self.id = uuid.uuid4().hex
        self.what = what
        """`preview`, `sync`, `undo`."""
        self.title = title
        self.request = request
        """What was asked for; None: an undo."""
        self.progress = Progress(phase="Starting")
        self.question: Report | None = None
        """What must be agreed to before it goes on: there is more to do than was shown."""
        self.result: Outcome | Report | None = None
        self.error: EnvmagicError | None = None
        self._shown = shown
        self._task = task
        self._patience = patience
        self._given_up = False
        self._cancel = threading.Event()
        self._answered = threading.Event()
        self._asking = threading.Lock()
        """So that an answer to one question is none to the next."""
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

    def agree(self, report: Report | None = None) -> None:
        """Go on with what is asked about, if that is this report."""
        with self._asking:
            if report is None or report is self.question:
                self._answered.set()

    def cancel(self) -> None:
        """Stop; what was changed is put back."""
        self._cancel.set()
        self._answered.set()

    def said(self, start: int) -> tuple[str, int]:
        """Return what the tools have said from `start` on, and where that ends; in bytes.

        That is one piece of it; it goes on where that ends.
        """
        return self._log.since(start)

    def _run(self) -> None:
        face = Face(agree=self._ask, tell=self._tell, hear=self._log.open, cancel=self._cancel)
        error: EnvmagicError = _OUR_FAULT
        result: Outcome | Report | None = None
        try:
            result = self._task(face)
        except EnvmagicError as caught:
            error = (
                Cancelled(f"nobody has answered; {caught.message}") if self._given_up else caught
            )
        finally:
            self._log.close()
            if result is None:
                self.error = error
            self.result = result

    def _ask(self, report: Report) -> bool:
        if self._shown is None or not has_grown(self._shown, report):
            return True
        with self._asking:
            self._answered.clear()
            self._shown = self.question = report
        if not self._cancel.is_set() and not self._answered.wait(self._patience):
            self._given_up = True
            self._cancel.set()
        self.question = None
        return not self._cancel.is_set()

    def _tell(self, progress: Progress) -> None:
        self._log.read()
        self.progress = progress


class _Log:
    """What the tools say, read while they say it; held open, since in the end the file is gone."""

    def __init__(self) -> None:
        self._file: BinaryIO | None = None
        self._text = b""
        self._gone = 0
        """How many bytes before `_text` are forgotten."""
        self._reading = threading.Lock()

    def open(self, path: Path) -> None:
        with self._reading:
            self._file = path.open("rb")

    def close(self) -> None:
        self.read()
        with self._reading:
            if self._file is not None:
                self._file.close()
            self._file = None

    def read(self) -> None:
        with self._reading:
            if self._file is None:
                return
            self._text += self._file.read()
            forgotten = max(0, len(self._text) - _KEPT)
            self._gone += forgotten
            self._text = self._text[forgotten:]

    def since(self, start: int) -> tuple[str, int]:
        """Return a piece that is whole characters, and where it ends."""
        self.read()
        with self._reading:
            begin = max(0, start - self._gone)
            while start < self._gone and _inside_a_character(self._text[begin : begin + 1]):
                begin += 1
            piece = self._text[begin : begin + _PIECE]
            is_last = self._file is None and begin + len(piece) == len(self._text)
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            said = decoder.decode(piece, final=is_last)
            cut, _ = decoder.getstate()
            return said, self._gone + begin + len(piece) - len(cut)


def _inside_a_character(byte: bytes) -> bool:
    return b"\x80" <= byte < b"\xc0"
