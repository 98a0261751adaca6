"""An editable wheel of a source tree (PEP 660), built beside and not installed.

Run as `python -m envmagic.edge.editable SOURCE FOLDER`: it runs the tree's own build backend.
"""

from __future__ import annotations

import sys

from build import ProjectBuilder
from build.env import DefaultIsolatedEnv


def build_editable(source: str, folder: str) -> str:
    """Build the editable wheel of a source tree into a folder, and return its path."""
    with DefaultIsolatedEnv() as environment:
        builder = ProjectBuilder.from_isolated_env(environment, source)
        environment.install(builder.build_system_requires)
        environment.install(builder.get_requires_for_build("editable"))
        return builder.build("editable", folder)


if __name__ == "__main__":
    print(build_editable(*sys.argv[1:3]))  # noqa: T201 (its answer)
