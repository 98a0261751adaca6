"""Made-up answers in the wire form: `make wire` writes them into `tests/wire`, for both languages.

The tests of the sidebar read the same files: what is changed here is changed there.
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.story import wait_until

from envmagic.change.history import Past, Step, write_progress
from envmagic.core.errors import Cancelled, EngineError
from envmagic.core.lock import LockError, parse_lock
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
    When,
    read_version,
)
from envmagic.core.report import (
    Accelerator,
    Gpu,
    Judgement,
    Outcome,
    Progress,
    Reason,
    Report,
    Restart,
    Stack,
    State,
    Verdict,
)
from envmagic.face.panel import Reply
from envmagic.face.replies import (
    error_to_json,
    news_to_json,
    past_to_work,
    place_to_json,
    shown_to_json,
    undoable_to_json,
    work_to_json,
)
from envmagic.face.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from envmagic.face.work import Task
    from envmagic.story.sync import Face

    Json = dict[str, Any]

FOLDER = Path(__file__).parents[1] / "wire"
_BEGAN = 1767323045.0
_WHERE = Platform(
    python="3.11.7",
    implementation="cpython",
    markers=(),
    executable="/home/me/env/bin/python",
    prefix="/home/me/env",
    virtual=True,
    tag="linux-x86_64",
)
_GPUS = (
    Gpu(
        name="NVIDIA A100-SXM4-80GB",
        uuid="GPU-1",
        memory_total=80 * 1024**3,
        memory_used=20 * 1024**3,
        capability="8.0",
        mig=False,
        ecc=True,
    ),
    Gpu(name="NVIDIA GeForce RTX 5090", uuid="GPU-2", memory_total=32 * 1024**3, capability="12.0"),
)
_ACCELERATOR = Accelerator(driver="550.54.15", driver_cuda="12.4", gpus=_GPUS)
_VERDICT = Verdict(
    verdict=Judgement.FAIL,
    wanted=Stack(torch="2.4.0", cuda="12.1", cudnn="9.1.0.70", nccl="2.20.5"),
    wanted_from="torch 2.4.0",
    architectures=("sm_80", "sm_90"),
    covered=(True, False),
    installed=Stack(torch="2.4.0+cpu"),
    reasons=(
        Reason(
            severity=Severity.ERROR,
            text="`NVIDIA GeForce RTX 5090` (sm_120) has no code in `torch` 2.4.0 (CUDA 12.1)",
            hint="torch 2.8.0 or later has code for it",
        ),
        Reason(severity=Severity.NOTE, text="a reason without a hint"),
    ),
)
# name, kind, installed, wanted, line of the lock, reason, note
_ROWS: tuple[tuple[str, Kind, str, str, int, str, str], ...] = (
    ("attrs", Kind.EQUAL, "24.2.0", "24.2.0", 1, "equal", ""),
    ("beta", Kind.HELD, "1.0", "2.0", 2, "ipykernel requires beta<2", "the kernel would not start"),
    ("gitpython", Kind.INSTALL, "", "3.1.44", 3, "not installed", ""),
    ("ipykernel", Kind.KEEP, "6.29.5", "", 0, "the kernel", ""),
    ("loguru", Kind.REMOVE, "0.7.2", "", 0, "not in the lock", ""),
    ("numpy", Kind.DOWNGRADE, "2.1.3", "1.26.4", 4, "another version", ""),
    ("pandas", Kind.UPGRADE, "2.2.3", "2.3.1", 5, "another version", ""),
    ("tlocal", Kind.REINSTALL, "2.4.0", "2.4.0", 6, "damaged", "3 of its files are gone"),
    ("tzdata", Kind.INSTALL, "", "2025.2", 0, "required by pandas", ""),
)
_FINDINGS = (
    Finding(
        kind=FindingKind.CONFLICT,
        name="gamma",
        text="`gamma` 1.0 requires `numpy>=2`, but numpy 1.26.4 will be installed",
        requirement="numpy>=2",
        found="1.26.4",
        when=When.AFTER,
    ),
    Finding(
        kind=FindingKind.BUILD,
        name="gitpython",
        text="`gitpython` will be built: its code runs here, from <b>a lock</b>",
        hint="`--only-binary` in the lock refuses that",
        severity=Severity.ERROR,
    ),
    Finding(
        kind=FindingKind.NEIGHBOUR,
        name="",
        text="1 other kernel of this environment is running: `other.ipynb` (process 4711)",
        hint="it keeps what it has loaded until it is restarted",
        severity=Severity.NOTE,
    ),
)


def _change(row: tuple[str, Kind, str, str, int, str, str]) -> Change:
    name, kind, installed, wanted, line, reason, note = row
    required_by = "" if line else "pandas"
    return Change(
        name=Name(name),
        kind=kind,
        reason=reason,
        installed=Distribution(name=Name(name), version=read_version(installed))
        if installed
        else None,
        pin=Pin(
            name=Name(name),
            version=read_version(wanted),
            where=f"first_env.txt:{line}" if line else "",
            requirer=required_by,
        )
        if wanted
        else None,
        wanted=wanted,
        note=note,
    )


def make_report(*rows: str) -> Report:
    """Return a report with every kind of change, or with the rows of these names alone."""
    changes = tuple(_change(row) for row in _ROWS if not rows or row[0] in rows)
    pins = tuple(c.pin for c in changes if c.pin is not None and c.locked)
    return Report(
        platform=_WHERE,
        lock=Lock(
            path="first_env.txt", pins=pins, digest="sha256:" + "0" * 64, files=("first_env.txt",)
        ),
        plan=Plan(changes=changes),
        findings=_FINDINGS,
        accelerator=_ACCELERATOR,
        verdict=_VERDICT,
        restart=Restart(reasons=("`pandas` 2.2.2 is loaded, 2.2.3 is on disk",)),
        kernel=True,
        loaded={Name("numpy"): "2.1.3", Name("pandas"): "2.2.2"},
        prepared=True,
    )


_OUTCOME = Outcome(
    state=State.SUCCEEDED,
    before=make_report(),
    after=replace(make_report("attrs", "ipykernel"), findings=()),
)


def _past(state: str, folder: Path = Path("change-1")) -> Past:
    steps = (Step(name=Name("numpy"), before="2.1.3", after="1.26.4"),)
    return Past(
        folder=folder,
        title="sync first_env.txt",
        began=_BEGAN,
        steps=steps,
        state=state,
        problems=(),
    )


def look_reply() -> Json:
    """Return what `look` answers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        news = [news_to_json(_past("cancelled"))]
    time.tzset()
    answer = {
        "place": place_to_json(_WHERE, folder="/home/me/work"),
        "locks": ["first_env.txt", "requirements.txt"],
        "lock": "first_env.txt",
        "files": {"first_env.txt": "first_env.txt", "/home/me/locks/more.txt": "../locks/more.txt"},
        **shown_to_json(make_report(), "report-1"),
        "error": None,
        "stamp": "0123456789abcdef",
        "work": None,
        "undo": undoable_to_json(_past("succeeded")),
        "news": news,
    }
    return Reply(answer).content


def fault_reply() -> Json:
    """Return what is answered where a lock cannot be used."""
    text = "alpha\nbeta==1.0 --frobnicate\n"
    try:
        parse_lock(text, "first_env.txt", read=_no_file, markers={}, environ={})
    except LockError as error:
        return Reply({"error": error_to_json(error)}).content
    raise AssertionError(text)


def _no_file(path: str) -> str:
    raise FileNotFoundError(path)


def _watched(task: Task, ready: Callable[[Work], bool], what: str = "sync") -> Json:
    work = Work(what, "Sync with `first_env.txt`", task, make_report("numpy"))
    wait_until(lambda: ready(work))
    said, end = work.said(0)
    work.id = "work-1"
    report = work.question or (work.result if isinstance(work.result, Report) else None)
    answer = work_to_json(work, "report-2" if report else None)
    work.cancel()
    wait_until(lambda: work.ended)
    return Reply({"work": answer, "log": said, "log_end": end}).content


def work_replies() -> dict[str, Json]:
    """Return what `work` answers, by what has become of the work."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "log.txt").write_text("Collecting numpy==1.26.4\n  naïve – ✓\n", "utf-8")

        def works(face: Face) -> Outcome:
            face.hear(folder / "log.txt")
            face.tell(Progress(phase="Fetching", done=2, total=5, detail="numpy"))
            face.cancel.wait()
            raise Cancelled("cancelled; nothing was changed")

        def asks(face: Face) -> Outcome:
            face.agree(make_report())
            raise Cancelled("not applied; nothing was changed")

        def fails(_: Face) -> Outcome:
            raise EngineError("`numpy==1.26.4` cannot be had: no index has it", "try again")

        def is_cancelled(_: Face) -> Outcome:
            raise Cancelled("cancelled; everything is as it was before")

        write_progress(folder, Progress(phase="Installing", done=1, total=3))
        beside = past_to_work(_past("", folder)) | {"id": "change-1"}
        ended: Callable[[Work], bool] = lambda work: work.ended  # noqa: E731
        return {
            "working": _watched(works, lambda work: bool(work.progress.total and work.said(0)[1])),
            "asking": _watched(asks, lambda work: work.question is not None),
            "ended": _watched(lambda _: _OUTCOME, ended),
            "failed": _watched(fails, ended),
            "cancelled": _watched(is_cancelled, ended),
            "previewed": _watched(lambda _: make_report(), ended, "preview"),
            "elsewhere": Reply({"work": beside, "log": "", "log_end": 0}).content,
            "none": Reply({"work": None, "log": "", "log_end": 0}).content,
        }


def wire_files() -> dict[str, str]:
    """Return the text of each file."""
    replies = {
        "report.v1.json": look_reply(),
        "work.v1.json": work_replies(),
        "fault.v1.json": fault_reply(),
    }
    return {
        name: json.dumps(reply, indent=1, ensure_ascii=False) + "\n"
        for name, reply in replies.items()
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file, text in wire_files().items():
        (FOLDER / file).write_text(text, "utf-8")
