"""The story: preview, prepare, apply, verify. Opens nothing itself."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from envmagic.check import inspect_snapshot
from envmagic.engine import effective_lock, goes_in_by_path, last_words, sync_commands
from envmagic.model import (
    Cancelled,
    Command,
    EnvmagicError,
    FindingKind,
    Outcome,
    Policy,
    PolicyError,
    Progress,
    Report,
    Restart,
    State,
    When,
)
from envmagic.plan import KERNEL, make_plan
from envmagic.policy import find_refusals, find_trust_questions
from envmagic.prepare import Preparation
from envmagic.probe import missing_files
from envmagic.redact import redact
from envmagic.stage import record_origin
from envmagic.transaction import hold_prefix, keep_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from envmagic.model import Change, Distribution, Finding, Lock, Name, Node, Plan, Snapshot
    from envmagic.stage import Stage

_ASKED = {FindingKind.BUILD, FindingKind.ORIGIN, FindingKind.HELD}
_ROUNDS = 20
"""How often what is fetched may ask for more to fetch; each round goes one step deeper."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asks for: a lock, and how to take it.

    `options` are option lines as a lock has them, from the command line.
    """

    lock: Lock
    policy: Policy = field(default_factory=Policy)
    options: tuple[str, ...] = ()

    def plan(self, snapshot: Snapshot, known: Mapping[Name, Distribution]) -> Plan:
        """Return what must change in a snapshot."""
        return make_plan(
            self.lock.pins,
            snapshot,
            self.policy,
            constraints=self.lock.constraints,
            not_locked=self.lock.not_locked,
            known=known,
        )


@dataclass(frozen=True, kw_only=True)
class Face:
    """What a face lends to the story.

    `agree` shows a report and answers whether to go on; it is called again where the
    plan grew after it was shown. `tell` shows progress; `cancel` is set to stop.
    """

    agree: Callable[[Report], bool]
    tell: Callable[[Progress], None] = lambda _: None
    cancel: Event = field(default_factory=Event)


def preview(request: Request, node: Node) -> Report:
    """Compare a node with a lock, from what is on its disk: no network, nothing written."""
    return _report(request, node, node.snapshot(), {})


def preview_online(request: Request, node: Node, stage: Stage, face: Face) -> Report:
    """Compare a node with a lock, having fetched into a stage what would be installed.

    What has no wheel is not built, since that would run its code: it stays unknown.
    """
    snapshot = node.snapshot()
    return _prepare(request, node, snapshot, stage, replace(face, agree=lambda _: False))


def synchronize(request: Request, node: Node, face: Face) -> Outcome:
    """Make a node equal to a lock: preview, prepare, apply, verify.

    Raises PolicyError for a refusal, EngineError where something cannot be had, and
    Cancelled; after each of them the environment is what it was. What goes wrong later
    is not raised: the outcome says it.
    """
    before = preview(request, node)
    if not before.plan.actions:
        return Outcome(state=State.HELD if before.plan.held else State.UNCHANGED, before=before)
    refuse(before)
    _ask(face, before)
    with hold_prefix(before.platform.prefix) as stage:
        snapshot = node.snapshot()
        ready = _prepare(request, node, snapshot, stage, face)
        refuse(ready)
        if has_grown(before, ready):
            _ask(face, ready)
        if not ready.plan.actions:
            return Outcome(state=State.HELD, before=ready)
        return _apply(_Work(request, node, snapshot, stage, ready), face)


def _report(
    request: Request,
    node: Node,
    snapshot: Snapshot,
    known: Mapping[Name, Distribution],
    more: Iterable[Finding] = (),
) -> Report:
    plan = request.plan(snapshot, known)
    changing = [c.installed for c in plan.actions if c.installed is not None]
    installed = {name: found[0] for name, found in snapshot.by_name().items()}
    return Report(
        platform=snapshot.platform,
        lock=request.lock,
        plan=plan,
        findings=(
            *find_refusals(snapshot, plan, request.lock, request.policy),
            *plan.findings,
            *find_trust_questions(plan, request.lock),
            *more,
            *inspect_snapshot(snapshot),
        ),
        accelerator=node.accelerator(),
        restart=Restart(reasons=node.stale(installed)),
        kernel=node.kernel,
        loaded=node.loaded(changing),
        prepared=not any(f.kind is FindingKind.UNKNOWN for f in plan.findings),
    )


def refuse(report: Report) -> None:
    """Raise PolicyError where a report says that its plan must not be carried out."""
    for finding in report.findings:
        if finding.kind is FindingKind.REFUSED:
            raise PolicyError(finding.text, finding.hint)


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


def _prepare(request: Request, node: Node, snapshot: Snapshot, stage: Stage, face: Face) -> Report:
    """Fetch what the plan needs, and plan again with what that requires, to the end."""
    builds: list[Finding] = []

    def agree(build: Finding) -> bool:
        builds.append(build)
        return face.agree(_report(request, node, snapshot, stage.known(), builds))

    preparation = Preparation(
        node=node,
        stage=stage,
        options=(*request.lock.options, *request.options),
        tell=face.tell,
        cancel=face.cancel,
        agree=agree,
    )
    for _ in range(_ROUNDS):
        plan = request.plan(snapshot, stage.known())
        lacking = [c for c in plan.actions if c.kind.installs and preparation.lacks(c)]
        if not lacking:
            break
        preparation.fetch(lacking)
    return _report(request, node, snapshot, stage.known(), builds)


@dataclass(frozen=True)
class _Work:
    """What is about to be done, and from which state."""

    request: Request
    node: Node
    snapshot: Snapshot
    stage: Stage
    report: Report


def _apply(work: _Work, face: Face) -> Outcome:
    """Let pip-sync carry out the plan, and look at what it did."""
    node, report = work.node, work.report
    node.remember(report.loaded)
    problems = _act(work, face) or list(_verify(work, face))
    log = ""
    if problems:
        log = keep_log(report.platform.prefix, redact(work.stage.log_text()))
    after = _report(work.request, node, node.snapshot(), {})
    state = State.FAILED if problems else State.HELD if after.plan.held else State.SUCCEEDED
    return Outcome(state=state, before=report, after=after, problems=problems, log=log)


def _act(work: _Work, face: Face) -> list[str]:
    """Run the engine; return what went wrong."""
    plan, stage = work.report.plan, work.stage
    lock = stage.write("effective.txt", effective_lock(plan, work.snapshot, stage.wheels()))
    for command in sync_commands(plan, work.snapshot, lock, stage.wheels_folder):
        code = work.node.run(command, log=stage.log, tick=lambda: face.tell(_installed(work)))
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
    actions, stage = work.report.plan.actions, work.stage
    said = stage.log_text()
    done = sum(f"Successfully uninstalled {c.name}-" in said.replace("_", "-") for c in actions)
    return Progress(phase="Installing", done=min(done, len(actions)), total=len(actions))


def _verify(work: _Work, face: Face) -> Iterator[str]:
    """Yield each way in which the environment is not what the plan promised."""
    face.tell(Progress(phase="Checking"))
    after = work.node.snapshot()
    left = work.request.plan(after, {})
    for change in left.actions:
        found = change.installed.version if change.installed else "nothing"
        yield f"`{change.name}` should be {change.wanted or 'gone'}, and {found} is installed"
    installed = {name: found[0] for name, found in after.by_name().items()}
    for change in work.report.plan.actions:
        if change.name in installed and (gone := missing_files(installed[change.name])):
            yield f"`{change.name}` lacks {len(gone)} of its files, such as `{gone[0]}`"
    promised = {f.text for f in work.report.findings if f.when is When.AFTER}
    for finding in left.findings:
        new = finding.kind in {FindingKind.MISSING, FindingKind.CONFLICT}
        if new and not _was_known(finding, work.report, promised):
            yield finding.text
    if KERNEL in installed:
        yield from _start_a_kernel(work)


def _was_known(finding: Finding, report: Report, promised: set[str]) -> bool:
    before = {(f.name, f.requirement) for f in report.findings}
    return finding.text in promised or (finding.name, finding.requirement) in before


def _start_a_kernel(work: _Work) -> Iterator[str]:
    command = Command(arguments=("-m", "ipykernel_launcher", "--version"))
    if work.node.run(command, log=work.stage.log):
        yield f"a kernel cannot start any more:\n{last_words(work.stage.log_text())}"
    spec = Path(work.report.platform.prefix, "share", "jupyter", "kernels", "python3")
    had_spec = any(d.name == KERNEL and d.local for d in work.snapshot.distributions)
    if had_spec and not (spec / "kernel.json").is_file():
        yield f"the kernel's own specification is gone: `{spec}`"
