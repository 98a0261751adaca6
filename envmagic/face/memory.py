"""The last reports that a sidebar was shown, each under a name."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envmagic.core.errors import PolicyError

if TYPE_CHECKING:
    from envmagic.core.report import Report
    from envmagic.core.request import Request

_REMEMBERED = 8


@dataclass(kw_only=True, slots=True)
class Shown:
    """A report, and what was asked for."""

    report: Report
    """With what the driver has said since it was made."""
    made: Report
    """As it was made."""
    request: Request | None
    """None: it is that of an undo."""


class Memory:
    """Reports by their names, asked for from any thread; the oldest are forgotten."""

    def __init__(self) -> None:
        self._shown: dict[str, Shown] = {}
        self._one_at_a_time = threading.Lock()

    def keep(self, report: Report, request: Request | None) -> str:
        """Return the name of a report: the one that it has, or a new one."""
        with self._one_at_a_time:
            known = (n for n, s in self._shown.items() if report is s.made or report is s.report)
            name = next(known, "") or uuid.uuid4().hex
            fresh = Shown(report=report, made=report, request=request)
            self._shown[name] = self._shown.pop(name, fresh)
            for oldest in list(self._shown)[:-_REMEMBERED]:
                del self._shown[oldest]
        return name

    def find(self, name: str) -> Shown:
        """Return the report of a name; raises PolicyError for one that is forgotten."""
        with self._one_at_a_time:
            if name not in self._shown:
                raise PolicyError("this comparison is no longer remembered", "compare again")
            self._shown[name] = found = self._shown.pop(name)
        return found
