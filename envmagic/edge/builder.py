"""A wheel of a source tree, built beside: an editable, or what imports what is not there yet.

Run as `python -m envmagic.edge.builder KIND SOURCE FOLDER [FUTURE]`, where KIND is `wheel` or
`editable` (PEP 660): it runs the tree's own build backend in an environment of its own.
FUTURE is what `describe_future` wrote: that build sees what will be installed, in the
versions to come and as if it were, and nothing else that is.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from build import BuildBackendException, BuildException, ProjectBuilder
from build.env import DefaultIsolatedEnv
from packaging.requirements import InvalidRequirement, Requirement

from envmagic.core.model import canonical_name
from envmagic.edge.probe import installed_versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Literal

    from envmagic.core.model import Name


class _Environment(DefaultIsolatedEnv):
    """An environment for one build, whose Python looks into some folders first."""

    def __init__(self, folders: Iterable[Path]) -> None:
        super().__init__()
        self._folders = tuple(folders)

    def make_extra_environ(self) -> dict[str, str]:
        """Return the variables that the build sees."""
        path = os.pathsep.join(map(str, self._folders))
        return {**(super().make_extra_environ() or {}), "PYTHONPATH": path}


def build_one(
    kind: Literal["wheel", "editable"], source: str, folder: str, future: str = ""
) -> str:
    """Build a wheel of a source tree into a folder, and return its path."""
    with tempfile.TemporaryDirectory(prefix="future-") as beside:
        folders = _lay_out(Path(future), Path(beside)) if future else ()
        there = dict(installed_versions(map(str, folders)))
        with _Environment(folders) as environment:
            builder = ProjectBuilder.from_isolated_env(environment, source)
            environment.install(_lacking(builder.build_system_requires, there))
            environment.install(_lacking(builder.get_requires_for_build(kind), there))
            return builder.build(kind, folder)


def _lay_out(future: Path, folder: Path) -> tuple[Path, ...]:
    """Unpack the wheels that will be installed, and link to what stays; return the folders."""
    wanted = json.loads(future.read_text("utf-8"))
    new, old = folder / "new", folder / "old"
    for made in (new, old):
        made.mkdir()
    for wheel in wanted["wheels"]:
        _unpack(Path(wheel), new)
    for location, name in wanted["staying"]:
        if not os.path.lexists(old / name):
            (old / name).symlink_to(Path(location, name))
    return new, old


def _unpack(wheel: Path, folder: Path) -> None:
    """Unpack what of a wheel goes on the path; what can be executed stays so, as with pip."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            parts = member.filename.split("/")
            if parts[0].endswith(".data"):
                if parts[1] not in {"purelib", "platlib"}:
                    continue
                parts = parts[2:]
            target = folder.joinpath(*parts)
            if member.is_dir() or ".." in parts or not target.is_relative_to(folder):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as content, target.open("wb") as file:
                shutil.copyfileobj(content, file)
            if member.external_attr >> 16 & 0o111:
                target.chmod(0o700)


def _lacking(requirements: Iterable[str], there: Mapping[Name, str]) -> set[str]:
    """Return the build requirements that what will be there does not meet."""
    return {requirement for requirement in requirements if not _is_met(requirement, there)}


def _is_met(text: str, there: Mapping[Name, str]) -> bool:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return False
    version = there.get(canonical_name(requirement.name))
    if version is None or requirement.extras or requirement.url:
        return False
    return requirement.specifier.contains(version, prereleases=True)


if __name__ == "__main__":
    try:
        print(build_one(*sys.argv[1:5]))  # type: ignore[arg-type]  # noqa: T201 (its answer)
    except (BuildException, BuildBackendException) as failure:
        sys.exit(str(failure))  # the backend has told why
