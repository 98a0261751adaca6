"""An installed set as a lock that others can eat."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from packaging.version import Version

from envmagic.model import VERSION, SourceKind

if TYPE_CHECKING:
    from envmagic.model import Accelerator, Distribution, Snapshot


def freeze(snapshot: Snapshot, accelerator: Accelerator | None = None) -> str:
    """Return a snapshot as a lock in the requirements format, the header on top.

    What has no line that would work elsewhere (an editable tree, a file of this machine)
    stands as a comment with the reason, in a form that a sync reads: it is not removed
    where it is. What lies outside this environment is left out.
    """
    found = {name: copies[0] for name, copies in snapshot.by_name().items()}
    ours = sorted((d for d in found.values() if d.local), key=lambda d: d.name)
    body = "".join(f"{_line(distribution)}\n" for distribution in ours)
    digest = hashlib.sha256(body.encode()).hexdigest()
    where = snapshot.platform
    header = [
        f"# Frozen by envmagic {VERSION}; `%envsync` makes another kernel equal to it.",
        f"# python: {where.implementation} {where.python}",
        f"# platform: {where.tag}",
        *_accelerator_lines(accelerator),
        f"# digest: sha256:{digest}",
    ]
    return "\n".join([*header, body])


def _line(distribution: Distribution) -> str:
    name, version, source = distribution.name, distribution.version, distribution.source
    if not isinstance(version, Version):
        return _comment(distribution, "its version is not one that PEP 440 knows")
    if source.kind is SourceKind.DIRECTORY:
        kind = "editable" if source.editable else "a folder of this machine"
        return _comment(distribution, f"{kind}: {source.url}")
    if source.kind is SourceKind.INDEX:
        return f"{name}=={version}"
    if source.url.startswith("file:"):
        return _comment(distribution, f"a file of this machine: {source.url}")
    folder = f"#subdirectory={source.subdirectory}" if source.subdirectory else ""
    if source.kind is SourceKind.VCS:
        return f"{name} @ {source.vcs}+{source.url}@{source.commit}{folder}"
    digests = [entry.replace(":", "=", 1) for entry in source.hashes if entry.startswith("sha256:")]
    fragment = "&".join([*digests[:1], *([folder[1:]] if folder else [])])
    return f"{name} @ {source.url}" + (f"#{fragment}" if fragment else "")


def _comment(distribution: Distribution, reason: str) -> str:
    return f"# envmagic: not locked: {distribution.name}=={distribution.version} ({reason})"


def _accelerator_lines(accelerator: Accelerator | None) -> list[str]:
    if accelerator is None or accelerator.driver is None:
        return []
    cuda = accelerator.driver_cuda or "unknown"
    return [f"# driver: {accelerator.driver} (CUDA {cuda})"]
