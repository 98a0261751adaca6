"""`%envsync` and `%envfreeze`: parse, call one function of the story, show."""

from __future__ import annotations

import ast
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_magic, magics_class

from envmagic.change.transaction import home_of
from envmagic.core.errors import EnvmagicError, ParityError, PolicyError
from envmagic.core.report import Report
from envmagic.face.cell import Bar, Spot
from envmagic.face.desk import this_kernel
from envmagic.face.news import tell_news
from envmagic.face.restart import FrontEnd, find_front_end, restart_html
from envmagic.face.table import render_html, render_outcome_html
from envmagic.face.view import headline, render_outcome, render_text
from envmagic.face.wire import render_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from envmagic.core.report import Outcome
    from envmagic.core.request import Request
    from envmagic.face.options import Parser
    from envmagic.face.widget import SyncControls, Work
    from envmagic.story.sync import Face

_GPU_WAIT = 2.0
_HERE = Path()


def _envsync_parser() -> Parser:
    from envmagic.face import options  # noqa: PLC0415 (the rooms of locks: not for `%load_ext`)

    parser = options.Parser(prog="%envsync", description=EnvMagics.envsync.__doc__, add_help=False)
    options.add_diff_options(parser)
    options.add_dry_run(parser)
    options.add_sync_options(parser)
    options.add_undo(parser)
    return parser


def _envfreeze_parser() -> Parser:
    from envmagic.face import options  # noqa: PLC0415 (as above)

    parser = options.Parser(
        prog="%envfreeze", description=EnvMagics.envfreeze.__doc__, add_help=False
    )
    options.add_freeze_options(parser)
    return parser


@magics_class
class EnvMagics(Magics):
    """The magics of one shell."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._events = shell.events
        self._desk = this_kernel()
        self._node = self._desk.node
        self._controls: SyncControls | None = None
        """Those that were shown last."""

    def watch_imports(self) -> None:
        """Take note after each cell of what it has imported: a later change makes that stale."""
        for callback in self._events.callbacks["post_run_cell"][:]:
            if getattr(callback, "__qualname__", "") == "EnvMagics._mark_imports":
                self._events.unregister("post_run_cell", callback)  # it was loaded before
        self._events.register("post_run_cell", self._mark_imports)
        self._mark_imports()

    def _mark_imports(self, _: object = None) -> None:
        self._node.mark_imports()

    def tell_news(self) -> None:
        """Show what became of a sync that nobody was watching, and one that is at work."""
        tell_news(home_of(self._node.platform()), redraws=self._redraws())

    @line_magic
    def envsync(self, line: str) -> Report | Outcome | None:
        """Compare this kernel with a lock file, show what differs, and make it equal."""
        arguments = _parse(_envsync_parser(), line)
        if arguments is None:
            return None
        if not arguments.json:  # that prints nothing else; the news wait
            self.tell_news()
        if arguments.json and not (arguments.yes or arguments.dry_run or arguments.check):
            raise PolicyError("with `--json` there is nobody to ask", "add `--yes`, or `--dry-run`")
        from envmagic.face.options import make_request, must_fit  # noqa: PLC0415 (as above)

        must_fit(arguments)
        if arguments.undo is not None:
            return self._answer(self._undo(arguments))
        from envmagic.story.preview import preview  # noqa: PLC0415 (as above)

        last = "" if arguments.lock else self._desk.last_lock(_HERE)
        request = make_request(arguments, self._node.platform(), default=last)
        self._desk.remember(request.lock.path, _HERE)
        if arguments.dry_run or arguments.check:
            return self._answer(self._compare(request, arguments))

        def work(face: Face) -> Outcome:
            from envmagic.story.sync import synchronize  # noqa: PLC0415 (not for a quick look)

            return synchronize(request, self._node, face)

        if arguments.yes:
            return self._answer(self._apply(work, arguments))
        done = self._offer(work, lambda: preview(request, self._node))
        if request.smoke and isinstance(done, Report) and not done.plan.work:
            done = self._apply(work, arguments)
        return self._answer(done)

    def _undo(self, arguments: argparse.Namespace) -> Report | Outcome:
        from envmagic.story.sync import preview_undo, undo  # noqa: PLC0415 (not for a quick look)

        count = arguments.undo

        def work(face: Face) -> Outcome:
            return undo(self._node, face, count)

        if arguments.dry_run or arguments.check:
            return self._print(preview_undo(self._node, count), arguments)
        if arguments.yes:
            return self._apply(work, arguments)
        return self._offer(work, lambda: preview_undo(self._node, count))

    @line_magic
    def envfreeze(self, line: str) -> None:
        """Write this kernel's installed set as a lock file, or print it."""
        arguments = _parse(_envfreeze_parser(), line)
        if arguments is None:
            return
        from envmagic.edge.freeze import freeze, summarize  # noqa: PLC0415 (needed only here)
        from envmagic.edge.lockfile import write_lock  # noqa: PLC0415 (likewise)

        snapshot = self._node.snapshot()
        text = freeze(snapshot, self._node.accelerator(_GPU_WAIT))
        if arguments.file == "-":
            print(text, end="")
            return
        write_lock(arguments.file, text, force=arguments.force)
        print(f"wrote `{arguments.file}`: {summarize(text)}")

    def _compare(self, request: Request, arguments: argparse.Namespace) -> Report:
        from envmagic.story.smoke import must_work, with_smoke  # noqa: PLC0415 (as above)

        report = self._preview(request, online=arguments.online)
        report = self._print(with_smoke(request, report, self._node), arguments)
        if arguments.check and not report.plan.parity:
            raise ParityError(headline(report), "`%envsync` without `--check` makes it equal")
        must_work(report)
        return report

    def _print(self, report: Report, arguments: argparse.Namespace) -> Report:
        if not arguments.json:
            self._show(report)
            return self._with_gpus(report, 0.0)
        report = self._with_gpus(report)
        print(render_json(report, every=arguments.all))
        return report

    def _preview(self, request: Request, *, online: bool) -> Report:
        if not online:
            from envmagic.story.preview import preview  # noqa: PLC0415 (as above)

            return preview(request, self._node)
        from envmagic.story.sync import preview_online  # noqa: PLC0415 (not for a quick look)

        return preview_online(request, self._node)

    def _apply(self, work: Work, arguments: argparse.Namespace) -> Outcome:
        """Carry it out without asking; the cell waits for it."""
        from envmagic.story.sync import Face, failed  # noqa: PLC0415 (not for a quick look)

        self._withdraw_question()
        bar = self._bar()

        def agree(report: Report) -> bool:
            if not arguments.json:
                self._show(report)
            return True

        face = Face(agree=agree, tell=(lambda _: None) if arguments.json else bar.tell)
        try:
            outcome = work(face)
        except EnvmagicError:
            bar.end("", "")
            raise
        if arguments.json:
            report = self._with_gpus(outcome.latest)
            print(render_json(report, every=arguments.all, outcome=outcome))
        else:
            html = render_outcome_html(outcome, restart_html(self._front_end()))
            bar.end(html, render_outcome(outcome))
        if (error := failed(outcome)) is not None:
            raise error
        return outcome

    def _offer(self, work: Work, look: Callable[[], Report]) -> Report | Outcome:
        """Show what would happen, and the way to let it happen that this front end has."""
        front_end = self._front_end()
        if front_end is FrontEnd.TERMINAL:
            return self._ask(work)
        report = look()
        table = self._show(report)
        report = self._with_gpus(report, 0.0)
        if not report.plan.work:
            return report
        if front_end is FrontEnd.HEADLESS:
            raise PolicyError(
                "nobody can be asked here; nothing was changed", "add `--yes` to apply it"
            )
        from envmagic.story.preview import refuse  # noqa: PLC0415 (as above)

        refuse(report)
        self._show_controls(report, work, table)
        return report

    def _ask(self, work: Work) -> Outcome:
        """Carry it out in a terminal, with a question first."""
        from envmagic.story.sync import Face, failed  # noqa: PLC0415 (not for a quick look)

        bar = self._bar()

        def agree(report: Report) -> bool:
            print(render_text(self._with_gpus(report)))
            return input("\nApply? [y/N] ").strip().lower() in {"y", "yes"}

        outcome = work(Face(agree=agree, tell=bar.tell))
        bar.end("", render_outcome(outcome))
        if (error := failed(outcome)) is not None:
            raise error
        return outcome

    def _withdraw_question(self) -> None:
        if self._controls is not None:
            self._controls.withdraw()

    def _show_controls(self, report: Report, work: Work, table: Spot) -> None:
        from envmagic.face.widget import SyncControls  # noqa: PLC0415 (ipywidgets: 60 ms)

        self._withdraw_question()
        spot = Spot()
        self._controls = controls = SyncControls(
            report,
            work,
            show_table=table.show,
            replace_controls=spot.show,
            restart_button=restart_html(self._front_end()),
        )
        spot.show_widget(controls.widget)

    def _show(self, report: Report) -> Spot:
        spot = Spot()
        if self._front_end() is FrontEnd.TERMINAL:
            print(render_text(self._with_gpus(report)))
            return spot
        if report.accelerator is None:  # the table does not wait for the driver
            spot.show(render_html(report), render_text(report))
            report = self._with_gpus(report)
        spot.show(render_html(report), render_text(report))
        return spot

    def _bar(self) -> Bar:
        return Bar(redraws=self._redraws())

    def _redraws(self) -> bool:
        return self._front_end() is not FrontEnd.TERMINAL

    def _with_gpus(self, report: Report, timeout: float = _GPU_WAIT) -> Report:
        from envmagic.story.preview import fill_in  # noqa: PLC0415 (as above)

        return fill_in(report, self._node, timeout)

    def _front_end(self) -> FrontEnd:
        kernel = getattr(self.shell, "kernel", None)
        return find_front_end(
            kernel=kernel is not None,
            can_ask=bool(getattr(kernel, "_allow_stdin", False)),
            names=self._names(),
        )

    def _names(self) -> dict[str, Any]:
        return self.shell.user_ns if self.shell is not None else {}

    def _answer(self, value: Report | Outcome) -> Report | Outcome | None:
        """Return the value only to an assignment: as a cell's last line it is shown already."""
        cell = str((self._names().get("_ih") or [""])[-1])
        return None if _ends_with_magic(cell) else value


def _ends_with_magic(cell: str) -> bool:
    """Whether the last statement of a cell is a line magic whose value nobody takes."""
    try:
        last = ast.parse(cell).body[-1:]
    except SyntaxError:
        return False
    return any(
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Call)
        and isinstance(statement.value.func, ast.Attribute)
        and statement.value.func.attr == "run_line_magic"
        for statement in last
    )


def _parse(parser: Parser, line: str) -> argparse.Namespace | None:
    """Return the options of a line; None: help was asked for, and is printed."""
    words = shlex.split(line, comments=False)
    if {"-h", "--help"} & set(words):
        parser.print_help()
        return None
    return parser.parse_args(words)
