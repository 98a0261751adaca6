"""Wheels, sdists, source projects and git repositories, made in milliseconds."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from packaging.version import InvalidVersion, Version
from support.backend import write_wheel
from support.process import clean_environ, run_process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Unpack

_BACKEND = Path(__file__).with_name("backend.py")
_PYPROJECT = """\
[build-system]
requires = {requires}
build-backend = "backend"
backend-path = ["."]
"""


class Content(TypedDict, total=False):
    """What a distribution holds; all of it may be left out."""

    requires: Sequence[str]
    extras: Mapping[str, Sequence[str]]
    files: Mapping[str, str]
    """Beside the package that is always there; may replace its `__init__.py`."""
    scripts: Mapping[str, str]
    """Console scripts: name to `module:function`."""
    data: Mapping[str, str]
    """Files that go below the prefix."""
    tag: str
    requires_python: str
    record: bool
    """False: the wheel has no RECORD."""


class ProjectContent(Content, total=False):
    """What a source tree holds, and how its build behaves."""

    setup_body: str
    """Python code that runs before each build."""
    fails: bool
    """True: the build backend raises."""
    needs_import: str
    """A module that the build backend imports first."""
    build_requires: Sequence[str]


def import_name(name: str) -> str:
    """Return a name as wheels' file names and import statements spell it."""
    return re.sub(r"[-_.]+", "_", name).lower()


def make_wheel(folder: Path, name: str, version: str, **content: Unpack[Content]) -> Path:
    """Write a wheel that pip installs without complaint; the same bytes every time."""
    stem = wheel_stem(name, version)
    members = {
        **_files(name, version, content),
        **_below(f"{stem}.data/data/", content.get("data", {})),
        **_below(f"{stem}.dist-info/", wheel_metadata(name, version, content)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}-{content.get('tag', 'py3-none-any')}.whl"
    record = f"{stem}.dist-info/RECORD" if content.get("record", True) else ""
    write_wheel(path, {where: text.encode() for where, text in members.items()}, record)
    return path


def make_sdist(folder: Path, name: str, version: str, **content: Unpack[ProjectContent]) -> Path:
    """Write an sdist whose build backend stands in its own tree: no network, no setuptools."""
    stem = wheel_stem(name, version)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}.tar.gz"
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for where, text in _tree(name, version, content).items():
            member = tarfile.TarInfo(f"{stem}/{where}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def make_project(folder: Path, name: str, version: str, **content: Unpack[ProjectContent]) -> Path:
    """Write a source tree, and return it: good for `-e`, a path, `git+file://`."""
    project = folder / name
    for where, text in _tree(name, version, content).items():
        path = project / where
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return project


def make_git_repository(folder: Path) -> str:
    """Commit all that is in a folder, a repository or not yet; return the commit."""
    person = {"NAME": "A Tester", "EMAIL": "tester@example.org", "DATE": "2024-01-01T00:00:00Z"}
    env = clean_environ(folder) | {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{role}_{k}": v for role in ("AUTHOR", "COMMITTER") for k, v in person.items()},
    }
    run_process(["git", "init", "--quiet", "--initial-branch=main", folder], env=env)
    run_process(["git", "add", "--all"], env=env, cwd=folder)
    run_process(["git", "commit", "--quiet", "--message=A change"], env=env, cwd=folder)
    return run_process(["git", "rev-parse", "HEAD"], env=env, cwd=folder).stdout.strip()


def wheel_stem(name: str, version: str) -> str:
    """Return what a wheel's file name, `.dist-info` and `.data` begin with."""
    try:
        return f"{import_name(name)}-{Version(version)}"
    except InvalidVersion:
        return f"{import_name(name)}-{version.replace('-', '_')}"


def _below(prefix: str, texts: Mapping[str, str]) -> dict[str, str]:
    return {f"{prefix}{where}": text for where, text in texts.items()}


def _files(name: str, version: str, content: Content) -> dict[str, str]:
    package = {f"{import_name(name)}/__init__.py": f'__version__ = "{version}"\n'}
    return {**package, **content.get("files", {})}


def wheel_metadata(name: str, version: str, content: Content) -> dict[str, str]:
    """Return the files of a `.dist-info`, but for its RECORD."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    if requires_python := content.get("requires_python"):
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Requires-Dist: {requirement}" for requirement in content.get("requires", ())]
    for extra, requirements in content.get("extras", {}).items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f"Requires-Dist: {_within(extra, each)}" for each in requirements]
    tag = content.get("tag", "py3-none-any")
    pure = "true" if tag.endswith("-none-any") else "false"
    wheel = ["Wheel-Version: 1.0", "Generator: envmagic-tests", f"Root-Is-Purelib: {pure}"]
    # A tag of several (`py2.py3-none-any`) is one line each.
    python, abi, platform = tag.split("-")
    wheel += [
        f"Tag: {p}-{a}-{m}"
        for p in python.split(".")
        for a in abi.split(".")
        for m in platform.split(".")
    ]
    texts = {"METADATA": "\n".join(lines) + "\n", "WHEEL": "\n".join(wheel) + "\n"}
    if scripts := content.get("scripts"):
        entries = [f"{script} = {target}" for script, target in scripts.items()]
        texts["entry_points.txt"] = "\n".join(["[console_scripts]", *entries]) + "\n"
    return texts


def _within(extra: str, requirement: str) -> str:
    bare, _, marker = requirement.partition(";")
    condition = f'extra == "{extra}"'
    return (
        f"{bare.strip()}; ({marker.strip()}) and {condition}" if marker else f"{bare}; {condition}"
    )


def _tree(name: str, version: str, content: ProjectContent) -> dict[str, str]:
    metadata = wheel_metadata(name, version, content)
    settings = {
        "stem": wheel_stem(name, version),
        "tag": content.get("tag", "py3-none-any"),
        "record": content.get("record", True),
        "fails": content.get("fails", False),
        "needs_import": content.get("needs_import", ""),
    }
    tree = {
        "PKG-INFO": metadata["METADATA"],
        "pyproject.toml": _PYPROJECT.format(
            requires=json.dumps(list(content.get("build_requires", ())))
        ),
        "backend.py": _BACKEND.read_text("utf-8"),
        "backend.json": json.dumps(settings, indent=1) + "\n",
        **_below("src/", _files(name, version, content)),
        **_below("data/", content.get("data", {})),
        **_below("dist-info/", metadata),
    }
    if body := content.get("setup_body"):
        tree["before_build.py"] = body
    return tree
