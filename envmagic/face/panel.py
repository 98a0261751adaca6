"""The sidebar's line into the kernel: a request in, a reply out."""

from __future__ import annotations

import contextlib
import inspect
import json
import shlex
import threading
from typing import TYPE_CHECKING, Any

from envmagic.change.history import read_history
from envmagic.change.transaction import home_of, recover
from envmagic.core.errors import EnvmagicError, PolicyError
from envmagic.core.lock import LockError
from envmagic.core.model import SCHEMA, VERSION
from envmagic.core.redact import redact
from envmagic.core.requirement import requirements_of
from envmagic.edge.freeze import freeze, summarize
from envmagic.edge.lockfile import find_lock, list_locks, write_lock
from envmagic.face.at_work import AtWork
from envmagic.face.desk import this_kernel
from envmagic.face.memory import Memory
from envmagic.face.options import Parser, UsageError, add_request_options, make_request
from envmagic.face.replies import (
    error_to_json,
    news_to_json,
    page_of,
    place_to_json,
    shown_to_json,
    undoable_to_json,
)
from envmagic.face.stamp import Stamps
from envmagic.face.wire import accelerator_to_json, report_to_json
from envmagic.face.work import Work
from envmagic.story.preview import fill_in, preview
from envmagic.story.sync import preview_online, preview_undo, synchronize, undo

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from envmagic.core.report import Report
    from envmagic.core.request import Request
    from envmagic.face.desk import Desk
    from envmagic.face.work import Task

    Json = dict[str, Any]

_GPU_WAIT = 2.0
_FILES = 200
"""How many files of a lock can be opened by a click."""
_REQUIRERS = 200
"""How many of those that require a project are told."""


class OutdatedError(EnvmagicError):
    """A request of a newer sidebar, which is not known here."""

    def __init__(self, request: str) -> None:
        super().__init__(
            f"envmagic {VERSION} in this kernel does not know what the sidebar asks for: {request}",
            "install the sidebar's version here, and restart the kernel",
        )


class Reply:
    """A reply, in the form in which a silent expression can carry it to a front end."""

    def __init__(self, content: Json) -> None:
        self.content = {"schema": SCHEMA, "envmagic": VERSION, **content}

    def _repr_json_(self) -> Json:
        return self.content

    def __repr__(self) -> str:
        return f"<envmagic's reply: {', '.join(self.content)}>"


_PANELS: list[Panel] = []
_ONE_AT_A_TIME = threading.Lock()


def handle(text: str) -> Reply:
    """Answer one request of the sidebar, given as JSON; called in whatever thread it asks.

    What a user can cause is an `error` in the reply, with what to do about it.
    """
    request = json.loads(text)
    try:
        with _ONE_AT_A_TIME:
            if not _PANELS:
                _PANELS.append(Panel(this_kernel()))
        return Reply(_PANELS[0].answer(request["method"], request.get("args", {})))
    except EnvmagicError as error:
        return Reply({"error": error_to_json(error)})
    except OSError as error:
        return Reply({"error": error_to_json(_explain(error))})


def _explain(error: OSError) -> EnvmagicError:
    said = error.strerror or str(error)
    if error.filename is not None:
        return PolicyError(f"`{error.filename}` cannot be used: {said}")
    hint = "perhaps the folder that this kernel works in is gone: go to another one with `%cd`"
    return PolicyError(
        f"the system refuses: {said}", hint if isinstance(error, FileNotFoundError) else ""
    )


class Panel:
    """What the sidebar has been shown of this kernel, and what it has set to work."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._node = desk.node
        self._home = home_of(desk.node.platform())
        self._memory = Memory()
        self._stamps = Stamps(desk, self._home)
        self._at_work = AtWork(self._home, self._memory)

    def answer(self, method: str, arguments: Json) -> Json:
        """Return the reply to one request; raises EnvmagicError for what a user can cause."""
        methods: dict[str, Callable[..., Json]] = {
            "look": self.look,
            "rows": self.rows,
            "report": self.report,
            "gpus": self.gpus,
            "explain": self.explain,
            "stamp": self.stamp,
            "look_back": self.look_back,
            "start": self.start,
            "agree": self.agree,
            "cancel": self.cancel,
            "work": self.work,
            "dismiss": self.dismiss,
            "freeze": self.freeze,
        }
        asked = methods.get(method)
        if asked is None or not _takes(asked, arguments):
            raise OutdatedError(f"`{method}` ({', '.join(arguments)})")
        return asked(**arguments)

    def look(self, lock: str = "", options: str = "", preferred: str = "") -> Json:
        """Compare this kernel with a lock: this one, the last one, the preferred, or that here.

        What is wrong with the lock is part of the answer: all else is told beside it.
        """
        found: Json = {"report": None, "rest": 0, "error": None}
        folder = self._desk.folder
        chosen = lock or self._desk.last_lock(folder) or preferred
        # What changes while it is compared is not in the comparison, nor may it be in the stamp.
        on_disk = self._stamps.on_disk(chosen)
        try:
            ours = self._at_work.now()
            if ours is None or ours.ended:
                recover(self._home)
            chosen = chosen or find_lock(folder)
            self._learn_files(chosen, options)
            on_disk = self._stamps.on_disk(chosen)
            found |= self._compare(chosen, options)
        except EnvmagicError as error:
            found["error"] = error_to_json(error)
        return {
            "place": place_to_json(self._node.platform(), folder=str(folder)),
            "locks": list_locks(folder),
            "lock": chosen,
            "files": self._files(chosen),
            **found,
            "stamp": self._stamps.compared(chosen, on_disk),
            "work": self._at_work.told(),
            "undo": self._last_change(),
            "news": [news_to_json(past) for past in self._at_work.news()],
        }

    def _files(self, lock: str) -> dict[str, str]:
        """Return the files of a lock, as they are named in its lines and as the notebook would."""
        files = self._stamps.files(lock)[:_FILES]
        return {file: self._desk.from_notebook(file) for file in files}

    def _learn_files(self, lock: str, options: str) -> None:
        """Read a lock for the first time, to know what it includes: that counts as well."""
        if not self._stamps.knows(lock):
            with contextlib.suppress(EnvmagicError):  # told when it is read again
                self._read(lock, options)

    def _read(self, lock: str, options: str) -> Request:
        try:
            request = make_request(
                _parse(lock, options), self._node.platform(), folder=self._desk.folder
            )
        except LockError as error:  # a fault may stand in a file that the lock includes
            wrong = (fault.where.rpartition(":")[0] for fault in error.faults)
            self._stamps.note_files(lock, (lock, *dict.fromkeys(wrong)))
            raise
        self._stamps.note_files(lock, request.lock.files)
        return request

    def _compare(self, lock: str, options: str) -> Json:
        request = self._read(lock, options)
        self._desk.remember(lock, self._desk.folder)
        report = preview(request, self._node)
        self._stamps.note_report(lock, report)
        return self._show(report, request)

    def rows(self, report: str, start: int) -> Json:
        """Return more rows of a report: those from `start` on, as many as one reply carries."""
        shown = self._memory.find(report).report
        return page_of(report_to_json(shown, every=True)["changes"], start)

    def report(self, report: str) -> Json:
        """Return a report again that was shown, or that a piece of work has made."""
        shown = self._memory.find(report)
        return self._show(shown.report, shown.request)

    def gpus(self, report: str) -> Json:
        """Return the driver's answer and the verdict, having waited for it a moment."""
        shown = self._memory.find(report)
        shown.report = filled = fill_in(shown.report, self._node, _GPU_WAIT)
        return {"accelerator": accelerator_to_json(filled.accelerator, filled.verdict)}

    def explain(self, report: str, name: str) -> Json:
        """Return what of the installed set requires a project, a sentence each."""
        shown = self._memory.find(report).report
        markers = shown.platform.markers
        installed = [c.installed for c in shown.plan.changes if c.installed is not None]
        requirers = [
            f"{distribution.name} {distribution.version} requires {redact(requirement.text)}"
            for distribution in installed
            for requirement in requirements_of(distribution, markers, frozenset())
            if requirement.name == name
        ]
        return {"requirers": requirers[:_REQUIRERS], "rest": len(requirers[_REQUIRERS:])}

    def stamp(self, lock: str = "") -> Json:
        """Return a mark that is another one as soon as there is reason to look again.

        Cheap: it asks when some folders and files were changed last, and what was imported.
        """
        return {"stamp": self._stamps.now(lock), "work": self._at_work.told()}

    def look_back(self, count: int = 1) -> Json:
        """Return what an undo of the last changes would do."""
        return self._show(preview_undo(self._node, count), None)

    def start(self, what: str, report: str, count: int = 1) -> Json:
        """Begin a `preview` with the index, a `sync` or an `undo` of what a report shows.

        Where there is more to do than the report shows, that is asked about first.
        """
        shown = self._memory.find(report)
        request = shown.request
        title, task = self._task(what, shown.report.lock.path, request, count)
        self._at_work.begin(lambda: Work(what, title, task, shown.report, request))
        return self.work()

    def _task(self, what: str, name: str, request: Request | None, count: int) -> tuple[str, Task]:
        if what == "undo":
            return f"Undo of `{name}`", lambda face: undo(self._node, face, count)
        if request is None:
            raise PolicyError("this comparison is that of an undo", "compare with a lock")
        tasks: dict[str, tuple[str, Task]] = {
            "preview": (
                f"Preview of `{name}`",
                lambda face: preview_online(request, self._node, face),
            ),
            "sync": (f"Sync with `{name}`", lambda face: synchronize(request, self._node, face)),
        }
        if what not in tasks:
            raise OutdatedError(f"`{what}`")
        return tasks[what]

    def work(self, log: int = 0) -> Json:
        """Return how far what is at work has come, and what its tools have said since `log`."""
        return self._at_work.watched(log)

    def agree(self, work: str = "", report: str = "") -> Json:
        """Go on, although there is more to do than was shown at first.

        With a report, only if that is what is asked about: another question may have come since.
        """
        self._at_work.agree(work, report)
        return self.work()

    def cancel(self, work: str = "") -> Json:
        """Stop what is at work, in this kernel or beside it; what was changed is put back."""
        self._at_work.cancel(work)
        return self.work()

    def dismiss(self, work: str = "", news: Sequence[str] = ()) -> Json:
        """Take note that the user has seen how work, or the changes of some news, have ended."""
        return {"dismissed": self._at_work.dismiss(work, news)}

    def freeze(self, file: str, *, force: bool = False) -> Json:
        """Write this kernel's installed set as a lock file."""
        text = freeze(self._node.snapshot(), self._node.accelerator(_GPU_WAIT))
        write_lock(file, text, force=force, folder=self._desk.folder)
        return {"wrote": file, "summary": summarize(text)}

    def _last_change(self) -> Json | None:
        """Return what an undo would put back; None: nothing is kept."""
        past = next((past for past in read_history(self._home) if past.can_be_undone), None)
        return None if past is None else undoable_to_json(past)

    def _show(self, report: Report, request: Request | None) -> Json:
        """Return as much of a report as one reply carries, and remember it for the rest."""
        return shown_to_json(report, self._memory.keep(report, request))


def _takes(asked: Callable[..., Json], arguments: Json) -> bool:
    try:
        inspect.signature(asked).bind(**arguments)
    except TypeError:
        return False
    return True


def _parse(lock: str, options: str) -> argparse.Namespace:
    """Return how a lock is to be taken, in options of `%envsync`; raises UsageError."""
    parser = Parser(prog="%envsync", add_help=False)
    add_request_options(parser)
    try:
        words = shlex.split(options)
    except ValueError as error:
        raise UsageError(f"the options `{options}` cannot be read: {error}") from error
    arguments = parser.parse_args(words)
    arguments.lock = lock
    return arguments
