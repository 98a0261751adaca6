"""The nouns: every record that the other rooms hand on, and the base error."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NewType, Protocol

from packaging.version import InvalidVersion, Version

from envmagic.redact import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from threading import Event

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


class EnvmagicError(Exception):
    """Something that a user can cause: what is wrong, and what to do about it.

    `exit_code` is what `python -m envmagic` ends with.
    """

    exit_code = 4

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = redact(message)
        self.hint = redact(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def _render_traceback_(self) -> list[str]:
        """Show two lines in a cell instead of a traceback (IPython asks for this)."""
        return [f"{type(self).__name__}: {self.message}", *([self.hint] if self.hint else [])]


class PolicyError(EnvmagicError):
    """A refusal: what was asked for would be unsafe here; nothing was touched."""

    exit_code = 3


class EngineError(EnvmagicError):
    """A tool that we ran (pip, pip-sync) failed; the message carries its last words."""


class ParityError(EnvmagicError):
    """The environment is not equal to the lock, and `--check` asked whether it is."""

    exit_code = 1


class Cancelled(EnvmagicError):
    """The user stopped the work before anything was changed."""

    exit_code = 130


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpu:
    """One GPU, as the driver describes it; a field that it does not tell is None.

    Memory is in bytes. `capability` is CUDA's compute capability, `8.0`.
    """

    name: str
    uuid: str | None = None
    memory_total: int | None = None
    memory_used: int | None = None
    capability: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Accelerator:
    """The driver and the GPUs of this machine, or why they are not known.

    `problem` is None where the driver answered; it never says "no GPU" of what is
    only not known.
    """

    driver: str | None = None
    driver_cuda: str | None = None
    gpus: tuple[Gpu, ...] = ()
    problem: str | None = None


class NeighbourKind(str, Enum):
    """What another process of the environment is."""

    KERNEL = "kernel"
    SERVER = "server"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True, slots=True)
class Neighbour:
    """Another process that holds modules of the environment."""

    pid: int
    kind: NeighbourKind
    name: str = ""
    """The notebook of a kernel, the script or module of any other; empty: not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Restart:
    """Whether the kernel still runs code that is no longer on the disk."""

    reasons: tuple[str, ...] = ()

    @property
    def needed(self) -> bool:
        """Whether the kernel should be restarted."""
        return bool(self.reasons)


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """All that a face shows of one comparison."""

    platform: Platform
    lock: Lock
    plan: Plan
    findings: tuple[Finding, ...] = ()
    accelerator: Accelerator | None = None
    """None: not looked at yet."""
    restart: Restart = field(default_factory=Restart)
    kernel: bool = False
    """Whether this interpreter lives on, with its modules: a kernel, an IPython terminal."""
    loaded: Mapping[Name, str] = field(default_factory=dict)
    """Names of the changes that are loaded in this kernel, with the loaded version."""
    prepared: bool = False
    """Whether all metadata of what would be installed was known."""
    undo: bool = False
    """Whether this puts back what an earlier change did; `lock.path` says which."""


class State(str, Enum):
    """What became of a sync."""

    UNCHANGED = "unchanged"
    SUCCEEDED = "succeeded"
    HELD = "held"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a sync did: the report from before, the one after, and what is left to do."""

    state: State
    before: Report
    after: Report | None = None
    problems: Sequence[str] = ()
    """Why it failed, a sentence each."""
    log: str = ""
    """The path of the engine's output, where it was kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """What an interpreter is run with."""

    arguments: tuple[str, ...]
    offline: bool = False
    """Whether pip's own configuration, and the credentials in it, are kept away."""
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Variables for this command alone: may carry credentials."""


class Running(Protocol):
    """A process that was started, and lives by itself."""

    def poll(self) -> int | None:
        """Return its exit code; None: it has not ended."""

    def stop(self) -> None:
        """Ask it to stop (SIGTERM)."""

    def answer(self) -> str:
        """Return what it wrote on its standard output, once it has ended."""


class Node(Protocol):
    """Something with an interpreter that can be looked at and can run a command."""

    @property
    def kernel(self) -> bool:
        """Whether a kernel is running in it, whose modules may become stale."""

    def snapshot(self) -> Snapshot:
        """Return what its interpreter would import now."""

    def loaded(self, distributions: Iterable[Distribution]) -> Mapping[Name, str]:
        """Return the version in memory of each of these that it has loaded."""

    def remember(self, loaded: Mapping[Name, str]) -> None:
        """Take note that these versions are in memory, and about to change on the disk."""

    def stale(self, installed: Mapping[Name, Distribution]) -> tuple[str, ...]:
        """Return a reason for a restart for each version in memory that is gone from the disk."""

    def neighbours(self) -> Sequence[Neighbour] | None:
        """Return the other processes that hold its modules; None: that cannot be known."""

    def accelerator(self, timeout: float | None = 0.0) -> Accelerator | None:
        """Return what the driver says; None: it has not answered within `timeout` seconds."""

    def run(
        self,
        command: Command,
        *,
        log: Path,
        tick: Callable[[], None] = ...,
        cancel: Event | None = None,
        hold: int | None = None,
    ) -> int:
        """Run the interpreter to its end, and return the exit code."""

    def start(self, command: Command, *, data: bytes, log: Path, hold: int) -> Running:
        """Start the interpreter as a process that outlives this one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a long piece of work has come."""

    phase: str
    done: int = 0
    total: int = 0
    """0: not known."""
    detail: str = ""


def join_names(names: Iterable[str], limit: int = 5) -> str:
    """Return names as a person would list them, the rest as a count."""
    all_names = list(names)
    shown = ", ".join(f"`{name}`" for name in all_names[:limit])
    return shown if len(all_names) <= limit else f"{shown} and {len(all_names) - limit} more"
