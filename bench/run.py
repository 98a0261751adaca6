"""How long a first diff takes, side by side with uv and pip-sync: medians, interleaved.

`python -m bench.run` measures in `bench/environments/envB250`, 260 real distributions, against
a lock that it has drifted away from by a tenth. It wants Python 3.11, and uv beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jupyter_client.manager import KernelManager

from bench.drift import drifted_lock
from bench.environment import HERE, LOCK, ensure_environment

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 15
LOAD_LIMIT = 40.0
"""Milliseconds of CPU that `%load_ext envmagic` may cost a kernel."""

FIRST_DIFF = "envmagic, first diff in a kernel's process"
CELL = "envmagic, `%envsync --dry-run` cell, real kernel"
COMMAND = "envmagic, `python -m envmagic diff`, whole process"
LOAD = "envmagic, `%load_ext`, CPU"


class Bench(NamedTuple):
    """What every measurement needs."""

    python: Path
    drifted: Path
    environ: dict[str, str]

    def spend(self, *command: str | Path, codes: tuple[int, ...] = (0,)) -> float:
        """Return the milliseconds that a command takes from start to end."""
        began = time.perf_counter()
        done = subprocess.run(
            [str(word) for word in command],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=self.environ,
            cwd=self.drifted.parent,
        )
        spent = (time.perf_counter() - began) * 1e3
        if done.returncode not in codes:
            raise RuntimeError(f"{command}\n{done.stdout}{done.stderr}")
        return spent

    def uv(self, *arguments: str | Path) -> float:
        """Return the milliseconds of a command of uv, without the Python that finds uv."""
        import uv  # noqa: PLC0415 (`make bench` installs it)

        return self.spend(uv.find_uv_bin(), "pip", *arguments, "--python", self.python)

    def uv_sync(self, lock: Path) -> float:
        """Return the milliseconds of uv's dry run."""
        return self.uv("sync", "--dry-run", "--offline", lock)

    def pip_sync(self) -> float:
        """Return the milliseconds of pip-sync's dry run, whose exit code says "differs"."""
        command = ("-m", "piptools", "sync", "--no-config", "--dry-run")
        return self.spend(self.python, *command, self.drifted, codes=(0, 1))

    def command(self) -> float:
        """Return the milliseconds of our own command, start of Python and all."""
        return self.spend(self.python, "-m", "envmagic", "diff", self.drifted, codes=(0, 1))

    def in_process(self) -> dict[str, float]:
        """Return what `child.py` measures."""
        answer = subprocess.run(
            [self.python, HERE / "child.py", self.drifted],
            check=True,
            capture_output=True,
            env=self.environ,
        )
        measured: dict[str, float] = json.loads(answer.stdout)
        return measured

    def cell(self) -> float:
        """Return the milliseconds of the first `%envsync` cell of a new kernel."""
        manager = KernelManager()
        if manager.kernel_spec is None:
            raise RuntimeError("there is no kernel specification beside this interpreter")
        manager.kernel_spec.argv[0] = str(self.python)
        manager.start_kernel(env=self.environ, stderr=subprocess.DEVNULL)
        client: Any = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=60)
            _execute(client, "%load_ext envmagic")
            began = time.perf_counter()
            _execute(client, f"%envsync {self.drifted} --dry-run")
            return (time.perf_counter() - began) * 1e3
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


def _execute(client: Any, code: str) -> None:  # noqa: ANN401 (jupyter_client has no types)
    reply = client.execute_interactive(code, timeout=60, output_hook=lambda _: None)
    if reply["content"]["status"] != "ok":
        raise RuntimeError(reply["content"]["evalue"])


def _environ(folder: str) -> dict[str, str]:
    """Return the environment to measure in: with bytecode, and envmagic from this tree."""
    hidden = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "VIRTUAL_ENV")
    kept = {k: v for k, v in os.environ.items() if k not in hidden}
    return {**kept, "PYTHONPATH": str(HERE.parent), "IPYTHONDIR": folder}


def _uv_lock(bench: Bench) -> Path:
    """Return the drifted lock if uv can resolve it with no network, else the equal one."""
    try:
        bench.uv_sync(bench.drifted)
    except RuntimeError:
        return LOCK
    return bench.drifted


def measure(bench: Bench, rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of each measurement, round by round."""
    lock = _uv_lock(bench)
    which = "the equal lock" if lock == LOCK else "the same lock"
    figures: dict[str, list[float]] = {}
    others: dict[str, Callable[[], float]] = {
        f"uv pip sync --dry-run --offline, {which}": lambda: bench.uv_sync(lock),
        "uv pip check, which our findings answer, too": lambda: bench.uv("check"),
        "pip-sync --dry-run": bench.pip_sync,
        COMMAND: bench.command,
        CELL: bench.cell,
    }
    for number in range(rounds + 1):
        print(f"\rround {number} of {rounds} ", end="", file=sys.stderr, flush=True)
        measured = bench.in_process()
        taken = {FIRST_DIFF: measured["diff"], **{name: do() for name, do in others.items()}}
        taken[LOAD] = measured["load"]
        if number:  # the first one warms the disk's cache and writes our bytecode
            for name, value in taken.items():
                figures.setdefault(name, []).append(value)
    print("\r", end="", file=sys.stderr)
    return figures


def show(figures: dict[str, list[float]]) -> None:
    """Print the table: each beside the first diff."""
    ours = statistics.median(figures[FIRST_DIFF])
    print(f"\n{'milliseconds':<58}{'median':>8}{'least':>8}{'most':>8}{'times':>8}")
    for name, values in figures.items():
        middle = statistics.median(values)
        times = "" if name == LOAD else f"{middle / ours:8.2f}"
        print(f"{name:<58}{middle:8.1f}{min(values):8.1f}{max(values):8.1f}{times}")
    load = statistics.median(figures[LOAD])
    print(
        f"\n`%load_ext envmagic`: {load:.1f} ms of CPU, the limit is {LOAD_LIMIT:.0f} ms: ", end=""
    )
    print("kept" if load <= LOAD_LIMIT else "BROKEN")


def main() -> int:
    """Measure and print; 1 where the limit is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    if sys.version_info[:2] != (3, 11):
        print("bench/env250.txt is a lock for Python 3.11: `make bench PYTHON=python3.11`")
        return 2
    python = ensure_environment(sys.executable) / "bin" / "python"
    print(f"load average {_load()} on {os.cpu_count()} CPUs, {rounds} rounds")
    with tempfile.TemporaryDirectory() as folder:
        drifted = Path(folder, "drifted.txt")
        drifted.write_text(drifted_lock(LOCK.read_text("utf-8")), encoding="utf-8")
        figures = measure(Bench(python, drifted, _environ(folder)), rounds)
    show(figures)
    print(f"load average afterwards {_load()}")
    return int(statistics.median(figures[LOAD]) > LOAD_LIMIT)


def _load() -> str:
    return " ".join(f"{load:.2f}" for load in os.getloadavg())


if __name__ == "__main__":
    sys.exit(main())
