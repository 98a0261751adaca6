"""What must not be done here, and what to do instead."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from packaging.version import Version

from envmagic.core.companions import IMPORT_TORCH
from envmagic.core.cuda_build import TORCH
from envmagic.core.engine import is_source, named_indexes, origin_of
from envmagic.core.model import (
    Finding,
    FindingKind,
    Kind,
    Severity,
    SourceKind,
    When,
    canonical_name,
    join_names,
)
from envmagic.core.planner import matches
from envmagic.core.question import version_after
from envmagic.core.requirement import parse_requirement
from envmagic.edge.record import can_be_uninstalled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envmagic.core.model import Change, Lock, Pin, Plan, Policy, Snapshot


def find_refusals(snapshot: Snapshot, plan: Plan, lock: Lock, policy: Policy) -> Iterator[Finding]:
    """Yield each reason why this plan will not be carried out here."""
    yield from _about_the_constraints(lock)
    if not plan.work:
        return
    yield from _about_the_interpreter(snapshot)
    if not plan.actions:
        return
    yield from _about_the_engine(snapshot)
    yield from _about_the_installed(snapshot, plan)
    unlocked = [c.name for c in plan.changes if c.unlocked]
    for change in plan.actions:
        source = change.pin.source if change.pin else None
        if source is not None and source.editable and source.kind is SourceKind.VCS:
            yield _refusal(
                f"`{change.name}` is an editable of a repository, which cannot be installed yet",
                "clone it and write `-e FOLDER`, or leave out `-e`",
            )
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


def _about_the_constraints(lock: Lock) -> Iterator[Finding]:
    pins = {pin.name: pin for pin in lock.pins}
    for constraint in lock.constraints:
        pin = pins.get(constraint.name)
        if pin is None or pin.version is None or _accepts(constraint.specifier, pin):
            continue
        yield _refusal(
            f"`{pin.name}{pin.specifier}` ({pin.where}) contradicts the constraint "
            f"`{constraint.name}{constraint.specifier}` ({constraint.where})",
            "make the two lines agree, or remove one of them",
        )


def _accepts(specifier: str, pin: Pin) -> bool:
    """Whether a pin can satisfy a constraint: one without a label, by each build of it."""
    if not (isinstance(pin.version, Version) and pin.version.local):
        specifier = re.sub(r"\+[\w.-]+", "", specifier)
    return pin.version is None or parse_requirement(f"{pin.name}{specifier}").allows(pin.version)


def _about_the_interpreter(snapshot: Snapshot) -> Iterator[Finding]:
    where = snapshot.platform
    if where.externally_managed:
        yield _refusal(
            f"`{where.prefix}` is managed by the system (`{where.externally_managed}`, PEP 668)",
            "make a virtual environment and start the kernel from it",
        )
    if not where.writable:
        yield _refusal(f"`{where.site[0]}` is not writable", "use an environment that is your own")
    if sys.platform == "win32":
        yield _refusal("a sync on Windows is not supported yet", "`--dry-run` works there")


def _about_the_engine(snapshot: Snapshot) -> Iterator[Finding]:
    names = snapshot.by_name()
    for name, command in (("pip", "python -m ensurepip"), ("pip-tools", "pip install pip-tools")):
        if canonical_name(name) not in names:
            yield _refusal(f"there is no {name} in this environment", f"run `{command}` in it")


def _about_the_installed(snapshot: Snapshot, plan: Plan) -> Iterator[Finding]:
    changed = [c.installed for c in plan.actions if c.installed is not None]
    conda = [d.name for d in changed if d.installer == "conda"]
    if conda:
        yield _refusal(
            f"{join_names(conda)} belong to conda, which would not know of the change",
            "leave them out with `--keep`, change them with conda, or use a virtual environment",
        )
    by_name = snapshot.by_name()
    copies = [copy for c in plan.actions for copy in by_name.get(c.name, ()) if copy.local]
    swept = frozenset(plan.sweeps)
    stuck = dict.fromkeys(
        copy.name
        for copy in copies
        if not can_be_uninstalled(copy) and str(Path(copy.location, copy.metadata)) not in swept
    )
    if stuck:
        yield _refusal(
            f"pip cannot uninstall {join_names(stuck)}: there is no list of the installed files",
            "leave them out with `--keep`, remove them by hand, or use another environment",
        )
    for finding in snapshot.findings:
        # pip-sync ends with a traceback beside such a folder, having changed nothing.
        if finding.kind is FindingKind.UNREADABLE and finding.path not in swept:
            yield _refusal(finding.text, finding.hint)


def _refusal(text: str, hint: str) -> Finding:
    return Finding(kind=FindingKind.REFUSED, name="", text=text, hint=hint, severity=Severity.ERROR)


def find_idle_globs(snapshot: Snapshot, policy: Policy) -> Iterator[Finding]:
    """Yield what `--keep` names and nothing that is installed is called."""
    names = snapshot.by_name()
    for glob in policy.keep:
        if not any(matches(name, glob) for name in names):
            yield Finding(
                kind=FindingKind.UNKNOWN,
                name="",
                text=f"`--keep {glob}` matches nothing that is installed",
                severity=Severity.NOTE,
            )


def find_trust_questions(plan: Plan, lock: Lock, places: Sequence[str]) -> Iterator[Finding]:
    """Yield what a lock from elsewhere could do here: run build code, ask other hosts.

    `places` are the option lines that say where things are fetched from, pip's own included.
    """
    for option in named_indexes(lock.options):
        yield _origin_finding(f"the lock names its own place to fetch from: `{option}`")
    hosts = (urlsplit(pin.source.url).netloc.rpartition("@")[2] for pin in lock.pins)
    for host in dict.fromkeys(host for host in hosts if host):
        yield _origin_finding(f"the lock fetches from `{host}`")
    builds = [c for c in plan.actions if c.pin is not None and is_source(c.pin, lock.options)]
    for change in builds:
        yield build_finding(change, plan, places)


def _origin_finding(text: str) -> Finding:
    return Finding(
        kind=FindingKind.ORIGIN, name="", text=text, severity=Severity.NOTE, when=When.AFTER
    )


def build_finding(change: Change, plan: Plan, places: Sequence[str]) -> Finding:
    """Return the finding that a project has no wheel, so that its own code runs."""
    torch = next((c for c in plan.changes if c.name == TORCH and c.kind is not Kind.REMOVE), None)
    beside = ""
    if torch is not None and change.name in IMPORT_TORCH:
        beside = f", beside `torch` {version_after(torch)}"
    return Finding(
        kind=FindingKind.BUILD,
        name=change.name,
        text=f"{_name_source(change, places)} will be built from source{beside}, which runs "
        "its code",
        when=When.AFTER,
    )


def _name_source(change: Change, places: Sequence[str]) -> str:
    """Return what is built and from where; the same words before and after it was fetched."""
    pin = change.pin
    if pin is None:
        return f"`{change.name}` ({change.wanted})"
    origin = origin_of(pin, places) or "pip's own index"
    version = pin.specifier.removeprefix("==")
    return f"`{change.name}` ({version + ', ' if version else ''}from {origin})"
