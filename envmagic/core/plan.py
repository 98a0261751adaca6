"""What must change: pins against a snapshot."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from envmagic.core.check import conflict_finding, find_conflicts
from envmagic.core.model import (
    Damage,
    Finding,
    FindingKind,
    Kind,
    Plan,
    Policy,
    Severity,
    SourceKind,
    When,
    join_names,
)
from envmagic.core.planner import KERNEL, Planner, described_by, uncovered_by
from envmagic.core.repair import find_apart, find_damaged, find_repairs, find_sweeps
from envmagic.core.requirement import find_closure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envmagic.core.model import Change, Distribution, Name, Pin, Snapshot
    from envmagic.core.planner import Conflict


def make_plan(  # noqa: PLR0913 (the whole question, in its one place)
    pins: Iterable[Pin],
    snapshot: Snapshot,
    policy: Policy = Policy(),  # noqa: B008 (frozen)
    *,
    constraints: Iterable[Pin] = (),
    not_locked: Iterable[Name] = (),
    known: Mapping[Name, Distribution] | None = None,
    damage: Damage = Damage(),  # noqa: B008 (frozen)
) -> Plan:
    """Say what must change so that a snapshot holds exactly what the pins say.

    Pure: the same values give the same plan, and the order of `pins` does not matter.
    `known` is the metadata of wheels that are prepared; without it, what a distribution
    requires that is not installed yet is unknown, and the plan has a finding that says so.
    `not_locked` names what is never removed although the lock has no line for it.

    A change that the kernel could not start after is taken back, and the rest is planned
    again without it, until nothing of the kernel's own closure breaks. So it is, the other
    way round, with what would stay although its files are gone, or would go with others:
    it is put in again.
    """
    constraints, not_locked = tuple(constraints), tuple(not_locked)
    pins = [_constrain(pin, constraints) for pin in pins]
    installed = {name: found[0] for name, found in snapshot.by_name().items()}
    broken = frozenset(
        (distribution.name, requirement.text)
        for distribution, requirement in find_conflicts(installed, snapshot.platform.markers)
    )
    held: dict[Name, str] = {}
    repairs: dict[Name, str] = {}
    while True:
        planner = Planner(
            snapshot, policy, known or {}, constraints, not_locked, broken, held, repairs
        )
        planner.want(pins)
        while not planner.complete():
            pass
        planner.protect()
        planner.remove_extraneous()
        if more := find_repairs(planner.changes, damage):
            repairs |= more
            continue
        conflicts = planner.find_conflicts()
        culprit = planner.find_what_breaks_the_kernel(conflicts)
        if culprit is None:
            return _conclude(planner, conflicts, damage)
        name, reason = culprit
        held[name] = reason
        repairs = {}


def _constrain(pin: Pin, constraints: Iterable[Pin]) -> Pin:
    """Return a pin; a range is narrowed by what the constraints say of its name."""
    if pin.version is not None or pin.source.kind is not SourceKind.INDEX:
        return pin
    specifiers = {c.specifier for c in constraints if c.name == pin.name} - {"", pin.specifier}
    return replace(pin, specifier=",".join(filter(None, [pin.specifier, *sorted(specifiers)])))


def _conclude(planner: Planner, conflicts: list[Conflict], damage: Damage) -> Plan:
    """Return the answer, with the findings about it and about the set to come."""
    changes = tuple(planner.changes[name] for name in sorted(planner.changes))
    kernel = find_closure([KERNEL], planner.future, planner.markers)
    predicted = (
        conflict_finding(*conflict, planner.future, kernel=conflict[0].name in kernel)
        for conflict in conflicts
    )
    return Plan(
        changes=changes,
        findings=(
            *find_damaged(changes, damage, planner.repairs),
            *_notable(changes, planner.known, planner.repairs),
            *predicted,
        ),
        sweeps=find_sweeps(changes, planner.snapshot, damage),
        apart=find_apart(changes, damage, planner.repairs, planner.find_engine()),
    )


def simulate(plan: Plan, snapshot: Snapshot) -> dict[Name, Distribution]:
    """Return what would be installed after a plan, each name's first distribution.

    A version that is chosen only when it is fetched is the empty string.
    """
    by_name = snapshot.by_name()
    future = {name: found[0] for name, found in by_name.items()}
    for change in plan.actions:
        if change.pin is None:
            del future[change.name]
            future |= uncovered_by(by_name[change.name])
        else:
            future[change.name] = described_by(change.pin)
    return future


def find_kernel_changes(
    plan: Plan, snapshot: Snapshot, known: Mapping[Name, Distribution]
) -> tuple[Name, ...]:
    """Return what a plan installs that a kernel of the set to come starts with."""
    new = {c.name: known[c.name] for c in plan.actions if c.name in known}
    future = simulate(plan, snapshot) | new
    closure = find_closure([KERNEL], future, snapshot.platform.markers)
    return tuple(c.name for c in plan.actions if c.kind.installs and c.name in closure)


def _notable(
    changes: tuple[Change, ...], known: Mapping[Name, Distribution], repairs: Mapping[Name, str]
) -> Iterator[Finding]:
    for change in changes:
        installed = str(change.installed.version) if change.installed else ""
        if change.kind is Kind.HELD:
            yield Finding(
                kind=FindingKind.HELD,
                name=change.name,
                text=f"`{change.name}` stays at {installed}, the lock wants {change.wanted}: "
                f"{change.reason}",
                hint="pin a version that the kernel can live with, or use another environment",
                found=installed,
                severity=Severity.ERROR,
                when=When.AFTER,
            )
        elif change.note and change.name not in repairs:
            yield Finding(
                kind=FindingKind.LABEL,
                name=change.name,
                text=f"`{change.name}`: {change.note}",
                found=installed,
            )
    unknown = [c.name for c in changes if c.kind.installs and c.name not in known]
    if unknown:
        yield Finding(
            kind=FindingKind.UNKNOWN,
            name=unknown[0] if len(unknown) == 1 else "",
            text=f"unknown until prepared: what {join_names(unknown, 3)} "
            + ("requires" if len(unknown) == 1 else "require"),
            hint="`--online` asks the index now; a sync asks it before it changes anything",
            severity=Severity.NOTE,
        )
