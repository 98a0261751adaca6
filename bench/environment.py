"""A virtual environment of 260 real distributions, built once, to measure on.

`python bench/environment.py` builds it under `bench/environments` from `bench/env250.txt`,
wheels only, with uv.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCK = HERE / "env250.txt"
ENVIRONMENT = HERE / "environments" / "envB250"
_DONE = "lock.txt"
"""The lock that the environment was built from, and how, written into it last."""
# Copies, not hard links: what a measurement changes must not reach uv's cache. Bytecode,
# so that the first process to read it pays no more than the second.
_HOW = ("--only-binary", ":all:", "--link-mode", "copy", "--compile-bytecode", "--no-deps")


def ensure_environment(python: str) -> Path:
    """Return the environment's folder, built with this interpreter if it is not there.

    `python` is one for which the lock was made (3.11) and that has uv. An environment
    whose build did not end, or of another lock, is built again. It lies where it is
    built: a virtual environment cannot be moved.
    """
    done = ENVIRONMENT / _DONE
    mark = f"# {' '.join(_HOW)}\n{LOCK.read_text(encoding='utf-8')}"
    if done.exists() and done.read_text(encoding="utf-8") == mark:
        return ENVIRONMENT
    if ENVIRONMENT.exists():
        shutil.rmtree(ENVIRONMENT)
    _run_uv(python, "venv", "--python", python, ENVIRONMENT)
    inside = ENVIRONMENT / "bin" / "python"
    _run_uv(python, "pip", "install", "--python", inside, *_HOW, "-r", LOCK)
    done.write_text(mark, encoding="utf-8")
    return ENVIRONMENT


def _run_uv(python: str, *arguments: str | Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
    subprocess.run([python, "-m", "uv", "-q", *arguments], check=True, env=environment)


if __name__ == "__main__":
    begin = time.monotonic()
    print(f"{ensure_environment(sys.executable)}: {time.monotonic() - begin:.1f} s")
