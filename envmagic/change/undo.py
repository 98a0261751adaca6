"""What the last changes did, put back: offline, and whole or not at all."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from envmagic.change import rescue
from envmagic.change.footprint import roots_of
from envmagic.change.history import UNDOABLE, Past, Step, read_history
from envmagic.change.stash import Footprint
from envmagic.change.transaction import Intent
from envmagic.core.check import find_doubts
from envmagic.core.errors import PolicyError
from envmagic.core.model import Change, Kind, Lock, Pin, Plan, join_names, read_version
from envmagic.core.planner import KERNEL
from envmagic.core.report import Progress, Report, Restart
from envmagic.edge.neighbours import describe_neighbours
from envmagic.edge.record import record_digests

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from envmagic.change.order import Tools
    from envmagic.core.model import Name, Platform, Snapshot
    from envmagic.core.nodes import Node
    from envmagic.edge.stage import Stage


_OPPOSITES = {"undo": "redo", "redo": "undo"}


@dataclass(frozen=True, kw_only=True)
class Undone:
    """Changes to put back, the newest first, and what putting them back does to each name."""

    changes: tuple[Past, ...]
    steps: tuple[Step, ...]

    @property
    def subject(self) -> str:
        """What is put back, for a person."""
        first = self.changes[-1]
        when = time.strftime(", %Y-%m-%d %H:%M", time.localtime(first.began))
        if first.title.partition(": ")[0] in _OPPOSITES:
            when = ""  # of the sync that it is about, it says so itself
        more = f" and {len(self.changes) - 1} later" if len(self.changes) > 1 else ""
        return f"{first.title}{when}{more}"

    @property
    def title(self) -> str:
        """What it is called itself; an undo of an undo is a redo."""
        kind, _, rest = self.changes[-1].title.partition(": ")
        if len(self.changes) == 1 and kind in _OPPOSITES:
            return f"{_OPPOSITES[kind]}: {rest}"
        return f"undo: {self.subject}"

    def footprint(self, platform: Platform) -> Footprint:
        """Return all that putting them back can touch."""
        folders, _ = self.merged()
        files = {os.path.join(path, name) for path in folders for name in folders[path]["entries"]}
        return Footprint(
            files=frozenset(files),
            whole=frozenset(path for path in folders if folders[path]["whole"]),
            folders=frozenset(folders),
            roots=roots_of(files, platform),
        )

    def merged(self) -> tuple[dict[str, Any], list[str]]:
        """Return the folders of all journals, as the oldest that knows of each path has it.

        With them, the places that their files lie in.
        """
        folders: dict[str, Any] = {}
        places: list[str] = []
        for past in self.changes:
            journal = past.journal()
            start = len(places)
            places += rescue.places_of(str(past.folder), journal)
            for path, was in journal["folders"].items():
                mine = folders.setdefault(path, {"mode": None, "whole": False, "entries": {}})
                mine["mode"] = was["mode"]
                mine["whole"] |= was["whole"]
                for name in mine["entries"]:
                    if was["mode"] is None or was["whole"] or name.endswith(".pyc"):
                        mine["entries"][name] = None  # or it would be in this journal, too
                for name, entry in was["entries"].items():
                    is_file = isinstance(entry, list)
                    mine["entries"][name] = [entry[0] + start, *entry[1:]] if is_file else entry
        return folders, places


def find_undo(home: Path, snapshot: Snapshot, count: int) -> Undone:
    """Return the last `count` changes, ready to be put back.

    Raises PolicyError where there are not so many, and where something else has changed
    the same projects since, or in between: the files of two changes would be mixed.
    """
    history = [past for past in read_history(home) if past.state in UNDOABLE]
    there = [past for past in history[:count] if past.can_be_undone]
    if len(there) < count:
        only = "1 change" if len(there) == 1 else f"{len(there)} changes"
        raise PolicyError(
            f"only {only} can be undone here" if there else "there is nothing to undo here",
            "`python -m envmagic info` lists what is kept; a sync with an earlier lock also "
            "goes back",
        )
    now = _stand_now({step.name for past in there for step in past.steps}, snapshot)
    then = dict(now)
    for past in there:
        if past.state == "succeeded":  # else it left things half-way, and that is no reason
            _must_be_as_left(past, then)
        then |= {s.name: _Stand(version=s.before, record=s.record) for s in past.steps}
    steps = (
        Step(name=name, before=was.version, after=then[name].version, record=was.record)
        for name, was in sorted(now.items())
    )
    return Undone(changes=tuple(there), steps=tuple(steps))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stand:
    """How a name is installed, and what tells that from another installation of it."""

    version: str | None
    record: str | None

    def __str__(self) -> str:
        return self.version or "not installed"


def _stand_now(names: set[Name], snapshot: Snapshot) -> dict[Name, _Stand]:
    versions, records = _local_versions(snapshot), record_digests(snapshot, names)
    return {name: _Stand(version=versions.get(name), record=records.get(name)) for name in names}


def _must_be_as_left(past: Past, then: dict[Name, _Stand]) -> None:
    """Refuse what was changed between the end of a change and what came next, or now."""
    left = {step.name: step.after for step in past.steps}
    records = past.records()
    other = [name for name in sorted(left) if then[name].version != left[name]]
    if other:
        first = other[0]
        what = f"`{first}` was {left[first] or 'not installed'}, and is {then[first]}"
    else:
        other = [
            name
            for name in sorted(left)
            if records is not None and then[name].record != records.get(name)
        ]
        what = "the same version was installed anew" if other else ""
    if other:
        raise PolicyError(
            f"{join_names(other)} changed after the last sync ({what}), "
            "so it cannot be undone as a whole",
            "sync with a lock instead",
        )


def _local_versions(snapshot: Snapshot) -> dict[Name, str]:
    return {d.name: str(d.version) for d in reversed(snapshot.distributions) if d.local}


def undo_report(undone: Undone, snapshot: Snapshot, node: Node, *, done: bool = False) -> Report:
    """Return what an undo will do; with `done`, what is left of that to do: nothing."""
    installed = {name: found[0] for name, found in snapshot.by_name().items()}
    now = _local_versions(snapshot)
    steps = [s for s in undone.steps if not done or now.get(s.name) != s.after]
    plan = Plan(changes=tuple(_change(step, snapshot) for step in steps))
    changing = [c.installed for c in plan.actions if c.installed is not None]
    neighbours = node.neighbours() if plan.actions else ()
    memory = node.memory(installed)
    return Report(
        platform=snapshot.platform,
        lock=Lock(path=undone.subject, pins=()),
        plan=plan,
        findings=(
            *describe_neighbours(neighbours, kernel=node.kernel),
            *find_doubts(memory.doubtful),
        ),
        accelerator=node.accelerator(),
        restart=Restart(reasons=memory.stale, doubtful=memory.doubtful),
        kernel=node.kernel,
        loaded=node.loaded(changing),
        prepared=True,
        undo=True,
    )


def _change(step: Step, snapshot: Snapshot) -> Change:
    found = snapshot.by_name().get(step.name, ())
    pin = Pin(name=step.name, version=read_version(step.after)) if step.after else None
    return Change(
        name=step.name,
        kind=_kind(step),
        reason=_reason(step),
        installed=found[0] if found else None,
        pin=pin,
        wanted=step.after or "",
    )


def _reason(step: Step) -> str:
    if step.before is None:
        return "was removed"
    return "was installed" if step.after is None else "was changed"


def _kind(step: Step) -> Kind:
    if step.before is None:
        return Kind.INSTALL if step.after else Kind.REMOVE
    if step.after is None:
        return Kind.REMOVE
    before, after = read_version(step.before), read_version(step.after)
    if before == after or not isinstance(before, Version) or not isinstance(after, Version):
        return Kind.REINSTALL
    return Kind.UPGRADE if after > before else Kind.DOWNGRADE


@dataclass(frozen=True, kw_only=True)
class UndoOrder:
    """The files of past changes, put back where they were."""

    undone: Undone
    platform: Platform
    stage: Stage

    def intent(self) -> Intent:
        """Return what must be written down before."""
        return Intent(
            title=self.undone.title,
            platform=self.platform,
            footprint=self.undone.footprint(self.platform),
            steps=self.undone.steps,
        )

    def act(self, tools: Tools) -> None:
        """Put the files back; raises OSError for what cannot be."""
        tools.tell(Progress(phase="Putting back", total=len(self.undone.steps)))
        folders, places = self.undone.merged()
        try:
            rescue.put_back(folders, places, consume=False)
        except rescue.RescueError as error:
            raise PolicyError(str(error)) from error

    def verify(self, tools: Tools) -> Iterator[str]:
        """Yield each way in which the environment is not what it was."""
        tools.tell(Progress(phase="Checking"))
        snapshot = tools.node.snapshot()
        now = _local_versions(snapshot)
        for step in self.undone.steps:
            if now.get(step.name) != step.after:
                yield f"`{step.name}` should be {step.after or 'gone'}, and is {now.get(step.name)}"
        yield from tools.start_a_kernel() if KERNEL in now else tools.start_python()
