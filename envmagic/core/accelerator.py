"""Whether what a lock asks for will run on this machine's driver and GPUs, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from envmagic.core.companions import NEED_CUDA, judge_set, judge_sisters, judge_source_build
from envmagic.core.cuda_build import TORCH, Build, find_build, same_release
from envmagic.core.drivers import covers, judge_driver, judge_gpus
from envmagic.core.facts import read_release, show_release
from envmagic.core.model import Name, Severity, join_names
from envmagic.core.report import Judgement, Reason, Stack, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envmagic.core.question import Question
    from envmagic.core.report import Accelerator, Gpu

    Versions = Mapping[Name, str]

_FLASH = Name("flash-attn")
_VLLM = Name("vllm")
_VLLM_CAPABILITY = (7, 0)
_ALONE = (Name("tensorflow"), Name("jax"))
_REINSTALL = "take it away with `python -m pip uninstall torch`; a sync then puts it in anew"
_MAKERS = {"amd": "AMD", "intel": "Intel", "apple": "Apple"}


def judge(question: Question, machine: Accelerator | None, platform: str) -> Verdict:
    """Return whether what is asked for will run; what is not known is never good.

    Pure. `machine` is None while the driver has not answered; `platform` is that of the
    interpreter, for a machine that does not say its own.
    """
    tag = (machine.platform if machine else "") or platform
    # Metadata is that of the wheel for this platform.
    own = question.own if tag == platform else {}
    meant = find_build(question.asked, tag, extras=question.extras, label=question.label, own=own)
    now = find_build(question.installed, tag, disk=question.disk)
    build = _as_it_is(question, meant, now)
    wanted = build if meant.kind == "unknown" else meant
    reasons = [
        *_judge_lock(question, build),
        *_judge_kept_build(question, meant, tag),
        *(_judge_machine(question, build, machine, tag) if machine else _not_asked(build)),
    ]
    order = list(Severity)
    return Verdict(
        verdict=_conclude(reasons),
        wanted=_stack(wanted),
        wanted_from="" if wanted.kind == "unknown" else wanted.source,
        architectures=build.architectures,
        covered=tuple(covers(build, gpu) for gpu in machine.gpus) if machine else (),
        installed=_stack(now),
        reasons=tuple(sorted(reasons, key=lambda reason: order.index(reason.severity))),
    )


def _as_it_is(question: Question, meant: Build, now: Build) -> Build:
    """Return what the lock means as it is on the disk, where it is there and stays.

    A build for the CPU in the place of one for a GPU is no such thing: it is told apart.
    """
    if not question.stays or question.disk is None or TORCH not in question.asked:
        return meant
    if (now.kind, now.cuda) == (meant.kind, meant.cuda):
        return replace(meant, architectures=now.architectures, measured=now.measured)
    return meant if now.kind == "cpu" and meant.kind != "unknown" else now


def _conclude(reasons: Iterable[Reason]) -> Judgement:
    reasons = list(reasons)
    if any(r.severity is Severity.ERROR for r in reasons):
        return Judgement.FAIL
    if any(r.unknown for r in reasons):
        return Judgement.UNKNOWN
    if any(r.severity is Severity.WARNING for r in reasons):
        return Judgement.WARN
    return Judgement.OK


def _stack(build: Build) -> Stack:
    return Stack(
        torch=build.torch or None,
        cuda=show_release(build.cuda) or None,
        cudnn=build.cudnn or None,
        nccl=build.nccl or None,
    )


def _judge_lock(question: Question, build: Build) -> Iterator[Reason]:
    """Yield what is wrong with the lock whatever the machine, and with what it leaves."""
    yield from judge_set(question.asked, build)
    future = question.future or question.asked
    going = {n: v for n, v in question.installed.items() if n not in future}
    yield from judge_sisters(future, going)
    if build.kind == "unknown":
        yield Reason(severity=Severity.WARNING, text=build.source, unknown=True)
    if build.kind in {"cpu", "metal"}:
        yield from _judge_cpu_build(question, build)
    version = question.asked.get(_FLASH, "")
    if _FLASH in question.builds and "+" not in version:
        future = question.future or question.asked
        yield judge_source_build(version, future.get(TORCH, ""))


def _judge_kept_build(question: Question, meant: Build, tag: str) -> Iterator[Reason]:
    """Yield that a torch of another build stays, since its release is that of the lock."""
    disk = question.disk if question.stays else None
    will = find_build(question.future or question.asked, tag, disk=disk)
    recorded = question.installed.get(TORCH, "")
    if question.stays and disk is None and TORCH in question.asked:
        yield Reason(
            severity=Severity.WARNING,
            text=f"`torch` {recorded} is installed and stays, but its `version.py` does not say "
            "what it is built for",
            hint=_REINSTALL,
            unknown=True,
        )
    if disk is not None and not same_release(disk.version, recorded):
        yield Reason(
            severity=Severity.WARNING,
            text=f"`torch` {recorded} is installed, but its `version.py` says {disk.version}: its "
            "files are those of another version",
            hint=_REINSTALL,
        )
    same = (will.kind, will.cuda) == (meant.kind, meant.cuda)
    if not will.torch or meant.kind == "unknown" or same:
        return
    if disk is None and will.torch == meant.torch:
        return
    worse = will.kind == "cpu" and meant.kind == "cuda"
    yield Reason(
        severity=Severity.ERROR if worse else Severity.WARNING,
        text=f"`torch` {will.torch} is installed and stays: it is built for {_target(will)}, "
        f"the lock means {_target(meant)} ({meant.source})",
        hint="`--strict-labels` reinstalls it" if "+" in recorded else _REINSTALL,
    )


def _target(build: Build) -> str:
    if build.kind == "cuda":
        return f"CUDA {show_release(build.cuda)}"
    return {"cpu": "the CPU alone", "rocm": "ROCm", "xpu": "Intel GPUs"}.get(build.kind, "a Mac")


def _judge_cpu_build(question: Question, build: Build) -> Iterator[Reason]:
    """Yield what asks for CUDA beside a torch that has none."""
    needing = _needing(question)
    if needing:
        yield Reason(
            severity=Severity.ERROR,
            text=f"{build.source} is built for {_target(build)}, but the lock has "
            f"{join_names(needing)}, which need CUDA: Torch not compiled with CUDA enabled",
            hint=""
            if build.kind == "metal"
            else "take torch from its own index (`--extra-index-url` of a `whl/cu...` index), "
            "or pin it with a label such as `+cu126`",
        )


def _needing(question: Question) -> list[str]:
    names = [name for name in NEED_CUDA if Name(name) in question.asked]
    return names + [n for n in sorted(question.asked) if n.startswith("nvidia-cuda-runtime")]


def _not_asked(build: Build) -> Iterator[Reason]:
    if build.kind in {"cuda", "rocm", "xpu"}:
        yield Reason(severity=Severity.NOTE, text="the driver has not answered yet", unknown=True)


def _judge_machine(
    question: Question, build: Build, machine: Accelerator, tag: str
) -> Iterator[Reason]:
    nvidia = [gpu for gpu in machine.gpus if gpu.vendor == "nvidia"]
    if build.kind == "cpu" and nvidia and not _needing(question):
        yield Reason(
            severity=Severity.WARNING,
            text=f"{build.source} is built for the CPU alone: "
            f"{join_names(dict.fromkeys(g.name for g in nvidia))} will not be used",
            hint="take torch from its own index (`whl/cu...`), or pin it with a label such "
            "as `+cu126`",
        )
    elif not build.kind and nvidia and (idle := [n for n in _ALONE if n in question.asked]):
        yield Reason(
            severity=Severity.WARNING,
            text=f"{join_names(idle)} alone: that brings no CUDA, and runs on the CPU",
            hint="pin `tensorflow[and-cuda]`, or a CUDA plugin of jax",
        )
    elif build.kind in {"rocm", "xpu"}:
        yield from _judge_foreign_build(build, machine)
    elif build.kind == "cuda":
        yield from _judge_cuda(question, build, machine, tag)


def _judge_foreign_build(build: Build, machine: Accelerator) -> Iterator[Reason]:
    """Yield what a build for AMD or Intel means; for which of their GPUs is in no table."""
    vendor = "amd" if build.kind == "rocm" else "intel"
    others = [gpu for gpu in machine.gpus if gpu.vendor != vendor]
    ours = [gpu.name for gpu in machine.gpus if gpu.vendor == vendor]
    what = f"{build.source} is built for {_MAKERS[vendor]} GPUs"
    if ours:
        yield Reason(
            severity=Severity.WARNING,
            text=f"{what}; whether it has code for {join_names(ours)} is in no table",
            unknown=True,
        )
        if machine.hidden and vendor == "amd":
            yield _hidden("ROCR_VISIBLE_DEVICES, HIP_VISIBLE_DEVICES or CUDA_VISIBLE_DEVICES")
    elif others:
        names = join_names(gpu.name for gpu in others)
        yield Reason(severity=Severity.ERROR, text=f"{what}, and this machine has {names}")
    else:
        yield Reason(
            severity=Severity.WARNING,
            text=f"{what}, and none is seen here",
            unknown=not machine.absent,
        )


def _judge_cuda(
    question: Question, build: Build, machine: Accelerator, tag: str
) -> Iterator[Reason]:
    windows = tag.startswith("windows") or machine.host == "wsl2"
    wanted = f"CUDA {show_release(build.cuda)} ({build.source})"
    # Intel's are mostly those of a processor, which nobody takes for what CUDA needs.
    others = [gpu.name for gpu in machine.gpus if gpu.vendor in {"amd", "apple"}]
    nvidia = [gpu for gpu in machine.gpus if gpu.vendor == "nvidia"]
    if tag.startswith("darwin"):
        yield Reason(
            severity=Severity.ERROR,
            text=f"the lock wants {wanted}, which no Mac has",
            hint="pin torch without a label: its wheels for macOS use Metal",
        )
        return
    if machine.driver is None and machine.driver_cuda is None:
        yield _no_driver(wanted, machine, others)
    else:
        yield from judge_driver(build, machine, windows=windows)
        if not nvidia and not machine.problem:
            yield Reason(
                severity=Severity.WARNING,
                text=f"the driver sees no GPU: what is built for {wanted} runs on the CPU alone",
            )
    yield from judge_gpus(build, machine, tag, windows=windows)
    yield from _judge_vllm(question, nvidia)
    yield from _judge_surroundings(machine, nvidia)


def _no_driver(wanted: str, machine: Accelerator, others: list[str]) -> Reason:
    if others:
        return Reason(
            severity=Severity.ERROR,
            text=f"the lock wants {wanted}, and this machine has {join_names(others)}",
            hint="CUDA needs a GPU of NVIDIA: take the build of torch for this one",
        )
    if machine.absent:
        return Reason(
            severity=Severity.WARNING,
            text=f"the lock wants {wanted}, and there is no NVIDIA driver here: what needs a "
            "GPU will not run, all else runs on the CPU",
            hint="is it meant for another machine? `python -m envmagic info --json` there, and "
            "`--as-machine` with that file here",
        )
    return Reason(
        severity=Severity.WARNING,
        text=f"the lock wants {wanted}; what this machine can run is not known: {machine.problem}",
        unknown=True,
    )


def _judge_vllm(question: Question, gpus: Iterable[Gpu]) -> Iterator[Reason]:
    version = question.asked.get(_VLLM)
    told = [(gpu.name, read_release(gpu.capability)) for gpu in gpus if gpu.capability]
    old = [name for name, capability in told if capability < _VLLM_CAPABILITY]
    if version is not None and old:
        yield Reason(
            severity=Severity.ERROR if len(old) == len(told) else Severity.WARNING,
            text=f"`vllm` {version} needs compute 7.0 or later, {join_names(old)} has less",
        )


def _judge_surroundings(machine: Accelerator, gpus: Iterable[Gpu]) -> Iterator[Reason]:
    """Yield what else of the machine comes between a good build and a good driver."""
    if machine.problem and machine.driver_cuda is not None:  # else it was told before
        yield Reason(severity=Severity.WARNING, text=machine.problem)
    if machine.libraries:
        cudnn = any("libcudnn" in path for path in machine.libraries)
        failure = "CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH" if cudnn else "undefined symbol"
        yield Reason(
            severity=Severity.WARNING,
            text=f"LD_LIBRARY_PATH puts {join_names(machine.libraries, 3)} before the libraries "
            f"that the lock brings: of two versions the wrong one is loaded ({failure})",
            hint="start the kernel without LD_LIBRARY_PATH",
        )
    if machine.hidden:
        yield _hidden("CUDA_VISIBLE_DEVICES")
    sliced = [gpu.name for gpu in gpus if gpu.mig]
    if sliced:
        yield Reason(
            severity=Severity.NOTE,
            text=f"{join_names(sliced)} is cut into slices (MIG): CUDA sees one of them a "
            "process, with its memory alone",
        )


def _hidden(variable: str) -> Reason:
    return Reason(
        severity=Severity.WARNING,
        text=f"{variable} hides every GPU from this process: all runs on the CPU",
        hint="start the kernel without it",
    )
