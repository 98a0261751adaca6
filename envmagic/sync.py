"""The story: prepare, apply, verify. Opens nothing itself."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from packaging.version import Version

from envmagic.engine import (
    effective_lock,
    goes_in_by_path,
    last_words,
    rehearsal_command,
    sync_commands,
    unplanned,
)
from envmagic.model import (
    Cancelled,
    Command,
    EngineError,
    EnvmagicError,
    FindingKind,
    Kind,
    Outcome,
    PolicyError,
    Progress,
    Report,
    State,
    When,
    canonical_name,
    join_names,
)
from envmagic.origin import record_origin
from envmagic.plan import find_kernel_changes
from envmagic.planner import KERNEL
from envmagic.prepare import Preparation
from envmagic.preview import Request, make_report, preview, refuse
from envmagic.probe import installed_versions
from envmagic.record import missing_files
from envmagic.redact import redact
from envmagic.stage import Stage
from envmagic.transaction import clear_leftovers, deaf_to_interrupts, hold_prefix, keep_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from envmagic.model import Change, Finding, Node, Snapshot

_ASKED = {FindingKind.BUILD, FindingKind.ORIGIN, FindingKind.HELD}
_START_A_KERNEL = Command(arguments=("-m", "ipykernel_launcher", "--version"))
"""Imports all that a kernel starts with, and ends."""
_KERNELSPEC = ("share", "jupyter", "kernels", "python3", "kernel.json")
_TOO_LATE = Progress(phase="Too late to cancel: finishing what has begun")
_ROUNDS = 20
"""How often what is fetched may ask for more to fetch; each round goes one step deeper."""


@dataclass(frozen=True, kw_only=True)
class Face:
    """What a face lends to the story.

    `agree` shows a report and answers whether to go on; it is called again where the
    plan grew after it was shown. `tell` shows progress; `cancel` is set to stop.
    """

    agree: Callable[[Report], bool]
    tell: Callable[[Progress], None] = lambda _: None
    cancel: Event = field(default_factory=Event)


def preview_online(request: Request, node: Node) -> Report:
    """Compare a node with a lock, having fetched what would be installed elsewhere.

    What has no wheel is not built, since that would run its code: it stays unknown.
    """
    with tempfile.TemporaryDirectory(prefix="envmagic-") as folder:
        return _prepare(request, node, node.snapshot(), Stage(Path(folder)), None)


def synchronize(request: Request, node: Node, face: Face) -> Outcome:
    """Make a node equal to a lock: preview, prepare, apply, verify.

    Raises PolicyError for a refusal, EngineError where something cannot be had, and
    Cancelled; after each of them the environment is what it was. What goes wrong later
    is not raised: the outcome says it.
    """
    before = preview(request, node)
    clear_leftovers(before.platform.prefix)
    refuse(before)
    if not before.plan.actions:
        return Outcome(state=State.HELD if before.plan.held else State.UNCHANGED, before=before)
    _ask(face, before)
    with hold_prefix(before.platform.prefix) as stage:
        snapshot = node.snapshot()
        ready = _prepare(request, node, snapshot, stage, face)
        refuse(ready)
        if has_grown(before, ready):
            _ask(face, ready)
        if not ready.plan.actions:
            return Outcome(state=State.HELD, before=ready)
        work = _Work(request, node, snapshot, stage, ready)
        _rehearse_kernel(work, face)
        _rehearse(work, face)
        with deaf_to_interrupts(lambda: face.tell(_TOO_LATE)):
            return _apply(work, face)


def _ask(face: Face, report: Report) -> None:
    if not face.agree(report):
        raise Cancelled("not applied; nothing was changed")


def failed(outcome: Outcome) -> EnvmagicError | None:
    """Return the error that a failed sync should end its cell or process with."""
    if outcome.state is State.FAILED:
        return HalfDoneError(outcome.problems[0], f"the whole output is in `{outcome.log}`")
    return None


class HalfDoneError(EnvmagicError):
    """The sync failed after it had begun, and the environment was not put back."""

    exit_code = 5


def has_grown(shown: Report, report: Report) -> bool:
    """Whether a report does more than one that a user has seen and agreed to."""
    return bool(_steps(report) - _steps(shown))


def _steps(report: Report) -> set[tuple[str, object]]:
    changes = {(c.name, c.kind.installs) for c in report.plan.actions}
    asked = {(f.text, f.kind) for f in report.findings if f.kind in _ASKED}
    return changes | asked


def _prepare(
    request: Request, node: Node, snapshot: Snapshot, stage: Stage, face: Face | None
) -> Report:
    """Fetch what the plan needs, and plan again with what that requires, to the end.

    Without a face, nothing is built.
    """
    builds: list[Finding] = []

    def agree(build: Finding) -> bool:
        builds.append(build)
        report = make_report(request, node, snapshot, stage.known(), builds)
        return face is not None and face.agree(report)

    preparation = Preparation(
        node=node,
        stage=stage,
        options=(*request.lock.options, *request.options),
        tell=face.tell if face else lambda _: None,
        cancel=face.cancel if face else Event(),
        agree=agree if face else None,
        pip=_pip_version(snapshot),
    )
    for _ in range(_ROUNDS):
        plan = request.plan(snapshot, stage.known())
        lacking = [c for c in plan.actions if c.kind.installs and preparation.lacks(c)]
        if not lacking:
            return make_report(request, node, snapshot, stage.known(), builds)
        preparation.fetch(lacking)
    names = join_names(change.name for change in lacking)
    raise EngineError(
        f"what the lock requires goes on and on, by now to {names}; nothing was changed",
        "add what it requires to the lock, pinned",
    )


@dataclass(frozen=True)
class _Work:
    """What is about to be done, and from which state."""

    request: Request
    node: Node
    snapshot: Snapshot
    stage: Stage
    report: Report

    @property
    def kernelspec(self) -> Path:
        """The file by which Jupyter finds the kernel of this environment."""
        return Path(self.report.platform.prefix, *_KERNELSPEC)


def _pip_version(snapshot: Snapshot) -> Version:
    found = snapshot.by_name().get(canonical_name("pip"), ())
    version = found[0].version if found else ""
    return version if isinstance(version, Version) else Version("0")


def _rehearse(work: _Work, face: Face) -> None:
    """Hold what pip-sync says that it would do against the plan, before it does anything."""
    stage, plan = work.stage, work.report.plan
    face.tell(Progress(phase="Checking the plan"))
    command = rehearsal_command(_write_lock(work), stage.wheels_folder)
    before = len(stage.log_text())
    work.node.run(command, log=stage.log, cancel=face.cancel)
    if surprises := unplanned(plan, stage.log_text()[before:]):
        raise EngineError(
            f"pip-sync would not do what the plan says: {'; '.join(surprises)}; "
            "nothing was changed",
            "this is a bug of envmagic: please report it with your lock",
        )


def _rehearse_kernel(work: _Work, face: Face) -> None:
    """Start a kernel with what is new in its closure, before that is in the environment.

    What the metadata promises (`held` goes by that) need not be true of the code.
    """
    stage, snapshot = work.stage, work.snapshot
    names = find_kernel_changes(work.report.plan, snapshot, stage.known())
    if not names or KERNEL not in snapshot.by_name():
        return
    face.tell(Progress(phase="Checking the plan"))
    path = str(stage.unpack(names))
    command = replace(_START_A_KERNEL, environment=(("PYTHONPATH", path),))
    before = len(stage.log_text())
    if work.node.run(command, log=stage.log, cancel=face.cancel):
        raise PolicyError(
            f"a kernel would not start with {join_names(names)} as locked; nothing was changed\n"
            f"{last_words(stage.log_text()[before:])}",
            "pin versions that the kernel can live with, or use another environment",
        )


def _write_lock(work: _Work) -> Path:
    text = effective_lock(work.report.plan, work.snapshot, work.stage.wheels())
    return work.stage.write("effective.txt", text)


def _apply(work: _Work, face: Face) -> Outcome:
    """Let pip-sync carry out the plan, and look at what it did."""
    node, report = work.node, work.report
    node.remember(report.loaded)
    had_kernelspec = work.kernelspec.is_file()
    problems = _act(work, face) or list(_verify(work, face))
    if had_kernelspec and not work.kernelspec.is_file():
        problems.append(f"the kernel's own specification is gone: `{work.kernelspec}`")
    log = ""
    if problems:
        log = keep_log(report.platform.prefix, redact(work.stage.log_text()))
    after = make_report(work.request, node, node.snapshot(), work.stage.known())
    state = State.FAILED if problems else State.HELD if after.plan.held else State.SUCCEEDED
    return Outcome(state=state, before=report, after=after, problems=problems, log=log)


def _act(work: _Work, face: Face) -> list[str]:
    """Run the engine; return what went wrong."""
    plan, stage = work.report.plan, work.stage
    face.tell(Progress(phase="Changing", total=len(plan.actions)))
    for command in sync_commands(plan, work.snapshot, _write_lock(work), stage.wheels_folder):
        code = work.node.run(
            command,
            log=stage.log,
            tick=lambda: face.tell(_installed(work)),
            hold=stage.lock,
        )
        if code:
            return [f"pip-sync ended with {code}:\n{last_words(stage.log_text())}"]
    for change in plan.actions:
        if change.pin is not None and goes_in_by_path(change):
            _set_origin(work, change)
    return []


def _set_origin(work: _Work, change: Change) -> None:
    found = work.node.snapshot().by_name().get(change.name, ())
    if found and change.pin is not None:
        record_origin(Path(found[0].location) / found[0].metadata, change.pin.source)


def _installed(work: _Work) -> Progress:
    """Count the changes that can be seen on the disk already."""
    there = installed_versions(work.report.platform.site)
    staged = work.stage.known()
    actions = work.report.plan.actions
    done = sum(
        (c.name, str(staged[c.name].version)) in there
        if c.kind.installs
        else not any(name == c.name for name, _ in there)
        for c in actions
    )
    return Progress(phase="Changing", done=done, total=len(actions))


def _verify(work: _Work, face: Face) -> Iterator[str]:
    """Yield each way in which the environment is not what the plan promised."""
    face.tell(Progress(phase="Checking"))
    after = work.node.snapshot()
    left = work.request.plan(after, work.stage.known())
    for change in left.actions:
        found = change.installed.version if change.installed else "nothing"
        yield f"`{change.name}` should be {change.wanted or 'gone'}, and {found} is installed"
    installed = {name: found[0] for name, found in after.by_name().items()}
    for change in work.report.plan.actions:
        if change.name in installed and (gone := missing_files(installed[change.name])):
            yield f"`{change.name}` lacks {len(gone)} of its files, such as `{gone[0]}`"
    promised = {f.text for f in work.report.findings if f.when is When.AFTER}
    removed = {c.name for c in work.report.plan.actions if c.kind is Kind.REMOVE}
    for finding in left.findings:
        if finding.name in removed:  # a removed editable tree is still on this process's path
            continue
        new = finding.kind in {FindingKind.MISSING, FindingKind.CONFLICT}
        if new and not _was_known(finding, work.report, promised):
            yield finding.text
    if KERNEL in installed:
        yield from _start_a_kernel(work)


def _was_known(finding: Finding, report: Report, promised: set[str]) -> bool:
    before = {(f.name, f.requirement) for f in report.findings}
    return finding.text in promised or (finding.name, finding.requirement) in before


def _start_a_kernel(work: _Work) -> Iterator[str]:
    if work.node.run(_START_A_KERNEL, log=work.stage.log):
        yield f"a kernel cannot start any more:\n{last_words(work.stage.log_text())}"
