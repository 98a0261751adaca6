"""Driver, GPUs and the verdict on them, as a card of words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmagic.core.model import Severity
from envmagic.core.redact import redact
from envmagic.core.report import Accelerator, Judgement

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envmagic.core.report import Gpu, Stack, Trial, Verdict

_GIB = 1024**3
_BAR = 10
"""How many characters the bar of a GPU's memory has."""
JUDGEMENTS = {
    Judgement.OK: "✓ ok: this will run here",
    Judgement.WARN: "▲ warn: this may run here, with what is said below",
    Judgement.FAIL: "✗ fail: this will not run here",
    Judgement.UNKNOWN: "? unknown: whether this will run here cannot be told",
}
_MARKS = {True: "✓", False: "✗", None: "–"}
_COVERED = {True: "✓ in the build", False: "✗ not in the build", None: "? not known to be in it"}


def accelerator_line(accelerator: Accelerator | None) -> str:
    """Return what is known of driver and GPUs; what is not known is said to be so."""
    if accelerator is None:
        return "GPU: not asked yet"
    if accelerator.driver is None and not accelerator.gpus:
        problem = (accelerator.problem or "").partition(": ")[0]
        return f"GPU: unknown ({problem})" if problem else "no GPU"
    gpus = ", ".join(_gpu_words(gpu) for gpu in accelerator.gpus) or "no GPU"
    if accelerator.driver is None:
        return gpus
    return f"{gpus} · {_driver_words(accelerator)}"


def _driver_words(accelerator: Accelerator) -> str:
    return f"driver {accelerator.driver} (CUDA {accelerator.driver_cuda or 'unknown'})"


def _gpu_words(gpu: Gpu) -> str:
    details = []
    if gpu.memory_total is not None:
        details.append(f"{gpu.memory_total / _GIB:.0f} GiB")
    if gpu.capability is not None:
        details.append(f"compute {gpu.capability}")
    return f"{gpu.name} ({', '.join(details)})" if details else gpu.name


def card_title(accelerator: Accelerator | None, verdict: Verdict) -> str:
    """Return the verdict in one sentence, and of which machine it is."""
    where = accelerator.origin if accelerator else ""
    return JUDGEMENTS[verdict.verdict].replace("here", f"on `{where}`" if where else "here")


def card_rows(accelerator: Accelerator | None, verdict: Verdict) -> list[tuple[str, str]]:
    """Return what the lock asks for beside what the machine has, apart from its GPUs."""
    if accelerator is not None and accelerator.absent and not accelerator.gpus:
        return []  # a calm card: one sentence says it all
    wanted, installed = verdict.wanted, verdict.installed
    said = "by" if verdict.wanted_from.endswith("metadata") else "for"
    cuda = f"CUDA {wanted.cuda}, {said} {verdict.wanted_from}" if wanted.cuda else ""
    rows = [
        ("driver", _driver_row(accelerator)),
        ("wanted", cuda or verdict.wanted_from),
        ("torch", _torch_row(wanted, installed)),
        ("cuDNN", _beside(wanted.cudnn, installed.cudnn)),
        ("NCCL", _beside(wanted.nccl, installed.nccl)),
    ]
    return [(label, value) for label, value in rows if value]


def _driver_row(accelerator: Accelerator | None) -> str:
    if accelerator is None:
        return "not asked yet"
    if accelerator.driver is None:
        return "none of NVIDIA" if accelerator.absent else "not known"
    return _driver_words(accelerator).removeprefix("driver ")


def _torch_row(wanted: Stack, installed: Stack) -> str:
    """Return both, or the one that is there where it is the build that is wanted."""
    from envmagic.core.cuda_build import same_release  # noqa: PLC0415 (2 ms, not for `%load_ext`)

    there = installed.torch or ""
    if wanted.cuda == installed.cuda and same_release(wanted.torch or "", there):
        return there
    return _beside(wanted.torch, installed.torch)


def _beside(wanted: str | None, installed: str | None) -> str:
    if wanted is None or wanted == installed:
        return installed or ""
    return f"{wanted}, installed is {installed}" if installed else f"{wanted}, not installed"


def gpu_rows(
    accelerator: Accelerator | None, verdict: Verdict
) -> list[tuple[str, str, int | None, int | None]]:
    """Return a label, words, and the memory used and in all, of each GPU and its slices."""
    rows = []
    for number, gpu in enumerate(accelerator.gpus if accelerator else ()):
        covered = verdict.covered[number] if number < len(verdict.covered) else None
        words = [gpu.name, *([f"compute {gpu.capability}"] if gpu.capability else [])]
        words += [_COVERED[covered]] if verdict.architectures and gpu.vendor == "nvidia" else []
        words += ["memory shared with the machine"] if gpu.unified else []
        words += ["MIG"] if gpu.mig else []
        rows.append((f"GPU {number}", " · ".join(words), gpu.memory_used, gpu.memory_total))
        rows += [
            (f"slice {n}", piece.name, piece.memory_used, piece.memory_total)
            for n, piece in enumerate(gpu.slices)
        ]
    return rows


def memory_words(used: int | None, total: int | None) -> str:
    """Return how full a memory is, in words; empty where that is not told."""
    if total is None:
        return ""
    free = f"{used / _GIB:.1f} of " if used is not None else ""
    return f"{free}{total / _GIB:.1f} GiB"


def card_lines(accelerator: Accelerator | None, verdict: Verdict | None) -> list[str]:
    """Return the verdict with all that it stands on, as lines; none where no GPU matters."""
    if verdict is None or not verdict.matters:
        return []
    lines = [card_title(accelerator, verdict)]
    lines += [f"  {label:<7}  {value}" for label, value in card_rows(accelerator, verdict)]
    for label, words, used, total in gpu_rows(accelerator, verdict):
        memory = [_bar(used, total), memory_words(used, total)]
        lines.append("  ".join(filter(None, [f"  {label:<7}", words, *memory])))
    return [*lines, *(f"  {line}" for line in reason_lines(verdict))]


def reason_lines(verdict: Verdict) -> list[str]:
    """Return a line for each reason that a reader should act on, the worst first."""
    return [
        f"{reason.severity.value}: {reason.text}" + (f" — {reason.hint}" if reason.hint else "")
        for reason in verdict.reasons
        if reason.severity is not Severity.NOTE or reason.unknown
    ]


def smoke_lines(smoke: Iterable[Trial]) -> list[str]:
    """Return what a smoke test has told, a line a device."""
    return [
        f"{_MARKS[trial.passed]} smoke test{_where(trial)}: {_words(trial)}"
        + (f" — {trial.hint}" if trial.hint else "")
        for trial in smoke
    ]


def _where(trial: Trial) -> str:
    name = f" ({trial.name})" if trial.name else ""
    device = trial.device.replace("cuda:", "GPU ").replace("cuda", "a GPU")
    return f" on {device.replace('cpu', 'the CPU')}{name}" if device else ""


def _words(trial: Trial) -> str:
    """Return how it went; of what torch says the first line, which says it."""
    problem = redact(trial.problem).strip().partition("\n")[0]
    if trial.passed is None:
        return f"not run: {problem}"
    if not trial.passed:
        return f"failed: {problem}"
    return f"torch {trial.torch} multiplies rightly, in {trial.milliseconds:.1f} ms"


def _bar(used: int | None, total: int | None) -> str:
    if used is None or not total:
        return ""
    full = min(_BAR, round(_BAR * used / total))
    return f"[{'#' * full}{'.' * (_BAR - full)}]"
