"""What a set of versions is built for: which CUDA, or the CPU, and who says so."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from envmagic.core.facts import (
    Release,
    component_release,
    framework_release,
    read_release,
    show_release,
    torch_builds,
    torch_indexes,
    torch_releases,
    torch_wheels,
)
from envmagic.core.model import Name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envmagic.core.model import TorchBuild

    Versions = Mapping[Name, str]

TORCH = Name("torch")
_NOTHING: Versions = {}
_CUDA_LABEL = re.compile(r"cu(\d{2,})(\d)$")
_LABEL = r"(cu\d+|cpu|rocm[\d.]+|xpu)"
_END = r"(?:/(?:torch_stable\.html)?)?(?:[?#].*)?$"
_TORCH_INDEX = re.compile(rf"/(?:whl|[^/]*pytorch[^/]*)/(?:(?:whl|test|nightly)/)?{_LABEL}{_END}")
"""Torch's own, and its mirrors: `.../whl/nightly/cu121`, `.../pytorch-wheels/cu121/`."""
_OTHER_INDEX = re.compile(rf"/{_LABEL}{_END}")
_SUFFIX = re.compile(r"-cu(?:da)?(1[1-9])x?(?:$|-)")
_RUNTIMES = (
    "nvidia-cuda-runtime-cu11",
    "nvidia-cuda-runtime-cu12",
    "nvidia-cuda-runtime",
    "cuda-toolkit",
)
_OWN = "'s own metadata"
_FRAMEWORKS = ("tensorflow", "onnxruntime-gpu", "vllm")


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """What a set is built for; `kind` is empty where nothing in it asks for a GPU.

    `kind`: `cuda`, `cpu`, `rocm`, `xpu`, `metal`, or `unknown` with the reason in `source`.
    """

    kind: str = ""
    cuda: Release = ()
    source: str = ""
    """What says so: `torch 2.4.0`."""
    torch: str = ""
    architectures: tuple[str, ...] = ()
    measured: bool = False
    """Whether the architectures are known to be those of this very build."""
    cudnn: str = ""
    nccl: str = ""

    @property
    def subject(self) -> str:
        """What is built so: `torch 2.4.0`."""
        return self.source.removesuffix(_OWN)


def find_build(
    versions: Versions,
    tag: str,
    *,
    extras: Iterable[str] = (),
    label: str = "",
    own: Versions = _NOTHING,
    disk: TorchBuild | None = None,
) -> Build:
    """Return what a set is built for on a platform, by what is to be trusted most.

    What the torch of the set says on the disk; its own label; what its own metadata pins
    (`own`); the label of the index that the set is taken from, where that is known to have
    it; the runtime that is pinned; what PyPI's wheel of that torch is on this platform; the
    other parts of CUDA; the names of what else is there. `extras` are `project[extra]`.
    """
    torch = versions.get(TORCH, "")
    build = _of_disk(disk, tag) if torch and disk else None
    if build is not None and disk is not None:
        torch = disk.version
    elif torch:
        build = _of_torch(torch, tag, versions, label, own)
    else:
        build = _of_others(versions, extras, tag)
    release = torch_releases().get(public(torch), {}) if build.kind == "cuda" else {}
    return replace(
        build,
        torch=torch,
        cudnn=_part(versions, "nvidia-cudnn") or release.get("cudnn", ""),
        nccl=_part(versions, "nvidia-nccl") or release.get("nccl", ""),
    )


def find_label(options: Iterable[str]) -> str:
    """Return the label of torch's own index among a lock's option lines; empty: none.

    With a question mark, `cu126?`, where it is that of an index of somebody else, who may have
    other builds, or no torch at all.
    """
    lines = [option.strip() for option in options]
    found = next((m for line in lines if (m := _TORCH_INDEX.search(line))), None)
    if found is not None:
        return found[1]
    return next((f"{m[1]}?" for line in lines if (m := _OTHER_INDEX.search(line))), "")


def public(version: str) -> str:
    """Return a version without its label, in its one spelling."""
    try:
        return Version(version).public
    except InvalidVersion:
        return version.partition("+")[0]


def same_release(one: str, other: str) -> bool:
    """Whether two versions are builds of one release: `0.19` is `0.19.0+cu121`."""
    try:
        return Version(public(one)) == Version(public(other))
    except InvalidVersion:
        return one == other


def _of_disk(disk: TorchBuild, tag: str) -> Build | None:
    """Return what an installed torch says itself; None: it is not to be understood."""
    shown = f"torch {disk.version}"
    if not disk.cuda:
        label = disk.version.partition("+")[2]  # an older one has no line for Intel's
        found = (k for k, said in (("rocm", disk.hip), ("xpu", disk.xpu)) if said or k in label)
        kind = "metal" if tag.startswith("darwin") else "cpu"
        return Build(kind=next(found, kind), source=shown)
    cuda = read_release(disk.cuda)
    if not cuda:
        return None
    build = Build(kind="cuda", cuda=cuda, source=shown)
    if disk.architectures:
        return replace(build, architectures=disk.architectures, measured=True)
    return _with_architectures(build, disk.version, tag)


def _of_torch(torch: str, tag: str, versions: Versions, index: str, own: Versions) -> Build:
    if "+" in torch or tag.startswith("darwin"):
        index = ""  # the label says more, and none of them has a wheel for a Mac
    build = next(filter(None, _tell_torch(torch, tag, versions, index, own)), None)
    if build is None:
        words = f"which CUDA `torch {torch}` on {tag} is built for is in no table"
        if index:
            label = index.removesuffix("?")
            words = f"whether an index of {label} has `torch {torch}` for {tag} is in no table"
        return Build(kind="unknown", source=words)
    return _with_architectures(build, torch, tag) if build.kind == "cuda" else build


def _tell_torch(
    torch: str, tag: str, versions: Versions, index: str, own: Versions
) -> Iterator[Build | None]:
    """Yield what each source says of a torch, the one that is trusted most first."""
    shown = f"torch {torch}"
    label = torch.partition("+")[2]
    yield _of_label(label, shown)
    if tag.startswith("darwin"):
        yield Build(kind="metal", source=shown)
    if (told := _of_runtime(own)) is not None:
        yield replace(told, source=f"{shown}{_OWN}")
    if index:
        yield _of_index(torch, tag, index)
    wheel = None if label or index else torch_wheels().get((public(torch), tag))
    if wheel is not None and not wheel[0]:
        yield Build(kind="cpu", source=f"{shown} from PyPI on {tag}")
    yield _of_runtime(versions)
    if wheel is not None:
        yield Build(kind="cuda", cuda=read_release(wheel[0]), source=shown)
    yield _of_components(versions)


def _of_index(torch: str, tag: str, label: str) -> Build | None:
    """Return what an index of torch has; None: not this release, or nobody knows.

    Where it has none, pip takes another's without a word: PyPI's.
    """
    if label.endswith("?"):
        return None
    build = _of_label(label, f"torch {torch} from an index of {label}")
    if build is None or build.kind != "cuda":
        return build
    minor = _minor(torch)
    if minor not in torch_indexes():
        return build
    machine = _machine(tag)
    known = {cuda for t, cuda, m in torch_builds() if t in {public(torch), minor} and m == machine}
    if machine == "x86_64":
        known |= torch_indexes()[minor]
    return build if show_release(build.cuda) in known else None


def _of_label(label: str, shown: str) -> Build | None:
    """Return what a label of torch says, such as `cu121`, `cpu` or `rocm6.1`."""
    if cuda := _CUDA_LABEL.match(label):
        return Build(kind="cuda", cuda=(int(cuda[1]), int(cuda[2])), source=shown)
    kinds = (kind for kind in ("cpu", "rocm", "xpu") if label.startswith(kind))
    return next((Build(kind=kind, source=shown) for kind in kinds), None)


def _of_others(versions: Versions, extras: Iterable[str], tag: str) -> Build:
    if (build := _of_runtime(versions)) is not None:
        return build
    name = next((n for n in _FRAMEWORKS if n in versions), "")
    if name == "tensorflow" and "tensorflow[and-cuda]" not in extras:
        name = ""  # alone it brings no CUDA
    if name:
        shown = f"{name} {versions[Name(name)]}"
        cuda = (
            framework_release(name, public(versions[Name(name)])) if tag == "linux-x86_64" else ()
        )
        words = f"which CUDA `{shown}` on {tag} is built for is in no table"
        return Build(kind="cuda" if cuda else "unknown", cuda=cuda, source=shown if cuda else words)
    build = _of_components(versions) or _of_names(versions) or Build()
    if build.kind and not tag.startswith("linux"):
        words = f"whether {build.source} can be had for {tag} is in no table"
        return Build(kind="unknown", source=words)
    return build


def _of_runtime(versions: Versions) -> Build | None:
    for name in _RUNTIMES:
        cuda = read_release(versions.get(Name(name)))
        if cuda:
            return Build(kind="cuda", cuda=cuda, source=f"{name} {versions[Name(name)]}")
    return None


def _of_components(versions: Versions) -> Build | None:
    """Return what most parts of CUDA belong to: torch leaves nvjitlink's version open."""
    found = Counter(
        release
        for name, version in versions.items()
        if name.startswith("nvidia-") and "nvjitlink" not in name
        if (release := component_release(name, version))
    )
    if not found:
        return None
    return Build(kind="cuda", cuda=found.most_common(1)[0][0], source="its parts of CUDA")


def _of_names(versions: Versions) -> Build | None:
    found = sorted((int(m[1]), name) for name in versions if (m := _SUFFIX.search(name)))
    if not found:
        return None
    major, name = found[-1]
    return Build(kind="cuda", cuda=(major,), source=f"{name} {versions[Name(name)]}".strip())


def _with_architectures(build: Build, torch: str, tag: str) -> Build:
    """Return a build with what it was compiled for, or with what its release mostly is."""
    release, cuda = public(torch), show_release(build.cuda)
    wheel_cuda, architectures = torch_wheels().get((release, tag), ("", ()))
    if wheel_cuda == cuda:
        return replace(build, architectures=architectures, measured=True)
    machine = _machine(tag)
    if not architectures:
        wheel_cuda, architectures = torch_wheels().get((release, f"linux-{machine}"), ("", ()))
    for key in (release, _minor(torch)):
        if found := torch_builds().get((key, cuda, machine)):
            return replace(build, architectures=found, measured=tag.startswith("linux"))
    return replace(build, architectures=architectures)


def _minor(torch: str) -> str:
    return ".".join(public(torch).split(".")[:2])


def _machine(tag: str) -> str:
    machine = tag.partition("-")[2]
    return "x86_64" if machine == "amd64" else machine


def _part(versions: Versions, project: str) -> str:
    names = (f"{project}-cu13", f"{project}-cu12", f"{project}-cu11")
    return next((versions[Name(n)] for n in names if n in versions), "")
