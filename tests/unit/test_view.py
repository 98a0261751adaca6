"""A report as text and as JSON: complete, the same every time, and without secrets."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.verdicts import MACHINES, judge_text, machine_of

from envmagic.core.check import inspect_snapshot
from envmagic.core.lock import parse_lock
from envmagic.core.model import (
    INDEX,
    Distribution,
    Finding,
    FindingKind,
    Kind,
    Name,
    Plan,
    Platform,
    Policy,
    Severity,
    Snapshot,
    Source,
    SourceKind,
    TorchBuild,
    When,
    canonical_name,
    read_version,
)
from envmagic.core.plan import make_plan
from envmagic.core.report import (
    Accelerator,
    Gpu,
    Judgement,
    Outcome,
    Report,
    Restart,
    State,
    Trial,
)
from envmagic.edge.machine import accelerator_from_json
from envmagic.edge.node import LocalNode
from envmagic.face.card import JUDGEMENTS, accelerator_line, card_lines
from envmagic.face.table import render_html, render_outcome_html, render_words_html
from envmagic.face.view import (
    SYMBOLS,
    cells,
    finding_lines,
    headline,
    kept_line,
    render_outcome,
    render_text,
    shown_changes,
)
from envmagic.face.wire import accelerator_to_json, render_json, report_to_json
from envmagic.story.policy import find_trust_questions
from envmagic.story.preview import fill_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envmagic.core.report import Verdict

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SECRET = "hunter2"  # noqa: S105 (what must be seen nowhere)
GPU = Gpu(
    name="NVIDIA A100", uuid="GPU-1", memory_total=80 * 1024**3, memory_used=0, capability="8.0"
)
ACCELERATOR = Accelerator(driver="550.54.15", driver_cuda="12.4", gpus=(GPU,))
WHERE = Platform(
    python="3.12.1",
    implementation="cpython",
    markers=(("sys_platform", "linux"),),
    executable="/env/bin/python",
    prefix="/env",
    virtual=True,
    tag="linux-x86_64",
)


def dist(text: str, *requires: str, source: Source = INDEX) -> Distribution:
    name, _, version = text.partition("==")
    return Distribution(
        name=canonical_name(name),
        version=read_version(version or "1.0"),
        requires=requires,
        source=source,
        location="/env/site-packages",
        metadata=f"{name}-{version}.dist-info",
    )


def read(path: str) -> str:
    raise FileNotFoundError(path)


def report(
    text: str,
    *distributions: Distribution,
    policy: Policy = Policy(),  # noqa: B008 (frozen)
    known: tuple[Distribution, ...] = (),
    loaded: Mapping[Name, str] | None = None,
) -> Report:
    snapshot = Snapshot(platform=WHERE, distributions=distributions)
    lock = parse_lock(text, "lock.txt", read=read, markers={}, allow_ranges=True, environ={})
    plan = make_plan(lock.pins, snapshot, policy, known={d.name: d for d in known})
    findings = (
        *plan.findings,
        *find_trust_questions(plan, lock, lock.options),
        *inspect_snapshot(snapshot),
    )
    return Report(
        platform=WHERE, lock=lock, plan=plan, findings=findings, loaded=loaded or {}, kernel=True
    )


INSTALLED = (
    dist("numpy==2.1.0"),
    dist("pandas==2.2.0", "numpy>=1.22", "tzdata"),
    dist("tzdata"),
    dist("six==1.16.0"),
    dist("loguru==0.7.2"),
    dist("ipykernel==6.29", "traitlets>=5.4"),
    dist("traitlets==5.14"),
    dist("torch==2.4.0+cpu"),
)
LOCK = """\
numpy==1.26.4
pandas==2.2.0
six==1.17.0
gitpython==3.1.44
traitlets==5.0.5
torch==2.4.0
"""
FULL = replace(
    report(LOCK, *INSTALLED, loaded={Name("numpy"): "2.1.0"}),
    accelerator=ACCELERATOR,
    restart=Restart(reasons=("`numpy` 2.1.0 is loaded, 1.26.4 is on disk",)),
)
EQUAL = report("six==1.16.0", dist("six==1.16.0"))


def test_the_text_says_it_all() -> None:
    assert render_text(FULL).splitlines() == [
        (
            "This kernel differs from `lock.txt`: 1 to install, 1 to upgrade, 1 to "
            "downgrade, 1 to remove, 1 held"
        ),
        (
            "Python 3.12.1 · /env · linux-x86_64 · NVIDIA A100 (80 GiB, compute 8.0) · "
            "driver 550.54.15 (CUDA 12.4)"
        ),
        "",
        "change       project    installed  lock       why",
        "+ install    gitpython  –          3.1.44     lock.txt:4",
        "− remove     loguru     0.7.2      –          not in the lock",
        "↓ downgrade  numpy      2.1.0      1.26.4     lock.txt:1; loaded in this kernel",
        "↑ upgrade    six        1.16.0     1.17.0     lock.txt:3",
        (
            "= equal      torch      2.4.0+cpu  2.4.0+cpu  same release, other build: lock "
            "2.4.0, installed 2.4.0+cpu"
        ),
        (
            "! held       traitlets  5.14       5.0.5      the kernel's own `ipykernel` 6.29 "
            "requires `traitlets>=5.4`"
        ),
        "",
        "2 equal, 1 kept that the lock does not name, 1 that its own projects require",
        "",
        (
            "error: `traitlets` stays at 5.14, the lock wants 5.0.5: the kernel's own "
            "`ipykernel` 6.29 requires `traitlets>=5.4` — pin a version that the kernel can "
            "live with, or use another environment"
        ),
        "warning: `torch`: same release, other build: lock 2.4.0, installed 2.4.0+cpu",
        (
            "note: unknown until prepared: what `gitpython`, `numpy`, `six` require — "
            "`--online` asks the index now; a sync asks it before it changes anything"
        ),
        "",
        "restart the kernel: `numpy` 2.1.0 is loaded, 1.26.4 is on disk",
    ]


def test_the_text_of_what_is_equal_is_short() -> None:
    assert render_text(EQUAL) == (
        "This kernel is equal to `lock.txt`: 1 pin, nothing to change\n"
        "Python 3.12.1 · /env · linux-x86_64 · GPU: not asked yet\n"
        "\n"
        "1 equal"
    )


def test_headlines() -> None:
    terminal = replace(EQUAL, kernel=False)
    assert headline(terminal).startswith("This environment is equal to `lock.txt`: 1 pin,")
    two = report("a==1.0\nb==1.0", dist("a"), dist("b"))
    assert "2 pins" in headline(two)


def test_what_is_to_be_cleared_away_is_counted() -> None:
    swept = replace(EQUAL, plan=replace(EQUAL.plan, sweeps=("/env/~x",)))
    assert headline(swept) == (
        "This kernel is equal to `lock.txt`: 1 pin, nothing to change, but 1 leftover to clear away"
    )
    two = replace(FULL, plan=replace(FULL.plan, sweeps=("/env/~x", "/env/~y")))
    assert headline(two).endswith("1 to remove, 1 held, 2 leftovers to clear away")


def test_what_stays_is_counted_in_one_line() -> None:
    assert kept_line(FULL) == (
        "2 equal, 1 kept that the lock does not name, 1 that its own projects require"
    )
    assert kept_line(report("a==1.0")) == ""


def test_rows_are_what_changes_or_has_a_note() -> None:
    shown = [c.name for c in shown_changes(FULL)]
    assert shown == ["gitpython", "loguru", "numpy", "six", "torch", "traitlets"]
    assert set(SYMBOLS) == set(Kind)
    assert len(set(SYMBOLS.values())) == len(Kind)
    assert cells(shown_changes(FULL)[2], FULL) == (
        "↓ downgrade",
        "numpy",
        "2.1.0",
        "1.26.4",
        "lock.txt:1; loaded in this kernel",
    )


@pytest.mark.parametrize(
    ("accelerator", "line"),
    [
        (None, "GPU: not asked yet"),
        (
            Accelerator(problem="no driver: libnvidia-ml.so.1 is missing"),
            "GPU: unknown (no driver)",
        ),
        (Accelerator(driver="550.1"), "no GPU · driver 550.1 (CUDA unknown)"),
        (
            Accelerator(driver="550.1", driver_cuda="12.4", gpus=(Gpu(name="A"), Gpu(name="B"))),
            "A, B · driver 550.1 (CUDA 12.4)",
        ),
        (ACCELERATOR, "NVIDIA A100 (80 GiB, compute 8.0) · driver 550.54.15 (CUDA 12.4)"),
    ],
)
def test_what_is_known_of_gpus_in_one_line(accelerator: Accelerator | None, line: str) -> None:
    assert accelerator_line(accelerator) == line


def test_what_is_known_without_a_driver() -> None:
    amd = Gpu(name="AMD gfx1100", vendor="amd")
    assert accelerator_line(Accelerator(absent=True)) == "no GPU"
    assert accelerator_line(Accelerator(gpus=(amd,), absent=True)) == "AMD gfx1100"


def judged(
    lock: str, machine: str, *installed: Distribution, torch: TorchBuild | None = None
) -> Report:
    accelerator = replace(machine_of(machine), origin="")
    verdict = judge_text(lock, accelerator, *installed, torch=torch)
    return replace(EQUAL, accelerator=accelerator, verdict=verdict)


def test_the_card_says_what_the_verdict_stands_on() -> None:
    disk = TorchBuild(version="2.4.0+cpu")
    shown = judged("torch==2.4.0\n", "rtx5090-570", dist("torch==2.4.0+cpu"), torch=disk)
    assert render_text(shown).partition("1 equal\n\n")[2].splitlines() == [
        "✗ fail: this will not run here",
        "  driver   570.124.06 (CUDA 12.8)",
        "  wanted   CUDA 12.1, for torch 2.4.0",
        "  torch    2.4.0, installed is 2.4.0+cpu",
        "  cuDNN    9.1.0.70, not installed",
        "  NCCL     2.20.5, not installed",
        (
            "  GPU 0    NVIDIA GeForce RTX 5090 · compute 12.0 · ✗ not in the build  [..........]  "
            "0.0 of 32.0 GiB"
        ),
        (
            "  error: `torch` 2.4.0+cpu is installed and stays: it is built for the CPU alone, the "
            "lock means CUDA 12.1 (torch 2.4.0) — `--strict-labels` reinstalls it"
        ),
        (
            "  error: `NVIDIA GeForce RTX 5090` (sm_120) has no code in `torch` 2.4.0 (CUDA 12.1), "
            "which has sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90: no kernel image — torch 2.8.0 or "
            "later has code for it"
        ),
    ]


def test_the_card_is_calm_without_a_gpu() -> None:
    lines = card_lines(*_card(judged("torch==2.4.0\n", "none")))
    assert [line.partition(":")[0].strip() for line in lines] == ["▲ warn", "warning"]
    assert card_lines(*_card(judged("numpy==1.0\n", "none"))) == []
    assert card_lines(*_card(judged("numpy==1.0\n", "a100-550"))) == []
    assert card_lines(ACCELERATOR, None) == []


def _card(shown: Report) -> tuple[Accelerator | None, Verdict | None]:
    return shown.accelerator, shown.verdict


def test_the_card_of_slices_and_of_shared_memory() -> None:
    text = "\n".join(card_lines(*_card(judged("torch==2.4.0\n", "mig"))))
    assert "✓ in the build · MIG  [..........]  1.0 of 80.0 GiB" in text
    assert text.count("MIG 3g.40gb") == 2
    text = "\n".join(card_lines(*_card(judged("torch==2.11.0\n", "gb10"))))
    assert "memory shared with the machine  [#.........]  8.0 of 119.7 GiB" in text


def test_the_card_before_the_driver_has_answered() -> None:
    shown = replace(EQUAL, verdict=judge_text("torch==2.4.0\n", None))
    assert "? unknown: whether this will run here cannot be told" in render_text(shown)
    assert "not asked yet" in render_text(shown)


def test_an_undo_has_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    # It names only what it puts back: what the whole is built for cannot be told from that.
    monkeypatch.setenv("ENVMAGIC_CUDA_DRIVER", "470.82.01")
    node = LocalNode()
    node.look_for_gpus()
    shown = report("torch==2.4.0", dist("torch==2.8.0"))
    judged_now = fill_in(shown, node, 60.0)
    undone = fill_in(replace(shown, undo=True), node, 60.0)
    assert "✗ fail: this will not run on `ENVMAGIC_CUDA_DRIVER`" in render_text(judged_now)
    assert undone.accelerator == judged_now.accelerator
    assert undone.verdict is None
    assert "run on" not in render_text(undone)
    assert "em-card-" not in render_html(undone).partition("</style>")[2]


def test_the_card_of_another_machine_names_it() -> None:
    machine = replace(machine_of("a100-550"), origin="box.json")
    title = card_lines(machine, judge_text("torch==2.4.0\n", machine))[0]
    assert title == "✓ ok: this will run on `box.json`"


@pytest.mark.parametrize("judgement", Judgement)
def test_every_judgement_has_a_mark_and_a_word(judgement: Judgement) -> None:
    assert judgement.value in JUDGEMENTS[judgement]
    assert len({words[0] for words in JUDGEMENTS.values()}) == len(Judgement)


def test_the_json_of_a_verdict() -> None:
    data = report_to_json(judged("torch==2.4.0\n", "a100-550", dist("torch==2.6.0")))
    accelerator = data["accelerator"]
    assert accelerator["verdict"] == "ok"
    assert accelerator["wanted"]["cuda"] == "12.1"
    assert accelerator["wanted"]["from"] == "torch 2.4.0"
    assert accelerator["installed"] == {
        "torch": "2.6.0",
        "cuda": "12.4",
        "cudnn": "9.1.0.70",
        "nccl": "2.21.5",
    }
    assert accelerator["covered"] == [True]
    assert accelerator["reasons"] == [
        {
            "severity": "note",
            "text": "driver 550.54.15 (CUDA 12.4) serves CUDA 12.1 (torch 2.4.0)",
            "hint": None,
        }
    ]


@pytest.mark.parametrize("machine", MACHINES)
def test_a_machine_in_its_wire_form_is_read_again(machine: str) -> None:
    there = replace(machine_of(machine), platform="", origin="")
    again = json.loads(json.dumps(accelerator_to_json(there)))
    assert accelerator_from_json(again) == there


def finding(severity: Severity, text: str, hint: str = "") -> Finding:
    return Finding(kind=FindingKind.CONFLICT, name="a", text=text, hint=hint, severity=severity)


MIXED = (
    finding(Severity.NOTE, "note 1"),
    finding(Severity.WARNING, "warning 1", "do this"),
    finding(Severity.ERROR, "error 1"),
    finding(Severity.WARNING, "warning 2"),
    finding(Severity.NOTE, "note 2"),
    finding(Severity.ERROR, "error 2"),
)


def test_findings_stand_with_the_worst_first() -> None:
    assert finding_lines(MIXED) == [
        "error: error 1",
        "error: error 2",
        "warning: warning 1 — do this",
        "warning: warning 2",
        "note: note 1",
        "note: note 2",
    ]
    text = render_text(replace(EQUAL, findings=MIXED))
    assert text.endswith("\n\n" + "\n".join(finding_lines(MIXED)))
    html = render_html(replace(EQUAL, findings=MIXED))
    places = [html.index(f"{kind} {n}") for kind in ("error", "warning", "note") for n in (1, 2)]
    assert places == sorted(places)


def test_every_severity_has_its_place() -> None:
    assert [line.partition(":")[0] for line in finding_lines(map(_of, Severity))] == [
        severity.value for severity in Severity
    ]


SMOKE = (
    Trial(
        device="cuda:0",
        passed=True,
        name="NVIDIA A100",
        capability="8.0",
        torch="2.4.0+cu121",
        cuda="12.1",
        milliseconds=12.34,
    ),
    Trial(device="cuda:1", passed=False, problem="RuntimeError: <no>\nmore", hint="try `x`"),
    Trial(device="cuda", passed=None, problem="no driver"),
    Trial(device="cpu", passed=False, problem="ArithmeticError: wrong"),
)


def test_a_smoke_test_in_words() -> None:
    shown = replace(EQUAL, smoke=SMOKE)
    lines = [
        "✓ smoke test on GPU 0 (NVIDIA A100): torch 2.4.0+cu121 multiplies rightly, in 12.3 ms",
        "✗ smoke test on GPU 1: failed: RuntimeError: <no> — try `x`",
        "– smoke test on a GPU: not run: no driver",
        "✗ smoke test on the CPU: failed: ArithmeticError: wrong",
    ]
    assert render_text(shown).splitlines()[-4:] == lines
    unchanged = Outcome(state=State.UNCHANGED, before=shown)
    assert render_outcome(unchanged).splitlines()[-4:] == lines
    for html in (render_html(shown), render_outcome_html(unchanged)):
        assert "RuntimeError: &lt;no&gt; — try <code>x</code>" in html
    assert shown.smoke_failed
    assert not replace(EQUAL, smoke=SMOKE[::2]).smoke_failed
    unasked = report_to_json(replace(shown, accelerator=None))["accelerator"]
    assert (unasked["problem"], len(unasked["smoke"])) == ("the driver has not answered yet", 4)


def test_what_only_the_disk_could_tell_is_told_after_a_sync() -> None:
    machine = machine_of("a100-550")
    torch = dist("torch==2.4.0")
    before = replace(FULL, accelerator=machine, verdict=judge_text("torch==2.4.0\n", machine))
    found = judge_text("torch==2.4.0\n", machine, torch, torch=TorchBuild(version="2.4.0"))
    after = replace(EQUAL, accelerator=machine, verdict=found)
    outcome = Outcome(state=State.SUCCEEDED, before=before, after=after)
    words = "it is built for the CPU alone, the lock means CUDA 12.1 (torch 2.4.0)"
    assert f"but `torch` 2.4.0 is installed and stays: {words}" in render_outcome(outcome)
    assert words in render_outcome_html(outcome)
    known = replace(outcome, before=replace(before, verdict=found))
    assert words not in render_outcome(known)
    slow = replace(outcome, before=replace(before, accelerator=None))
    assert words not in render_outcome(slow)


def _of(severity: Severity) -> Finding:
    return finding(severity, "text")


def shape(value: Any) -> Any:  # noqa: ANN401 (JSON)
    """Return the types of a JSON value; of a list, those of its first element."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value[:1]]
    return type(value)


SCHEMA = {
    "schema": int,
    "envmagic": str,
    "node": {
        "python": str,
        "implementation": str,
        "prefix": str,
        "platform": str,
        "kernel": bool,
    },
    "lock": {"path": str, "format": str, "pins": int, "digest": str},
    "parity": bool,
    "prepared": bool,
    "counts": {kind.value: int for kind in Kind} | {"unlocked": int},
    "changes": [
        {
            "name": str,
            "kind": str,
            "installed": type(None),
            "wanted": str,
            "reason": str,
            "note": type(None),
            "loaded": type(None),
            "line": str,
        }
    ],
    "findings": [
        {
            "kind": str,
            "name": str,
            "text": str,
            "hint": type(None),
            "requirement": type(None),
            "found": str,
            "severity": str,
            "when": str,
        }
    ],
    "accelerator": {
        "driver": str,
        "driver_cuda": str,
        "gpus": [
            {
                "name": str,
                "vendor": str,
                "uuid": str,
                "memory_total": int,
                "memory_used": int,
                "unified": bool,
                "capability": str,
                "mig": type(None),
                "slices": [],
                "ecc": type(None),
            }
        ],
        "host": type(None),
        "hidden": bool,
        "libraries": [],
        "origin": type(None),
        "absent": bool,
        "verdict": str,
        "reasons": [],
        "smoke": [
            {
                "device": str,
                "state": str,
                "name": str,
                "capability": str,
                "torch": str,
                "cuda": str,
                "milliseconds": float,
                "problem": type(None),
                "hint": type(None),
            }
        ],
        "problem": type(None),
    },
    "restart": {"needed": bool, "reasons": [str], "unknown": []},
}


def test_the_json_has_its_schema() -> None:
    data = json.loads(render_json(replace(FULL, smoke=SMOKE)))
    assert shape(data) == SCHEMA
    assert json.loads(render_json(FULL))["accelerator"]["smoke"] == []
    assert data["schema"] == 1
    assert data["counts"] == FULL.plan.counts()
    assert data["lock"] == {
        "path": "lock.txt",
        "format": "requirements",
        "pins": 6,
        "digest": FULL.lock.digest,
    }
    assert data["parity"] is False
    assert json.loads(render_json(EQUAL))["accelerator"] is None


def test_the_json_of_each_change() -> None:
    changes = {c["name"]: c for c in report_to_json(FULL)["changes"]}
    assert list(changes) == sorted(changes)
    assert changes["numpy"] == {
        "name": "numpy",
        "kind": "downgrade",
        "installed": "2.1.0",
        "wanted": "1.26.4",
        "reason": "lock",
        "note": None,
        "loaded": "2.1.0",
        "line": "lock.txt:1",
    }
    assert changes["loguru"]["wanted"] is changes["loguru"]["line"] is None
    assert changes["loguru"]["reason"] == "not in the lock"
    assert changes["traitlets"]["reason"].startswith("the kernel's own `ipykernel`")
    assert changes["tzdata"]["reason"] == "not in the lock; `pandas` 2.2.0 requires it"
    assert changes["torch"]["kind"] == "equal"
    assert changes["torch"]["note"].startswith("same release, other build")
    assert "pandas" not in changes
    every = [c["name"] for c in report_to_json(FULL, every=True)["changes"]]
    assert every == sorted({*changes, "pandas"})


def test_values_of_enumerations_are_words() -> None:
    data = json.loads(render_json(replace(FULL, findings=(*FULL.findings, *MIXED))))
    assert {f["severity"] for f in data["findings"]} <= {s.value for s in Severity}
    assert {f["when"] for f in data["findings"]} <= {w.value for w in When}
    assert {f["kind"] for f in data["findings"]} <= {k.value for k in FindingKind}
    assert {c["kind"] for c in data["changes"]} <= {k.value for k in Kind}


def test_the_same_input_gives_the_same_bytes() -> None:
    again = replace(
        report(LOCK, *reversed(INSTALLED), loaded={Name("numpy"): "2.1.0"}),
        accelerator=ACCELERATOR,
        restart=FULL.restart,
    )
    assert render_json(again) == render_json(FULL)
    assert render_json(again, every=True) == render_json(FULL, every=True)
    assert render_text(again) == render_text(FULL)
    assert render_html(again) == render_html(FULL)


def test_the_json_is_plain_text_for_every_terminal() -> None:
    odd = replace(FULL, findings=(finding(Severity.NOTE, "é “quoted”\n\u2028 \x1b[31m"),))
    assert render_json(odd).isascii()
    assert "\x1b" not in render_json(odd)


OUTCOME = Outcome(state=State.SUCCEEDED, before=FULL, after=EQUAL)
BUILT = Finding(
    kind=FindingKind.BUILT,
    name="ext",
    text="`ext` was built beside `torch==2.4.0`",
    hint="it must be built again",
    severity=Severity.NOTE,
)


@pytest.mark.parametrize(
    ("outcome", "lines"),
    [
        (
            Outcome(state=State.UNCHANGED, before=EQUAL),
            ["This kernel is equal to `lock.txt`: 1 pin, nothing to change"],
        ),
        (
            OUTCOME,
            [
                (
                    "done: 1 installed, 1 upgraded, 1 downgraded, 1 removed; "
                    "the environment is now equal to `lock.txt`"
                ),
                "no restart needed: what is loaded is what is on the disk",
            ],
        ),
        (
            replace(OUTCOME, after=replace(EQUAL, findings=(BUILT,))),
            [
                (
                    "done: 1 installed, 1 upgraded, 1 downgraded, 1 removed; "
                    "the environment is now equal to `lock.txt`"
                ),
                "`ext` was built beside `torch==2.4.0`; it must be built again",
                "no restart needed: what is loaded is what is on the disk",
            ],
        ),
        (
            replace(OUTCOME, after=replace(EQUAL, restart=FULL.restart)),
            [
                (
                    "done: 1 installed, 1 upgraded, 1 downgraded, 1 removed; "
                    "the environment is now equal to `lock.txt`"
                ),
                "restart the kernel: `numpy` 2.1.0 is loaded, 1.26.4 is on disk",
            ],
        ),
        (
            Outcome(state=State.HELD, before=FULL),
            ["not in parity with `lock.txt`: 1 held"],
        ),
        (
            replace(OUTCOME, state=State.HELD),
            [
                (
                    "done: 1 installed, 1 upgraded, 1 downgraded, 1 removed; "
                    "not in parity with `lock.txt`: 1 held"
                )
            ],
        ),
        (
            replace(OUTCOME, state=State.FAILED, problems=("`six` should be gone",), log="/l.txt"),
            [
                "the change failed, and the environment could not be put back",
                "`six` should be gone",
                "the whole output is in `/l.txt`",
                "`--undo` tries again; or make the environment anew, from `lock.txt`",
            ],
        ),
        (
            replace(OUTCOME, state=State.ROLLED_BACK, problems=("pip failed",), log="/l.txt"),
            [
                "the change failed, and everything was put back: the environment is as it was",
                "pip failed",
                "the whole output is in `/l.txt`",
            ],
        ),
        (
            replace(OUTCOME, before=replace(FULL, undo=True)),
            [
                "done: 1 installed, 1 upgraded, 1 downgraded, 1 removed; `lock.txt` is undone",
                "no restart needed: what is loaded is what is on the disk",
            ],
        ),
    ],
)
def test_outcomes(outcome: Outcome, lines: list[str]) -> None:
    assert render_outcome(outcome).splitlines() == lines
    data = json.loads(render_json(outcome.after or outcome.before, outcome=outcome))
    assert data["outcome"] == {
        "state": outcome.state.value,
        "done": outcome.before.plan.counts(),
        "problems": list(outcome.problems),
        "log": outcome.log or None,
    }


def everything_that_carries_a_secret() -> tuple[Report, Outcome]:
    url = f"https://user:{SECRET}@e.org"
    vcs = Source(kind=SourceKind.VCS, url="https://e.org/c", vcs="git", commit=COMMIT)
    text = (
        f"--index-url {url}/simple\n--extra-index-url={url}/two\n-f {url}/wheels\n"
        f"a @ git+{url}/a@{COMMIT}\nb @ {url}/b.whl\nc==1.0\n-e git+{url}/d@{COMMIT}#egg=d\n"
        f"e @ {url}/e-1.0.tar.gz\n"
    )
    needy = dist("needy", f"b @ {url}/b.whl", f"odd @ {url}/x y", f"gone @ {url}/gone.whl")
    shown = report(text, dist("c", source=vcs), needy, policy=Policy(keep=("needy",)))
    told = Finding(
        kind=FindingKind.ORIGIN,
        name="a",
        text=f"see {url}",
        hint=f"try {url}",
        requirement=f"a @ {url}",
        found="",
    )
    shown = replace(
        shown,
        findings=(*shown.findings, told),
        restart=Restart(reasons=("`a` 1 is loaded, 2 is on disk",)),
        smoke=(Trial(device="", passed=False, problem=f"OSError: {url}"),),
        plan=Plan(changes=shown.plan.changes, findings=shown.plan.findings),
    )
    outcome = Outcome(
        state=State.FAILED,
        before=shown,
        after=shown,
        problems=(f"pip cannot reach {url}/simple",),
        log="/env/log.txt",
    )
    return shown, outcome


def test_no_secret_is_in_any_output() -> None:
    shown, outcome = everything_that_carries_a_secret()
    assert SECRET in repr(shown)
    outputs = [
        render_text(shown),
        render_json(shown, every=True),
        render_json(shown, outcome=outcome),
        render_outcome(outcome),
        render_html(shown),
        render_outcome_html(outcome),
        render_words_html(outcome.problems[0]),
    ]
    for output in outputs:
        assert SECRET not in output
        assert "****@" in output
