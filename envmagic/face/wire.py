"""Errors, pages of rows and work in the wire form, schema 1: what a panel is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from envmagic.change.history import read_progress
from envmagic.core.errors import Cancelled
from envmagic.core.lock import LockError
from envmagic.core.redact import redact
from envmagic.core.report import Outcome, Progress
from envmagic.face.view import render_outcome

if TYPE_CHECKING:
    from envmagic.change.history import Past
    from envmagic.core.errors import EnvmagicError
    from envmagic.face.work import Work

    Json = dict[str, Any]

_PAGE = 300_000
"""How many bytes of rows one reply carries."""


def page_of(rows: list[Json], start: int) -> Json:
    """Return the rows from `start` on that one reply carries, and how many are left."""
    size, end = 0, start
    while end < len(rows) and size < _PAGE:
        size += len(json.dumps(rows[end]))
        end += 1
    return {"rows": rows[start:end], "rest": len(rows) - end}


def error_to_json(error: EnvmagicError) -> Json:
    """Return what a user has caused; of a lock, each fault with its file and line."""
    faults = error.faults if isinstance(error, LockError) else ()
    return {
        "kind": type(error).__name__,
        "message": error.message,
        "hint": error.hint or None,
        "faults": [
            {"where": fault.where, "text": redact(fault.text), "hint": redact(fault.hint)}
            for fault in faults
        ],
    }


def work_to_json(work: Work, report: str | None) -> Json:
    """Return a piece of work; `report` names what it asks about, or what it has found."""
    outcome = work.result if isinstance(work.result, Outcome) else None
    state = "ended" if work.ended else "asking" if work.question else "working"
    return {
        "id": work.id,
        "what": work.what,
        "title": work.title,
        "state": state,
        "cancelling": work.cancelling,
        "cancelled": isinstance(work.error, Cancelled),
        "progress": progress_to_json(work.progress),
        "report": report,
        "outcome": None if outcome is None else outcome_to_json(outcome),
        "error": None if work.error is None else error_to_json(work.error),
    }


def past_to_work(past: Past) -> Json:
    """Return a change that another process is making, as a piece of work."""
    progress = read_progress(past.folder) or Progress(phase="At work")
    return {
        "id": past.folder.name,
        "what": "elsewhere",
        "title": redact(past.title),
        "state": "working",
        "cancelling": False,
        "cancelled": False,
        "progress": progress_to_json(progress),
        "report": None,
        "outcome": None,
        "error": None,
    }


def progress_to_json(progress: Progress) -> Json:
    """Return how far work has come."""
    return {
        "phase": progress.phase,
        "done": progress.done,
        "total": progress.total,
        "detail": redact(progress.detail),
    }


def outcome_to_json(outcome: Outcome) -> Json:
    """Return what became of a sync or an undo; `lines` is that for a reader."""
    restart = outcome.after.restart.reasons if outcome.after else ()
    return {
        "state": outcome.state.value,
        "lines": render_outcome(outcome).splitlines(),
        "log": outcome.log or None,
        "restart": list(restart),
    }
