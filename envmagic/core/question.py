"""What is to be judged of a lock: what it asks for, what will be there, what is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from packaging.version import Version

from envmagic.core.cuda_build import TORCH
from envmagic.core.model import Name, SourceKind
from envmagic.core.requirement import parse_requirement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envmagic.core.model import Change, Distribution, Snapshot, TorchBuild
    from envmagic.core.report import Report

    Versions = Mapping[Name, str]

_NOTHING: Mapping[Name, Distribution] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What is to be judged: what a lock asks for, what will be there, what is there."""

    asked: Versions
    """What the lock asks for, with what that requires as far as it is known."""
    future: Versions = field(default_factory=dict)
    """What will be installed afterwards."""
    installed: Versions = field(default_factory=dict)
    extras: frozenset[str] = frozenset()
    """`project[extra]` of the lock."""
    label: str = ""
    """The label of the index that the lock takes torch from: `cu121`."""
    own: Versions = field(default_factory=dict)
    """What the metadata of the torch that is asked for pins, where that is known."""
    builds: frozenset[Name] = frozenset()
    """What will be fetched from an index, and has no wheel at hand yet."""
    disk: TorchBuild | None = None
    """What the files of the installed torch say; None: there is none, or they say nothing."""
    stays: bool = False
    """Whether that torch is what the lock asks for, and stays."""


def read_question(report: Report) -> Question:
    """Return the question that a comparison poses."""
    plan, lock = report.plan, report.lock
    asked = {c.name: version_after(c, report.known) for c in plan.changes if c.pin is not None}
    there = {c.name: str(c.installed.version) for c in plan.changes if c.installed is not None}
    stays = {c.name: there[c.name] for c in plan.changes if c.pin is None and not c.kind.acts}
    fetched = (c for c in plan.changes if c.kind.installs and c.pin is not None)
    return Question(
        asked=_as_locked(asked, report),
        future={**stays, **asked},
        installed=there,
        extras=frozenset(f"{pin.name}[{extra}]" for pin in lock.pins for extra in pin.extras),
        label=report.label,
        own=_own_pins(report),
        builds=frozenset(c.name for c in fetched if not report.prepared and _from_index(c)),
        disk=report.torch,
        stays=any(c.name == TORCH and c.kind.stays for c in plan.changes),
    )


def question_of(snapshot: Snapshot, disk: TorchBuild | None) -> Question:
    """Return the question that an environment poses as it is."""
    versions = {name: str(found[0].version) for name, found in snapshot.by_name().items()}
    return Question(asked=versions, future=versions, installed=versions, disk=disk, stays=True)


def _own_pins(report: Report) -> dict[Name, str]:
    """Return what torch itself pins, by its metadata: fetched, or that of this very build here."""
    change = next((c for c in report.plan.changes if c.name == TORCH and c.pin is not None), None)
    if change is None or change.pin is None:
        return {}
    torch = report.known.get(TORCH) if change.kind.installs else change.installed
    if torch is None or not (change.kind.installs or torch.version == change.pin.version):
        return {}
    lines = map(parse_requirement, torch.requires)
    return {
        line.name: line.specifier.removeprefix("==").removesuffix(".*")
        for line in lines
        if line.specifier.startswith("==") and "," not in line.specifier
        if line.applies(report.platform.markers)
    }


def _as_locked(asked: dict[Name, str], report: Report) -> dict[Name, str]:
    """Return what is asked for as the lock says it, not as an accepted other build is called.

    Of what has been fetched, it is known which build that is.
    """
    said = {
        c.name: str(c.pin.version)
        for c in report.plan.changes
        if c.pin is not None and isinstance(c.pin.version, Version)
        if not (c.kind.installs and c.name in report.known)
    }
    return {**asked, **said}


def version_after(change: Change, known: Mapping[Name, Distribution] = _NOTHING) -> str:
    """Return the version that a change leaves; empty where a range leaves it open."""
    if change.kind.installs and change.name in known:
        return str(known[change.name].version)
    if not change.kind.installs:
        return str(change.installed.version) if change.installed else ""
    pin = change.pin
    if pin is None or pin.version is not None:
        return str(pin.version) if pin else ""
    file = unquote(pin.source.url.rpartition("/")[2])
    if file.endswith(".whl") and file.count("-") >= 4:  # noqa: PLR2004 (name-version-tags)
        return file.split("-")[1]
    wanted = change.wanted.removeprefix("==")
    return wanted if wanted[:1].isdigit() and "," not in wanted else ""


def _from_index(change: Change) -> bool:
    return change.pin is not None and change.pin.source.kind is SourceKind.INDEX
