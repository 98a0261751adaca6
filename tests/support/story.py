"""envmagic as a user of a terminal runs it, in an environment of a test."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.environment import Environment
    from support.process import Completed
    from support.wheelhouse import Wheelhouse

# Reading a package writes its bytecode, which is no change that anybody means.
QUIET = {"PYTHONDONTWRITEBYTECODE": "1"}
AT_A_TERMINAL = """\
import io, sys
sys.stdin = io.StringIO("y\\ny\\ny\\n")
sys.stdin.isatty = lambda: True
from envmagic.face.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""A command line that is given to somebody who says yes to every question."""


def wait_until(condition: Callable[[], bool], timeout: float = 60) -> None:
    """Wait for something that another process or thread does."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"not within {timeout} seconds"
        time.sleep(0.02)


class Story:
    """One environment, one lock file, and the commands that bring them together."""

    def __init__(self, environment: Environment, wheelhouse: Wheelhouse | None) -> None:
        self.environment = environment
        self.lock = environment.home / "first_env.txt"
        self.lock.parent.mkdir(parents=True, exist_ok=True)
        self.places = (
            ["--no-index", f"--find-links={wheelhouse.folder}"] if wheelhouse is not None else []
        )

    def write(self, *lines: str) -> Path:
        """Write the lock."""
        self.lock.write_text("\n".join([*lines, ""]), "utf-8")
        return self.lock

    def run(self, command: str, *options: str, **environ: str) -> Completed:
        """Run a command on the lock, whatever its exit code."""
        return self.environment.run(
            "-m",
            "envmagic",
            command,
            self.lock,
            *self.places,
            *options,
            check=False,
            env=QUIET | environ,
        )

    def diff(self, *options: str) -> dict[str, Any]:
        """Return the report of a comparison."""
        report: dict[str, Any] = json.loads(self.run("diff", "--json", *options).stdout)
        return report

    def sync(self, *options: str, code: int = 0, **environ: str) -> Completed:
        """Sync without a question, and expect an exit code."""
        done = self.run("sync", "--yes", *options, **environ)
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def kinds(self, *options: str) -> dict[str, str]:
        """Return what a sync would do to each name that it changes."""
        changes = self.diff(*options)["changes"]
        quiet = {"equal", "keep"}
        return {c["name"]: c["kind"] for c in changes if c["kind"] not in quiet}
