"""A wheel of a source tree, built alone, or beside what is not there yet.

Run as `python -m envmagic.edge.builder KIND SOURCE FOLDER [FUTURE] [--given NAME]`, where KIND
is `wheel` or `editable` (PEP 660): it runs the tree's own build backend in an environment of
its own. FUTURE is what `describe_future` wrote: that build sees what will be installed, in the
versions to come and as if it were, and nothing else that is. What is given is never fetched
for a build, which sees it as it will be or not at all.
"""

from __future__ import annotations

import argparse
import os
import subprocess  # noqa: TID251 (its exception alone)
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from build import BuildBackendException, BuildException, FailedProcessError, ProjectBuilder
from build.env import DefaultIsolatedEnv
from packaging.requirements import InvalidRequirement, Requirement

from envmagic.core.model import canonical_name
from envmagic.edge.layout import lay_out, read_future

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from typing import Literal

    from envmagic.core.model import Name
    from envmagic.edge.layout import Layout

_ELSEWHERE = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT")


class _Environment(DefaultIsolatedEnv):
    """An environment for one build, whose Python looks into some folders first."""

    layout: Layout | None = None

    def make_extra_environ(self) -> dict[str, str]:
        """Return the variables that the build sees."""
        environ = {**(super().make_extra_environ() or {})}
        if self.layout is None:
            return environ
        own, *rest = environ["PATH"].split(os.pathsep, 1)
        return {
            **environ,
            "PATH": os.pathsep.join([own, str(self.layout.programs), *rest]),
            "PYTHONPATH": os.pathsep.join(map(str, self.layout.folders)),
            # What stays is linked to: its bytecode would go into the environment.
            "PYTHONDONTWRITEBYTECODE": "1",
        }


def build_one(
    kind: Literal["wheel", "editable"],
    source: str,
    folder: str,
    future: str = "",
    given: Collection[str] = (),
) -> str:
    """Build a wheel of a source tree into a folder, and return its path."""
    coming = read_future(Path(future)) if future else ()
    there = {found.name: found.version for found in coming}
    with tempfile.TemporaryDirectory(prefix="future-") as beside, _Environment() as environment:
        builder = ProjectBuilder.from_isolated_env(environment, source)
        lacking = _lacking(builder.build_system_requires, there, given)
        if future:
            environment.layout = lay_out(coming, Path(beside), without=set(lacking.values()))
        environment.install(set(lacking))
        wanted = builder.get_requires_for_build(kind)
        environment.install(set(_lacking(wanted, there, given)))
        return builder.build(kind, folder)


def _lacking(
    requirements: Iterable[str], there: Mapping[Name, str], given: Collection[str]
) -> dict[str, Name]:
    """Return the build requirements that what will be there does not meet, with their names."""
    lacking = {}
    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            lacking[text] = canonical_name("")  # pip tells what is wrong with it
            continue
        name = canonical_name(requirement.name)
        version = there.get(name, "")
        if _is_met(requirement, version):
            continue
        if name in given:
            raise BuildException(_refuse(requirement, version))
        lacking[text] = name
    return lacking


def _is_met(requirement: Requirement, version: str) -> bool:
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return True
    if not version or requirement.extras or requirement.url:
        return False
    return requirement.specifier.contains(version, prereleases=True)


def _refuse(requirement: Requirement, version: str) -> str:
    if not version:
        return f"error: its build requires {requirement.name}, which is not there yet"
    return f"error: its build requires `{requirement}`, and {requirement.name} {version} it will be"


def _main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("kind", "source", "folder"):
        parser.add_argument(name)
    parser.add_argument("future", nargs="?", default="")
    parser.add_argument("--given", action="append", default=[])
    # What is installed for a build goes into its own environment, wherever else pip would put it.
    for variable in _ELSEWHERE:
        os.environ.pop(variable, None)
    os.environ["PIP_USER"] = "0"
    try:
        print(build_one(**vars(parser.parse_args())))  # noqa: T201 (its answer)
    except (BuildException, BuildBackendException) as failure:
        sys.exit(str(failure))  # the backend has told why
    except FailedProcessError as failure:
        sys.exit(_retell(failure.exception))
    except subprocess.CalledProcessError as failure:
        sys.exit(_retell(failure))


def _retell(failure: subprocess.CalledProcessError) -> str:
    """Return what a process said that could not do what a build needs, mostly pip."""
    said = (failure.stdout, failure.stderr)
    return b"\n".join(part for part in said if part).decode("utf-8", "replace") or str(failure)


if __name__ == "__main__":
    _main()
