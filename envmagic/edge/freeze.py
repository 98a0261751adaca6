"""An installed set as a lock that others can eat."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from packaging.version import Version

from envmagic.core.cuda_build import find_build
from envmagic.core.facts import show_release
from envmagic.core.model import VERSION, SourceKind
from envmagic.core.redact import redact
from envmagic.edge.torch_build import read_torch_build

if TYPE_CHECKING:
    from envmagic.core.model import Distribution, Snapshot, Source
    from envmagic.core.report import Accelerator

_PRAGMA = "# envmagic: not locked: "


def freeze(snapshot: Snapshot, accelerator: Accelerator | None = None) -> str:
    """Return a snapshot as a lock in the requirements format, the header on top.

    What has no line that would work elsewhere (an editable tree, a file of this machine)
    stands as a comment with the reason, in a form that a sync reads: it is not removed
    where it is. So does what has a URL with a query, which may hold a token. What lies
    outside this environment is left out.
    """
    found = ([d for d in copies if d.local][:1] for copies in snapshot.by_name().values())
    ours = sorted((d for copies in found for d in copies), key=lambda d: d.name)
    body = "".join(f"{_line(distribution)}\n" for distribution in ours)
    digest = hashlib.sha256(body.encode()).hexdigest()
    where = snapshot.platform
    header = [
        f"# Frozen by envmagic {VERSION}; `%envsync` makes another kernel equal to it.",
        f"# python: {where.implementation} {where.python}",
        f"# platform: {where.tag}",
        *_accelerator_lines(accelerator),
        *_build_lines(snapshot),
        f"# digest: sha256:{digest}",
    ]
    return "\n".join([*header, body])


def summarize(text: str) -> str:
    """Return how many pins a frozen lock has, and what it had to leave out."""
    lines = [line for line in text.splitlines() if line]
    pins = sum(not line.startswith("#") for line in lines)
    left_out = [
        line[len(_PRAGMA) :].partition("==")[0] for line in lines if line.startswith(_PRAGMA)
    ]
    counted = "1 pin" if pins == 1 else f"{pins} pins"
    if not left_out:
        return counted
    return f"{counted}, {len(left_out)} left out ({', '.join(left_out)})"


def _line(distribution: Distribution) -> str:
    name, version, source = distribution.name, distribution.version, distribution.source
    if not isinstance(version, Version):
        return _comment(distribution, "its version is not one that PEP 440 knows")
    if source.kind is SourceKind.INDEX:
        return f"{name}=={version}"
    if reason := _why_not_locked(source):
        return _comment(distribution, f"{reason}: {redact(source.url)}")
    folder = f"#subdirectory={source.subdirectory}" if source.subdirectory else ""
    if source.kind is SourceKind.VCS:
        return f"{name} @ {source.vcs}+{source.url}@{source.commit}{folder}"
    digests = [entry.replace(":", "=", 1) for entry in source.hashes if entry.startswith("sha256:")]
    fragment = "&".join([*digests[:1], *([folder[1:]] if folder else [])])
    return f"{name} @ {source.url}" + (f"#{fragment}" if fragment else "")


def _why_not_locked(source: Source) -> str:
    """Return why the URL of a source must not stand in a lock; empty: it may."""
    if source.kind is SourceKind.DIRECTORY:
        return "editable" if source.editable else "a folder of this machine"
    if source.url.startswith("file:"):
        return "a file of this machine"
    return "" if redact(source.url) == source.url else "its URL carries a secret"


def _comment(distribution: Distribution, reason: str) -> str:
    return f"{_PRAGMA}{distribution.name}=={distribution.version} ({reason})"


def _build_lines(snapshot: Snapshot) -> list[str]:
    """Return which CUDA the set is built for, and what says so."""
    versions = {name: str(found[0].version) for name, found in snapshot.by_name().items()}
    build = find_build(versions, snapshot.platform.tag, disk=read_torch_build(snapshot))
    if build.kind == "cuda":
        return [f"# cuda: {show_release(build.cuda)} ({build.source})"]
    return [f"# cuda: none ({build.source})"] if build.kind in {"cpu", "rocm", "xpu"} else []


def _accelerator_lines(accelerator: Accelerator | None) -> list[str]:
    if accelerator is None or accelerator.driver is None:
        return []
    cuda = accelerator.driver_cuda or "unknown"
    return [f"# driver: {accelerator.driver} (CUDA {cuda})"]
