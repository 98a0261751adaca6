"""One distribution, built without Node: the magic, the panel and its languages."""

from __future__ import annotations

import shutil
import sys
import zipfile
from configparser import ConfigParser
from typing import TYPE_CHECKING, NamedTuple

import pytest
from jupyterlab_server.config import get_federated_extensions
from support.process import run_process
from support.templates import ROOT

from envmagic.core.model import VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from support.environment import Environment

pytestmark = pytest.mark.live

_SHARED = f"envmagic-{VERSION}.data/data/share/jupyter/labextensions/envmagic/"
_LIMIT = 1_000_000
"""More bytes than a wheel of this code has any use for: something strayed into it."""


class Distribution(NamedTuple):
    """The same wheel, built in two ways."""

    from_tree: Path
    from_sdist: Path


@pytest.fixture(scope="module")
def distribution(tmp_path_factory: pytest.TempPathFactory, machine: dict[str, str]) -> Distribution:
    """Build with the real backend, from the ordinary index, where no Node is to be found."""
    folder = tmp_path_factory.mktemp("dist")
    (folder / "bin").mkdir()
    environ = {k: v for k, v in machine.items() if not k.startswith("PYTHON")}
    environ["PATH"] = str(folder / "bin")
    assert not [name for name in ("node", "npm") if shutil.which(name, path=environ["PATH"])]
    for options in (("--wheel", "--outdir", folder / "tree"), ("--outdir", folder / "sdist")):
        build = [sys.executable, "-m", "build", *options, ROOT]
        run_process(build, env=environ, cwd=folder, timeout=600)
    (tree,) = (folder / "tree").glob("*.whl")
    (sdist,) = (folder / "sdist").glob("*.whl")
    return Distribution(tree, sdist)


def members(wheel: Path) -> dict[str, bytes]:
    """Return the files of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def files_below(folder: Path) -> dict[str, bytes]:
    """Return what lies in a folder, by its path below it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_sdist_makes_the_same_wheel(distribution: Distribution) -> None:
    tree, sdist = map(members, distribution)
    assert sorted(tree) == sorted(sdist)
    assert [name for name in tree if tree[name] != sdist[name]] == []


def test_the_panel_is_in_it_once(distribution: Distribution) -> None:
    inside = members(distribution.from_tree)
    panel = files_below(ROOT / "envmagic" / "labextension")
    panel["install.json"] = (ROOT / "labextension" / "install.json").read_bytes()
    shared = {
        name.removeprefix(_SHARED): data
        for name, data in inside.items()
        if name.startswith(_SHARED)
    }
    assert shared == panel
    assert [name for name in shared if name.startswith("static/remoteEntry.")]
    assert [name for name in shared if name.startswith("schemas/")]
    assert [name for name in inside if name.startswith("envmagic/labextension")] == []
    assert distribution.from_tree.stat().st_size < _LIMIT


def test_all_of_the_package_is_in_it(distribution: Distribution) -> None:
    inside = members(distribution.from_tree)
    package = files_below(ROOT / "envmagic")
    for name, data in package.items():
        if not name.startswith("labextension/"):
            assert inside.get(f"envmagic/{name}") == data, name
    languages = [name for name in inside if name.startswith("envmagic/locale/")]
    assert any(name.endswith(".json") for name in languages)
    entries = ConfigParser()
    entries.read_string(inside[f"envmagic-{VERSION}.dist-info/entry_points.txt"].decode())
    assert entries["jupyterlab.locale"]["envmagic"] == "envmagic"


def test_jupyterlab_finds_the_panel_of_an_installed_wheel(
    distribution: Distribution, bare_environment: Environment
) -> None:
    environment = bare_environment
    environment.pip("uninstall", "--yes", "--quiet", "envmagic")
    extensions = environment.prefix / "share" / "jupyter" / "labextensions"
    assert "envmagic" not in get_federated_extensions([str(extensions)])
    environment.pip("install", "--quiet", "--no-index", "--no-deps", distribution.from_sdist)
    found = get_federated_extensions([str(extensions)])["envmagic"]
    assert (found["name"], found["version"]) == ("envmagic", VERSION)
    assert found["install"]["packageName"] == "envmagic"
    entry = extensions / "envmagic" / found["jupyterlab"]["_build"]["load"]
    assert entry.is_file()
    assert environment.run("-m", "envmagic", "--version").stdout.split() == ["envmagic", VERSION]
