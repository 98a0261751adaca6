"""Where a distribution came from, as PEP 610 records it."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from envmagic.core.model import INDEX, Source, SourceKind
from envmagic.core.redact import strip_userinfo

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def read_source(base: Path) -> Source:
    """Return where a distribution came from, as its `direct_url.json` says (PEP 610)."""
    try:
        data = json.loads((base / "direct_url.json").read_text("utf-8"))
        return source_from_json(data)
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return INDEX


def source_from_json(data: Mapping[str, Any]) -> Source:
    """Return the source that a PEP 610 record describes; credentials are left out."""
    url = strip_userinfo(str(data["url"]))
    subdirectory = str(data.get("subdirectory") or "")
    if (vcs := data.get("vcs_info")) is not None:
        return Source(
            kind=SourceKind.VCS,
            url=url,
            vcs=str(vcs["vcs"]),
            commit=str(vcs["commit_id"]),
            subdirectory=subdirectory,
        )
    if (directory := data.get("dir_info")) is not None:
        return Source(
            kind=SourceKind.DIRECTORY,
            url=url,
            subdirectory=subdirectory,
            editable=bool(directory.get("editable")),
        )
    archive = data.get("archive_info") or {}
    hashes = archive.get("hashes") or {}
    if not hashes and "=" in (archive.get("hash") or ""):
        hashes = dict([archive["hash"].split("=", 1)])
    return Source(
        kind=SourceKind.ARCHIVE,
        url=url,
        subdirectory=subdirectory,
        hashes=tuple(sorted(f"{name}:{digest}" for name, digest in hashes.items())),
    )


def source_to_json(source: Source) -> dict[str, Any]:
    """Return the PEP 610 record of a source."""
    record: dict[str, Any] = {"url": source.url}
    if source.subdirectory:
        record["subdirectory"] = source.subdirectory
    match source.kind:
        case SourceKind.VCS:
            record["vcs_info"] = {"vcs": source.vcs, "commit_id": source.commit}
        case SourceKind.DIRECTORY:
            record["dir_info"] = {"editable": True} if source.editable else {}
        case _:
            hashes = dict(entry.split(":", 1) for entry in source.hashes)
            record["archive_info"] = {"hashes": hashes} if hashes else {}
            if hashes:  # the older form, which pip before 23.1 and pip-sync's keys go by
                record["archive_info"]["hash"] = source.hashes[0].replace(":", "=", 1)
    return record


def folder_of(source: Source) -> str:
    """Return the folder of a source tree on this machine, its symlinks followed."""
    return os.path.realpath(unquote(source.url.removeprefix("file://")))


def record_origin(metadata: Path, source: Source) -> None:
    """Write where an installed distribution came from, in place of the stage.

    What is installed from a staged wheel by its path has a `direct_url.json` that points
    at the stage. PEP 610 wants the origin that the user asked for: the repository, the
    archive, the directory; for an index there is no such file.
    """
    target = metadata / "direct_url.json"
    if source.kind is SourceKind.INDEX:
        target.unlink(missing_ok=True)
        data = None
    else:
        data = json.dumps(source_to_json(source)).encode()
        _replace(target, data)
    record = metadata / "RECORD"
    name = f"{metadata.name}/direct_url.json"
    with record.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.reader(lines) if row and row[0] != name]
    if data is not None:
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append([name, f"sha256={digest}", str(len(data))])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(sorted(rows))
    _replace(record, text.getvalue().encode())


def _replace(path: Path, data: bytes) -> None:
    """Put a new file in the place of an old one, which may have other hard links."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(data)
    beside.replace(path)
