"""A report as HTML: one table that needs no kernel, no script and no style to be read.

It stands in a display of its own, so that it survives a restart, a reload, nbconvert
and GitHub. Its colours are JupyterLab's variables, with fallbacks for plain pages, and
none of them carries a meaning that a word beside it does not carry too.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from envmagic.core.model import Kind, Severity
from envmagic.core.redact import redact
from envmagic.core.report import State
from envmagic.face.card import card_rows, card_title, gpu_rows, memory_words, smoke_lines
from envmagic.face.view import (
    cells,
    environment_line,
    failure_lines,
    headings,
    headline,
    kept_changes,
    kept_line,
    memory_line,
    new_reasons,
    outcome_line,
    shown_changes,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from envmagic.core.model import Change, Finding
    from envmagic.core.report import Outcome, Progress, Reason, Report

_STYLE = """<style>
.envmagic{font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:13px;
line-height:1.5;color:var(--jp-ui-font-color1,#212121);max-width:1000px}
.envmagic p{margin:0 0 4px}
.envmagic .em-head{font-size:15px;font-weight:600;margin:4px 0}
.envmagic .em-soft{color:var(--jp-ui-font-color2,#616161)}
.envmagic code{font-family:var(--jp-code-font-family,monospace);font-size:12px;
background:var(--jp-layout-color2,#eee);color:inherit;padding:0 3px;border-radius:2px}
.envmagic table.em-table{border-collapse:collapse;margin:8px 0;font-size:13px;border:0;
color:inherit}
.envmagic table.em-table th,.envmagic table.em-table td{text-align:left;vertical-align:top;
padding:3px 14px 3px 8px;border:0;border-bottom:1px solid var(--jp-border-color2,#e0e0e0);
background:transparent;color:inherit;max-width:420px;white-space:normal}
.envmagic table.em-table thead th{font-weight:600;color:var(--jp-ui-font-color2,#616161);
border-bottom:2px solid var(--jp-border-color1,#bdbdbd)}
.envmagic table.em-table tbody th{font-weight:600}
.envmagic table.em-table td.em-v{font-family:var(--jp-code-font-family,monospace);font-size:12px}
.envmagic table.em-table caption{caption-side:top;text-align:left;padding:2px 0}
.envmagic table.em-table td.em-kind{white-space:nowrap;
border-left:3px solid var(--em-kind,transparent)}
.envmagic tr.em-install{--em-kind:var(--jp-success-color1,#388e3c)}
.envmagic tr.em-upgrade,.envmagic tr.em-downgrade,.envmagic tr.em-reinstall{
--em-kind:var(--jp-info-color1,#0288d1)}
.envmagic tr.em-remove{--em-kind:var(--jp-error-color1,#d32f2f)}
.envmagic tr.em-held{--em-kind:var(--jp-warn-color1,#f57c00)}
.envmagic ul.em-findings{list-style:none;margin:6px 0;padding:0}
.envmagic ul.em-findings li{padding:3px 8px;margin:3px 0;border-left:3px solid
var(--jp-border-color1,#bdbdbd);overflow-wrap:anywhere}
.envmagic ul.em-findings li.em-error{border-left-color:var(--jp-error-color1,#d32f2f)}
.envmagic ul.em-findings li.em-warning{border-left-color:var(--jp-warn-color1,#f57c00)}
.envmagic .em-card{margin:8px 0;padding:4px 10px;border:1px solid
var(--jp-border-color2,#e0e0e0);border-left:3px solid var(--em-verdict,
var(--jp-border-color1,#bdbdbd));border-radius:2px}
.envmagic .em-card-ok{--em-verdict:var(--jp-success-color1,#388e3c)}
.envmagic .em-card-warn{--em-verdict:var(--jp-warn-color1,#f57c00)}
.envmagic .em-card-fail{--em-verdict:var(--jp-error-color1,#d32f2f)}
.envmagic .em-card table.em-table{margin:2px 0}
.envmagic .em-card table.em-table td{max-width:none}
.envmagic .em-card progress{width:90px;vertical-align:middle}
.envmagic details summary{cursor:pointer;color:var(--jp-ui-font-color2,#616161)}
.envmagic pre{white-space:pre-wrap;font-size:12px}
</style>"""
_MARKS = {Severity.ERROR: "✗ error", Severity.WARNING: "▲ warning", Severity.NOTE: "note"}
_STATES = {
    State.UNCHANGED: "✓",
    State.SUCCEEDED: "✓",
    State.HELD: "▲",
    State.ROLLED_BACK: "↺",
    State.FAILED: "✗",
}
_SHOWN_FINDINGS = 8


def render_html(report: Report, *, kinds: Collection[Kind] | None = None, query: str = "") -> str:
    """Return a report as HTML; `kinds` and `query` choose the rows that are shown."""
    mark = "✓" if report.plan.parity else "≠"
    changes = shown_changes(report)
    chosen = [c for c in changes if (kinds is None or c.kind in kinds) and query.lower() in c.name]
    parts = [
        f'<p class="em-head">{mark} {_text(headline(report))}</p>',
        f'<p class="em-soft">{_text(environment_line(report))}</p>',
        _findings(report.findings),
        _table(chosen, report, _count(len(chosen), len(changes))) if changes else "",
        _kept(report),
        _card(report),
        _smoke(report),
        _restart(report),
    ]
    return _box(parts)


def _count(chosen: int, there: int) -> str:
    noun = "change" if there == 1 else "changes"
    return f"{there} {noun}" if chosen == there else f"{chosen} of {there} {noun}"


def render_outcome_html(outcome: Outcome, button: str = "") -> str:
    """Return what became of a sync as HTML; `button` is the way to restart, if one is needed."""
    after = outcome.after
    parts = [f'<p class="em-head">{_STATES[outcome.state]} {_text(outcome_line(outcome))}</p>']
    parts += [f"<pre>{escape(redact(problem))}</pre>" for problem in outcome.problems]
    parts += [f"<p>{_text(line)}</p>" for line in failure_lines(outcome)]
    if after is not None and after.restart.needed:
        parts += [_restart(after), button]
    elif after is not None and after.kernel and outcome.state is State.SUCCEEDED:
        line = memory_line(after)
        parts.append(f'<p class="em-soft">{_text(f"{line[0].upper()}{line[1:]}.")}</p>')
    parts.append(_smoke(outcome.latest))
    if after is not None:
        parts += [_notices(new_reasons(outcome)), _findings(after.findings)]
    return _box(parts)


def _smoke(report: Report) -> str:
    return "".join(f"<p>{_text(line)}</p>" for line in smoke_lines(report.smoke))


def _restart(report: Report) -> str:
    if not report.restart.needed:
        return ""
    reasons = "".join(f"<li>{_text(reason)}</li>" for reason in report.restart.reasons)
    return f"<p>Restart the kernel, which still runs the old code:</p><ul>{reasons}</ul>"


def render_words_html(words: str) -> str:
    """Return a message as HTML."""
    return _box([f"<pre>{escape(redact(words))}</pre>"])


def render_progress_html(progress: Progress) -> str:
    """Return how far a sync has come as HTML: a bar that needs no kernel to be drawn."""
    counted = f"{progress.done} of {progress.total}" if progress.total else ""
    value = f' value="{progress.done}" max="{progress.total}"' if progress.total else ""
    words = f"{progress.phase} {counted}".strip()
    line = (
        f'<p><progress{value} aria-label="{escape(words)}"></progress> {escape(words)} '
        f'<span class="em-soft">{escape(redact(progress.detail))}</span></p>'
    )
    return _box([line])


def _box(parts: Iterable[str]) -> str:
    return f'{_STYLE}<div class="envmagic">{"".join(parts)}</div>'


def _text(words: str) -> str:
    """Escape a sentence, and show what stands in backticks as code."""
    pieces = escape(redact(words)).split("`")
    if len(pieces) % 2 == 0:
        return "`".join(pieces)
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(pieces))


def _table(changes: list[Change], report: Report, caption: str) -> str:
    head = "".join(f'<th scope="col">{heading}</th>' for heading in headings(report))
    rows = "".join(_row(change, report) for change in changes)
    return (
        f'<table class="em-table"><caption class="em-soft">{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(change: Change, report: Report) -> str:
    kind, name, installed, wanted, why = cells(change, report)
    return (
        f'<tr class="em-{change.kind.value}"><td class="em-kind">{kind}</td>'
        f'<th scope="row">{escape(name)}</th><td class="em-v">{escape(installed)}</td>'
        f'<td class="em-v">{escape(redact(wanted))}</td><td>{_text(why)}</td></tr>'
    )


def _findings(findings: Iterable[Finding]) -> str:
    order = list(Severity)
    return _notices(sorted(findings, key=lambda finding: order.index(finding.severity)))


def _notices(ranked: Iterable[Finding | Reason]) -> str:
    items = [
        f'<li class="em-{f.severity.value}"><strong>{_MARKS[f.severity]}</strong> {_text(f.text)}'
        + (f'<br><span class="em-soft">{_text(f.hint)}</span>' if f.hint else "")
        + "</li>"
        for f in ranked
    ]
    shown = f'<ul class="em-findings">{"".join(items[:_SHOWN_FINDINGS])}</ul>' if items else ""
    rest = items[_SHOWN_FINDINGS:]
    if not rest:
        return shown
    more = f'<ul class="em-findings">{"".join(rest)}</ul>'
    return f"{shown}<details><summary>{len(rest)} more findings</summary>{more}</details>"


def _card(report: Report) -> str:
    """Return the verdict with all that it stands on; nothing where no GPU matters."""
    machine, verdict = report.accelerator, report.verdict
    if verdict is None or not verdict.matters:
        return ""
    rows = [(label, _text(value)) for label, value in card_rows(machine, verdict)]
    for label, words, used, total in gpu_rows(machine, verdict):
        rows.append((label, f"{_text(words)} {_memory(used, total)}"))
    cells_of = (f'<tr><th scope="row">{label}</th><td>{value}</td></tr>' for label, value in rows)
    acute = [r for r in verdict.reasons if r.severity is not Severity.NOTE or r.unknown]
    return (
        f'<div class="em-card em-card-{verdict.verdict.value}">'
        f"<p><strong>{_text(card_title(machine, verdict))}</strong></p>"
        f'<table class="em-table"><tbody>{"".join(cells_of)}</tbody></table>'
        f"{_notices(acute)}</div>"
    )


def _memory(used: int | None, total: int | None) -> str:
    words = escape(memory_words(used, total))
    if used is None or not total:
        return words
    return f'<progress value="{used}" max="{total}" aria-label="memory"></progress> {words}'


def _kept(report: Report) -> str:
    line, kept = kept_line(report), kept_changes(report)
    if not kept:
        return f'<p class="em-soft">{_text(line)}</p>' if line else ""
    table = _table(kept, report, "not in the lock, and kept")
    return f"<details><summary>{_text(line)}</summary>{table}</details>"
