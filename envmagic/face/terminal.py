"""A report in a terminal: a table by rich where it is installed, plain text where not."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

from envmagic.core.model import Kind
from envmagic.core.report import Judgement
from envmagic.face.card import card_lines, smoke_lines
from envmagic.face.view import (
    cells,
    environment_line,
    finding_lines,
    headings,
    headline,
    kept_line,
    render_text,
    shown_changes,
)

if TYPE_CHECKING:
    from envmagic.core.report import Report

_COLOURS = {
    Kind.INSTALL: "green",
    Kind.UPGRADE: "cyan",
    Kind.DOWNGRADE: "cyan",
    Kind.REINSTALL: "cyan",
    Kind.REMOVE: "red",
    Kind.HELD: "yellow",
}
_JUDGEMENTS = {
    Judgement.OK: "green",
    Judgement.WARN: "yellow",
    Judgement.FAIL: "red",
    Judgement.UNKNOWN: "default",
}


def print_report(report: Report) -> None:
    """Print a report: in colour on a terminal, as plain text into a pipe."""
    if sys.stdout.isatty() and importlib.util.find_spec("rich") is not None:
        _print_with_rich(report)
    else:
        print(render_text(report))


def _print_with_rich(report: Report) -> None:
    from rich.console import Console  # noqa: PLC0415 (optional)
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Column, Table  # noqa: PLC0415

    from envmagic.core.redact import redact  # noqa: PLC0415

    console = Console(highlight=False)
    console.print(f"[bold]{escape(headline(report))}[/]")
    console.print(f"[dim]{escape(environment_line(report))}[/]")
    columns = [Column(heading, overflow="fold") for heading in headings(report)]
    table = Table(*columns, box=None, header_style="dim", pad_edge=False)
    for change in shown_changes(report):
        kind, *rest = (escape(redact(cell)) for cell in cells(change, report))
        table.add_row(f"[{_COLOURS.get(change.kind, 'default')}]{kind}[/]", *rest)
    if table.row_count:
        console.print(table)
    if kept := kept_line(report):
        console.print(f"[dim]{escape(kept)}[/]")
    if (verdict := report.verdict) is not None:
        for number, line in enumerate(card_lines(report.accelerator, verdict)):
            style = f"bold {_JUDGEMENTS[verdict.verdict]}" if number == 0 else "default"
            console.print(f"[{style}]{escape(redact(line))}[/]")
    for line in (*smoke_lines(report.smoke), *finding_lines(report.findings)):
        console.print(escape(redact(line)))
