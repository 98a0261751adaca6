"""What must be put in again although it would stay: it is damaged, or would be."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.version import Version

from envmagic.core.model import Finding, FindingKind, Kind, Pin, Severity, Source, SourceKind, When
from envmagic.core.requirement import parse_requirement

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from envmagic.core.model import Change, Damage, Distribution, Name, Snapshot

_VERBS = {
    Kind.REMOVE: "removed",
    Kind.UPGRADE: "upgraded",
    Kind.DOWNGRADE: "downgraded",
    Kind.REINSTALL: "reinstalled",
}

_HINTS = {
    Kind.REMOVE: "a sync removes it",
    Kind.HELD: "pin a version that the kernel can live with",
    Kind.KEEP: "name it in the lock, and a sync puts it in anew",
}


def find_repairs(changes: Mapping[Name, Change], damage: Damage) -> dict[Name, str]:
    """Return which of the names that stay must be put in again, and why.

    What is damaged, if the lock or one of its projects wants it; and what has files in
    common with something that is uninstalled, so that we would damage it. A reinstall
    uninstalls, too: whoever shares with it follows.
    """
    found = {
        change.name: reason
        for change in changes.values()
        if change.kind.stays and change.pin is not None and (reason := _damage_of(change, damage))
    }
    verbs = {c.name: _VERBS[c.kind] for c in changes.values() if c.kind in _VERBS}
    waiting = [*sorted(verbs, key=lambda name: (verbs[name] != "removed", name)), *sorted(found)]
    while waiting:
        name = waiting.pop(0)
        for other, count in sorted(damage.shared.get(name, {}).items()):
            change = changes.get(other)
            if other not in found and change is not None and _is_ours_and_stays(change):
                verb = verbs.get(name, "reinstalled")
                found[other] = f"shares {_files(count)} with `{name}`, which is {verb}"
                waiting.append(other)
    return found


def _is_ours_and_stays(change: Change) -> bool:
    return change.kind.stays and change.installed is not None and change.installed.local


def _damage_of(change: Change, damage: Damage) -> str:
    """Return what is wrong with the files of an installed distribution; empty: nothing."""
    installed = change.installed
    if installed is None or not installed.local:
        return ""
    if (gone := damage.missing.get(change.name)) is not None:
        verb = "is" if len(gone) == 1 else "are"
        return f"{len(gone)} of its files {verb} gone, such as `{gone[0]}`"
    if os.path.join(installed.location, installed.metadata) in damage.unrecorded.get(  # noqa: PTH118
        change.name, ()
    ):
        return "the list of its files (RECORD) is gone"
    return ""


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def pin_to_repair(installed: Distribution, pin: Pin | None) -> Pin:
    """Return the pin that puts in again what is there, from where the lock says, if it does."""
    if pin is not None and not pin.requirer:
        if pin.version is not None or pin.source.kind is not SourceKind.INDEX:
            return pin
        return replace(pin, version=installed.version, specifier=_exactly(installed))
    pin = pin or Pin(name=installed.name, requirer=installed.name)
    source = installed.source
    if source.kind is not SourceKind.INDEX:
        hashes = tuple(entry for entry in source.hashes if entry.startswith("sha256:"))
        url = _url_of(source)
        return replace(pin, version=None, specifier="", source=source, url=url, hashes=hashes)
    return replace(pin, version=installed.version, specifier=_exactly(installed))


def _exactly(installed: Distribution) -> str:
    sign = "==" if isinstance(installed.version, Version) else "==="
    return f"{sign}{installed.version}"


def _url_of(source: Source) -> str:
    """Return a source as the direct URL that pip takes."""
    folder = f"#subdirectory={source.subdirectory}" if source.subdirectory else ""
    if source.kind is SourceKind.VCS:
        return f"{source.vcs}+{source.url}@{source.commit}{folder}"
    return f"{source.url}{folder}"


def serves(wheel: Distribution, pin: Pin) -> bool:
    """Whether a wheel that is ready is what a pin wants; a direct URL has no other."""
    if pin.version is None:
        return True
    return parse_requirement(f"{pin.name}{pin.specifier}").allows(wheel.version)


def find_damaged(
    changes: Iterable[Change], damage: Damage, repairs: Mapping[Name, str]
) -> Iterator[Finding]:
    """Yield what is damaged, or would be by the plan, with what becomes of it."""
    changes = tuple(changes)
    verbs = {c.name: _VERBS[c.kind] for c in changes if c.kind in _VERBS}
    for change in changes:
        name = change.name
        found = Finding(
            kind=FindingKind.DAMAGED,
            name=name,
            text="",
            hint=_HINTS.get(change.kind, "a sync puts it in anew"),
            found=str(change.installed.version) if change.installed else "",
        )
        if reason := _damage_of(change, damage):
            yield replace(found, text=f"`{name}` {found.found} is damaged: {reason}")
        elif change.kind is Kind.REINSTALL and name in repairs:
            text = f"`{name}` {repairs[name]}, and would lose them"
            yield replace(found, text=text, severity=Severity.NOTE, when=When.AFTER)
        elif change.kind is Kind.HELD:
            for other in sorted(verbs.keys() & damage.shared.get(name, {}).keys()):
                files = _files(damage.shared[name][other])
                text = f"`{name}` stays and loses {files} to `{other}`, which is {verbs[other]}"
                yield replace(found, text=text, when=When.AFTER)


def find_sweeps(changes: Iterable[Change], snapshot: Snapshot, damage: Damage) -> tuple[str, ...]:
    """Return the paths that must be gone before anything is done: no uninstall takes them."""
    replaced = [c.name for c in changes if c.kind.installs]
    bare = [path for name in replaced for path in damage.unrecorded.get(name, ())]
    return (*snapshot.leftovers, *bare)


def find_apart(
    changes: Iterable[Change],
    damage: Damage,
    repairs: Mapping[Name, str],
    engine: Collection[Name],
) -> tuple[Name, ...]:
    """Return what must be uninstalled before anything is installed.

    pip replaces one distribution after the other, in an order of its own: the old files of
    a later one would be taken away after an earlier one has put the same files in. What is
    only put in again brings back whatever it takes away; what pip itself needs has to stay.
    """
    return tuple(
        change.name
        for change in changes
        if change.kind.installs
        and change.name in damage.shared
        and change.name not in engine
        and not (change.name in repairs and _brings_back(change))
    )


def _brings_back(change: Change) -> bool:
    """Whether the very same distribution goes in again, with the same files."""
    installed, pin = change.installed, change.pin
    if installed is None or pin is None or installed.source != pin.source:
        return False
    return pin.source.kind is not SourceKind.INDEX or pin.version == installed.version
