"""What is wrong with a set of distributions, now or in the future."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from envmagic.core.model import Finding, FindingKind, Severity, When, join_names
from envmagic.core.requirement import requirements_of, unreadable_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from envmagic.core.model import Distribution, Name, Snapshot
    from envmagic.core.requirement import Markers, Requirement


def find_doubts(names: Sequence[Name]) -> Iterator[Finding]:
    """Yield that it is not known whether what is loaded of some is what is on the disk."""
    if names:
        yield Finding(
            kind=FindingKind.LOADED,
            name="",
            text=f"{join_names(names, limit=len(names))} came on the disk after this kernel had "
            "begun: whether that is what is loaded is not known",
            hint="restart the kernel to be sure",
            severity=Severity.NOTE,
        )


def find_conflicts(
    installed: Mapping[Name, Distribution], markers: Markers
) -> list[tuple[Distribution, Requirement]]:
    """Return each requirement of a set that the set itself does not satisfy.

    This is `pip check`, and more: the extras that one distribution asks of another
    are followed too.
    """
    extras: dict[Name, set[str]] = defaultdict(set)
    broken: dict[tuple[Name, str], tuple[Distribution, Requirement]] = {}
    waiting = list(installed)
    while waiting:
        name = waiting.pop()
        for requirement in requirements_of(installed[name], markers, frozenset(extras[name])):
            found = installed.get(requirement.name)
            if found is None or not requirement.allows(found.version):
                broken[name, requirement.text] = (installed[name], requirement)
            elif not requirement.extras <= extras[requirement.name]:
                extras[requirement.name] |= requirement.extras
                waiting.append(requirement.name)
    return [broken[key] for key in sorted(broken)]


def conflict_finding(
    requirer: Distribution,
    requirement: Requirement,
    when: When,
    installed: Mapping[Name, Distribution],
    *,
    kernel: bool,
) -> Finding:
    """Return an unsatisfied requirement as a finding; `kernel`: it is one of a kernel's own."""
    found = installed.get(requirement.name)
    verb = "is" if when is When.NOW else "would be"
    state = f"{found.version} {verb} installed" if found else f"{verb} not installed"
    if not found and when is When.AFTER:
        state = "would not be installed"
    # What a plan itself would break is held, with its reason.
    is_fatal = kernel and when is When.NOW
    return Finding(
        kind=FindingKind.CONFLICT if found else FindingKind.MISSING,
        name=requirer.name,
        text=f"`{requirer.name}` {requirer.version} requires `{_shown(requirement)}`, "
        f"but {requirement.name} {state}{': a kernel may not start' if is_fatal else ''}",
        hint=f"before you restart it: `pip install '{_shown(requirement)}'`" if is_fatal else "",
        severity=Severity.ERROR if is_fatal else Severity.WARNING,
        requirement=_shown(requirement),
        found=str(found.version) if found else "",
        when=when,
    )


def _shown(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def inspect_snapshot(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield what is odd about a set as it stands, apart from its requirements."""
    yield from snapshot.findings
    for name, found in snapshot.by_name().items():
        if len(found) > 1:
            yield _duplicate_finding(name, found)
        if isinstance(found[0].version, str):
            yield Finding(
                kind=FindingKind.UNREADABLE,
                name=name,
                text=f"`{name}` has the version `{found[0].version}`, which is not a version "
                "that PEP 440 knows, so it cannot be compared",
                found=found[0].version,
            )
        for line in unreadable_lines(found[0], snapshot.platform.markers):
            yield Finding(
                kind=FindingKind.UNREADABLE,
                name=name,
                text=f"`{name}` requires `{line}`, which PEP 508 cannot read: not checked",
                requirement=line,
            )


def _duplicate_finding(name: Name, found: tuple[Distribution, ...]) -> Finding:
    first, *others = found
    versions_differ = any(d.version != first.version for d in others)
    versions = " and ".join(f"{d.version} in `{d.location}`" for d in others)
    if all(d.location == first.location for d in others):
        return Finding(
            kind=FindingKind.DUPLICATE,
            name=name,
            text=f"`{name}` is there {len(found)} times in `{first.location}`: "
            + " and ".join(f"`{d.metadata}`" for d in found),
            hint="a sync with a lock that names it puts one whole copy in their place",
            found=str(first.version),
        )
    return Finding(
        kind=FindingKind.SHADOWED,
        name=name,
        text=f"`{name}` {first.version} in `{first.location}` is imported and hides {versions}",
        found=str(first.version),
        severity=Severity.WARNING if versions_differ else Severity.NOTE,
    )
