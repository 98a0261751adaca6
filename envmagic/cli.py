"""`python -m envmagic diff, sync, freeze, info`: the story in a terminal, in CI, in a Dockerfile.

Exit codes: 0 equal or done, 1 differs or not in parity, 2 the input is wrong, 3 refused,
4 failed with nothing changed, 5 failed half-way, 130 cancelled.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from envmagic.freeze import freeze
from envmagic.lockfile import write_lock
from envmagic.model import VERSION, Cancelled, EnvmagicError, PolicyError, State
from envmagic.node import LocalNode
from envmagic.options import (
    Parser,
    add_diff_options,
    add_dry_run,
    add_freeze_options,
    add_sync_options,
    make_request,
)
from envmagic.preview import preview
from envmagic.sync import Face, failed, preview_online, synchronize
from envmagic.terminal import print_report
from envmagic.view import (
    accelerator_line,
    accelerator_to_json,
    platform_to_json,
    render_json,
    render_outcome,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from envmagic.model import Outcome, Progress, Report

_GPU_WAIT = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, and return the exit code."""
    try:
        options = _parser().parse_args(arguments)
        return int(options.command(options))
    except EnvmagicError as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("cancelled; nothing was changed", file=sys.stderr)
        return Cancelled.exit_code


def _parser() -> Parser:
    parser = Parser(prog="envmagic", description="Make this environment equal to a lock file.")
    parser.add_argument("--version", action="version", version=f"envmagic {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    diff = commands.add_parser("diff", help="show what differs; exit code 1 if anything does")
    add_diff_options(diff)
    diff.set_defaults(command=_diff)
    sync = commands.add_parser("sync", help="make the environment equal to the lock")
    add_diff_options(sync)
    add_dry_run(sync)
    add_sync_options(sync)
    sync.set_defaults(command=_sync)
    lock = commands.add_parser("freeze", help="write the installed set as a lock")
    add_freeze_options(lock)
    lock.set_defaults(command=_freeze)
    info = commands.add_parser("info", help="show the interpreter, the driver and the GPUs")
    info.add_argument("--json", action="store_true", help="as JSON")
    info.set_defaults(command=_info)
    return parser


def _diff(options: argparse.Namespace) -> int:
    report = _compare(options)
    return 0 if report.plan.parity else 1


def _compare(options: argparse.Namespace) -> Report:
    node = LocalNode()
    node.look_for_gpus()
    request = make_request(options, node.platform())
    look = preview_online if options.online else preview
    report = look(request, node)
    report = replace(report, accelerator=node.accelerator(_GPU_WAIT))
    if options.json:
        print(render_json(report, every=options.all))
    else:
        print_report(report)
    return report


def _sync(options: argparse.Namespace) -> int:
    if options.dry_run or options.check:
        report = _compare(options)
        return 1 if options.check and not report.plan.parity else 0
    if not options.yes and (options.json or not sys.stdin.isatty()):
        raise PolicyError("nobody can be asked here; nothing was changed", "add `--yes` to apply")
    node = LocalNode()
    node.look_for_gpus()
    request = make_request(options, node.platform())

    def agree(report: Report) -> bool:
        if not options.json:
            print_report(replace(report, accelerator=node.accelerator(_GPU_WAIT)))
        return bool(options.yes) or _asked("\nApply? [y/N] ")

    outcome = synchronize(request, node, Face(agree=agree, tell=_Phases().tell))
    if options.json:
        report = replace(outcome.after or outcome.before, accelerator=node.accelerator(_GPU_WAIT))
        print(render_json(report, every=options.all, outcome=outcome))
    else:
        print(render_outcome(outcome))
    return _exit_code(outcome)


def _asked(question: str) -> bool:
    try:
        return input(question).strip().lower() in {"y", "yes"}
    except EOFError:
        return False


def _exit_code(outcome: Outcome) -> int:
    if (error := failed(outcome)) is not None:
        return error.exit_code
    return 1 if outcome.state is State.HELD else 0


def _freeze(options: argparse.Namespace) -> int:
    node = LocalNode()
    node.look_for_gpus()
    text = freeze(node.snapshot(), node.accelerator(_GPU_WAIT))
    if options.file is None:
        print(text, end="")
    else:
        write_lock(options.file, text, force=options.force)
    return 0


def _info(options: argparse.Namespace) -> int:
    node = LocalNode()
    node.look_for_gpus()
    snapshot = node.snapshot()
    accelerator = node.accelerator(_GPU_WAIT)
    if options.json:
        data = {
            "schema": 1,
            "envmagic": VERSION,
            "node": platform_to_json(snapshot.platform, kernel=False),
            "distributions": {d.name: str(d.version) for d in reversed(snapshot.distributions)},
            "accelerator": accelerator_to_json(accelerator),
        }
        print(json.dumps(data, indent=1))
        return 0
    where = snapshot.platform
    print(f"envmagic {VERSION}")
    print(f"interpreter   {where.implementation} {where.python}, {where.executable}")
    print(f"environment   {where.prefix} ({len(snapshot.by_name())} distributions)")
    print(f"platform      {where.tag}")
    print(f"accelerator   {accelerator_line(accelerator)}")
    return 0


class _Phases:
    """Progress on standard error, a line a phase."""

    def __init__(self) -> None:
        self._last = ""

    def tell(self, progress: Progress) -> None:
        """Print a phase when it begins."""
        counted = f" {progress.total}" if progress.total else ""
        line = f"{progress.phase}{counted} ..."
        if line != self._last:
            print(line, file=sys.stderr)
        self._last = line
