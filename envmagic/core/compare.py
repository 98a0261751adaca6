"""Whether an installed distribution is what a pin wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from envmagic.core.model import Kind, SourceKind
from envmagic.core.requirement import is_too_low, parse_requirement

if TYPE_CHECKING:
    from envmagic.core.model import AnyVersion, Distribution, Pin, Source

Verdict = tuple[Kind, str]
"""What a pin makes of an installed distribution, and a note for the reader."""


def compare(
    installed: Distribution,
    pin: Pin,
    staged: Distribution | None = None,
    *,
    strict_labels: bool = False,
) -> Verdict:
    """Return what a pin makes of an installed distribution: equal, or how it changes.

    A pin without a local version label accepts each build of its release (PEP 440,
    "Version matching"), and the note says so: this is where a CPU build passes for a
    CUDA build. A pin with a label wants exactly it. `staged` is the wheel that is ready
    for the pin, where one is.
    """
    if pin.source.kind is not SourceKind.INDEX:
        if same_source(installed.source, pin.source):
            return Kind.EQUAL, ""
        return direction(installed.version, staged.version if staged else None), ""
    if pin.version is None:
        kind, note = _compare_range(installed, pin, staged), ""
    else:
        kind, note = _compare_version(installed.version, pin, strict_labels=strict_labels)
    if kind is Kind.EQUAL and installed.source.kind is not SourceKind.INDEX:
        origin = f"installed from {place(installed.source)}, the lock means an index"
        note = f"{note}; {origin}" if note else origin
    return kind, note


def _compare_range(installed: Distribution, pin: Pin, staged: Distribution | None) -> Kind:
    if parse_requirement(f"{pin.name}{pin.specifier}").allows(installed.version):
        return Kind.EQUAL
    return direction_of_range(installed.version, pin.specifier, staged)


def _compare_version(installed: AnyVersion, pin: Pin, *, strict_labels: bool) -> Verdict:
    wanted = pin.version
    if installed == wanted:
        return Kind.EQUAL, ""
    if not isinstance(installed, Version) or not isinstance(wanted, Version):
        return Kind.REINSTALL, "versions that PEP 440 cannot order"
    if Version(installed.public) != Version(wanted.public):  # as text, 1.0 is not 1.0.0
        return (Kind.UPGRADE if installed < wanted else Kind.DOWNGRADE), ""
    if wanted.local or strict_labels or pin.specifier.startswith("==="):
        return Kind.REINSTALL, ""
    return Kind.EQUAL, f"same release, other build: lock {wanted}, installed {installed}"


def same_source(installed: Source, wanted: Source) -> bool:
    """Whether an installed distribution came from where a lock says (PEP 610).

    A commit decides for a repository. For an archive it is the hash, if both know one
    of the same kind, else the URL.
    """
    if (installed.kind, installed.editable) != (wanted.kind, wanted.editable):
        return False
    if installed.subdirectory != wanted.subdirectory:
        return False
    if wanted.kind is SourceKind.VCS:
        return installed.commit == wanted.commit and _same_url(installed.url, wanted.url)
    if _algorithms(installed) & _algorithms(wanted):
        return bool(set(installed.hashes) & set(wanted.hashes))
    return _same_url(installed.url, wanted.url)


def _algorithms(source: Source) -> set[str]:
    return {entry.partition(":")[0] for entry in source.hashes}


def _same_url(one: str, other: str) -> bool:
    def trimmed(url: str) -> str:
        return url.partition("#")[0].rstrip("/").removesuffix(".git")

    return trimmed(one) == trimmed(other)


def direction(installed: AnyVersion, wanted: AnyVersion | None) -> Kind:
    """Return which way a version moves; a reinstall where that is not known."""
    if not isinstance(installed, Version) or not isinstance(wanted, Version):
        return Kind.REINSTALL
    if installed == wanted:
        return Kind.REINSTALL
    return Kind.UPGRADE if installed < wanted else Kind.DOWNGRADE


def direction_of_range(
    installed: AnyVersion, specifier: str, staged: Distribution | None = None
) -> Kind:
    """Return which way a version moves that a range does not allow."""
    if staged is not None or isinstance(installed, str):
        return direction(installed, staged.version if staged else None)
    return Kind.UPGRADE if is_too_low(installed, specifier) else Kind.DOWNGRADE


def place(source: Source) -> str:
    """Return where a source lies, for a person."""
    return f"{source.url}@{source.commit[:12]}" if source.commit else source.url
