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

_STEPS = {"passed": True, "failed": False, "skipped": None, "absent": None}
_LONGEST = 4000
"""Characters of what a problem says; it may well be a megabyte."""


def read_trials(
    told: str, machine: Accelerator | None, ended: str, *, stopped: bool = False
) -> tuple[Trial, ...]:
    """Return a trial for each device that was reached; `ended` is why it came to no end.

    A GPU that the driver of the machine sees and torch does not is a failure; that a user
    has `stopped` it is none.
    """
    trials: list[Trial] = []
    build: dict[str, Any] = {}
    begun, complete, lost = "", False, False
    for line in _lines(told):
        step, device = line.get("smoke"), str(line.get("device") or "")
        if step == "torch":
            build = line
        elif step == "begin":
            begun = device
        elif step == "end":
            complete = True
        elif step in _STEPS:
            trials.append(_trial(step, device, line))
        else:
            lost = True
    seen = _sees_a_gpu(machine, "amd" if build.get("hip") else "nvidia")
    found = [_completed(trial, build, seen=seen) for trial in trials]
    if lost or not complete or not trials:
        passed = None if stopped else False
        last = Trial(device=begun, passed=passed, problem=ended or "it ended too early")
        found.append(_completed(last, build, seen=False))
    return tuple(found)


def _sees_a_gpu(machine: Accelerator | None, vendor: str) -> bool:
    if machine is None or machine.hidden or machine.origin:
        return False
    return any(gpu.vendor == vendor for gpu in machine.gpus)


def _lines(told: str) -> Iterator[dict[str, Any]]:
    for line in told.splitlines():
        try:
            found = json.loads(line)
        except ValueError:  # cut off
            found = None
        yield found if isinstance(found, dict) else {}


def _trial(step: str, device: str, line: dict[str, Any]) -> Trial:
    problem = str(line.get("problem") or "")
    return Trial(
        device=device,
        passed=_STEPS[step],
        name=str(line.get("name") or ""),
        capability=line.get("capability"),
        milliseconds=line.get("milliseconds"),
        problem="torch is not installed" if step == "absent" else _readable(problem),
    )


def _readable(problem: str) -> str:
    """Return words that can be printed, and no more than anybody reads, by whole words.

    In half a word, half a URL, nothing tells what is secret.
    """
    text = problem.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= _LONGEST else text[:_LONGEST].rsplit(maxsplit=1)[0] + " …"


def _completed(trial: Trial, build: dict[str, Any], *, seen: bool) -> Trial:
    passed = False if trial.passed is None and trial.device and seen else trial.passed
    return replace(
        trial,
        passed=passed,
        torch=str(build.get("torch") or ""),
        cuda=build.get("cuda"),
        hint="" if passed else failure_hint(trial.problem),
    )
