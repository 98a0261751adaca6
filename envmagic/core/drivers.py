"""Whether a driver and its GPUs can run what a set of versions is built for."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from packaging.version import Version

from envmagic.core.cuda_build import public
from envmagic.core.facts import (
    capabilities_of,
    first_driver,
    is_at_least,
    oldest_driver,
    read_release,
    release_of_branch,
    release_of_driver,
    runs_on,
    show_release,
    torch_builds,
    torch_wheels,
)
from envmagic.core.model import Severity, join_names
from envmagic.core.report import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envmagic.core.cuda_build import Build
    from envmagic.core.facts import Release
    from envmagic.core.report import Accelerator, Gpu

_CONSUMER = ("GeForce", "TITAN")


def driver_release(machine: Accelerator, *, windows: bool) -> Release:
    """Return the CUDA that a driver serves: as it says itself, else as NVIDIA's table has it."""
    told = read_release(machine.driver_cuda)
    if told or machine.problem:  # without libcuda no CUDA is served, whatever the driver
        return told
    return release_of_driver(machine.driver or "", windows=windows)


def judge_driver(build: Build, machine: Accelerator, *, windows: bool) -> Iterator[Reason]:
    """Yield what the driver means for a CUDA build (NVIDIA, CUDA compatibility)."""
    driver, served = machine.driver or "", driver_release(machine, windows=windows)
    wanted = f"CUDA {show_release(build.cuda)} ({build.source})"
    if not served:
        yield Reason(
            severity=Severity.WARNING,
            text=f"the lock wants {wanted}; which CUDA the driver serves is not known"
            + (f": {machine.problem}" if machine.problem else ""),
            unknown=True,
        )
        return
    has = f"driver {driver} (CUDA {show_release(served)})"
    oldest = oldest_driver(build.cuda[0], windows=windows)
    whole = first_driver(build.cuda, windows=windows) or oldest
    if served[: len(build.cuda)] >= build.cuda:
        yield Reason(severity=Severity.NOTE, text=f"{has} serves {wanted}")
    elif served[0] == build.cuda[0] and (not driver or is_at_least(driver, oldest)):
        yield Reason(
            severity=Severity.WARNING,
            text=f"{has} is older than {wanted}, and runs it by minor-version compatibility: "
            "code that is compiled while it runs (NVRTC, PTX) can fail with error 222, "
            "unsupported toolchain",
            hint=f"update the driver to {whole} or later to be sure",
        )
    else:
        yield Reason(
            severity=Severity.ERROR,
            text=f"{has} is too old for {wanted}: CUDA will not start (error 35)",
            hint=f"update the driver to {oldest} or later, or pin a build for "
            f"CUDA {show_release(served[:1])}; on data-center GPUs cuda-compat is a way, too",
        )
    if not windows:
        yield from _judge_compat(machine, served)


def _judge_compat(machine: Accelerator, served: Release) -> Iterator[Reason]:
    """Yield what cuda-compat means: a newer CUDA than the driver's own branch has."""
    own = release_of_branch(machine.driver or "")
    if not own or served <= own:
        return
    words = (
        f"driver {machine.driver} serves CUDA {show_release(own)} by itself and says "
        f"{show_release(served)}: cuda-compat is at work"
    )
    consumer = [gpu.name for gpu in machine.gpus if any(word in gpu.name for word in _CONSUMER)]
    if consumer:
        yield Reason(
            severity=Severity.ERROR,
            text=f"{words}, which {join_names(consumer)} does not support (error 804)",
            hint="take cuda-compat out of LD_LIBRARY_PATH",
        )
    else:
        yield Reason(severity=Severity.NOTE, text=words)


def covers(build: Build, gpu: Gpu) -> bool | None:
    """Whether a GPU can run a CUDA build; None: that is not known."""
    capability = read_release(gpu.capability)
    if gpu.vendor != "nvidia" or not capability or not build.cuda:
        return None
    oldest, newest = capabilities_of(build.cuda[0])
    if capability < oldest:
        return False
    if not build.architectures:
        # What a CUDA release can compile for, others than torch are mostly compiled for.
        return True if not build.torch and capability <= newest else None
    told = [runs_on(code, capability, build.cuda) for code in build.architectures]
    return True if True in told else None if None in told else False


def judge_gpus(build: Build, machine: Accelerator, tag: str, *, windows: bool) -> Iterator[Reason]:
    """Yield what the compute capability of each GPU means for a CUDA build."""
    served = driver_release(machine, windows=windows)
    gpus = [gpu for gpu in machine.gpus if gpu.vendor == "nvidia"]
    some = any(covers(build, gpu) for gpu in gpus)
    for (capability, covered), found in groupby(gpus, lambda g: (g.capability, covers(build, g))):
        names = join_names(dict.fromkeys(gpu.name for gpu in found))
        if capability is None:
            yield Reason(
                severity=Severity.WARNING,
                text=f"the compute capability of {names} is not told, so it is not known "
                "whether the build has code for it",
                unknown=True,
            )
        elif covered is False:
            yield _spared(_not_covered(build, names, capability, tag, served), others=some)
        elif covered is None:
            yield _not_known(build, names, capability)
        elif covered and build.torch and not build.measured:
            yield Reason(
                severity=Severity.WARNING,
                text=f"other builds of `torch` {public(build.torch)} have code for {names} "
                f"(compute {capability}); this one, for CUDA {show_release(build.cuda)}, "
                "is in no table",
            )


def _spared(reason: Reason, *, others: bool) -> Reason:
    """Return a reason that is less grave where another GPU can be used."""
    if not others or reason.severity is not Severity.ERROR:
        return reason
    return replace(
        reason, severity=Severity.WARNING, text=f"{reason.text}; another one here can be used"
    )


def _not_known(build: Build, names: str, capability: str) -> Reason:
    what = f"{build.subject} with CUDA {show_release(build.cuda)}"
    text = (
        f"whether {names} (compute {capability}) runs the code of {what}, "
        f"{' '.join(build.architectures)}, is not known"
        if build.architectures
        else f"for which GPUs {what} is built is in no table: {names} (compute {capability}) may "
        "be none of them"
    )
    return Reason(severity=Severity.WARNING, text=text, unknown=True)


def _not_covered(build: Build, names: str, capability: str, tag: str, served: Release) -> Reason:
    code = f"sm_{capability.replace('.', '')}"
    cuda = show_release(build.cuda)
    if not build.architectures:
        return Reason(
            severity=Severity.ERROR,
            text=f"{names} (compute {capability}) is too old for CUDA {cuda} ({build.source})",
            hint=f"pin a build for CUDA {build.cuda[0] - 1}",
        )
    what = f"`torch` {build.torch} (CUDA {cuda})"
    has = " ".join(build.architectures)
    if not build.measured:
        text = f"{names} ({code}) may have no code in {what}: other builds of it have {has}"
    else:
        text = f"{names} ({code}) has no code in {what}, which has {has}: no kernel image"
    return Reason(
        severity=Severity.ERROR if build.measured else Severity.WARNING,
        text=text,
        hint=_way_out(build, read_release(capability), tag, served),
    )


def _way_out(build: Build, capability: Release, tag: str, served: Release) -> str:
    """Return which torch has code for a GPU and a CUDA that its driver serves."""
    release = public(build.torch)
    machine = tag.partition("-")[2]
    same = [
        f"`torch=={release}+cu{cuda.replace('.', '')}`"
        for (torch, cuda, arch), codes in torch_builds().items()
        if torch in {release, ".".join(release.split(".")[:2])} and arch == machine
        if _fits(read_release(cuda), codes, capability, served)
    ]
    ways = [f"{same[-1]} from torch's own index"] if same else []
    others = [
        torch
        for (torch, platform), (cuda, codes) in torch_wheels().items()
        if platform == tag and cuda and _fits(read_release(cuda), codes, capability, served)
    ]
    if others:
        newer = [torch for torch in others if Version(torch) > Version(release)]
        ways.append(f"torch {newer[0]} or later" if newer else f"torch {others[-1]} or earlier")
    if not ways:
        return f"no build that is known has code for sm_{''.join(map(str, capability))}" + (
            f" and runs on a driver for CUDA {show_release(served)}" if served else ""
        )
    return f"{' or '.join(ways)} has code for it"


def _fits(cuda: Release, codes: Iterable[str], capability: Release, served: Release) -> bool:
    return (not served or served[0] >= cuda[0]) and any(runs_on(c, capability, cuda) for c in codes)
