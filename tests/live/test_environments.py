"""Environments that are not plain: what older tools, other folders and the system left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.story import QUIET, Story
from support.wheelhouse import Wheelhouse
from support.wheels import make_project

if TYPE_CHECKING:
    from pathlib import Path

    from support.environment import Environment

pytestmark = pytest.mark.live


@pytest.fixture
def story(bare_environment: Environment, wheelhouse: Wheelhouse) -> Story:
    return Story(bare_environment, wheelhouse)


def header(name: str, version: str, *requires: str) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    return "\n".join([*lines, *(f"Requires-Dist: {line}" for line in requires), "", ""])


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def texts(report: dict[str, Any], *kinds: str) -> list[str]:
    return [f["text"] for f in report["findings"] if f["kind"] in kinds]


def row(report: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [c for c in report["changes"] if c["name"] == name]
    assert isinstance(found, dict)
    return found


def develop(environment: Environment, project: Path, below: str, up: str) -> Path:
    """Do to an environment what `setup.py develop` did."""
    folder = project / below
    write(folder / "linked.egg-info" / "PKG-INFO", header("linked", "0.1"))
    write(folder / "linked.py", "")
    environment.overwrite("linked.egg-link", f"{folder}\n{up}")
    environment.overwrite("easy-install.pth", f"{folder}\n")
    return project


def test_what_pip_cannot_uninstall_is_refused_beforehand(
    story: Story, wheelhouse: Wheelhouse
) -> None:
    environment = story.environment
    environment.install(wheelhouse, "alpha==1.0", "delta==1.0")
    environment.overwrite("older-0.2-py3.11.egg-info", header("older", "0.2"))
    environment.overwrite("oldest.egg-info/PKG-INFO", header("oldest", "0.1"))
    story.write("alpha==2.0", "delta==2.0")
    manifest = environment.manifest()
    done = story.sync(code=3)
    assert "pip cannot uninstall `older`, `oldest`" in done.stderr
    assert environment.manifest() == manifest
    story.write("alpha==1.0", "delta==2.0")
    story.sync("--keep", "old*")
    assert environment.freeze()["delta"] == "2.0"


def test_odd_metadata_in_the_folder_of_the_process_is_no_matter(story: Story) -> None:
    home = story.environment.home
    write(home / "broken.egg-info" / "SOURCES.txt", "")
    write(home / "broken-1.0.dist-info" / "RECORD", "")
    write(home / "~alf-1.0.dist-info" / "METADATA", header("half", "1.0"))
    story.write("alpha==1.0")
    assert texts(story.diff(), "unreadable", "leftover") == []
    story.sync()
    assert story.environment.freeze()["alpha"] == "1.0"


@pytest.mark.parametrize("below", ["", "src"])
def test_an_editable_is_equal_in_its_own_folder(story: Story, tmp_path: Path, below: str) -> None:
    environment = story.environment
    project = make_project(tmp_path / "tree", "edited", "0.1")
    story.write(f"-e {project}#egg=edited")
    story.sync()
    write(project / below / "edited.egg-info" / "PKG-INFO", header("edited", "0.1"))
    said = environment.run(
        "-m",
        "envmagic",
        "diff",
        story.lock,
        cwd=project / below,
        env={"PYTHONPATH": str(project / below)} | QUIET,
        check=False,
    )
    assert said.returncode == 0
    assert "is equal to" in said.stdout
    assert "hides" not in said.stdout


def test_a_copy_behind_an_outside_one_stays(story: Story, wheelhouse: Wheelhouse) -> None:
    environment = story.environment
    environment.install(wheelhouse, "alpha==1.0", "delta==1.0")
    write(environment.home / "alpha.egg-info" / "PKG-INFO", header("alpha", "1.5"))
    write(environment.home / "alpha.py", "")
    story.write("epsilon==1.0")
    assert story.kinds() == {"delta": "remove", "epsilon": "install"}
    story.sync()
    frozen = environment.freeze()
    assert (frozen["alpha"], frozen["epsilon"]) == ("1.0", "1.0")
    written = environment.run("-m", "envmagic", "freeze").stdout
    assert "alpha==1.0\n" in written


@pytest.mark.parametrize(("below", "up"), [("", "."), ("src", "../")])
def test_what_was_linked_is_kept_frozen_and_removed(
    story: Story, tmp_path: Path, below: str, up: str
) -> None:
    environment = story.environment
    project = develop(environment, tmp_path / "tree", below, up)
    story.write("alpha==1.0", f"-e {project}#egg=linked")
    assert story.kinds() == {"alpha": "install"}
    story.sync()
    assert story.diff()["parity"]
    frozen = environment.run("-m", "envmagic", "freeze").stdout
    assert f"# envmagic: not locked: linked==0.1 (editable: file://{project})" in frozen
    assert (environment.site_packages / "linked.egg-link").exists()
    story.write("alpha==1.0")
    assert story.kinds() == {"linked": "remove"}
    story.sync()
    assert not (environment.site_packages / "linked.egg-link").exists()
    assert (project / below / "linked.py").exists()
    assert story.diff()["parity"]


@pytest.fixture
def system(story: Story, tmp_path: Path) -> Path:
    """What the environment sees behind its own, as with `--system-site-packages`."""
    system = tmp_path / "system" / "site-packages"
    system.mkdir(parents=True)
    story.environment.overwrite("zz-system.pth", f"{system}\n")
    return system


def test_what_comes_back_from_the_system_is_foreseen(
    story: Story, system: Path, wheelhouse: Wheelhouse
) -> None:
    environment = story.environment
    write(system / "alpha-2.0.dist-info" / "METADATA", header("alpha", "2.0"))
    write(system / "zeta-1.0.dist-info" / "METADATA", header("zeta", "1.0", "alpha>=1"))
    environment.install(wheelhouse, "alpha==1.0")
    story.write("delta==1.0")
    report = story.diff()
    assert story.kinds() == {"alpha": "remove", "delta": "install"}
    assert texts(report, "missing", "conflict") == []
    story.sync()
    assert story.diff()["parity"]
    assert environment.freeze()["alpha"] == "2.0"


def test_a_constraint_that_a_pin_contradicts_is_refused(story: Story) -> None:
    write(story.environment.home / "constraints.txt", "alpha==1.0\n")
    story.write("-c constraints.txt", "alpha==2.0")
    done = story.sync(code=3)
    assert "contradicts the constraint `alpha==1.0`" in done.stderr
    assert "constraints.txt:1" in done.stderr
    assert f"{story.lock.name}:2" in done.stderr
    assert "alpha" not in story.environment.freeze()


def test_a_constraint_narrows_a_range(story: Story) -> None:
    write(story.environment.home / "constraints.txt", "alpha<2\n")
    story.write("-c constraints.txt", "alpha>=1.0")
    story.sync("--allow-ranges")
    assert story.environment.freeze()["alpha"] == "1.1"


def test_what_a_kept_one_requires_is_kept(story: Story, wheelhouse: Wheelhouse) -> None:
    environment = story.environment
    environment.install(wheelhouse, "beta==1.0", "alpha==1.0", "delta==1.0")
    story.write("epsilon==1.0")
    report = story.diff("--keep", "be*", "--keep", "nothing-*")
    assert row(report, "alpha")["reason"] == "kept: `beta` requires it"
    assert "`--keep nothing-*` matches nothing that is installed" in texts(report, "unknown")
    story.sync("--keep", "be*")
    frozen = environment.freeze()
    assert {"alpha", "beta", "epsilon"} <= frozen.keys()
    assert "delta" not in frozen


def test_the_preview_says_which_way_an_unlocked_one_goes(
    bare_environment: Environment, tmp_path: Path
) -> None:
    own = Wheelhouse.standard(tmp_path / "wheels")
    story = Story(bare_environment, own)
    own.add("up", "1.0", requires=["alpha~=2.0"])
    own.add("down", "1.0", requires=["delta>=0.5,<2"])
    story.environment.install(own, "up==1.0", "down==1.0", "alpha==1.0", "delta==2.0")
    story.write("up==1.0", "down==1.0")
    assert story.kinds() == {"alpha": "upgrade", "delta": "downgrade"}
