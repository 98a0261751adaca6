"""The story: preview, prepare, apply, undo. Opens nothing itself."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from packaging.version import Version

from envmagic.change.apply import SyncOrder, find_kernelspec
from envmagic.change.history import read_limits
from envmagic.change.job import give
from envmagic.change.order import START_A_KERNEL
from envmagic.change.stash import copied_bytes
from envmagic.change.transaction import (
    NotPutBackError,
    hold_environment,
    home_of,
    keep_log,
    must_be_free,
)
from envmagic.change.undo import UndoOrder, find_undo, undo_report
from envmagic.core.engine import last_words
from envmagic.core.errors import Cancelled, EngineError, EnvmagicError, PolicyError
from envmagic.core.model import Finding, FindingKind, Severity, canonical_name, join_names
from envmagic.core.plan import find_kernel_changes
from envmagic.core.planner import KERNEL
from envmagic.core.redact import redact
from envmagic.core.report import Outcome, Progress, Report, State
from envmagic.edge.configuration import places_of
from envmagic.edge.damage import find_damage
from envmagic.edge.process import interrupts_set
from envmagic.edge.stage import Stage
from envmagic.story.policy import build_finding
from envmagic.story.prepare import Preparation
from envmagic.story.preview import fill_in, make_report, preview, refuse
from envmagic.story.smoke import after_smoke

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from envmagic.change.order import Order
    from envmagic.change.stash import Footprint
    from envmagic.change.transaction import Hold
    from envmagic.change.undo import Undone
    from envmagic.core.model import Snapshot
    from envmagic.core.nodes import Node
    from envmagic.core.request import Request

_ASKED = {FindingKind.BUILD, FindingKind.ORIGIN, FindingKind.HELD, FindingKind.COPY}
_ROUNDS = 20
"""How often what is fetched may ask for more to fetch; each round goes one step deeper."""


@dataclass(frozen=True, kw_only=True)
class Face:
    """What a face lends to the story.

    `agree` shows a report and answers whether to go on; it is called again where the
    plan grew after it was shown. `tell` shows progress; `cancel` is set to stop. `hear` is
    given the file into which the tools say all that they say, while it is there.
    """

    agree: Callable[[Report], bool]
    tell: Callable[[Progress], None] = lambda _: None
    hear: Callable[[Path], None] = lambda _: None
    cancel: Event = field(default_factory=Event)


_SILENT = Face(agree=lambda _: True)


def preview_online(request: Request, node: Node, face: Face = _SILENT) -> Report:
    """Compare a node with a lock, having fetched what would be installed elsewhere.

    What has no wheel is not built, since that would run its code: it stays unknown. Of the
    face, nothing is asked. Raises EngineError where something cannot be had, and Cancelled.
    """
    with tempfile.TemporaryDirectory(prefix="envmagic-") as folder:
        stage = Stage(Path(folder))
        face.hear(stage.log)
        return _prepare(request, node, node.snapshot(), stage, face, may_build=False)


def synchronize(request: Request, node: Node, face: Face) -> Outcome:
    """Make a node equal to a lock: preview, prepare, apply, verify; try it out if asked to.

    Raises PolicyError for a refusal, EngineError where something cannot be had, and
    Cancelled; after each of them the environment is what it was. What goes wrong later
    is put back and not raised: the outcome says it.
    """
    outcome = _make_equal(request, node, face)
    return after_smoke(outcome, node, face.tell, face.cancel) if request.smoke else outcome


def _make_equal(request: Request, node: Node, face: Face) -> Outcome:
    read_limits()  # a wrong one is told before anything is fetched
    before = preview(request, node)
    must_be_free(home_of(before.platform))
    refuse(before)
    if not before.plan.work:
        return Outcome(state=State.HELD if before.plan.held else State.UNCHANGED, before=before)
    face = replace(face, agree=_asked_once(face.agree))
    _ask(face, before)
    with hold_environment(home_of(before.platform)) as hold:
        face.hear(hold.stage.log)
        snapshot = node.snapshot()
        with _log_kept(hold):
            ready = _prepare(request, node, snapshot, hold.stage, face, may_build=True)
        refuse(ready)
        order = SyncOrder(
            request=request,
            snapshot=snapshot,
            report=ready,
            stage=hold.stage,
            kernelspec=find_kernelspec(snapshot.platform),
        )
        ready = _with_copies(ready, order.footprint, hold.home)
        _ask(face, ready)
        if not ready.plan.work:
            return Outcome(state=State.HELD, before=ready)
        _rehearse_kernel(order, node, face)
        known = hold.stage.known()

        def look() -> Report:
            return make_report(request, node, node.snapshot(), known)

        return _with_built(_carry_out(order, node, hold, face, ready, look))


def _with_built(outcome: Outcome) -> Outcome:
    """Keep saying what was built against something, where it is there now."""
    if outcome.after is None or outcome.state not in {State.SUCCEEDED, State.HELD}:
        return outcome
    built = [f for f in outcome.before.findings if f.kind is FindingKind.BUILT]
    findings = (*built, *outcome.after.findings)
    return replace(outcome, after=replace(outcome.after, findings=findings))


@contextlib.contextmanager
def _log_kept(hold: Hold) -> Iterator[None]:
    """Keep what the tools have said where they fail, and say where it is."""
    try:
        yield
    except EngineError as error:
        log = keep_log(hold.home, redact(hold.stage.log_text()))
        where = f"the whole output is in `{log}`" if log else ""
        hint = "; ".join(filter(None, (error.hint, where)))
        raise EngineError(error.message, hint) from error


def preview_undo(node: Node, count: int = 1) -> Report:
    """Return what an undo of the last changes would do; raises PolicyError as `undo` does."""
    snapshot = node.snapshot()
    undone = find_undo(home_of(snapshot.platform), snapshot, count)
    return undo_report(undone, snapshot, node)


def undo(node: Node, face: Face, count: int = 1) -> Outcome:
    """Put back what the last changes of a node did, offline; that is a change itself.

    Raises PolicyError where there is nothing to undo, where something else has changed
    the same projects since, or where there is no room; and Cancelled.
    """
    read_limits()
    shown, _ = _look_back(node, count)
    _ask(face, shown)
    with hold_environment(home_of(shown.platform)) as hold:
        face.hear(hold.stage.log)
        before, undone = _look_back(node, count)
        # Another sync was quicker, or there is more to copy now.
        if before.lock != shown.lock or has_grown(shown, before):
            _ask(face, before)
        order = UndoOrder(undone=undone, platform=before.platform, stage=hold.stage)

        def look() -> Report:
            return undo_report(undone, node.snapshot(), node, done=True)

        return _carry_out(order, node, hold, face, before, look)


def _look_back(node: Node, count: int) -> tuple[Report, Undone]:
    """Return what an undo would do and copy first; this tries hard links, and so writes."""
    snapshot = node.snapshot()
    home = home_of(snapshot.platform)
    undone = find_undo(home, snapshot, count)
    report = undo_report(undone, snapshot, node)
    return _with_copies(report, undone.footprint(snapshot.platform), home), undone


def _carry_out(
    order: Order,
    node: Node,
    hold: Hold,
    face: Face,
    before: Report,
    look: Callable[[], Report],
) -> Outcome:
    """Have an order carried out in a process of its own, and look at what came of it."""
    if node.kernel:
        node.snapshot()  # notes what is loaded, the last time before it changes on the disk
    # To the very end: who has changed something must not be told that nothing was.
    with interrupts_set(face.cancel):
        answer = give(order, node, hold, face.tell, face.cancel)
        after, unseen = _looked(look)
    done = State.HELD if (after or before).plan.held else State.SUCCEEDED
    return Outcome(
        state=done if answer.state == "succeeded" else State(answer.state),
        before=fill_in(before, node, 0.0),
        after=after,
        problems=(*answer.problems, *unseen),
        log=answer.log,
    )


def _looked(look: Callable[[], Report]) -> tuple[Report | None, tuple[str, ...]]:
    """Return what there is after a change, or why that cannot be said: the change is done."""
    try:
        return look(), ()
    except (OSError, EnvmagicError) as error:
        return None, (f"what is there now could not be looked at: {error}",)


def _with_copies(report: Report, footprint: Footprint, home: Path) -> Report:
    """Return a report that tells how much must be copied first, where links will not do."""
    size = copied_bytes(footprint, home)
    if not size:
        return report
    finding = Finding(
        kind=FindingKind.COPY,
        name="",
        text=f"{size / 1e6:.0f} MB will be copied first, to be able to put them back: hard "
        f"links do not work in `{home.parent}`",
        severity=Severity.NOTE,
    )
    return replace(report, findings=(*report.findings, finding))


def _ask(face: Face, report: Report) -> None:
    if not face.agree(report):
        raise Cancelled("not applied; nothing was changed")


def _asked_once(agree: Callable[[Report], bool]) -> Callable[[Report], bool]:
    """Return a question that is put again only where there is more than was agreed to."""
    agreed: set[tuple[str, object]] = set()
    was_asked = False

    def ask(report: Report) -> bool:
        nonlocal was_asked
        steps = _steps(report)
        if was_asked and steps <= agreed:
            return True
        was_asked = True
        agreed.update(steps)
        return agree(report)

    return ask


def failed(outcome: Outcome) -> EnvmagicError | None:
    """Return the error that a failed sync should end its cell or process with."""
    log = f"the whole output is in `{outcome.log}`" if outcome.log else ""
    if outcome.state is State.ROLLED_BACK:
        return EngineError(f"everything was put back: {outcome.problems[0]}", log)
    if outcome.state is State.FAILED:
        return NotPutBackError("\n".join(outcome.problems), log)
    return None


def has_grown(shown: Report, report: Report) -> bool:
    """Whether a report does more than one that a user has seen and agreed to."""
    return bool(_steps(report) - _steps(shown))


def _steps(report: Report) -> set[tuple[str, object]]:
    changes = {(c.name, c.kind.installs) for c in report.plan.actions}
    asked = {(f.text, f.kind) for f in report.findings if f.kind in _ASKED}
    return changes | asked


def _prepare(
    request: Request, node: Node, snapshot: Snapshot, stage: Stage, face: Face, *, may_build: bool
) -> Report:
    """Fetch what the plan needs, and plan again with what that requires, to the end."""
    builds: list[Finding] = []  # and what there is to say of them
    damage = find_damage(snapshot)
    options = (*request.lock.options, *request.options)
    places = places_of(options, snapshot.platform)

    def look() -> Report:
        return make_report(request, node, snapshot, stage.known(), builds, damage)

    preparation = Preparation(
        node=node,
        stage=stage,
        options=options,
        tell=face.tell,
        cancel=face.cancel,
        notice=lambda change, plan: builds.append(build_finding(change, plan, places)),
        agree=(lambda: face.agree(look())) if may_build else None,
        pip=_pip_version(snapshot),
        notes=builds,
    )
    for _ in range(_ROUNDS):
        plan = request.plan(snapshot, stage.known(), damage)
        lacking = [c for c in plan.actions if c.kind.installs and preparation.lacks(c)]
        if not lacking:
            return look()
        preparation.fetch(lacking, plan)
    names = join_names(change.name for change in lacking)
    raise EngineError(
        f"what the lock requires goes on and on, by now to {names}; nothing was changed",
        "add what it requires to the lock, pinned",
    )


def _pip_version(snapshot: Snapshot) -> Version:
    found = snapshot.by_name().get(canonical_name("pip"), ())
    version = found[0].version if found else ""
    return version if isinstance(version, Version) else Version("0")


def _rehearse_kernel(order: SyncOrder, node: Node, face: Face) -> None:
    """Start a kernel with what is new in its closure, before that is in the environment.

    What the metadata promises (`held` goes by that) need not be true of the code.
    """
    stage, snapshot = order.stage, order.snapshot
    names = find_kernel_changes(order.report.plan, snapshot, stage.known())
    if not names or KERNEL not in snapshot.by_name():
        return
    face.tell(Progress(phase="Checking the plan"))
    path = str(stage.unpack(names))
    command = replace(START_A_KERNEL, environment=(("PYTHONPATH", path),))
    before = len(stage.log_text())
    if node.run(command, log=stage.log, cancel=face.cancel):
        raise PolicyError(
            f"a kernel would not start with {join_names(names)} as locked; nothing was changed\n"
            f"{last_words(stage.log_text()[before:])}",
            "pin versions that the kernel can live with, or use another environment",
        )
