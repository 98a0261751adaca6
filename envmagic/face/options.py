"""The options that the magics and the terminal share, and what they ask for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from envmagic.core.errors import EnvmagicError
from envmagic.core.model import Policy
from envmagic.core.request import Request
from envmagic.edge.lockfile import find_lock, read_lock
from envmagic.edge.machine import read_machine

if TYPE_CHECKING:
    from envmagic.core.model import Platform

_PLACES = {
    "--index-url": "ask this index, and not the configured one",
    "--extra-index-url": "ask this index too (can be given again)",
    "--find-links": "look into this folder or page too (can be given again)",
}

_HERE = Path()


class UsageError(EnvmagicError):
    """The command itself is wrong."""

    exit_code = 2


class Parser(argparse.ArgumentParser):
    """An argument parser that raises instead of ending the process, which is a kernel."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(f"{self.prog}: {message}", f"`{self.prog} --help` shows the options")


def add_diff_options(parser: argparse.ArgumentParser) -> None:
    """Add what a comparison needs."""
    parser.add_argument(
        "lock",
        nargs="?",
        help="lock file in the requirements format; left out: the one in this folder "
        "(in a kernel: the one that it used last)",
    )
    parser.add_argument(
        "--online",
        action="store_true",
        help="fetch what would be installed into a temporary folder, to know what it "
        "requires in its turn; a sync that is no dry run does so anyway",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="only compare, and fail where the environment is not equal to the lock",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the report as JSON, and nothing else"
    )
    parser.add_argument("--all", action="store_true", help="with --json: list equal names too")
    add_request_options(parser)


def add_request_options(parser: argparse.ArgumentParser) -> None:
    """Add what tells how a lock is to be taken, whoever shows the comparison."""
    parser.add_argument(
        "--keep",
        metavar="GLOB",
        action="append",
        default=[],
        help="never remove these, nor what they require (can be given again)",
    )
    parser.add_argument(
        "--keep-extraneous", action="store_true", help="install and change, but remove nothing"
    )
    parser.add_argument(
        "--exact", action="store_true", help="refuse a lock that leaves out what it requires"
    )
    parser.add_argument(
        "--strict-labels", action="store_true", help="`2.4.0` is not `2.4.0+cpu`: reinstall"
    )
    parser.add_argument("--allow-ranges", action="store_true", help="accept lines like `numpy>=1`")
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="in the end import torch in a fresh process, and multiply on each GPU; "
        "with --check: if the environment is equal",
    )
    parser.add_argument(
        "--as-machine",
        metavar="FILE",
        help="judge the lock for another machine: what `envmagic info --json` printed there",
    )
    for option, text in _PLACES.items():
        parser.add_argument(option, metavar="URL", action="append", default=[], help=text)
    parser.add_argument(
        "--no-index", action="store_true", help="ask no index: take only what --find-links has"
    )


def add_sync_options(parser: argparse.ArgumentParser) -> None:
    """Add what a sync needs beyond a comparison."""
    parser.add_argument(
        "-y", "--yes", action="store_true", help="apply; every question is answered in advance"
    )


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Add the option that makes a sync a comparison, and leaves a comparison as it is."""
    parser.add_argument(
        "-n",
        "--dry-run",
        action="store_true",
        help="only show what would change, and touch nothing",
    )


def add_undo_options(parser: argparse.ArgumentParser) -> None:
    """Add what an undo in a terminal needs."""
    parser.add_argument(
        "count", nargs="?", type=_count, default=1, help="how many changes; left out: the last one"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the report as JSON, and nothing else"
    )
    parser.add_argument("--all", action="store_true", help=argparse.SUPPRESS)


def add_undo(parser: argparse.ArgumentParser) -> None:
    """Add the option that makes a sync an undo."""
    parser.add_argument(
        "--undo",
        metavar="COUNT",
        nargs="?",
        type=_count,
        const=1,
        help="put back what the last sync changed (or the last COUNT of them), offline; "
        "that can be undone, too",
    )


def must_fit(arguments: argparse.Namespace) -> None:
    """Raise UsageError for options that do not go together."""
    if arguments.smoke and getattr(arguments, "dry_run", False):
        raise UsageError(
            "`--smoke` runs what is installed, and a dry run runs nothing",
            "`--check --smoke` tries out an environment that is equal to the lock, and "
            "`python -m envmagic info --smoke` any",
        )
    if arguments.smoke and (arguments.as_machine or getattr(arguments, "undo", None)):
        other = "--as-machine" if arguments.as_machine else "--undo"
        raise UsageError(f"`--smoke` does not go with `{other}`", "leave one of them out")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not a number of changes")
    return int(text)


def add_freeze_options(parser: argparse.ArgumentParser) -> None:
    """Add what writing a lock needs."""
    parser.add_argument(
        "file", nargs="?", default="-", help="where to write it; left out, or `-`: print it"
    )
    parser.add_argument(
        "--force", action="store_true", help="write over a file that is there and differs"
    )


def make_request(
    arguments: argparse.Namespace,
    platform: Platform,
    *,
    default: str = "",
    folder: Path = _HERE,
) -> Request:
    """Read the lock that the arguments name, or `default`, or the one in `folder`.

    Paths are relative to that.

    Raises LockError for a lock that cannot be used, and UsageError for options that do
    not go together.
    """
    must_fit(arguments)
    path = arguments.lock or default or find_lock(folder.absolute())
    lock = read_lock(path, platform, allow_ranges=arguments.allow_ranges, folder=folder)
    places = [
        f"{option} {url}"
        for option in _PLACES
        for url in getattr(arguments, option[2:].replace("-", "_"))
    ]
    return Request(
        lock=lock,
        policy=Policy(
            remove_extraneous=not arguments.keep_extraneous,
            keep=tuple(arguments.keep),
            strict_labels=arguments.strict_labels,
            exact=arguments.exact,
        ),
        options=(*places, *(["--no-index"] if arguments.no_index else [])),
        machine=read_machine(arguments.as_machine, folder) if arguments.as_machine else None,
        smoke=arguments.smoke,
    )
