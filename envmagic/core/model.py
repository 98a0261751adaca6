"""The nouns of locks, environments and plans: records that the other rooms hand on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NewType

from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

VERSION = "0.1.0"
SCHEMA = 1
"""The version of the wire form (`--json`, the sidebar, a subprocess)."""

Name = NewType("Name", str)
"""A project name in its one canonical spelling."""

AnyVersion = Version | str
"""A version; a `str` where PEP 440 cannot read it."""

_SEPARATORS = re.compile(r"-+")


def canonical_name(name: str) -> Name:
    """Return the one spelling of a project name that is used for comparing (PEP 503)."""
    plain = name.lower().replace("_", "-").replace(".", "-")
    return Name(_SEPARATORS.sub("-", plain) if "--" in plain else plain)


def read_version(text: str) -> AnyVersion:
    """Return the version, or the text itself where PEP 440 cannot read it."""
    try:
        return Version(text)
    except InvalidVersion:
        return text


class SourceKind(str, Enum):
    """Where a distribution comes from (PEP 610)."""

    INDEX = "index"
    ARCHIVE = "archive"
    VCS = "vcs"
    DIRECTORY = "directory"


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where a distribution comes from, as PEP 610 records it.

    `hashes` are `algorithm:hexdigest`. The URL never carries credentials.
    """

    kind: SourceKind
    url: str = ""
    vcs: str = ""
    commit: str = ""
    subdirectory: str = ""
    editable: bool = False
    hashes: tuple[str, ...] = ()


INDEX = Source(kind=SourceKind.INDEX)


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """One installed distribution, or one wheel that could be."""

    name: Name
    version: AnyVersion
    source: Source = INDEX
    requires: tuple[str, ...] = ()
    """The `Requires-Dist` lines, as they stand in the metadata."""
    location: str = ""
    """The folder on `sys.path` that holds it."""
    metadata: str = ""
    """The name of its `.dist-info` or `.egg-info` in that folder."""
    installer: str = ""
    """What installed it, as `INSTALLER` says (PEP 376); empty where it is not said."""
    local: bool = True
    """Whether it lies in this environment, so that pip would change it here."""
    ahead: bool = False
    """Whether it lies outside, on `sys.path` before all that pip can change."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StagedWheel:
    """One wheel on the disk, and the distribution that it holds."""

    path: Path
    distribution: Distribution


@dataclass(frozen=True, kw_only=True, slots=True)
class Platform:
    """The interpreter that is looked at, and what may be done to it."""

    python: str
    implementation: str
    markers: tuple[tuple[str, str], ...]
    """The environment of PEP 508 markers, as pairs."""
    executable: str
    prefix: str
    virtual: bool
    """Whether it is a virtual environment."""
    scheme: tuple[tuple[str, str], ...] = ()
    """Where each part of a wheel goes, as pairs: `purelib`, `platlib`, `scripts`, `data`,
    `headers` (binary distribution format, "The .data directory")."""
    site: tuple[str, ...] = ()
    """The folders that pip installs into, the first one first."""
    externally_managed: str = ""
    """The path of the `EXTERNALLY-MANAGED` file (PEP 668), if there is one."""
    conda: bool = False
    writable: bool = True
    tag: str = ""
    """The platform in a word or two, for a person: `linux-x86_64`."""

    @property
    def base(self) -> str:
        """The folder that scripts and data go below: the prefix, or `/usr/local` of a Debian."""
        return dict(self.scheme).get("data", self.prefix)


class Severity(str, Enum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class When(str, Enum):
    """Whether a finding is true of the environment now, or of the one to come."""

    NOW = "now"
    AFTER = "after"


class FindingKind(str, Enum):
    """What can be wrong with a set of distributions."""

    MISSING = "missing"
    CONFLICT = "conflict"
    DUPLICATE = "duplicate"
    SHADOWED = "shadowed"
    LEFTOVER = "leftover"
    UNREADABLE = "unreadable"
    UNKNOWN = "unknown"
    LABEL = "label"
    DAMAGED = "damaged"
    HELD = "held"
    BUILD = "build"
    BUILT = "built"
    LOADED = "loaded"
    ORIGIN = "origin"
    COPY = "copy"
    REFUSED = "refused"
    NEIGHBOUR = "neighbour"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something that a reader should know, mostly about one distribution."""

    kind: FindingKind
    name: str
    text: str
    """The finding as one sentence."""
    hint: str = ""
    requirement: str = ""
    found: str = ""
    severity: Severity = Severity.WARNING
    when: When = When.NOW
    path: str = ""
    """The file or folder that it is about, where it is about one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """What an interpreter would import, at one moment."""

    platform: Platform
    distributions: tuple[Distribution, ...]
    """In the order of `sys.path`: of two with one name, the first is imported."""
    findings: tuple[Finding, ...] = ()
    """What was odd on the way: leftovers, unreadable metadata."""
    leftovers: tuple[str, ...] = ()
    """The paths of what a pip that did not end has left in the site folders.

    Folders that it had set aside (`~umpy`), and metadata that it did not finish.
    """

    def by_name(self) -> dict[Name, tuple[Distribution, ...]]:
        """Return the distributions of each name, the one that is imported first."""
        found: dict[Name, tuple[Distribution, ...]] = {}
        for distribution in self.distributions:
            found[distribution.name] = (*found.get(distribution.name, ()), distribution)
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Damage:
    """What the files of an installed set say that its metadata does not."""

    missing: Mapping[Name, tuple[str, ...]] = field(default_factory=dict)
    """The recorded files of each name that are gone, relative to its location."""
    shared: Mapping[Name, Mapping[Name, int]] = field(default_factory=dict)
    """How many files a name has in common with each other that records them, too."""
    unrecorded: Mapping[Name, tuple[str, ...]] = field(default_factory=dict)
    """The paths of what has no RECORD, and so must be cleared away before it is replaced.

    Each such metadata folder, and what of the code belongs to that name alone.
    """


@dataclass(frozen=True, kw_only=True, slots=True)
class TorchBuild:
    """What the files of an installed torch say of it, where its metadata may be silent."""

    version: str
    """With its label, `2.4.0+cu121`, which the metadata of PyPI's wheels leaves out."""
    cuda: str | None = None
    """The CUDA that it is built for; None: another one, or the CPU alone."""
    hip: str | None = None
    xpu: str | None = None
    architectures: tuple[str, ...] = ()
    """What it has code for, `sm_80`; empty: that is not known, or it has none for CUDA."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """One entry of a lock file.

    `version` is None for a range (`--allow-ranges`), for a direct URL, and for what
    a locked distribution requires without being locked itself.
    """

    name: Name
    version: AnyVersion | None = None
    specifier: str = ""
    """As written: `==1.26.4`, `===1.0`, `>=1,<2`; empty for a direct URL."""
    source: Source = INDEX
    marker: str = ""
    extras: frozenset[str] = frozenset()
    hashes: tuple[str, ...] = ()
    """`algorithm:hexdigest`."""
    url: str = ""
    """The direct URL or path as written, with whatever it carries: never shown."""
    where: str = ""
    """`file:line`."""
    requirer: str = ""
    """Who requires it, where it is not in the lock itself; its own name: nobody, it is kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """A lock file, read: what it pins, and how it says that it wants to be installed."""

    path: str
    pins: tuple[Pin, ...]
    constraints: tuple[Pin, ...] = ()
    options: tuple[str, ...] = ()
    """Option lines that pip must see (`--extra-index-url ...`): may carry credentials."""
    require_hashes: bool = False
    not_locked: tuple[Name, ...] = ()
    """What the writer of the lock had but could not write as a line; never removed."""
    digest: str = ""
    """`sha256:hexdigest` of the text, included files and all."""
    files: tuple[str, ...] = ()
    """The files that it was read from, the included ones with it."""
    format: str = "requirements"


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What the user wants beyond the lock."""

    remove_extraneous: bool = True
    keep: tuple[str, ...] = ()
    """Globs of names that are never removed."""
    strict_labels: bool = False
    exact: bool = False
    """Refuse a lock that is not a closure, instead of completing it."""


class Kind(str, Enum):
    """What happens to one distribution."""

    INSTALL = "install"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    REINSTALL = "reinstall"
    REMOVE = "remove"
    KEEP = "keep"
    HELD = "held"
    EQUAL = "equal"

    @property
    def installs(self) -> bool:
        """Whether a wheel is put in."""
        return self in _INSTALLING

    @property
    def stays(self) -> bool:
        """Whether it shall be there afterwards as it is now."""
        return self in {Kind.EQUAL, Kind.KEEP}

    @property
    def acts(self) -> bool:
        """Whether anything in the environment changes."""
        return self is Kind.REMOVE or self in _INSTALLING


_INSTALLING = frozenset({Kind.INSTALL, Kind.UPGRADE, Kind.DOWNGRADE, Kind.REINSTALL})


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What happens to one name: a row of the table."""

    name: Name
    kind: Kind
    reason: str
    installed: Distribution | None = None
    pin: Pin | None = None
    wanted: str = ""
    """The version or specifier that it shall have, for a person; empty: none."""
    note: str = ""

    @property
    def locked(self) -> bool:
        """Whether the lock itself names it."""
        return self.pin is not None and not self.pin.requirer

    @property
    def unlocked(self) -> bool:
        """Whether the lock does not name it, and something that it names requires it."""
        return self.pin is not None and self.pin.requirer not in {"", self.name}


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What must change so that a snapshot holds exactly what a lock says."""

    changes: tuple[Change, ...]
    """One a name, in the order of names; what is equal included."""
    findings: tuple[Finding, ...] = ()
    sweeps: tuple[str, ...] = ()
    """The paths that are cleared away first: what no uninstall would take."""
    apart: tuple[Name, ...] = ()
    """What is uninstalled before anything is installed, since others record its files."""

    @property
    def actions(self) -> tuple[Change, ...]:
        """Return the changes that do something."""
        return tuple(change for change in self.changes if change.kind.acts)

    @property
    def held(self) -> tuple[Change, ...]:
        """Return what the lock asks for and does not get."""
        return tuple(change for change in self.changes if change.kind is Kind.HELD)

    @property
    def parity(self) -> bool:
        """Whether there is nothing to do, and nothing that should be done but cannot."""
        return not self.actions and not self.held

    @property
    def work(self) -> bool:
        """Whether a sync has anything to do: changes, or something to clear away."""
        return bool(self.actions or self.sweeps)

    def counts(self) -> dict[str, int]:
        """Return how many changes there are of each kind, and how many are not locked."""
        counts = {kind.value: 0 for kind in Kind}
        for change in self.changes:
            counts[change.kind.value] += 1
        counts["unlocked"] = sum(change.unlocked for change in self.changes)
        return counts


def join_names(names: Iterable[str], limit: int = 5) -> str:
    """Return names as a person would list them, the rest as a count."""
    all_names = list(names)
    shown = ", ".join(f"`{name}`" for name in all_names[:limit])
    return shown if len(all_names) <= limit else f"{shown} and {len(all_names) - limit} more"
