"""The build backend of the made projects: it stands in their tree and needs nothing else.

`backend.json` says what it does. `src/` is what goes into the wheel, `dist-info/` its
metadata, `data/` its data files.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import runpy
import zipfile
from pathlib import Path

_MOMENT = (2024, 1, 1, 0, 0, 0)


def write_wheel(path: Path, members: dict[str, bytes], record: str = "") -> None:
    """Write a wheel of these members, and its RECORD, with the same bytes every time."""
    lines = []
    for name, content in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(content)}\n")
    if record:
        members = {**members, record: "".join([*lines, f"{record},,\n"]).encode()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, _MOMENT)
            info.external_attr = 0o100644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)


def build_wheel(
    wheel_directory: str,
    config_settings: dict[str, str] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Build a wheel (PEP 517)."""
    del config_settings, metadata_directory
    return _build(wheel_directory, _read("src"))


def build_editable(
    wheel_directory: str,
    config_settings: dict[str, str] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Build a wheel that points here (PEP 660)."""
    del config_settings, metadata_directory
    name = json.loads(Path("backend.json").read_text("utf-8"))["stem"].split("-")[0]
    return _build(
        wheel_directory, {f"__editable__{name}.pth": f"{Path('src').resolve()}\n".encode()}
    )


class UnsupportedOperation(Exception):
    """What this backend does not do."""


def build_sdist(sdist_directory: str, config_settings: dict[str, str] | None = None) -> str:
    """Refuse, as PEP 517 has it: the tests make their sdists themselves."""
    del sdist_directory, config_settings
    message = "there is no sdist of a project of the tests"
    raise UnsupportedOperation(message)


def _read(folder: str, prefix: str = "") -> dict[str, bytes]:
    return {
        f"{prefix}{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    }


def _build(wheel_directory: str, content: dict[str, bytes]) -> str:
    settings = json.loads(Path("backend.json").read_text("utf-8"))
    if settings["needs_import"]:
        importlib.import_module(settings["needs_import"])
    if Path("before_build.py").exists():
        runpy.run_path("before_build.py")
    if settings["fails"]:
        raise RuntimeError("this project was made so that it cannot be built")
    stem, tag = settings["stem"], settings["tag"]
    members = {
        **content,
        **_read("data", f"{stem}.data/data/"),
        **_read("dist-info", f"{stem}.dist-info/"),
    }
    write_wheel(
        Path(wheel_directory, f"{stem}-{tag}.whl"),
        members,
        f"{stem}.dist-info/RECORD" if settings["record"] else "",
    )
    return f"{stem}-{tag}.whl"
