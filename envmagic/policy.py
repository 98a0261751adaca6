"""What must not be done here, and what to do instead."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from envmagic.engine import is_source, named_indexes
from envmagic.model import Finding, FindingKind, Severity, When, canonical_name, join_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envmagic.model import Lock, Plan, Policy, Snapshot


def find_refusals(snapshot: Snapshot, plan: Plan, lock: Lock, policy: Policy) -> Iterator[Finding]:
    """Yield each reason why this plan will not be carried out here."""
    if not plan.actions:
        return
    yield from _about_the_interpreter(snapshot)
    yield from _about_the_installed(snapshot, plan)
    unlocked = [c.name for c in plan.changes if c.pin is not None and c.pin.requirer]
    if policy.exact and unlocked:
        yield _refusal(
            f"the lock is not a closure: {join_names(unlocked)} are required and not in it",
            "add them to the lock, or leave out `--exact`",
        )
    fetched = [c.name for c in plan.actions if c.pin is not None and c.pin.requirer]
    if lock.require_hashes and fetched:
        yield _refusal(
            f"the lock asks for hashes, but has none for {join_names(fetched)}, which it needs",
            "add them to the lock with their hashes",
        )


def _about_the_interpreter(snapshot: Snapshot) -> Iterator[Finding]:
    where, names = snapshot.platform, snapshot.by_name()
    if where.externally_managed:
        yield _refusal(
            f"`{where.prefix}` is managed by the system (`{where.externally_managed}`, PEP 668)",
            "make a virtual environment and start the kernel from it",
        )
    if not where.writable:
        yield _refusal(f"`{where.site[0]}` is not writable", "use an environment that is your own")
    for name, command in (("pip", "python -m ensurepip"), ("pip-tools", "pip install pip-tools")):
        if canonical_name(name) not in names:
            yield _refusal(f"there is no {name} in this environment", f"run `{command}` in it")
    if sys.platform == "win32":
        yield _refusal("a sync on Windows is not supported yet", "`--dry-run` works there")


def _about_the_installed(snapshot: Snapshot, plan: Plan) -> Iterator[Finding]:
    changed = [c.installed for c in plan.actions if c.installed is not None]
    conda = [d.name for d in changed if d.installer == "conda"]
    if conda:
        yield _refusal(
            f"{join_names(conda)} belong to conda, which would not know of the change",
            "leave them out with `--keep`, change them with conda, or use a virtual environment",
        )
    for finding in snapshot.findings:
        # pip-sync ends with a traceback beside such a folder, having changed nothing.
        if finding.kind is FindingKind.UNREADABLE:
            yield _refusal(finding.text, finding.hint)


def _refusal(text: str, hint: str) -> Finding:
    return Finding(kind=FindingKind.REFUSED, name="", text=text, hint=hint, severity=Severity.ERROR)


def find_trust_questions(plan: Plan, lock: Lock) -> Iterator[Finding]:
    """Yield what a lock from elsewhere could do here: run build code, ask other hosts."""
    for option in named_indexes(lock.options):
        yield Finding(
            kind=FindingKind.ORIGIN,
            name="",
            text=f"the lock names its own place to fetch from: `{option}`",
            severity=Severity.NOTE,
            when=When.AFTER,
        )
    builds = [c for c in plan.actions if c.pin is not None and is_source(c.pin, lock.options)]
    for change in builds:
        yield build_finding(change.name, change.wanted)


def build_finding(name: str, origin: str) -> Finding:
    """Return the finding that a project has no wheel, so that its own code runs."""
    return Finding(
        kind=FindingKind.BUILD,
        name=name,
        text=f"`{name}` ({origin}) will be built from source, which runs its code",
        when=When.AFTER,
    )
