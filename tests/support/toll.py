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

from support.disks import can_mount
from support.faults import DISKS, KILL, OTHERS, draw_kill, draw_other
from support.scene import make_scene
from support.templates import Templates
from support.torture import play

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from support.faults import Fault
    from support.scene import Scene
    from support.torture import Result

_ENDS = ("rolled back", "done", "lost")
_HEAD = ("fault", "times caused", *_ENDS)
_EVERY = 25
_OTHERS = 0.25
"""So many other faults come on top of each kill."""
_SHOWN = 10
"""So many lost rounds are told in full, and kept."""


def render_toll(results: Iterable[Result], absent: Iterable[str] = ()) -> str:
    """Return the table: each fault, how often it was caused, and what came of it.

    `absent` are the kinds that cannot be caused here: they have rows, and count for nothing.
    """
    caused = [result for result in results if result.caused]
    rows: dict[tuple[tuple[int, int, int], str], Counter[str]] = {}
    for result in caused:
        fault = result.fault
        rows.setdefault((fault.rank, str(fault)), Counter())[result.end] += 1
    kills = [result for result in caused if result.fault.kind == KILL]
    others = [result for result in caused if result.fault.kind != KILL]
    lines = [
        _HEAD,
        *((key[1], *_cells(rows[key])) for key in sorted(rows)),
        *((f"{kind}: cannot be caused, nothing can be mounted here", *"----") for kind in absent),
        *((name, *_count(part)) for name, part in (("all kills", kills), ("all others", others))),
        ("all", *_count(caused)),
    ]
    width = max(len(line[0]) for line in lines)
    ends = [len(name) for name in _HEAD[1:]]
    return "\n".join(
        f"{name:<{width}}  {'  '.join(c.rjust(w) for c, w in zip(cells, ends, strict=True))}"
        for name, *cells in lines
    )


def _count(results: Iterable[Result]) -> list[str]:
    return _cells(Counter(result.end for result in results))


def _cells(ends: Counter[str]) -> list[str]:
    return [str(ends.total()), *(str(ends[end]) for end in _ENDS)]


class Toll:
    """All that is to be played: so many kills, and a share of all other kinds on top."""

    def __init__(self, scene: Scene, seed: str, kills: int) -> None:
        self._scene = scene
        self._seed = seed
        self._wanted = {"kills": kills, "others": round(kills * _OTHERS)}
        self._started: Counter[str] = Counter()
        self._pending: dict[Future[Result], str] = {}
        mounts = can_mount(scene.folder / "disk")
        self.absent = () if mounts else DISKS
        self._kinds = tuple(kind for kind in OTHERS if kind not in self.absent)
        self.results: list[Result] = []

    def play(self, pool: ProcessPoolExecutor, processes: int) -> None:
        """Play until there were so many of each."""
        while self._fill(pool, processes):
            ended, _ = wait(self._pending, return_when=FIRST_COMPLETED)
            for future in ended:
                del self._pending[future]
                self._take(future.result())

    def _fill(self, pool: ProcessPoolExecutor, processes: int) -> bool:
        """Start as many rounds as may run at once; whether any is running."""
        while len(self._pending) < processes:
            lacking = {part: self._lacking(part) for part in self._wanted}
            part = max(lacking, key=lambda part: lacking[part] / max(1, self._wanted[part]))
            if lacking[part] <= 0:
                break
            number = self._started[part]
            self._started[part] += 1
            seed = f"{self._seed}:{part}"
            self._pending[pool.submit(play, self._scene, seed, number, self._draw(part))] = part
        return bool(self._pending)

    def _lacking(self, part: str) -> int:
        caused = sum(r.caused and (r.fault.kind == KILL) == (part == "kills") for r in self.results)
        return self._wanted[part] - caused - list(self._pending.values()).count(part)

    def _draw(self, part: str) -> Fault:
        number = self._started[part]
        seed = f"{self._seed}:{part}:{number}"
        if part == "kills":
            return draw_kill(seed)
        return draw_other(seed, self._kinds[number % len(self._kinds)])

    def _take(self, result: Result) -> None:
        self.results.append(result)
        caused = sum(r.caused for r in self.results)
        lost = sum(r.is_lost for r in self.results)
        if result.is_lost and lost <= _SHOWN:
            print(f"LOST {result}")
        if result.caused and caused % _EVERY == 0:
            print(f"{render_toll(self.results, self.absent)}\n", flush=True)
        else:
            print(f"{caused} faults, {lost} lost", flush=True)


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
    toll = Toll(scene, options.seed, options.kills)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.processes, mp_context=context) as pool:
        toll.play(pool, options.processes)
    print(render_toll(toll.results, toll.absent))
    if not any(result.is_lost for result in toll.results):
        shutil.rmtree(folder)
        return 0
    print(f"what was lost is kept in {folder}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
