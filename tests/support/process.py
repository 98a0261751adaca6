"""The one door through which the tests start processes."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import BinaryIO

Completed: TypeAlias = "subprocess.CompletedProcess[str]"
Process: TypeAlias = "subprocess.Popen[str]"
TimeoutExpired = subprocess.TimeoutExpired

_KEPT = ("PATH", "LANG", "LANGUAGE", "LC_", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


class CommandError(subprocess.CalledProcessError):
    """A command failed: unlike its base, this says what it printed."""

    def __str__(self) -> str:
        return f"{super().__str__()}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"


def clean_environ(home: Path, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment that knows nothing of this machine's pip, Python or Jupyter."""
    kept = {k: v for k, v in (os.environ if base is None else base).items() if k.startswith(_KEPT)}
    return kept | {
        "HOME": str(home),
        "PIP_CONFIG_FILE": os.devnull,
        "UV_NO_CONFIG": "1",
    }


def start_process(
    arguments: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    output: BinaryIO | None = None,
) -> Process:
    """Start a command in its own process session, so that it can be killed whole.

    What it prints goes into pipes, or into the file `output`.
    """
    return subprocess.Popen(
        [str(argument) for argument in arguments],
        stdin=subprocess.DEVNULL,
        stdout=output or subprocess.PIPE,
        stderr=output or subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        env=env,
        cwd=cwd,
        start_new_session=True,
    )


def run_process(
    arguments: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    check: bool = True,
    timeout: float = 120,
) -> Completed:
    """Run a command to its end; one that takes too long is killed with all its children."""
    with start_process(arguments, env=env, cwd=cwd) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
    if check and process.returncode:
        raise CommandError(process.returncode, process.args, stdout, stderr)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it is not dead (it may still be unburied)."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except (ProcessLookupError, FileNotFoundError):
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}
