"""What a build sees of what will be installed: its wheels, and what of the installed stays."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

from support.wheels import make_project, make_wheel

from envmagic.core.model import Distribution, Name
from envmagic.edge.builder import build_one
from envmagic.edge.future import describe_future, find_providers
from envmagic.edge.stage import read_wheel

if TYPE_CHECKING:
    from pathlib import Path

LOOK = """\
import os, pathlib, subprocess
import native, tool, old, ours.core
folder = pathlib.Path("data")
folder.mkdir()
said = subprocess.check_output([pathlib.Path(tool.__file__).with_name("run")], text=True)
folder.joinpath("seen.txt").write_text(said + native.__version__ + old.A + ours.core.A)
"""


def test_a_build_sees_wheels_and_what_stays(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    native = make_wheel(wheels, "native", "2.0")
    tool = make_wheel(wheels, "tool", "1.0")
    with zipfile.ZipFile(tool, "a") as archive:
        program = zipfile.ZipInfo("tool/run")
        program.external_attr = 0o100755 << 16
        archive.writestr(program, "#!/bin/sh\necho ran\n")
        archive.writestr("tool-1.0.data/purelib/ours/core.py", "A = 'core'\n")
        archive.writestr("tool-1.0.data/data/share/x.py", "")
        archive.writestr("../outside.py", "")
    site = tmp_path / "site"
    info = site / "old-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "old.py").write_text("A = 'old'\n")
    (info / "METADATA").write_text("Name: old\nVersion: 1.0\n")
    (info / "RECORD").write_text("old.py,,\n../../bin/old,,\nold-1.0.dist-info/METADATA,,\n")
    old = Distribution(
        name=Name("old"), version="1.0", location=str(site), metadata="old-1.0.dist-info"
    )
    staged = [read_wheel(native), read_wheel(tool)]
    providers = find_providers(staged, [old])
    assert {module: found.name for module, found in providers.items()} == {
        "native": "native",
        "tool": "tool",
        "ours": "tool",
        "old": "old",
    }
    future = tmp_path / "future.json"
    future.write_text(describe_future(staged, [old]))
    assert [name for _, name in json.loads(future.read_text())["staying"]] == [
        "old-1.0.dist-info",
        "old.py",
    ]
    # What will be there meets a requirement of the build: nothing is fetched, since nothing can.
    project = make_project(
        tmp_path, "ext", "1.0", setup_body=LOOK, build_requires=["native>=1", "old"]
    )
    made = build_one("wheel", str(project), str(wheels), str(future))
    with zipfile.ZipFile(made) as archive:
        assert archive.read("ext-1.0.data/data/seen.txt") == b"ran\n2.0oldcore"
    assert not list(tmp_path.rglob("outside.py"))
