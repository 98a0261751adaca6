"""A node compared with a lock, as a report: from what is on its disk, and fast."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from envmagic.change.transaction import find_at_work, home_of
from envmagic.core.accelerator import judge
from envmagic.core.check import find_doubts, inspect_snapshot
from envmagic.core.cuda_build import find_label
from envmagic.core.errors import PolicyError
from envmagic.core.model import Damage, Finding, FindingKind
from envmagic.core.question import read_question
from envmagic.core.report import Report, Restart
from envmagic.edge.configuration import places_of
from envmagic.edge.damage import find_damage
from envmagic.edge.neighbours import describe_neighbours
from envmagic.edge.torch_build import read_torch_build
from envmagic.story.policy import find_idle_globs, find_refusals, find_trust_questions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envmagic.core.model import Distribution, Name, Platform, Snapshot
    from envmagic.core.nodes import Node
    from envmagic.core.request import Request


def preview(request: Request, node: Node) -> Report:
    """Compare a node with a lock, from what is on its disk: no network, nothing written."""
    snapshot = node.snapshot()
    return make_report(request, node, snapshot, {}, _find_sync_at_work(snapshot.platform))


def _find_sync_at_work(platform: Platform) -> Iterator[Finding]:
    """Yield that another process is changing the environment, if one is."""
    past = find_at_work(home_of(platform))
    if past is not None:
        yield Finding(
            kind=FindingKind.UNKNOWN,
            name="",
            text=f"`{past.title}` is at work here: what is compared now is about to change",
            hint="compare again when it has ended",
        )


def make_report(
    request: Request,
    node: Node,
    snapshot: Snapshot,
    known: Mapping[Name, Distribution],
    more: Iterable[Finding] = (),
    damage: Damage | None = None,
) -> Report:
    """Return all that a face shows of a snapshot, with `known` wheels and `more` findings.

    `damage` is that of the snapshot, for who has looked for it already.
    """
    plan = request.plan(snapshot, known, find_damage(snapshot) if damage is None else damage)
    changing = [c.installed for c in plan.actions if c.installed is not None]
    installed = {name: found[0] for name, found in snapshot.by_name().items()}
    neighbours = node.neighbours() if plan.actions else ()
    memory = node.memory(installed)
    places = places_of((*request.lock.options, *request.options), snapshot.platform)
    report = Report(
        platform=snapshot.platform,
        lock=request.lock,
        plan=plan,
        findings=(
            *find_refusals(snapshot, plan, request.lock, request.policy),
            *describe_neighbours(neighbours, kernel=node.kernel),
            *plan.findings,
            *find_trust_questions(plan, request.lock, places),
            *find_idle_globs(snapshot, request.policy),
            *more,
            *find_doubts(memory.doubtful),
            *inspect_snapshot(snapshot),
        ),
        accelerator=request.machine or node.accelerator(),
        label=find_label(places),
        torch=read_torch_build(snapshot),
        restart=Restart(reasons=memory.stale, doubtful=memory.doubtful),
        kernel=node.kernel,
        loaded=node.loaded(changing),
        prepared=not any(f.kind is FindingKind.UNKNOWN for f in plan.findings),
        known=known,
    )
    return _judged(report)


def fill_in(report: Report, node: Node, timeout: float) -> Report:
    """Return a report with what the driver has said by now, and the verdict on that."""
    if report.accelerator is not None:
        return report
    return _judged(replace(report, accelerator=node.accelerator(timeout)))


def _judged(report: Report) -> Report:
    if report.undo:  # it names only what it puts back
        return report
    question = read_question(report)
    return replace(report, verdict=judge(question, report.accelerator, report.platform.tag))


def refuse(report: Report) -> None:
    """Raise PolicyError where a report says that its plan must not be carried out."""
    refusals = [f for f in report.findings if f.kind is FindingKind.REFUSED]
    if refusals:
        hints = dict.fromkeys(f.hint for f in refusals)
        raise PolicyError("\n".join(f.text for f in refusals), "\n".join(hints))
