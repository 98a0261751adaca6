"""The torture as a whole, and its table: `python -m support.toll`."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING

from support.scene import make_scene
from support.templates import Templates
from support.torture import STEPS, VICTIMS, play

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from support.torture import Result

_ENDS = ("rolled back", "done", "lost")
_HEAD = ("fault", "times caused", *_ENDS)
_EVERY = 25
_SHOWN = 10
"""So many lost rounds are told in full, and kept."""


def render_toll(results: Iterable[Result]) -> str:
    """Return the table: each fault, how often it was caused, and what came of it."""
    caused = [result for result in results if result.caused]
    rows: dict[tuple[int, int, str], Counter[str]] = {}
    for result in caused:
        step, victim = result.fault.step, result.fault.victim
        order = VICTIMS.index(victim) if victim in VICTIMS else 0
        rows.setdefault((STEPS.index(step), order, str(result.fault)), Counter())[result.end] += 1
    total = Counter(result.end for result in caused)
    lines = [
        _HEAD,
        *((key[2], *_cells(rows[key])) for key in sorted(rows)),
        ("all", *_cells(total)),
    ]
    width = max(len(line[0]) for line in lines)
    ends = [len(name) for name in _HEAD[1:]]
    return "\n".join(
        f"{name:<{width}}  {'  '.join(c.rjust(w) for c, w in zip(cells, ends, strict=True))}"
        for name, *cells in lines
    )


def _cells(ends: Counter[str]) -> list[str]:
    return [str(ends.total()), *(str(ends[end]) for end in _ENDS)]


def main() -> int:
    """Play until there were so many kills; exit code 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="envmagic-torture-"))
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    print(f"seed {options.seed}; making the scene in {folder} ...", flush=True)
    scene = make_scene(folder, Templates(folder / "templates", environ), environ)
    print(f"a sync takes {scene.seconds:.1f} s, {scene.changing:.1f} s of them change something")
    results: list[Result] = []
    pending: set[Future[Result]] = set()
    started = 0
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.processes, mp_context=context) as pool:
        while (lacking := options.kills - sum(r.caused for r in results)) > 0:
            while len(pending) < min(options.processes, lacking):
                pending.add(pool.submit(play, scene, options.seed, started))
                started += 1
            ended, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in ended:
                _take(future.result(), results)
    print(render_toll(results))
    if not any(result.end == "lost" for result in results if result.caused):
        shutil.rmtree(folder)
        return 0
    print(f"what was lost is kept in {folder}")
    return 1


def _take(result: Result, results: list[Result]) -> None:
    results.append(result)
    caused = [r for r in results if r.caused]
    lost = [r for r in caused if r.end == "lost"]
    if result in lost[:_SHOWN]:
        print(f"LOST {result}")
    if result.caused and len(caused) % _EVERY == 0:
        print(f"{render_toll(results)}\n", flush=True)
    else:
        print(f"{len(caused)} kills, {len(lost)} lost", flush=True)


if __name__ == "__main__":
    sys.exit(main())
