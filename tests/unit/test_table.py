"""A report as HTML: safe to show, whatever a lock or an environment calls itself."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from packaging.version import Version
from support.verdicts import LOCKS, judge_text, machine_of

from envmagic.core.accelerator import judge
from envmagic.core.model import (
    Change,
    Distribution,
    Finding,
    FindingKind,
    Kind,
    Lock,
    Name,
    Pin,
    Plan,
    Platform,
    Severity,
)
from envmagic.core.question import Question
from envmagic.core.report import Accelerator, Gpu, Outcome, Progress, Report, Restart, State
from envmagic.face.card import JUDGEMENTS, card_rows, gpu_rows, memory_words
from envmagic.face.table import (
    render_html,
    render_outcome_html,
    render_progress_html,
    render_words_html,
)

EVIL = "<script>alert('1')</script><img src=x onerror=\"alert(2)\">&lt;"


class Page(HTMLParser):
    """Reads HTML strictly: every tag closed in order; collects tags, attributes and words."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.words = ""
        self.cells: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "br":
            self.open.append(tag)
        if tag in {"td", "th"}:
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words += data
        if {"td", "th"} & set(self.open):
            self.cells[-1] += data


def report(
    *changes: Change,
    findings: tuple[Finding, ...] = (),
    path: str = "lock.txt",
    reasons: tuple[str, ...] = (),
) -> Report:
    where = Platform(
        python="3.11.7",
        implementation="cpython",
        markers=(),
        executable="/env/bin/python",
        prefix=f"/env{path if path == EVIL else ''}",
        virtual=True,
        tag="linux-x86_64",
    )
    return Report(
        platform=where,
        lock=Lock(path=path, pins=()),
        plan=Plan(changes=changes),
        findings=findings,
        restart=Restart(reasons=reasons),
        kernel=True,
    )


def change(name: str, kind: Kind = Kind.INSTALL, *, reason: str = "lock.txt:1") -> Change:
    found = Distribution(name=Name(name), version=Version("1.0"))
    return Change(
        name=Name(name),
        kind=kind,
        reason=reason,
        installed=None if kind is Kind.INSTALL else found,
        pin=None if kind is Kind.REMOVE else Pin(name=Name(name), version=Version("2.0")),
        wanted="" if kind is Kind.REMOVE else "2.0",
    )


def finding(severity: Severity, text: str, hint: str = "") -> Finding:
    return Finding(kind=FindingKind.CONFLICT, name="a", text=text, hint=hint, severity=severity)


def test_a_table_has_a_row_for_each_change() -> None:
    page = Page(
        render_html(report(change("a"), change("b", Kind.UPGRADE), change("c", Kind.REMOVE)))
    )
    assert page.cells == [
        *("change", "project", "installed", "lock", "why"),
        *("+ install", "a", "–", "2.0", "lock.txt:1"),
        *("↑ upgrade", "b", "1.0", "2.0", "lock.txt:1"),
        *("− remove", "c", "1.0", "–", "lock.txt:1"),
    ]
    assert "3 changes" in page.words
    assert "≠ This kernel differs from lock.txt: 1 to install" in page.words


def test_rows_can_be_chosen() -> None:
    shown = report(change("alpha"), change("beta", Kind.UPGRADE), change("gamma", Kind.REMOVE))
    page = Page(render_html(shown, kinds={Kind.UPGRADE, Kind.REMOVE}, query="GAM"))
    assert page.cells[5:] == ["− remove", "gamma", "1.0", "–", "lock.txt:1"]
    assert "1 of 3 changes" in page.words
    page = Page(render_html(shown, query="nothing"))
    assert len(page.cells) == 5
    assert "0 of 3 changes" in page.words


def test_what_is_kept_is_folded_away() -> None:
    html = render_html(report(change("a", Kind.KEEP), change("b", Kind.KEEP)))
    page = Page(html)
    assert "2 kept that the lock does not name" in page.words
    assert html.index("<details>") < html.index(">a</th>")
    assert page.words.count("✓") == 1


def test_what_is_equal_needs_no_table() -> None:
    page = Page(render_html(report(change("a", Kind.EQUAL))))
    assert "table" not in page.tags
    assert "1 equal" in page.words


EVIL_CHANGE = replace(
    change(EVIL, Kind.UPGRADE, reason=f"`{EVIL}` requires {EVIL}"), note=EVIL, wanted=EVIL
)


@pytest.mark.parametrize(
    "html",
    [
        render_html(report(EVIL_CHANGE, path=EVIL)),
        render_html(
            report(replace(EVIL_CHANGE, note=""), replace(EVIL_CHANGE, kind=Kind.KEEP, note=""))
        ),
        render_html(
            report(replace(EVIL_CHANGE, installed=Distribution(name=Name("a"), version=EVIL)))
        ),
        render_html(report(findings=(finding(Severity.ERROR, EVIL, EVIL),), reasons=(EVIL,))),
        render_html(report(findings=(finding(Severity.NOTE, f"`{EVIL}` and `{EVIL}", "`"),) * 20)),
        render_outcome_html(
            Outcome(
                state=State.FAILED,
                before=report(path=EVIL),
                after=report(findings=(finding(Severity.ERROR, EVIL),), reasons=(EVIL,)),
                problems=(EVIL,),
                log=EVIL,
            )
        ),
        render_words_html(EVIL),
        render_progress_html(Progress(phase=EVIL, done=1, total=2, detail=EVIL)),
    ],
)
def test_markup_is_shown_and_never_obeyed(html: str) -> None:
    page = Page(html)
    assert EVIL in page.words
    assert not {"script", "img", "iframe", "link", "object"} & set(page.tags)
    allowed = {"class", "scope", "value", "max", "aria-label"}
    assert page.attributes <= allowed


EVIL_MACHINE = Accelerator(
    driver=EVIL,
    driver_cuda=EVIL,
    gpus=(Gpu(name=EVIL, capability=EVIL, memory_total=2, memory_used=1),),
    problem=EVIL,
    origin=EVIL,
    libraries=(EVIL,),
)


def test_markup_of_a_machine_or_a_version_is_not_obeyed() -> None:
    lock = {Name("torch"): f"2.4.0+cu121{EVIL}", Name("flash-attn"): EVIL}
    verdict = judge(Question(asked=lock, installed=lock), EVIL_MACHINE, "linux-x86_64")
    page = Page(render_html(replace(report(), accelerator=EVIL_MACHINE, verdict=verdict)))
    assert EVIL in page.words
    assert not {"script", "img", "iframe", "link", "object"} & set(page.tags)
    assert page.attributes <= {"class", "scope", "value", "max", "aria-label"}


@pytest.mark.parametrize("machine", ["a100-550", "rtx5090-570", "mig", "none", "mismatch"])
def test_the_card_says_in_html_what_it_says_in_text(machine: str) -> None:
    there = machine_of(machine)
    verdict = judge_text(LOCKS["first_env"], there)
    page = Page(render_html(replace(report(), accelerator=there, verdict=verdict)))
    words = page.words.replace("  ", " ")
    assert JUDGEMENTS[verdict.verdict].partition(" here")[0] in words
    for label, value in card_rows(there, verdict):
        assert f"{label}{value}" in words
    for _, name, used, total in gpu_rows(there, verdict):
        assert name in words
        assert memory_words(used, total) in words
    for reason in verdict.reasons:
        if reason.severity is not Severity.NOTE:
            assert reason.text.replace("`", "") in words


def test_no_card_where_no_gpu_matters() -> None:
    there = machine_of("a100-550")
    verdict = judge_text(LOCKS["no GPU at all"], there)
    html = render_html(replace(report(), accelerator=there, verdict=verdict))
    assert '"em-card' not in html


def test_words_in_backticks_are_code() -> None:
    html = render_html(report(findings=(finding(Severity.ERROR, "`a<b>` requires `c`"),)))
    assert "<code>a&lt;b&gt;</code> requires <code>c</code>" in html
    html = render_html(report(findings=(finding(Severity.ERROR, "one ` alone"),)))
    assert "one ` alone" in html


def test_a_severity_has_a_word_beside_its_colour() -> None:
    page = Page(render_html(report(findings=tuple(finding(s, "text") for s in Severity))))
    for word in ("✗ error", "▲ warning", "note"):
        assert word in page.words


def test_many_findings_are_folded_away_and_none_is_lost() -> None:
    found = tuple(finding(Severity.NOTE, f"note number {number}.") for number in range(30))
    html = render_html(report(findings=(*found, finding(Severity.ERROR, "the error."))))
    page = Page(html)
    assert all(f"note number {number}." in page.words for number in range(30))
    assert html.index("the error.") < html.index("note number 0.")
    assert html.index("the error.") < html.index("<details>") < html.index("note number 29.")
    assert "23 more findings" in page.words


def test_five_thousand_rows_are_one_small_table() -> None:
    kinds = [Kind.INSTALL, Kind.UPGRADE, Kind.REMOVE, Kind.KEEP, Kind.EQUAL]
    changes = [
        change(
            f"a-project-with-a-long-name-{number:05}",
            kinds[number % 5],
            reason=f"not in the lock; `another-project` 10.{number} requires it",
        )
        for number in range(5_000)
    ]
    html = render_html(report(*changes))
    assert len(html.encode()) < 2_000_000
    page = Page(html)
    assert page.tags.count("tr") == 4_000 + 2
    assert "script" not in page.tags


def test_progress_is_a_bar_with_words() -> None:
    progress = Progress(phase="Fetching", done=1, total=3, detail="`a` 1 of 2 MB")
    page = Page(render_progress_html(progress))
    assert "Fetching 1 of 3" in page.words
    assert "progress" in page.tags
    unknown = render_progress_html(Progress(phase="Checking"))
    assert "max=" not in unknown
    assert "Checking" in Page(unknown).words


def test_an_outcome_asks_for_a_restart_only_where_one_is_needed() -> None:
    done = Outcome(state=State.SUCCEEDED, before=report(change("a")), after=report())
    assert "No restart needed" in Page(render_outcome_html(done, "<b>button</b>")).words
    assert "button" not in render_outcome_html(done, "<b>button</b>")
    stale = replace(done, after=report(reasons=("`a` 1.0 is loaded, 2.0 is on disk",)))
    page = Page(render_outcome_html(stale, "<b>button</b>"))
    assert "a 1.0 is loaded, 2.0 is on disk" in page.words
    assert "button" in page.words


@pytest.mark.parametrize("state", State)
def test_every_outcome_has_its_mark(state: State) -> None:
    outcome = Outcome(state=state, before=report(change("a")), log="/l", problems=())
    page = Page(render_outcome_html(outcome))
    assert page.words.lstrip()[0] in "✓▲✗↺"
