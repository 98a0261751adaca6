"""`python -m envmagic diff, sync, freeze, undo, info`: in a terminal, in CI, in a Dockerfile.

Exit codes: 0 equal or done, 1 differs or not in parity, 2 the input is wrong, 3 refused,
4 failed and all as it was, 5 failed and could not be put back, 130 cancelled.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from envmagic.change.history import kept_bytes, mark_told, read_history, read_limits
from envmagic.change.transaction import home_of, recover
from envmagic.core.accelerator import judge
from envmagic.core.errors import Cancelled, EnvmagicError, PolicyError
from envmagic.core.model import VERSION
from envmagic.core.question import question_of
from envmagic.core.report import State
from envmagic.edge.freeze import freeze, summarize
from envmagic.edge.lockfile import write_lock
from envmagic.edge.node import LocalNode
from envmagic.edge.torch_build import read_torch_build
from envmagic.face.card import accelerator_line, card_lines, smoke_lines
from envmagic.face.options import (
    Parser,
    add_diff_options,
    add_dry_run,
    add_freeze_options,
    add_sync_options,
    add_undo_options,
    make_request,
)
from envmagic.face.terminal import print_report
from envmagic.face.view import (
    history_lines,
    past_line,
    render_outcome,
)
from envmagic.face.wire import accelerator_to_json, past_to_json, platform_to_json, render_json
from envmagic.story.preview import fill_in, preview
from envmagic.story.smoke import run_smoke, with_smoke
from envmagic.story.sync import Face, failed, preview_online, preview_undo, synchronize, undo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from envmagic.core.report import Outcome, Progress, Report

_GPU_WAIT = 5.0
_EPILOG = """\
examples:
  envmagic diff first_env.txt          show what differs
  envmagic sync first_env.txt --yes    make it equal, without a question
  envmagic undo                        put back what the last sync changed

exit codes:
    0  equal, or done
    1  differs (`diff`, `--check`), or done but for a pin that was held; or `--smoke` failed
    2  the input is wrong: a bad lock, an unknown option
    3  refused: it would be unsafe here
    4  failed, and the environment is what it was
    5  failed, and the environment could not be put back: make it anew
  130  cancelled, and the environment is what it was
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, and return the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        return _run(arguments)
    finally:
        _show(lambda: None)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        options = _parser().parse_args(arguments)
        _tell_news()
        return int(options.command(options))
    except Cancelled as cancelled:
        _tell(cancelled.message)
        return cancelled.exit_code
    except EnvmagicError as error:
        _tell(f"error: {error.message}")
        if error.hint:
            _tell(f"  {error.hint}")
        return error.exit_code
    except KeyboardInterrupt:
        _tell("\ninterrupted: `python -m envmagic info` shows what was changed last")
        return Cancelled.exit_code


def _tell_news() -> None:
    """Put back what a killed sync has left, and say how others ended meanwhile."""
    for past in recover(home_of(LocalNode().platform())):
        _tell(past_line(past))
        mark_told(past.folder)


def _show(show: Callable[[], None]) -> None:
    """Print something, or nothing any more where the reader of a pipe has gone.

    The command goes on to its end, and its exit code stays true.
    """
    try:
        show()
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def _say(text: str) -> None:
    _show(lambda: print(text))


def _tell(text: str) -> None:
    """Print a line on standard error, which may be a pipe without a reader too."""
    with suppress(BrokenPipeError):
        print(text, file=sys.stderr)


def _parser() -> Parser:
    parser = Parser(
        prog="envmagic",
        description="Make this environment equal to a lock file.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"envmagic {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    diff = commands.add_parser("diff", help="show what differs; exit code 1 if anything does")
    add_diff_options(diff)
    add_dry_run(diff)
    diff.set_defaults(command=_diff)
    sync = commands.add_parser("sync", help="make the environment equal to the lock")
    add_diff_options(sync)
    add_dry_run(sync)
    add_sync_options(sync)
    sync.set_defaults(command=_sync)
    lock = commands.add_parser("freeze", help="write the installed set as a lock")
    add_freeze_options(lock)
    lock.set_defaults(command=_freeze)
    back = commands.add_parser("undo", help="put back what the last sync changed, offline")
    add_undo_options(back)
    add_dry_run(back)
    add_sync_options(back)
    back.set_defaults(command=_undo)
    info = commands.add_parser(
        "info", help="show the interpreter, the driver and the GPUs, and what can be undone"
    )
    info.add_argument("--json", action="store_true", help="as JSON")
    info.add_argument(
        "--smoke",
        action="store_true",
        help="import torch in a fresh process, and multiply on each GPU",
    )
    info.set_defaults(command=_info)
    return parser


def _diff(options: argparse.Namespace) -> int:
    report = _compare(options)
    return _verdict_code(report)


def _verdict_code(report: Report) -> int:
    return 1 if report.smoke_failed or not report.plan.parity else 0


def _compare(options: argparse.Namespace) -> Report:
    node = LocalNode()
    node.look_for_gpus()
    request = make_request(options, node.platform())
    look = preview_online if options.online else preview
    report = fill_in(with_smoke(request, look(request, node), node), node, _GPU_WAIT)
    _print(report, options)
    return report


def _print(report: Report, options: argparse.Namespace) -> None:
    if options.json:
        _say(render_json(report, every=options.all))
    else:
        _show(lambda: print_report(report))


def _sync(options: argparse.Namespace) -> int:
    if options.dry_run or options.check:
        report = _compare(options)
        return _verdict_code(report) if options.check else 0
    _must_be_answered(options)
    node = LocalNode()
    node.look_for_gpus()
    request = make_request(options, node.platform())
    return _carry_out(node, options, lambda face: synchronize(request, node, face))


def _undo(options: argparse.Namespace) -> int:
    node = LocalNode()
    node.look_for_gpus()
    if options.dry_run:
        report = fill_in(preview_undo(node, options.count), node, _GPU_WAIT)
        _print(report, options)
        return 0
    _must_be_answered(options)
    return _carry_out(node, options, lambda face: undo(node, face, options.count))


def _must_be_answered(options: argparse.Namespace) -> None:
    if not options.yes and (options.json or not sys.stdin.isatty()):
        raise PolicyError("nobody can be asked here; nothing was changed", "add `--yes` to apply")


def _carry_out(
    node: LocalNode, options: argparse.Namespace, work: Callable[[Face], Outcome]
) -> int:
    def agree(report: Report) -> bool:
        if not options.json:
            _show(lambda: print_report(fill_in(report, node, _GPU_WAIT)))
        return bool(options.yes) or _asked("\nApply? [y/N] ")

    outcome = work(Face(agree=agree, tell=_Phases().tell))
    if options.json:
        # Not a moment to wait here: an interrupt would say that nothing was changed.
        report = fill_in(outcome.latest, node, 0.0)
        _say(render_json(report, every=options.all, outcome=outcome))
    else:
        _say(render_outcome(outcome))
    return _exit_code(outcome)


def _asked(question: str) -> bool:
    try:
        return input(question).strip().lower() in {"y", "yes"}
    except EOFError:
        _say("")
        return False
    except BrokenPipeError:
        return False
    except KeyboardInterrupt:
        _say("")
        raise Cancelled("cancelled; nothing was changed") from None


def _exit_code(outcome: Outcome) -> int:
    if (error := failed(outcome)) is not None:
        return error.exit_code
    return 1 if outcome.state is State.HELD or outcome.latest.smoke_failed else 0


def _freeze(options: argparse.Namespace) -> int:
    node = LocalNode()
    node.look_for_gpus()
    text = freeze(node.snapshot(), node.accelerator(_GPU_WAIT))
    if options.file == "-":
        _say(text.removesuffix("\n"))
        return 0
    written = write_lock(options.file, text, force=options.force)
    start, end = ("wrote ", "") if written else ("", ", as it was")
    _say(f"{start}{options.file}: {summarize(text)}{end}")
    return 0


def _info(options: argparse.Namespace) -> int:
    node = LocalNode()
    node.look_for_gpus()
    snapshot = node.snapshot()
    accelerator = node.accelerator(_GPU_WAIT)
    question = question_of(snapshot, read_torch_build(snapshot))
    verdict = judge(question, accelerator, snapshot.platform.tag)
    history, limits = read_history(home_of(snapshot.platform)), read_limits()
    costs = kept_bytes(history)
    smoke = run_smoke(node) if options.smoke else ()
    code = 1 if any(trial.passed is False for trial in smoke) else 0
    if options.json:
        data = {
            "schema": 1,
            "envmagic": VERSION,
            "node": platform_to_json(snapshot.platform, kernel=False),
            "distributions": {d.name: str(d.version) for d in reversed(snapshot.distributions)},
            "accelerator": accelerator_to_json(accelerator, verdict, smoke),
            "history": [past_to_json(past, costs[past.folder]) for past in history],
            "limits": {"count": limits.count, "size": limits.size},
        }
        _say(json.dumps(data, indent=1))
        return code
    where = snapshot.platform
    lines = [
        f"envmagic {VERSION}",
        f"interpreter   {where.implementation} {where.python}, {where.executable}",
        f"environment   {where.prefix} ({len(snapshot.by_name())} distributions)",
        f"platform      {where.tag}",
        f"accelerator   {accelerator_line(accelerator)}",
        *(f"  {line}" for line in card_lines(accelerator, verdict)),
        *smoke_lines(smoke),
        *history_lines(history, costs, limits),
    ]
    _say("\n".join(lines))
    return code


class _Phases:
    """Progress on standard error, a line a phase."""

    def __init__(self) -> None:
        self._last = ""

    def tell(self, progress: Progress) -> None:
        """Print a phase when it begins."""
        counted = f" {progress.total}" if progress.total else ""
        line = f"{progress.phase}{counted} ..."
        if line != self._last:
            _tell(line)
        self._last = line
