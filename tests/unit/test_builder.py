"""What a build sees of what will be installed: its wheels, and what of the installed stays."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, TypedDict

import pytest
from build import BuildException
from support.wheels import make_project, make_wheel

from envmagic.core.model import Distribution, Name, Source, SourceKind
from envmagic.edge.builder import build_one
from envmagic.edge.future import describe_future, find_providers
from envmagic.edge.stage import read_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from support.wheels import ProjectContent
    from typing_extensions import Unpack

LOOK = """\
import os, pathlib, subprocess
import native, tool, old, packed, ours.core
folder = pathlib.Path("data")
folder.mkdir()
said = subprocess.check_output([pathlib.Path(tool.__file__).with_name("run")], text=True)
folder.joinpath("seen.txt").write_text(said + native.__version__ + old.A + ours.core.A)
"""
CALL = """\
import os, pathlib, subprocess
folder = pathlib.Path("data")
folder.mkdir()
programs = ("new-entry", "new-script", "old-entry", "old-script")
said = [subprocess.check_output([program], text=True).strip() for program in programs]
folder.joinpath("said.txt").write_text(" ".join(said))
"""
SAY = "import sys\ndef main():\n    print(sys.argv[0].rpartition('/')[2], '{name}')\n"
SCRIPT = "import {name}\nprint('script of', {name}.__name__)\n"


class _More(TypedDict, total=False):
    metadata: str
    source: Source


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of what is installed."""
    folder = tmp_path / "lib" / "site"
    folder.mkdir(parents=True)
    return folder


def install(site: Path, name: str, files: Mapping[str, str], **more: Unpack[_More]) -> Distribution:
    """Install version 1.0 of something, with a RECORD if it has `.dist-info`."""
    metadata = more.setdefault("metadata", f"{name}-1.0.dist-info")
    files = {**files, f"{metadata}/METADATA": f"Name: {name}\nVersion: 1.0\n"}
    for where, text in files.items():
        (site / where).parent.mkdir(parents=True, exist_ok=True)
        (site / where).write_text(text)
    if metadata.endswith(".dist-info"):
        (site / metadata / "RECORD").write_text("".join(f"{where},,\n" for where in files))
    return Distribution(name=Name(name), version="1.0", location=str(site), **more)


def build_beside(
    folder: Path,
    wheels: Sequence[Path],
    staying: Sequence[Distribution],
    **content: Unpack[ProjectContent],
) -> zipfile.ZipFile:
    """Build a project that sees these, and open its wheel."""
    future = folder / "future.json"
    future.write_text(describe_future([read_wheel(wheel) for wheel in wheels], staying))
    project = make_project(folder, "ext", "1.0", **content)
    return zipfile.ZipFile(build_one("wheel", str(project), str(folder), str(future)))


def test_a_build_sees_wheels_and_what_stays(tmp_path: Path, site: Path) -> None:
    wheels = tmp_path / "wheels"
    native = make_wheel(wheels, "native", "2.0", files={"model.data": "", "model.py": ""})
    tool = make_wheel(wheels, "tool", "1.0")
    with zipfile.ZipFile(tool, "a") as archive:
        program = zipfile.ZipInfo("tool/run")
        program.external_attr = 0o100755 << 16
        archive.writestr(program, "#!/bin/sh\necho ran\n")
        archive.writestr("tool-1.0.data/purelib/ours/core.py", "A = 'core'\n")
        archive.writestr("tool-1.0.data/data/share/x.py", "")
        archive.writestr("../outside.py", "")
        archive.writestr("tool-1.0.data/scripts/..", "")
    files = {"old.py": "A = 'old'\n", "packed/__init__.py": "", "../../bin/old": ""}
    old = install(site, "old", files)
    staged = [read_wheel(native), read_wheel(tool)]
    assert {module: found.name for module, found in find_providers(staged, [old]).items()} == {
        "native": "native",
        "model": "native",
        "tool": "tool",
        "ours": "tool",
        "old": "old",
        "packed": "old",
    }
    told = json.loads(describe_future(staged, [old]))[-1]
    assert told["entries"] == ["old-1.0.dist-info", "old.py", "packed"]
    assert told["programs"] == [str(tmp_path / "bin" / "old")]
    # What will be there meets a requirement of the build: nothing is fetched, since nothing can.
    requires = ["native>=1", "old", "absent; python_version < '3'"]
    with build_beside(
        tmp_path, [native, tool], [old], setup_body=LOOK, build_requires=requires
    ) as made:
        assert made.read("ext-1.0.data/data/seen.txt") == b"ran\n2.0oldcore"
    assert not list(tmp_path.rglob("outside.py"))
    # Nor is anything written into what stays, not even bytecode.
    assert not list(site.rglob("__pycache__"))


def test_a_build_can_call_the_programs_of_what_it_sees(tmp_path: Path, site: Path) -> None:
    new = make_wheel(
        tmp_path / "wheels",
        "new",
        "1.0",
        files={"new/__init__.py": SAY.format(name="new")},
        scripts={"new-entry": "new:main"},
    )
    with zipfile.ZipFile(new, "a") as archive:
        script = "#!python\n" + SCRIPT.format(name="new")
        archive.writestr("new-1.0.data/scripts/new-script", script)
    files = {
        "old.py": SAY.format(name="old"),
        "old-1.0.dist-info/entry_points.txt": "[console_scripts]\nold-entry = old:main\n",
        "../../bin/old-entry": "#!/nowhere/python\nraise SystemExit(1)\n",
        "../../bin/old-script": "#!/nowhere/bin/python3.11\n" + SCRIPT.format(name="old"),
    }
    old = install(site, "old", files)
    with build_beside(tmp_path, [new], [old], setup_body=CALL) as made:
        said = made.read("ext-1.0.data/data/said.txt").decode()
    assert said == "new-entry new script of new old-entry old script of old"


def test_a_build_sees_an_editable_and_what_has_no_record(tmp_path: Path, site: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "src" / "edited").mkdir(parents=True)
    (tree / "src" / "edited" / "__init__.py").write_text("A = 'edited'\n")
    source = Source(kind=SourceKind.DIRECTORY, url=tree.as_uri(), editable=True)
    lead = {"__editable__.edited.pth": f"{tree / 'src'}\n"}
    edited = install(site, "edited", lead, source=source)
    files = {
        "conda_a/__init__.py": "A = 'conda'\n",
        "conda_b.py": "B = 'b'\n",
        "conda-1.0.egg-info/top_level.txt": "conda_a\nconda_b\n",
    }
    conda = install(site, "conda", files, metadata="conda-1.0.egg-info")
    plain = install(site, "plain", {"plain.py": "", "plain.pth": "import nowhere_at_all\n"})
    staying = [edited, conda, plain]
    providers = find_providers((), staying)
    assert {providers[m].name for m in ("edited", "conda_a", "conda_b")} == {"edited", "conda"}
    body = (
        "import pathlib, edited, conda_a, conda_b\npathlib.Path('data').mkdir()\n"
        "pathlib.Path('data/seen.txt').write_text(edited.A + conda_a.A + conda_b.B)\n"
    )
    requires = ["edited>=1", "conda>=1"]
    with build_beside(tmp_path, (), staying, setup_body=body, build_requires=requires) as made:
        assert made.read("ext-1.0.data/data/seen.txt") == b"editedcondab"


def test_what_is_given_is_never_fetched(tmp_path: Path) -> None:
    native = make_wheel(tmp_path / "wheels", "native", "2.0")
    project = make_project(tmp_path, "ext", "1.0", build_requires=["native>=3"])
    future = tmp_path / "future.json"
    with pytest.raises(BuildException, match="its build requires native, which is not there yet"):
        build_one("wheel", str(project), str(tmp_path), given=["native"])
    future.write_text(describe_future([read_wheel(native)], ()))
    with pytest.raises(BuildException, match=r"requires `native>=3`, and native 2.0 it will be"):
        build_one("wheel", str(project), str(tmp_path), str(future), ["native"])
