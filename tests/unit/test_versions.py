"""One version, wherever it stands."""

from __future__ import annotations

import json
import re
from pathlib import Path

from envmagic.core.model import VERSION

ROOT = Path(__file__).parents[2]


def test_panel_and_package_have_one_version() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    assert re.findall(r'^version = "(.+)"$', project, re.MULTILINE) == [VERSION]
    source = (ROOT / "labextension" / "src" / "version.ts").read_text("utf-8")
    assert re.findall(r"VERSION = '(.+)'", source) == [VERSION]
    for folder in ("labextension", "envmagic/labextension"):
        package = json.loads((ROOT / folder / "package.json").read_text("utf-8"))
        assert (package["name"], package["version"]) == ("envmagic", VERSION)
