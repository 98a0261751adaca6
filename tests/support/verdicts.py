"""Every machine of `tests/machines` with every lock: `make verdicts` prints the table."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from envmagic.core.accelerator import judge
from envmagic.core.cuda_build import find_label
from envmagic.core.lock import parse_lock
from envmagic.core.model import Platform, Snapshot
from envmagic.core.plan import make_plan
from envmagic.core.question import read_question
from envmagic.core.report import Report
from envmagic.edge.machine import read_machine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envmagic.core.model import Distribution, Name, TorchBuild
    from envmagic.core.report import Accelerator, Verdict

ROOT = Path(__file__).parents[2]
MACHINES = sorted(path.stem for path in (ROOT / "tests" / "machines").glob("*.json"))
_MINORS = ["0.1", "1.2", "2.2", "3.1", "4.1", "5.1", "6.0", "7.1", "8.0", "9.1"]
_MINORS += ["10.0", "11.0", "12.1", "13.0", "14.1", "15.0"]
LOCKS = {
    "first_env": (ROOT / "examples" / "first_env.txt").read_text("utf-8"),
    **{f"torch 2.{minor}": f"torch==2.{minor}\n" for minor in _MINORS},
    "torch unknown": "torch==2.99.0\n",
    "torch cu118": "torch==2.4.0+cu118\n",
    "torch cu128": "torch==2.7.1+cu128\n",
    "torch cpu": "torch==2.4.0+cpu\n",
    "torch rocm": "torch==2.4.0+rocm6.1\n",
    "cu126 index": "--extra-index-url https://download.pytorch.org/whl/cu126\ntorch==2.7.1\n",
    "jax 12": "jax==0.6.2\njax-cuda12-plugin==0.6.2\njax-cuda12-pjrt==0.6.2\n",
    "jax 13": "jax==0.8.3\njax-cuda13-plugin==0.8.3\nnvidia-cuda-runtime==13.0.96\n",
    "tensorflow": "tensorflow[and-cuda]==2.17.1\n",
    "tensorflow alone": "tensorflow==2.17.1\n",
    "vllm 0.20": "vllm==0.20.0\ntorch==2.11.0\ntorchvision==0.26.0\n",
    "vllm amiss": "vllm==0.6.3\ntorch==2.9.1\n",
    "no GPU at all": "numpy==1.26.4\npandas==2.3.1\n",
}


def machine_of(name: str) -> Accelerator:
    """Return one machine of `tests/machines`."""
    return read_machine(str(ROOT / "tests" / "machines" / f"{name}.json"))


def judge_text(
    text: str,
    machine: Accelerator | None,
    *installed: Distribution,
    known: Mapping[Name, Distribution] | None = None,
    torch: TorchBuild | None = None,
) -> Verdict:
    """Return the verdict on the text of a lock, in an environment with these distributions.

    `known` is the metadata that the index has told, `torch` what is on the disk.
    """
    where = Platform(
        python="3.11.7",
        implementation="cpython",
        markers=(),
        executable="/env/bin/python",
        prefix="/env",
        virtual=True,
        tag="linux-x86_64",
    )
    lock = parse_lock(text, "lock.txt", read=_no_file, markers={}, environ={})
    plan = make_plan(
        lock.pins, Snapshot(platform=where, distributions=installed), known=known or {}
    )
    label = find_label(lock.options)
    report = Report(
        platform=where,
        lock=lock,
        plan=plan,
        label=label,
        known=known or {},
        torch=torch,
        prepared=bool(known),
    )
    return judge(read_question(report), machine, where.tag)


def table() -> str:
    """Return the verdicts, a row a lock and a column a machine."""
    rows = [["", *MACHINES]]
    for name, text in LOCKS.items():
        verdicts = (judge_text(text, machine_of(machine)).verdict for machine in MACHINES)
        rows.append([name, *(verdict.value for verdict in verdicts)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def reasons() -> str:
    """Return the reasons of each verdict."""
    lines: list[str] = []
    for name, text in LOCKS.items():
        for machine in MACHINES:
            verdict = judge_text(text, machine_of(machine))
            lines.append(f"{name} on {machine}: {verdict.verdict.value}")
            for reason in verdict.reasons:
                words = f"{reason.severity.value}: {reason.text}"
                lines += textwrap.wrap(words, 100, initial_indent="  ", subsequent_indent="    ")
    return "\n".join(lines) + "\n"


def _no_file(path: str) -> str:
    raise FileNotFoundError(path)


if __name__ == "__main__":
    print(f"{reasons()}\n{table()}", end="")  # noqa: T201 (what it is for)
