"""What safety costs: a whole sync of a tenth of 260 distributions beside raw pip-sync.

`python -m bench.safety` makes each round in two copies (hard links: neither pip nor we write
into an installed file) of `bench/environments/envB250`, from the same wheels on the disk.
Safety is what raw pip-sync does not do after it knows its wheels: stash, journal, verification.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.environment import ENVIRONMENT, LOCK, ensure_environment

LIMIT = 0.10
"""The share of raw pip-sync's time that safety may cost."""
WHEELS = ENVIRONMENT.parent / "wheels"
CHANGED = (
    "numpy==2.4.5",
    "pandas==3.1.0",
    "scipy==1.17.0",
    "matplotlib==3.11.1",
    "scikit-learn==1.9.0",
    "pillow==12.3.0",
    "lxml==6.1.2",
    "networkx==3.6",
    "plotly==7.0.0",
    "sqlalchemy==2.1.8",
    "cryptography==50.0.1",
    "fastapi==0.164.0",
    "sympy==1.13.3",
    "statsmodels==0.14.6",
    "notebook==7.6.4",
)
"""Released versions, one older than those of `env250.txt`."""
ADDED = ("humanize==4.11.0", "inflection==0.5.1", "loguru==0.7.2", "parse==1.20.2")
REMOVED = ("bokeh", "lightgbm", "nltk", "redis", "seaborn")
STEPS = ("stash", "verify")


def write_lock(folder: Path) -> Path:
    """Write a lock that differs from `env250.txt` by about a tenth, and return its path."""
    changed = {line.partition("==")[0]: line for line in CHANGED}
    lines = [
        changed.get(line.partition("==")[0], line)
        for line in LOCK.read_text(encoding="utf-8").splitlines()
        if line.partition("==")[0] not in REMOVED
    ]
    path = folder / "tenth.txt"
    path.write_text("\n".join([*lines, *ADDED, ""]), encoding="utf-8")
    return path


def download_wheels(python: Path) -> None:
    """Get the wheels of what changes, once."""
    if not all(any(WHEELS.glob(f"{_stem(pin)}-*.whl")) for pin in (*CHANGED, *ADDED)):
        command = ("-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:")
        pins = (*CHANGED, *ADDED)
        subprocess.run([python, *command, "--dest", WHEELS, *pins], check=True, capture_output=True)


def _stem(pin: str) -> str:
    name, _, version = pin.partition("==")
    return f"{name.replace('-', '_')}-{version}"


def copy_environment(target: Path) -> Path:
    """Copy the environment with hard links, and return its Python."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(ENVIRONMENT, target, symlinks=True, copy_function=os.link)
    return target / "bin" / "python"


def spend(python: Path, *command: str | Path) -> float:
    """Return the seconds that a command takes from start to end."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "VIRTUAL_ENV"))}
    environ |= {"PIP_CONFIG_FILE": os.devnull, "PYTHONPATH": str(LOCK.parents[1])}
    began = time.perf_counter()
    done = subprocess.run(
        [python, *command], check=False, capture_output=True, text=True, env=environ
    )
    spent = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return spent


def sync_raw(target: Path, lock: Path, *options: str) -> float:
    """Return the seconds of raw pip-sync."""
    python = copy_environment(target)
    pip = " ".join(["--no-index", "--no-deps", f"--find-links={WHEELS}", *options])
    return spend(python, "-m", "piptools", "sync", "--no-config", f"--pip-args={pip}", lock)


def sync_safely(target: Path, lock: Path) -> tuple[float, dict[str, float]]:
    """Return the seconds of our sync, those of its steps, and the megabytes of its stash."""
    python = copy_environment(target)
    places = ("--no-index", f"--find-links={WHEELS}")
    spent = spend(python, "-m", "envmagic", "sync", "--yes", *places, lock)
    outcome = next(target.glob(".envmagic/change-*/outcome.json"))
    files = [file.stat() for file in (outcome.parent / "files").iterdir()]
    own = sum(status.st_size for status in files if status.st_nlink == 2)  # noqa: PLR2004
    steps = json.loads(outcome.read_text(encoding="utf-8"))["seconds"]
    return spent, {**steps, "files": len(files), "megabytes": own / 1e6}


def main() -> int:
    """Measure and print; 1 where the limit is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    ensure_environment(sys.executable)
    folder = ENVIRONMENT.parent
    download_wheels(Path(sys.executable))
    lock = write_lock(folder)
    raw, lean, ours, steps = [], [], [], []
    print(f"load average {os.getloadavg()[0]:.2f} on {os.cpu_count()} CPUs, {rounds} rounds")
    for number in range(rounds):
        print(f"\rround {number + 1} of {rounds} ", end="", file=sys.stderr, flush=True)
        raw.append(sync_raw(folder / "raw", lock))
        lean.append(sync_raw(folder / "raw", lock, "--no-compile"))
        spent, of_steps = sync_safely(folder / "ours", lock)
        ours.append(spent)
        steps.append(of_steps)
    print("\r", end="", file=sys.stderr)
    return show(raw, lean, ours, steps)


def show(
    raw: list[float], lean: list[float], ours: list[float], steps: list[dict[str, float]]
) -> int:
    """Print the table, each beside raw pip-sync; 1 where the limit is not kept."""
    reference = statistics.median(raw)
    print(f"\n{'seconds':<58}{'median':>8}{'least':>8}{'most':>8}{'share':>8}")
    rows = {
        "raw pip-sync": raw,
        "raw pip-sync with --no-compile": lean,
        "envmagic, the whole sync": ours,
        **{f"  of which: {name}": [step[name] for step in steps] for name in ("act", *STEPS)},
        "the cost of safety: stash, journal, verification": [
            sum(step[name] for name in STEPS) for step in steps
        ],
    }
    for name, values in rows.items():
        middle = statistics.median(values)
        share = f"{middle / reference:8.2f}"
        print(f"{name:<58}{middle:8.2f}{min(values):8.2f}{max(values):8.2f}{share}")
    last = steps[-1]
    print(
        f"\nput by: {last['files']:.0f} files; on the disk after the sync, what the environment "
        f"has no more: {last['megabytes']:.0f} MB"
    )
    cost = statistics.median(values) / reference
    kept = cost <= LIMIT
    print(f"safety costs {cost:.1%} of raw pip-sync, the limit is {LIMIT:.0%}: ", end="")
    print("kept" if kept else "BROKEN")
    return int(not kept)


if __name__ == "__main__":
    sys.exit(main())
