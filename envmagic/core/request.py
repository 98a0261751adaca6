"""What a user asks for: a lock, and how to take it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from packaging.version import Version

from envmagic.core.model import Damage, Policy
from envmagic.core.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envmagic.core.model import Distribution, Lock, Name, Pin, Plan, Snapshot
    from envmagic.core.report import Accelerator


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asks for: a lock, and how to take it.

    `options` are option lines as a lock has them, from the command line.
    """

    lock: Lock
    policy: Policy = field(default_factory=Policy)
    options: tuple[str, ...] = ()
    machine: Accelerator | None = None
    """The machine that the lock is for; None: this one."""
    smoke: bool = False
    """Whether what is installed in the end is tried out."""

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
