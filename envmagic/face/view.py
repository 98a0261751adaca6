"""A report in words: sentences that every face shares, and plain text."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from envmagic.core.model import FindingKind, Kind, Severity, When, join_names
from envmagic.core.redact import redact
from envmagic.core.report import State
from envmagic.face.card import accelerator_line, card_lines, smoke_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from envmagic.change.history import Limits, Past
    from envmagic.core.model import Change, Finding
    from envmagic.core.report import Outcome, Reason, Report

SYMBOLS = {
    Kind.INSTALL: "+",
    Kind.UPGRADE: "↑",
    Kind.DOWNGRADE: "↓",
    Kind.REINSTALL: "↻",
    Kind.REMOVE: "−",
    Kind.KEEP: "·",
    Kind.HELD: "!",
    Kind.EQUAL: "=",
}
_VERBS = {
    Kind.INSTALL: "to install",
    Kind.UPGRADE: "to upgrade",
    Kind.DOWNGRADE: "to downgrade",
    Kind.REINSTALL: "to reinstall",
    Kind.REMOVE: "to remove",
    Kind.HELD: "held",
}


def shown_changes(report: Report) -> list[Change]:
    """Return the rows that a reader should see first: all but what stays as it is."""
    return [c for c in report.plan.changes if c.kind not in {Kind.EQUAL, Kind.KEEP} or c.note]


def kept_changes(report: Report) -> list[Change]:
    """Return the rows of what is not in the lock and stays."""
    return [c for c in report.plan.changes if c.kind is Kind.KEEP and not c.note]


def headings(report: Report) -> tuple[str, str, str, str, str]:
    """Return the names of the columns."""
    return ("change", "project", "installed", "before" if report.undo else "lock", "why")


def cells(change: Change, report: Report) -> tuple[str, str, str, str, str]:
    """Return one row of the table; its columns are the `headings`."""
    installed = str(change.installed.version) if change.installed else "–"
    loaded = report.loaded.get(change.name)
    why = [change.note or change.reason]
    if loaded is not None:
        why.append("loaded in this kernel")
    return (
        f"{SYMBOLS[change.kind]} {change.kind.value}",
        change.name,
        installed,
        change.wanted or "–",
        "; ".join(why),
    )


def headline(report: Report) -> str:
    """Return in one sentence whether the environment is equal to the lock."""
    subject = "This kernel" if report.kernel else "This environment"
    name, counts = report.lock.path, report.plan.counts()
    parts = [f"{counts[kind.value]} {verb}" for kind, verb in _VERBS.items() if counts[kind.value]]
    if report.undo:
        return f"Undo of `{name}`: {', '.join(parts) or 'nothing to change'}"
    sweeps = [f"{_leftovers(report)} to clear away"] if report.plan.sweeps else []
    if report.plan.parity:
        todo = ", but ".join(["nothing to change", *sweeps])
        return f"{subject} is equal to `{name}`: {_pins(report)}, {todo}"
    return f"{subject} differs from `{name}`: {', '.join([*parts, *sweeps])}"


def _leftovers(report: Report) -> str:
    count = len(report.plan.sweeps)
    return f"{count} leftover" if count == 1 else f"{count} leftovers"


def _pins(report: Report) -> str:
    count = len(report.lock.pins)
    return f"{count} pin" if count == 1 else f"{count} pins"


def kept_line(report: Report) -> str:
    """Return in one line what stays although the lock does not name it; empty: nothing."""
    counts = report.plan.counts()
    needed = [c for c in report.plan.changes if c.unlocked]
    kept = counts["keep"] - sum(c.kind is Kind.KEEP for c in needed)
    unlocked = len(needed)
    parts = [f"{counts['equal']} equal"] if counts["equal"] else []
    parts += [f"{kept} kept that the lock does not name"] if kept else []
    parts += [f"{unlocked} that its own projects require"] if unlocked else []
    return ", ".join(parts)


def environment_line(report: Report) -> str:
    """Return the interpreter, the platform and the GPUs in one line."""
    where = report.platform
    name = "Python" if where.implementation == "cpython" else where.implementation
    return " · ".join(
        [f"{name} {where.python}", where.prefix, where.tag, accelerator_line(report.accelerator)]
    )


def finding_lines(findings: Iterable[Finding]) -> list[str]:
    """Return a line for each finding, the worst first, with what to do about it."""
    order = list(Severity)
    ranked = sorted(findings, key=lambda finding: order.index(finding.severity))
    return [
        f"{f.severity.value}: {f.text}" + (f" — {f.hint}" if f.hint else "")
        for f in ranked
        if f.kind is not FindingKind.HELD or f.severity is Severity.ERROR
    ]


def render_text(report: Report) -> str:
    """Return a report as plain text: the form for pipes, logs and old front ends."""
    lines = [headline(report), environment_line(report)]
    rows = [cells(change, report) for change in shown_changes(report)]
    if rows:
        lines += ["", *_columns([headings(report), *rows])]
    if kept := kept_line(report):
        lines += ["", kept]
    if card := card_lines(report.accelerator, report.verdict):
        lines += ["", *card]
    if report.smoke:
        lines += ["", *smoke_lines(report.smoke)]
    if findings := finding_lines(report.findings):
        lines += ["", *findings]
    if report.restart.needed:
        lines += ["", restart_line(report)]
    return redact("\n".join(lines))


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    padded = (zip(row, widths, strict=True) for row in rows)
    return ["  ".join(cell.ljust(width) for cell, width in row).rstrip() for row in padded]


def restart_line(report: Report) -> str:
    """Return why the kernel should be restarted; empty: it need not be."""
    if not report.restart.needed:
        return ""
    return f"restart the kernel: {'; '.join(report.restart.reasons)}"


def outcome_line(outcome: Outcome) -> str:
    """Return in one sentence what became of a sync."""
    before, lock = outcome.before, outcome.before.lock.path
    match outcome.state:
        case State.UNCHANGED:
            return headline(before)
        case State.SUCCEEDED if before.undo:
            return f"done: {_done(before)}; `{lock}` is undone"
        case State.SUCCEEDED:
            return f"done: {_done(before)}; the environment is now equal to `{lock}`"
        case State.HELD:
            held = len(before.plan.held)
            done = f"done: {_done(before)}; " if outcome.was_done else ""
            return f"{done}not in parity with `{lock}`: {held} held"
        case State.ROLLED_BACK:
            return "the change failed, and everything was put back: the environment is as it was"
        case State.FAILED:
            return "the change failed, and the environment could not be put back"


def _done(report: Report) -> str:
    counts = report.plan.counts()
    words = {
        "install": "installed",
        "upgrade": "upgraded",
        "downgrade": "downgraded",
        "reinstall": "reinstalled",
        "remove": "removed",
    }
    parts = [f"{counts[k]} {word}" for k, word in words.items() if counts[k]]
    parts += [f"{_leftovers(report)} cleared away"] if report.plan.sweeps else []
    return ", ".join(parts) or "nothing"


def render_outcome(outcome: Outcome) -> str:
    """Return an outcome as plain text."""
    lines, after = outcome_lines(outcome), outcome.after
    if after is not None and after.restart.needed:
        lines.append(redact(restart_line(after)))
    return "\n".join(lines)


def outcome_lines(outcome: Outcome) -> list[str]:
    """Return an outcome in sentences, but for why the kernel should be restarted."""
    return _apart([outcome_line(outcome), *beside_outcome(outcome)])


def beside_outcome(outcome: Outcome) -> list[str]:
    """Return what there is to say beside that one sentence."""
    lines = [*outcome.problems, *failure_lines(outcome)]
    lines += [f"{finding.text}; {finding.hint}" for finding in _find_built(outcome)]
    lines += [f"but {finding.text}" for finding in new_conflicts(outcome)]
    lines += [f"but {reason.text}" for reason in new_reasons(outcome)]
    lines += smoke_lines(outcome.latest.smoke)
    after, done = outcome.after, outcome.state is State.SUCCEEDED
    if after is not None and after.kernel and done and not after.restart.needed:
        lines.append(memory_line(after))
    return _apart(lines)


def memory_line(report: Report) -> str:
    """Return that no restart is needed, or that this is not known."""
    if not report.restart.doubtful:
        return "no restart needed: what is loaded is what is on the disk"
    names = join_names(report.restart.doubtful)
    return f"whether {names} in memory is what is on the disk is not known: restart to be sure"


def _apart(sentences: Iterable[str]) -> list[str]:
    return redact("\n".join(sentence for sentence in sentences if sentence)).splitlines()


def _find_built(outcome: Outcome) -> list[Finding]:
    """Return what is there now, and was built against something that it depends on."""
    found = () if outcome.after is None else outcome.after.findings
    return [finding for finding in found if finding.kind is FindingKind.BUILT]


def new_conflicts(outcome: Outcome) -> list[Finding]:
    """Return what a lock has broken: it wins, and the reader should not forget it."""
    kinds = {FindingKind.MISSING, FindingKind.CONFLICT}
    if outcome.after is None:
        return []
    before = {(f.name, f.requirement) for f in outcome.before.findings if f.when is When.NOW}
    return [
        finding
        for finding in outcome.after.findings
        if finding.kind in kinds and (finding.name, finding.requirement) not in before
    ]


def new_reasons(outcome: Outcome) -> list[Reason]:
    """Return what the verdict has only found on the disk, and a reader should act on."""
    before, after = outcome.before, outcome.after
    if after is None or after.verdict is None or before.verdict is None:
        return []
    if before.accelerator != after.accelerator:  # the driver was slower than the sync
        return []
    known = {reason.text for reason in before.verdict.reasons}
    return [
        reason
        for reason in after.verdict.reasons
        if reason.text not in known and reason.severity is not Severity.NOTE
    ]


def past_line(past: Past) -> str:
    """Return in one sentence how a change ended that nobody was watching."""
    what = f"`{past.title}` ({_when(past)})"
    match past.state:
        case "succeeded":
            return f"{what} has ended: {count_steps(past)}; an undo puts it back"
        case "cancelled":
            return f"{what} was cancelled, and everything was put back"
        case "failed":
            why = past.problems[-1] if past.problems else "it was not told why"
            return (
                f"{what} did not end, and could not be put back: {why}; what was put by is in "
                f"`{past.folder}`: `--undo` tries again; or make the environment anew"
            )
        case _:
            why = past.problems[0] if past.problems else "it was not told why"
            return f"{what} did not end, and everything was put back: {why}"


def history_lines(history: Sequence[Past], costs: Mapping[Path, int], limits: Limits) -> list[str]:
    """Return what can be undone, and what that costs on the disk, a line each.

    `costs` are the `kept_bytes` of the history.
    """
    kept = [past for past in history if past.can_be_undone]
    size = sum(costs.values())
    changes = "1 change" if len(kept) == 1 else f"{len(kept)} changes"
    at_most = f"at most {limits.count} and {_bytes_words(limits.size)}"
    lines = [f"undo          {changes}, {_bytes_words(size)} ({at_most})"]
    for past in history:
        plain = past.can_be_undone and past.state == "succeeded"
        state = "" if plain else f", {(past.state or 'at work').replace('_', ' ')}"
        cost = f", {_bytes_words(costs[past.folder])}" if past.can_be_undone else ""
        lines.append(f"  {_when(past)}  {past.title}: {count_steps(past)}{state}{cost}")
    return lines


def _bytes_words(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 10**9 else f"{size / 1e6:.1f} MB"


def _when(past: Past) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(past.began))


def count_steps(past: Past) -> str:
    """Return how many projects a change has changed."""
    count = len(past.steps)
    return f"{count} project changed" if count == 1 else f"{count} projects changed"


def failure_lines(outcome: Outcome) -> list[str]:
    """Return what to do after a change that failed, a sentence each."""
    log = [f"the whole output is in `{outcome.log}`"] if outcome.log else []
    if outcome.state is State.FAILED:
        lock = outcome.before.lock.path
        return [*log, f"`--undo` tries again; or make the environment anew, from `{lock}`"]
    return log
