"""A plan carried out by pip-sync, and held against what it promised."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from envmagic.change.footprint import find_footprint
from envmagic.change.history import Step
from envmagic.change.transaction import Intent
from envmagic.core.engine import (
    effective_lock,
    goes_in_by_path,
    rehearsal_command,
    sync_commands,
    unplanned,
)
from envmagic.core.errors import EngineError
from envmagic.core.model import FindingKind, Kind, When
from envmagic.core.plan import find_kernel_changes
from envmagic.core.planner import KERNEL
from envmagic.core.redact import hide_secrets
from envmagic.core.report import Progress
from envmagic.edge.damage import find_damage
from envmagic.edge.origin import record_origin
from envmagic.edge.probe import installed_versions
from envmagic.edge.record import missing_files, record_digests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envmagic.change.order import Tools
    from envmagic.change.stash import Footprint
    from envmagic.core.model import Change, Finding, Platform, Snapshot
    from envmagic.core.report import Report
    from envmagic.core.request import Request
    from envmagic.edge.stage import Stage

_KERNELSPEC = ("share", "jupyter", "kernels", "python3", "kernel.json")


def find_kernelspec(platform: Platform) -> Path | None:
    """Return the file by which Jupyter finds the kernel of an environment; None: none."""
    file = Path(platform.base, *_KERNELSPEC)
    return file if file.is_file() else None


@dataclass(frozen=True, kw_only=True)
class SyncOrder:
    """A plan with all that it needs, prepared and agreed to."""

    request: Request
    snapshot: Snapshot
    report: Report
    stage: Stage
    kernelspec: Path | None = None
    """The file by which Jupyter finds the kernel of this environment, if it is there."""

    @property
    def footprint(self) -> Footprint:
        """All that it can touch."""
        plan = self.report.plan
        return find_footprint(plan, self.snapshot, self.stage.wheels(), plan.sweeps)

    def intent(self) -> Intent:
        """Return what must be written down before."""
        actions = self.report.plan.actions
        records = record_digests(self.snapshot, (change.name for change in actions))
        return Intent(
            title=f"sync {self.request.lock.path}",
            platform=self.snapshot.platform,
            footprint=self.footprint,
            steps=tuple(self._step(change, records.get(change.name)) for change in actions),
            kernel=bool(find_kernel_changes(self.report.plan, self.snapshot, self.stage.known())),
        )

    def _step(self, change: Change, record: str | None) -> Step:
        before = str(change.installed.version) if change.installed else None
        after = self.stage.known()[change.name].version if change.kind.installs else None
        wanted = str(after) if after else None
        return Step(name=change.name, before=before, after=wanted, record=record)

    def act(self, tools: Tools) -> None:
        """Clear away what is in pip's way, and let pip-sync do what the plan says.

        What it says that it would do is held against the plan first.
        """
        plan, wheels = self.report.plan, self.stage.wheels_folder
        for path in plan.sweeps:
            _take_away(Path(path))
        text, secrets = hide_secrets(
            effective_lock(plan, self.snapshot, self.stage.wheels()), os.environ
        )
        lock = self.stage.write("effective.txt", text)
        tools = replace(tools, environment=(*tools.environment, *secrets.items()))
        if not plan.actions:
            return
        tools.tell(Progress(phase="Checking the plan"))
        _, said = tools.run(rehearsal_command(lock, wheels))
        if surprises := unplanned(plan, said):
            raise EngineError(
                f"pip-sync would not do what the plan says: {'; '.join(surprises)}",
                "this is a bug of envmagic: please report it with your lock",
            )
        tools.tell(Progress(phase="Changing", total=len(plan.actions)))
        for command in sync_commands(plan, self.snapshot, lock, wheels):
            tools.must(command, lambda: tools.tell(self._progress()))
        self._clear_remains()
        for change in plan.actions:
            if change.pin is not None and goes_in_by_path(change):
                _set_origin(tools, change)

    def _clear_remains(self) -> None:
        """Take away what pip leaves of old metadata, where something unrecorded lies in it.

        Without the rest it is an unreadable distribution, and pip-sync stumbles over it.
        """
        by_name = self.snapshot.by_name()
        for change in self.report.plan.actions:
            for copy in by_name.get(change.name, ()):
                base = Path(copy.location, copy.metadata)
                if copy.local and base.suffix == ".dist-info" and not (base / "METADATA").exists():
                    _take_away(base)

    def _progress(self) -> Progress:
        """Count the changes that can be seen on the disk already."""
        there = installed_versions(self.report.platform.site)
        staged, actions = self.stage.known(), self.report.plan.actions
        done = sum(
            (c.name, str(staged[c.name].version)) in there
            if c.kind.installs
            else not any(name == c.name for name, _ in there)
            for c in actions
        )
        return Progress(phase="Changing", done=done, total=len(actions))

    def verify(self, tools: Tools) -> Iterator[str]:
        """Yield each way in which the environment is not what the plan promised."""
        tools.tell(Progress(phase="Checking"))
        after = tools.node.snapshot()
        damage = find_damage(after)
        left = self.request.plan(after, self.stage.known(), damage)
        for change in left.actions:
            found = change.installed.version if change.installed else "nothing"
            yield f"`{change.name}` should be {change.wanted or 'gone'}, and {found} is installed"
        for path in left.sweeps:
            yield f"`{path}` is left behind"
        installed = {name: found[0] for name, found in after.by_name().items()}
        for change in self.report.plan.actions:
            if change.name in installed and (gone := missing_files(installed[change.name])):
                yield f"`{change.name}` lacks {len(gone)} of its files, such as `{gone[0]}`"
        yield from self._new_conflicts(left.findings)
        if KERNEL in installed:
            if problems := list(tools.start_a_kernel()):
                yield from (*problems, *self._old_reasons())
            yield from self._missing_kernelspec()
        else:
            yield from tools.start_python()

    def _new_conflicts(self, findings: tuple[Finding, ...]) -> Iterator[str]:
        promised = {f.text for f in self.report.findings if f.when is When.AFTER}
        before = {(f.name, f.requirement) for f in self.report.findings}
        removed = {c.name for c in self.report.plan.actions if c.kind is Kind.REMOVE}
        for finding in findings:
            if finding.name in removed:  # a removed editable tree is still on this path
                continue
            new = finding.kind in {FindingKind.MISSING, FindingKind.CONFLICT}
            known = finding.text in promised or (finding.name, finding.requirement) in before
            if new and not known:
                yield finding.text

    def _old_reasons(self) -> Iterator[str]:
        """Yield what kept a kernel from starting before, perhaps."""
        for finding in self.report.findings:
            if finding.kind in {FindingKind.MISSING, FindingKind.CONFLICT} and finding.hint:
                yield f"that may be older: {finding.text}; {finding.hint}"

    def _missing_kernelspec(self) -> Iterator[str]:
        if self.kernelspec is not None and not self.kernelspec.is_file():
            yield f"the kernel's own specification is gone: `{self.kernelspec}`"


def _take_away(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _set_origin(tools: Tools, change: Change) -> None:
    found = tools.node.snapshot().by_name().get(change.name, ())
    if found and change.pin is not None:
        record_origin(Path(found[0].location) / found[0].metadata, change.pin.source)
