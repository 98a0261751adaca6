"""What is at work in an environment, one thing at a time, as every tab sees and steers it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from envmagic.change import rescue
from envmagic.change.history import find_untold, mark_told
from envmagic.change.transaction import ask_to_stop, find_at_work, recover
from envmagic.core.errors import Cancelled, PolicyError
from envmagic.core.report import Report
from envmagic.face.replies import past_to_work, work_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from envmagic.change.history import Past
    from envmagic.face.memory import Memory
    from envmagic.face.work import Work

    Json = dict[str, Any]


class AtWork:
    """The one piece of work of this kernel, and what another process changes beside it.

    An order names the work that its tab shows (empty: whatever is there): that may have
    ended since, and another tab may have begun something else.
    """

    def __init__(self, home: Path, memory: Memory) -> None:
        self._home = home
        self._memory = memory
        self._one_at_a_time = threading.Lock()
        self._work: Work | None = None
        """What is at work, or has ended and was not dismissed."""

    def now(self) -> Work | None:
        """Return this kernel's own work, which may have ended; None: there is none to tell of."""
        with self._one_at_a_time:
            return self._work

    def begin(self, begin: Callable[[], Work]) -> None:
        """Set something to work; raises PolicyError where something is."""
        with self._one_at_a_time:
            if self._work is not None and not self._work.ended:
                raise PolicyError(f"{self._work.title} is at work here", "wait, or cancel it")
            self._tell_no_more(_change_of(self._work))
            self._work = begin()

    def told(self) -> Json | None:
        """Return what is at work in this kernel or beside it, or how it has ended."""
        return self._tell(self.now())

    def watched(self, log: int = 0) -> Json:
        """Return how far what is at work has come, and what its tools have said since `log`."""
        work = self.now()
        told = self._tell(work)
        is_ours = work is not None and told is not None and told["id"] == work.id
        said, end = work.said(log) if work is not None and is_ours else ("", 0)
        return {"work": told, "log": said, "log_end": end}

    def news(self) -> list[Past]:
        """Return how changes have ended that nobody was watching, the oldest first."""
        ours = self.now()
        if ours is not None and not ours.ended:
            return []  # it may be its own end that is written down just now
        return [past for past in find_untold(self._home) if past.folder.name != _change_of(ours)]

    def agree(self, work: str, report: str) -> None:
        """Go on with what is asked about, if that is this report (empty: whatever it is)."""
        now = self.now()
        if now is not None and _is_meant(work, now):
            now.agree(self._memory.find(report).made if report else None)
        else:
            self._refuse_another(work)

    def cancel(self, work: str) -> None:
        """Stop what is at work, in this kernel or beside it; what was changed is put back."""
        now = self.now()
        if now is not None and not now.ended and _is_meant(work, now):
            now.cancel()
        elif not ask_to_stop(self._home, work):
            self._refuse_another(work)

    def dismiss(self, work: str, news: Sequence[str] = ()) -> bool:
        """Take note that a user has seen how work, and what is named in the news, has ended.

        Where neither is named, all of it was. Return whether there was any.
        """
        all_of_it = not work and not news
        with self._one_at_a_time:
            ours = self._work
            is_meant = all_of_it or (ours is not None and work == ours.id)
            is_seen = ours is not None and ours.ended and is_meant
            if is_seen:
                self._work = None
        seen = {work, *news, _change_of(ours) if is_seen else ""}
        told = self._tell_no_more(*seen, all_of_it=all_of_it)
        return is_seen or told

    def _tell_no_more(self, *changes: str, all_of_it: bool = False) -> bool:
        """Take note that a user knows how these changes have ended; return whether any was news."""
        told = [p for p in find_untold(self._home) if all_of_it or p.folder.name in changes]
        for past in told:
            mark_told(past.folder)
        return bool(told)

    def _refuse_another(self, work: str) -> None:
        """Raise PolicyError where something else is at work than what was meant."""
        told = self.told() if work else None
        if told is not None and told["state"] != "ended" and told["id"] != work:
            raise PolicyError(
                f"what you have seen has ended: {told['title']} is at work here now",
                "look at that first",
            )

    def _tell(self, work: Work | None) -> Json | None:
        if work is None or work.ended:
            beside = self._find_beside()
            if beside is not None:
                return past_to_work(beside)
        if work is None:
            return None
        report = work.question or (work.result if isinstance(work.result, Report) else None)
        return work_to_json(work, self._memory.keep(report, work.request) if report else None)

    def _find_beside(self) -> Past | None:
        """Return the change that another process is making; a killed one's is put back."""
        if not rescue.find_unfinished(str(self._home)):  # reads no journal
            return None
        past = find_at_work(self._home)
        if past is not None and not rescue.is_at_work(str(past.folder)):
            recover(self._home)
            return find_at_work(self._home)  # somebody else may be putting it back
        return past


def _change_of(work: Work | None) -> str:
    """Return the change that was put back where work was cancelled; empty: it was not."""
    error = None if work is None else work.error
    return error.change if isinstance(error, Cancelled) else ""


def _is_meant(work: str, now: Work) -> bool:
    return work in {"", now.id}
