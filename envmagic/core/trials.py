"""What a smoke test has told, line by line, as one trial for each device."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from envmagic.core.facts import failure_hint
from envmagic.core.report import Trial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envmagic.core.report import Accelerator

_START = '{"smoke": '
_STEPS = {"passed": True, "failed": False, "skipped": None, "absent": None}


def read_trials(said: str, machine: Accelerator | None, ended: str) -> tuple[Trial, ...]:
    """Return a trial for each device that was reached; `ended` is why it came to no end.

    A GPU that the driver of the machine sees and torch does not is a failure.
    """
    trials: list[Trial] = []
    build: dict[str, Any] = {}
    begun, complete = "", False
    for line in _lines(said):
        step, device = line["smoke"], str(line.get("device") or "")
        if step == "torch":
            build = line
        elif step == "begin":
            begun = device
        elif step == "end":
            complete = True
        elif step in _STEPS:
            trials.append(_trial(step, device, line))
    if not complete:
        trials.append(Trial(device=begun, passed=False, problem=ended or "it ended too early"))
    seen = _sees_a_gpu(machine, "amd" if build.get("hip") else "nvidia")
    return tuple(_completed(trial, build, seen=seen) for trial in trials)


def _sees_a_gpu(machine: Accelerator | None, vendor: str) -> bool:
    if machine is None or machine.hidden or machine.origin:
        return False
    return any(gpu.vendor == vendor for gpu in machine.gpus)


def _lines(said: str) -> Iterator[dict[str, Any]]:
    for line in said.splitlines():
        if line.startswith(_START):
            try:
                yield json.loads(line)
            except ValueError:  # cut off
                continue


def _trial(step: str, device: str, line: dict[str, Any]) -> Trial:
    return Trial(
        device=device,
        passed=_STEPS[step],
        name=str(line.get("name") or ""),
        capability=line.get("capability"),
        milliseconds=line.get("milliseconds"),
        problem="torch is not installed" if step == "absent" else str(line.get("problem") or ""),
    )


def _completed(trial: Trial, build: dict[str, Any], *, seen: bool) -> Trial:
    passed = False if trial.passed is None and trial.device and seen else trial.passed
    return replace(
        trial,
        passed=passed,
        torch=str(build.get("torch") or ""),
        cuda=build.get("cuda"),
        hint="" if passed else failure_hint(trial.problem),
    )
