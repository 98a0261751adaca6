"""Whether what a set has around CUDA fits together, whatever the machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envmagic.core.cuda_build import TORCH, public, same_release
from envmagic.core.facts import (
    companions,
    component_release,
    framework_release,
    read_release,
    show_release,
    torch_releases,
)
from envmagic.core.model import Name, Severity
from envmagic.core.report import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envmagic.core.cuda_build import Build

    Versions = Mapping[Name, str]

NEED_CUDA = ("vllm", "xformers", "flash-attn")
"""What has wheels for CUDA alone on PyPI."""
_BY_TORCH = (
    "flash-attn",
    "causal-conv1d",
    "mamba-ssm",
    "torch-cluster",
    "torch-scatter",
    "torch-sparse",
    "torch-spline-conv",
)
IMPORT_TORCH = frozenset(Name(name) for name in _BY_TORCH)
"""What imports torch in its `setup.py`, and is built for that torch."""
_ON_TORCH = ("vllm", "torchvision", "torchaudio", "xformers")
# The same paths in the wheels for each CUDA: `nvidia/cudnn/lib/libcudnn.so.9` and so on.
_SISTERS = ("nvidia-cudnn", "nvidia-nccl", "nvidia-nvshmem", "nvidia-cusparselt")
_SUFFIXES = ("cu11", "cu12", "cu13")
_FLASH = Name("flash-attn")
_FLASH_TAG = re.compile(r"\+cu(\d+)torch(\d+\.\d+)cxx11abi(TRUE|FALSE)", re.IGNORECASE)
_OWN_WHEEL = "pin the URL of one of its own wheels, whose name says CUDA, torch, Python and C++ ABI"
_JITLINK = "nvidia-nvjitlink"
_LINKED = ("nvidia-cusparse", "nvidia-cusolver")


def judge_set(versions: Versions, build: Build) -> Iterator[Reason]:
    """Yield what does not fit together in a set of versions."""
    yield from _judge_pins(versions)
    yield from _judge_triton(versions)
    yield from _judge_vllm(versions, build)
    yield from _judge_flash_tag(versions, build)
    yield from _judge_jitlink(versions)
    yield from _judge_nvrtc(versions, build)
    yield from _judge_components(versions, build)


def judge_sisters(versions: Versions, going: Versions) -> Iterator[Reason]:
    """Yield the wheels of two CUDAs that write the same files; `going` will be removed."""
    for project in _SISTERS:
        names = [Name(f"{project}-{suffix}") for suffix in _SUFFIXES]
        there = [name for name in names if name in versions]
        leaving = [name for name in names if name in going]
        if len(there) > 1:
            what = f"they are two versions of {_library(project)}, and the last one stays"
            yield Reason(
                severity=Severity.WARNING,
                text=f"{_and(there)} install the same files: {what}",
                hint="pin one of them: that of the CUDA which torch is built for",
            )
        elif there and leaving:
            yield Reason(
                severity=Severity.NOTE,
                text=f"{_and(leaving)} and {_and(there)} share files: removing the one takes "
                "files of the other, which the same sync puts in again",
            )


def judge_source_build(version: str, torch: str) -> Reason:
    """Return what it means that flash-attn must be built here, for a torch if there is one."""
    what = f"`flash-attn` {version} has no wheel on PyPI: its `setup.py` imports torch"
    if not torch:
        return Reason(
            severity=Severity.WARNING,
            text=f"{what}, which neither the lock brings nor what stays here: it cannot be built",
            hint=f"{_OWN_WHEEL}; or add torch to the lock; or install torch first, then it with "
            "`pip install --no-build-isolation`",
        )
    return Reason(
        severity=Severity.WARNING,
        text=f"{what}, so it is built last, beside torch {torch} and for that alone: it looks for "
        "its own wheel for that, else it needs nvcc, and long",
        hint=_OWN_WHEEL,
    )


def _judge_pins(versions: Versions) -> Iterator[Reason]:
    for project in _ON_TORCH:
        version = versions.get(Name(project), "")
        for name, pinned in companions().get((project, public(version)), ()):
            there = versions.get(Name(name), "")
            if there and not same_release(there, pinned) and name != "triton":
                yield _mismatch(project, version, name, pinned, there)


def _mismatch(project: str, version: str, name: str, pinned: str, there: str) -> Reason:
    """Return that two do not fit; within a minor release that often goes well."""
    near = public(there).split(".")[:2] == public(pinned).split(".")[:2]
    return Reason(
        severity=Severity.WARNING if near else Severity.ERROR,
        text=f"`{project}` {version} is built for `{name}` {pinned}, the lock has {there}",
        hint=f"pin `{name}=={pinned}`, or the `{project}` that is built for {there}",
    )


def _judge_triton(versions: Versions) -> Iterator[Reason]:
    torch, triton = versions.get(TORCH, ""), versions.get(Name("triton"), "")
    pinned = torch_releases().get(public(torch), {}).get("triton", "")
    minor = [public(version).split(".")[:2] for version in (pinned, triton)]
    if pinned and triton and minor[0] != minor[1]:
        yield Reason(
            severity=Severity.WARNING,
            text=f"`torch` {torch} goes with `triton` {pinned}, the lock has {triton}",
            hint=f"pin `triton=={pinned}`",
        )


def _judge_vllm(versions: Versions, build: Build) -> Iterator[Reason]:
    version = versions.get(Name("vllm"), "")
    cuda = framework_release("vllm", public(version)) if version else ()
    if cuda and build.cuda and cuda[0] != build.cuda[0]:
        yield Reason(
            severity=Severity.ERROR,
            text=f"`vllm` {version} is built for CUDA {cuda[0]}, {build.subject} for CUDA "
            f"{show_release(build.cuda)}: libcudart.so.{cuda[0]} will not be found",
            hint="pin both for the same CUDA",
        )


def _judge_flash_tag(versions: Versions, build: Build) -> Iterator[Reason]:
    """Yield what the name of a flash-attn wheel says against the torch beside it."""
    version, torch = versions.get(_FLASH, ""), versions.get(TORCH, "")
    tag = _FLASH_TAG.search(version)
    if tag is None or not torch:
        return
    cuda, for_torch, abi = tag.groups()
    has = torch_releases().get(public(torch), {}).get("cxx11abi", "")
    wrong = []
    if public(torch).split(".")[:2] != for_torch.split("."):
        wrong.append(f"torch {for_torch}")
    if has and has != abi.upper() and not torch.partition("+")[2]:
        wrong.append(f"the C++ ABI {abi.upper()}, and torch from PyPI has {has}")
    if build.cuda and cuda[:2] != str(build.cuda[0]):
        wrong.append(f"CUDA {cuda[:2]}")
    if wrong:
        yield Reason(
            severity=Severity.ERROR,
            text=f"this wheel of `flash-attn` is for {', '.join(wrong)}; the lock has torch "
            f"{torch}: its import would fail with an undefined symbol",
            hint="take the wheel whose name fits that torch",
        )


def _judge_jitlink(versions: Versions) -> Iterator[Reason]:
    """Yield an nvJitLink that is older than what links against it."""
    for suffix in ("", "-cu12"):
        linker = versions.get(Name(f"{_JITLINK}{suffix}"), "")
        for project in _LINKED:
            version = versions.get(Name(f"{project}{suffix}"), "")
            needs = component_release(f"{project}{suffix}", version)
            if linker and needs and read_release(linker) < needs:
                yield Reason(
                    severity=Severity.ERROR,
                    text=f"`{_JITLINK}{suffix}` {linker} is older than `{project}{suffix}` "
                    f"{version} (CUDA {show_release(needs)}): undefined symbol __nvJitLink…",
                    hint=f"pin `{_JITLINK}{suffix}` {show_release(needs)} or later",
                )


def _judge_components(versions: Versions, build: Build) -> Iterator[Reason]:
    """Yield the parts of CUDA that are of another major than the build."""
    odd = [
        f"`{name}` {version}"
        for name, version in sorted(versions.items())
        if name.startswith("nvidia-") and build.cuda
        if (release := component_release(name, version)) and release[0] != build.cuda[0]
    ]
    if odd:
        more = f" and {len(odd) - 3} more" if len(odd) > 3 else ""  # noqa: PLR2004
        yield Reason(
            severity=Severity.WARNING,
            text=f"{', '.join(odd[:3])}{more} are of another CUDA than {build.subject} "
            f"(CUDA {show_release(build.cuda)}), which does not use them",
        )


def _judge_nvrtc(versions: Versions, build: Build) -> Iterator[Reason]:
    """Yield a run-time compiler of another release than the build, which looks for its own."""
    for name in (Name("nvidia-cuda-nvrtc"), Name("nvidia-cuda-nvrtc-cu12")):
        release = component_release(name, versions.get(name, ""))
        if release and release != build.cuda and release[:1] == build.cuda[:1] and build.cuda[1:]:
            yield Reason(
                severity=Severity.WARNING,
                text=f"`{name}` {versions[name]} is of CUDA {show_release(release)}, "
                f"{build.subject} of CUDA {show_release(build.cuda)}: "
                f"libnvrtc-builtins.so.{show_release(build.cuda)} will not be found",
                hint=f"pin the `{name}` of CUDA {show_release(build.cuda)}",
            )


def _library(project: str) -> str:
    words = {"nvidia-cudnn": "cuDNN", "nvidia-nccl": "NCCL", "nvidia-nvshmem": "NVSHMEM"}
    return words.get(project, "cuSPARSELt")


def _and(names: list[Name]) -> str:
    return " and ".join(f"`{name}`" for name in names)
