"""A report in the wire form, schema 1: for `--json`, for the sidebar, for anybody's program."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from envmagic.core.model import SCHEMA, VERSION, Kind
from envmagic.core.redact import redact
from envmagic.core.report import Accelerator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envmagic.change.history import Past
    from envmagic.core.model import Change, Finding, Platform
    from envmagic.core.report import Gpu, Outcome, Report, Stack, Trial, Verdict

_STATES = {True: "passed", False: "failed", None: "skipped"}


def render_json(report: Report, *, every: bool = False, outcome: Outcome | None = None) -> str:
    """Return a report in the wire form, schema 1; `every` lists the equal names too."""
    return json.dumps(report_to_json(report, every=every, outcome=outcome), indent=1)


def report_to_json(
    report: Report, *, every: bool = False, outcome: Outcome | None = None
) -> dict[str, Any]:
    """Return a report as plain values: strings, numbers, lists and dictionaries."""
    changes = [c for c in report.plan.changes if every or c.kind is not Kind.EQUAL or c.note]
    data = {
        "schema": SCHEMA,
        "envmagic": VERSION,
        "node": platform_to_json(report.platform, kernel=report.kernel),
        "lock": {
            "path": report.lock.path,
            "format": report.lock.format,
            "pins": len(report.lock.pins),
            "digest": report.lock.digest,
        },
        "parity": report.plan.parity,
        "prepared": report.prepared,
        "counts": report.plan.counts(),
        "changes": [_change_to_json(change, report) for change in changes],
        "findings": [finding_to_json(finding) for finding in report.findings],
        "accelerator": accelerator_to_json(report.accelerator, report.verdict, report.smoke),
        "restart": {
            "needed": report.restart.needed,
            "reasons": list(report.restart.reasons),
            "unknown": list(report.restart.doubtful),
        },
    }
    if outcome is not None:
        data["outcome"] = {
            "state": outcome.state.value,
            "done": outcome.before.plan.counts(),
            "problems": [redact(problem) for problem in outcome.problems],
            "log": outcome.log or None,
        }
    return data


def platform_to_json(where: Platform, *, kernel: bool) -> dict[str, Any]:
    """Return an interpreter in the wire form."""
    return {
        "python": where.python,
        "implementation": where.implementation,
        "prefix": where.prefix,
        "platform": where.tag,
        "kernel": kernel,
    }


def _change_to_json(change: Change, report: Report) -> dict[str, Any]:
    pin = change.pin
    return {
        "name": change.name,
        "kind": change.kind.value,
        "installed": str(change.installed.version) if change.installed else None,
        "wanted": redact(change.wanted) or None,
        "reason": "lock" if change.locked and change.kind is not Kind.HELD else change.reason,
        "note": redact(change.note) or None,
        "loaded": report.loaded.get(change.name),
        "line": pin.where or None if pin else None,
    }


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """Return a finding in the wire form."""
    return {
        "kind": finding.kind.value,
        "name": finding.name or None,
        "text": redact(finding.text),
        "hint": redact(finding.hint) or None,
        "requirement": redact(finding.requirement) or None,
        "found": finding.found or None,
        "severity": finding.severity.value,
        "when": finding.when.value,
    }


def accelerator_to_json(
    accelerator: Accelerator | None,
    verdict: Verdict | None = None,
    smoke: Iterable[Trial] = (),
) -> dict[str, Any] | None:
    """Return driver, GPUs, verdict and smoke test in the wire form; None: not asked yet.

    Memory is in bytes. A reader makes the machine of it again (`--as-machine`).
    """
    tried = [_trial_to_json(trial) for trial in smoke]
    if accelerator is None and not tried:
        return None
    accelerator = accelerator or Accelerator(problem="the driver has not answered yet")
    return {
        "driver": accelerator.driver,
        "driver_cuda": accelerator.driver_cuda,
        "gpus": [_gpu_to_json(gpu) for gpu in accelerator.gpus],
        "host": accelerator.host or None,
        "hidden": accelerator.hidden,
        "libraries": list(accelerator.libraries),
        "origin": accelerator.origin or None,
        "absent": accelerator.absent,
        **verdict_to_json(verdict),
        "smoke": tried,
        "problem": accelerator.problem,
    }


def _gpu_to_json(gpu: Gpu) -> dict[str, Any]:
    return {
        "name": gpu.name,
        "vendor": gpu.vendor,
        "uuid": gpu.uuid,
        "memory_total": gpu.memory_total,
        "memory_used": gpu.memory_used,
        "unified": gpu.unified,
        "capability": gpu.capability,
        "mig": gpu.mig,
        "slices": [_gpu_to_json(piece) for piece in gpu.slices],
        "ecc": gpu.ecc,
    }


def verdict_to_json(verdict: Verdict | None) -> dict[str, Any]:
    """Return a verdict in the wire form; None, not judged, is `unknown` without a reason."""
    if verdict is None:
        return {"verdict": "unknown", "reasons": []}
    return {
        "installed": _stack_to_json(verdict.installed),
        "wanted": {
            **_stack_to_json(verdict.wanted),
            "from": verdict.wanted_from or None,
            "architectures": list(verdict.architectures),
        },
        "verdict": verdict.verdict.value,
        "covered": list(verdict.covered),
        "reasons": [
            {"severity": r.severity.value, "text": redact(r.text), "hint": redact(r.hint) or None}
            for r in verdict.reasons
        ],
    }


def _stack_to_json(stack: Stack) -> dict[str, Any]:
    return {"torch": stack.torch, "cuda": stack.cuda, "cudnn": stack.cudnn, "nccl": stack.nccl}


def _trial_to_json(trial: Trial) -> dict[str, Any]:
    return {
        "device": trial.device or None,
        "state": _STATES[trial.passed],
        "name": trial.name or None,
        "capability": trial.capability,
        "torch": trial.torch or None,
        "cuda": trial.cuda,
        "milliseconds": trial.milliseconds,
        "problem": redact(trial.problem) or None,
        "hint": trial.hint or None,
    }


def past_to_json(past: Past, cost: int) -> dict[str, Any]:
    """Return a past change in the wire form; `cost` is that on the disk."""
    return {
        "title": redact(past.title),
        "began": past.began,
        "state": past.state or "at work",
        "can_be_undone": past.can_be_undone,
        "kept_bytes": cost,
        "steps": [{"name": s.name, "before": s.before, "after": s.after} for s in past.steps],
        "problems": [redact(problem) for problem in past.problems],
    }
