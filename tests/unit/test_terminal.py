"""The coloured table of a terminal."""

from __future__ import annotations

import io
import sys
from dataclasses import replace

import pytest
from support.verdicts import judge_text, machine_of

from envmagic.core.model import Change, Kind, Lock, Name, Plan
from envmagic.core.report import Report
from envmagic.edge.probe import look_at_platform
from envmagic.face.terminal import print_report


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_long_name_is_folded_and_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    name = Name("a-project-with-a-name-that-is-wider-than-the-terminal-has-room-for")
    change = Change(name=name, kind=Kind.INSTALL, reason="requirements.txt:1", wanted="1.0")
    report = Report(
        platform=replace(look_at_platform(), prefix="/env"),
        lock=Lock(path="requirements.txt", pins=()),
        plan=Plan(changes=(change,)),
    )
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "dumb")
    print_report(report)
    said = terminal.getvalue()
    assert "…" not in said
    rows = said.partition("+ install")[2].splitlines()
    assert "".join(row.split()[0] for row in rows if row.strip()).startswith(name)


def test_the_card_of_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    machine = replace(machine_of("rtx5090-570"), origin="")
    report = Report(
        platform=replace(look_at_platform(), prefix="/env"),
        lock=Lock(path="requirements.txt", pins=()),
        plan=Plan(changes=()),
        accelerator=machine,
        verdict=judge_text("torch==2.4.0\n", machine),
    )
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm-256color")
    print_report(report)
    said = terminal.getvalue()
    assert "\x1b[1;31m✗ fail: this will not run here\x1b[0m" in said
    assert "✗ not in the build  [..........]  0.0 of 32.0 GiB" in said
    assert "torch 2.8.0 or later has code for it" in said
