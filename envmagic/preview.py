"""A node compared with a lock, as a report: from what is on its disk, and fast."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from packaging.version import Version

from envmagic.check import inspect_snapshot
from envmagic.damage import find_damage
from envmagic.model import Damage, FindingKind, Policy, PolicyError, Report, Restart
from envmagic.neighbours import describe_neighbours
from envmagic.plan import make_plan
from envmagic.policy import find_idle_globs, find_refusals, find_trust_questions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envmagic.model import Distribution, Finding, Lock, Name, Node, Pin, Plan, Snapshot


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asks for: a lock, and how to take it.

    `options` are option lines as a lock has them, from the command line.
    """

    lock: Lock
    policy: Policy = field(default_factory=Policy)
    options: tuple[str, ...] = ()

    def plan(
        self,
        snapshot: Snapshot,
        known: Mapping[Name, Distribution],
        damage: Damage = Damage(),  # noqa: B008 (frozen)
    ) -> Plan:
        """Return what must change in a snapshot."""
        pins = self.lock.pins
        return make_plan(
            map(_strict, pins) if self.policy.strict_labels else pins,
            snapshot,
            self.policy,
            constraints=self.lock.constraints,
            not_locked=self.lock.not_locked,
            known=known,
            damage=damage,
        )


def _strict(pin: Pin) -> Pin:
    """Return a pin that no other build of its release satisfies, nor is fetched for."""
    if isinstance(pin.version, Version) and not pin.version.local:
        return replace(pin, specifier=f"==={pin.version}")
    return pin


def preview(request: Request, node: Node) -> Report:
    """Compare a node with a lock, from what is on its disk: no network, nothing written."""
    return make_report(request, node, node.snapshot(), {})


def make_report(
    request: Request,
    node: Node,
    snapshot: Snapshot,
    known: Mapping[Name, Distribution],
    more: Iterable[Finding] = (),
    damage: Damage | None = None,
) -> Report:
    """Return all that a face shows of a snapshot, with `known` wheels and `more` findings.

    `damage` is that of the snapshot, for who has looked for it already.
    """
    plan = request.plan(snapshot, known, find_damage(snapshot) if damage is None else damage)
    changing = [c.installed for c in plan.actions if c.installed is not None]
    installed = {name: found[0] for name, found in snapshot.by_name().items()}
    neighbours = node.neighbours() if plan.actions else ()
    return Report(
        platform=snapshot.platform,
        lock=request.lock,
        plan=plan,
        findings=(
            *find_refusals(snapshot, plan, request.lock, request.policy),
            *describe_neighbours(neighbours, kernel=node.kernel),
            *plan.findings,
            *find_trust_questions(plan, request.lock),
            *find_idle_globs(snapshot, request.policy),
            *more,
            *inspect_snapshot(snapshot),
        ),
        accelerator=node.accelerator(),
        restart=Restart(reasons=node.stale(installed)),
        kernel=node.kernel,
        loaded=node.loaded(changing),
        prepared=not any(f.kind is FindingKind.UNKNOWN for f in plan.findings),
    )


def refuse(report: Report) -> None:
    """Raise PolicyError where a report says that its plan must not be carried out."""
    refusals = [f for f in report.findings if f.kind is FindingKind.REFUSED]
    if refusals:
        hints = dict.fromkeys(f.hint for f in refusals)
        raise PolicyError("\n".join(f.text for f in refusals), "\n".join(hints))
