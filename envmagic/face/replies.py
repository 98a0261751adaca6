"""What the sidebar is told: comparisons page by page, errors, work; schema 1."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from envmagic.change.history import read_progress
from envmagic.core.errors import Cancelled
from envmagic.core.lock import LockError
from envmagic.core.model import Finding, FindingKind, Severity
from envmagic.core.redact import redact
from envmagic.core.report import Outcome, Progress
from envmagic.face.view import beside_outcome, count_steps, past_line
from envmagic.face.wire import finding_to_json, platform_to_json, report_to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmagic.change.history import Past
    from envmagic.core.errors import EnvmagicError
    from envmagic.core.model import Platform
    from envmagic.core.report import Report
    from envmagic.face.work import Work

    Json = dict[str, Any]

_PAGE = 300_000
"""How many bytes of rows one reply carries."""
_BESIDE = 60_000
"""How many bytes of findings, or of faults, one reply carries."""


def place_to_json(where: Platform, *, folder: str) -> Json:
    """Return where a kernel lives, and what it works on."""
    return {
        **platform_to_json(where, kernel=True),
        "executable": where.executable,
        "folder": folder,
    }


def shown_to_json(report: Report, name: str) -> Json:
    """Return as much of a report as one reply carries; `rest` says how many rows are left."""
    whole = report_to_json(report, every=True)
    whole["id"] = name
    whole["findings"] = _cut_findings(whole["findings"])
    page = page_of(whole["changes"], 0)
    whole["changes"] = page["rows"]
    return {"report": whole, "rest": page["rest"]}


def page_of(rows: list[Json], start: int) -> Json:
    """Return the rows from `start` on that one reply carries, and how many are left."""
    end = start + _fitting(rows[start:], _PAGE)
    return {"rows": rows[start:end], "rest": len(rows) - end}


def _fitting(entries: Sequence[Json], size: int) -> int:
    """Return how many entries make so many bytes, the last of them perhaps a few more."""
    for count, entry in enumerate(entries):
        if size <= 0:
            return count
        size -= len(json.dumps(entry))
    return len(entries)


def _cut_findings(findings: list[Json]) -> list[Json]:
    """Return the findings that one reply carries, the worst, and how many more there are."""
    severities = [severity.value for severity in Severity]
    ranked = sorted(findings, key=lambda finding: severities.index(finding["severity"]))
    end = _fitting(ranked, _BESIDE)
    if end == len(findings):
        return findings
    more = Finding(
        kind=FindingKind.UNKNOWN,
        name="",
        text=f"{len(findings) - end} more findings are not shown here",
        hint="`%envsync --dry-run --json` lists them all",
        severity=Severity(ranked[end]["severity"]),
    )
    return [*ranked[:end], finding_to_json(more)]


def error_to_json(error: EnvmagicError) -> Json:
    """Return what a user has caused; of a lock, each fault with its file and line."""
    faults = error.faults if isinstance(error, LockError) else ()
    told: list[Json] = [
        {"where": fault.where, "text": redact(fault.text), "hint": redact(fault.hint)}
        for fault in faults
    ]
    end = _fitting(told, _BESIDE)
    if end < len(told):
        more = {"where": faults[end].where, "text": f"and {len(told) - end} more", "hint": ""}
        told[end:] = [more]
    return {
        "kind": type(error).__name__,
        "message": error.message[:_BESIDE],
        "hint": error.hint or None,
        "faults": told,
    }


def work_to_json(work: Work, report: str | None) -> Json:
    """Return a piece of work; `report` names what it asks about, or what it has found."""
    outcome = work.result if isinstance(work.result, Outcome) else None
    # By the report, not by the question, which may be answered meanwhile.
    state = "ended" if work.ended else "asking" if report else "working"
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


def undoable_to_json(past: Past) -> Json:
    """Return a change that an undo would put back."""
    return {"title": redact(past.title), "began": past.began, "steps": count_steps(past)}


def news_to_json(past: Past) -> Json:
    """Return how a change has ended that nobody was watching."""
    return {"id": past.folder.name, "text": past_line(past)}


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
    """Return what became of a sync or an undo: counts, and what else a reader should know."""
    restart = outcome.after.restart.reasons if outcome.after else ()
    return {
        "state": outcome.state.value,
        "done": outcome.before.plan.counts() if outcome.was_done else None,
        "lines": beside_outcome(outcome),
        "log": outcome.log or None,
        "restart": list(restart),
    }
