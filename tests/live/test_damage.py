"""What a killed pip, a full disk or a careless hand has left: found, and put right."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from support.story import QUIET, Story
from support.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from pathlib import Path

    from support.environment import Environment

pytestmark = pytest.mark.live

LIBRARY = "nvidia/cudnn/lib/libcudnn.so.9"
CU12, CU13 = "nvidia-cudnn-cu12", "nvidia-cudnn-cu13"
LOOK = """\
import json
from envmagic.edge.damage import find_damage
from envmagic.edge.probe import take_snapshot
damage = find_damage(take_snapshot())
print(json.dumps([damage.missing, damage.shared, damage.unrecorded]))
"""


@pytest.fixture
def wheels(tmp_path: Path) -> Wheelhouse:
    """Hold NVIDIA's wheels of two CUDA versions, which put their files in one place."""
    made = Wheelhouse.standard(tmp_path / "wheels")
    for name in (CU12, CU13):
        both = {LIBRARY: name, "nvidia/cudnn/include/cudnn.h": ""}
        made.add(name, "9.1", files=both | {f"nvidia/{name[-4:]}/own.txt": ""})
        made.add(name, "9.2", files={f"nvidia/{name[-4:]}/lib/libcudnn.so.9": name})
    return made


@pytest.fixture
def story(bare_environment: Environment, wheels: Wheelhouse) -> Story:
    return Story(bare_environment, wheels)


def row(report: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [c for c in report["changes"] if c["name"] == name]
    assert isinstance(found, dict)
    return found


def findings(report: dict[str, Any], kind: str, name: str | None = None) -> list[dict[str, Any]]:
    return [f for f in report["findings"] if f["kind"] == kind and name in {None, f["name"]}]


def is_whole(story: Story) -> bool:
    """Whether the lock is fulfilled, to the last file."""
    said = story.environment.run("-c", LOOK).stdout
    report = story.diff()
    return bool(
        said.startswith("[{}, ")
        and said.rstrip().endswith(", {}]")
        and report["parity"]
        and not findings(report, "damaged")
    )


def test_files_that_are_gone_come_back(story: Story, wheels: Wheelhouse) -> None:
    environment = story.environment
    environment.install(wheels, "alpha==1.0", "epsilon==1.0", "beta==1.0")
    environment.damage("epsilon/__init__.py")
    (environment.prefix / "bin" / "epsilon").unlink()
    (environment.prefix / "share" / "epsilon" / "words.txt").unlink()
    environment.damage("alpha/__init__.py")
    story.write("beta==1.0", "epsilon==1.0")
    report = story.diff()
    assert story.kinds() == {"alpha": "reinstall", "epsilon": "reinstall"}
    assert not report["parity"]
    assert row(report, "epsilon") | {"line": None, "loaded": None} == {
        "name": "epsilon",
        "kind": "reinstall",
        "installed": "1.0",
        "wanted": "1.0",
        "reason": "lock",
        "note": "3 of its files are gone, such as `../../../bin/epsilon`",
        "loaded": None,
        "line": None,
    }
    assert row(report, "alpha")["note"] == "1 of its files is gone, such as `alpha/__init__.py`"
    (finding,) = findings(report, "damaged", "alpha")
    assert finding["severity"] == "warning"
    assert finding["when"] == "now"
    assert finding["hint"] == "a sync puts it in anew"
    story.sync()
    assert is_whole(story)
    speaks = environment.run("-c", "from epsilon import main; main()")
    assert "epsilon speaks" in speaks.stdout
    assert (environment.prefix / "bin" / "epsilon").exists()
    assert (environment.site_packages / "alpha" / "__init__.py").exists()


def test_what_the_lock_does_not_name_is_only_told(story: Story, wheels: Wheelhouse) -> None:
    story.environment.install(wheels, "alpha==1.0", "delta==1.0")
    story.environment.damage("delta/__init__.py")
    story.write("alpha==1.0")
    report = story.diff("--keep", "delta")
    assert report["parity"]
    (finding,) = findings(report, "damaged")
    assert finding["name"] == "delta"
    assert "1 of its files is gone, such as `delta/__init__.py`" in finding["text"]
    assert "name it in the lock" in finding["hint"]
    story.write("alpha==1.0", "delta==1.0")
    story.sync()
    assert is_whole(story)


@pytest.mark.parametrize(("removed", "stays"), [(CU12, CU13), (CU13, CU12)])
def test_what_shares_files_with_a_removed_one_is_put_in_again(
    story: Story, wheels: Wheelhouse, removed: str, stays: str
) -> None:
    environment = story.environment
    environment.install(wheels, f"{CU12}==9.1", f"{CU13}==9.1")
    story.write(f"{stays}==9.1")
    report = story.diff()
    assert story.kinds() == {removed: "remove", stays: "reinstall"}
    note = f"shares 2 files with `{removed}`, which is removed"
    assert row(report, stays)["note"] == note
    (finding,) = findings(report, "damaged")
    assert (finding["when"], finding["severity"]) == ("after", "note")
    assert finding["text"] == f"`{stays}` {note}, and would lose them"
    story.sync()
    assert is_whole(story)
    assert (environment.site_packages / LIBRARY).read_text() == stays


@pytest.mark.parametrize(("moved", "stays"), [(CU12, CU13), (CU13, CU12)])
def test_what_shares_files_with_an_upgraded_one_is_put_in_after_it(
    story: Story, wheels: Wheelhouse, moved: str, stays: str
) -> None:
    """The new version of one no longer has the files, and pip may come to it last."""
    environment = story.environment
    environment.install(wheels, f"{CU12}==9.1", f"{CU13}==9.1")
    story.write(f"{moved}==9.2", f"{stays}==9.1")
    assert story.kinds() == {moved: "upgrade", stays: "reinstall"}
    story.sync()
    assert is_whole(story)
    assert (environment.site_packages / LIBRARY).read_text() == stays


def test_what_an_uninstall_has_taken_from_another_comes_back(
    story: Story, wheels: Wheelhouse
) -> None:
    environment = story.environment
    environment.install(wheels, f"{CU12}==9.1", f"{CU13}==9.1")
    environment.pip("uninstall", "--yes", "--quiet", CU12)
    assert not (environment.site_packages / LIBRARY).exists()
    story.write(f"{CU13}==9.1")
    assert "2 of its files are gone" in row(story.diff(), CU13)["note"]
    story.sync()
    assert is_whole(story)


def test_what_is_kept_is_put_in_again_where_the_sync_would_damage_it(
    story: Story, wheels: Wheelhouse
) -> None:
    environment = story.environment
    environment.install(wheels, f"{CU12}==9.1", f"{CU13}==9.1")
    story.write("alpha==1.0")
    assert story.kinds("--keep", CU13) == {"alpha": "install", CU12: "remove", CU13: "reinstall"}
    story.sync("--keep", CU13)
    assert (environment.site_packages / LIBRARY).read_text() == CU13
    frozen = environment.freeze()
    assert frozen[CU13] == "9.1"
    assert CU12 not in frozen
    report = story.diff("--keep", CU13, "--exact")
    assert report["parity"]
    assert not findings(report, "damaged")


def test_what_a_killed_pip_has_left_is_to_be_cleared_away(story: Story, wheels: Wheelhouse) -> None:
    environment = story.environment
    site = environment.site_packages
    environment.install(wheels, "alpha==1.0", "delta==1.0")
    (site / "delta").rename(site / "~elta")
    (site / "delta-1.0.dist-info").rename(site / "~elta-1.0.dist-info")
    environment.overwrite("~elta.libs/libx.so", "")
    environment.overwrite("gamma-1.0.dist-info/INSTALLER", "pip\n")
    story.write("alpha==1.0")
    report = story.diff()
    assert report["parity"]
    assert {f["text"] for f in findings(report, "leftover")} == {
        f"`{site / name}` is a half-removed leftover of pip"
        for name in ("~elta", "~elta.libs", "~elta-1.0.dist-info")
    }
    (empty,) = findings(report, "unreadable")
    assert str(site / "gamma-1.0.dist-info") in empty["text"]
    told = [*findings(report, "leftover"), empty]
    assert {f["hint"] for f in told} == {"a sync clears it away"}
    assert findings(report, "refused") == []
    assert "nothing to change, but 4 leftovers to clear away" in story.run("diff").stdout
    before = environment.manifest()
    done = story.sync().stdout
    assert "done: 4 leftovers cleared away" in done
    assert not [*site.glob("~*"), *site.glob("gamma*")]
    assert "nothing to change\n" in story.run("diff").stdout
    environment.run("-m", "envmagic", "undo", "--yes", env=QUIET)
    assert environment.manifest() == before
    story.write("alpha==1.0", "delta==1.0")
    assert story.kinds() == {"delta": "install"}
    assert findings(story.diff(), "refused") == []
    story.sync()
    assert not [*site.glob("~*"), *site.glob("gamma*")]
    assert is_whole(story)


def test_a_distribution_without_its_record_is_to_be_cleared_away(
    story: Story, wheels: Wheelhouse
) -> None:
    environment = story.environment
    environment.install(wheels, "alpha==1.0", "delta==1.0")
    environment.damage("alpha-1.0.dist-info/RECORD")
    for wanted, kind in (("alpha==2.0", "upgrade"), ("alpha==1.0", "reinstall")):
        story.write(wanted, "delta==1.0")
        report = story.diff()
        assert story.kinds() == {"alpha": kind}
        (finding,) = findings(report, "damaged")
        assert finding["text"] == "`alpha` 1.0 is damaged: the list of its files (RECORD) is gone"
        assert findings(report, "refused") == []
        assert "2 leftovers to clear away" in story.run("diff").stdout
    environment.overwrite("alpha/from_a_half_install.py", "")
    story.write("alpha==2.0", "delta==1.0")
    story.sync()
    assert is_whole(story)
    assert environment.freeze()["alpha"] == "2.0"
    assert not (environment.site_packages / "alpha/from_a_half_install.py").exists()
    environment.damage("alpha-2.0.dist-info/RECORD")
    story.write("delta==1.0")
    report = story.diff()
    assert story.kinds() == {"alpha": "remove"}
    (refused,) = findings(report, "refused")
    assert "pip cannot uninstall `alpha`" in refused["text"]
    story.sync(code=3)
    assert "alpha" in environment.freeze()


def test_what_is_doubled_is_told_and_put_in_once(story: Story, wheels: Wheelhouse) -> None:
    environment = story.environment
    environment.install(wheels, "alpha==1.0")
    site = environment.site_packages
    shutil.copytree(site / "alpha-1.0.dist-info", site / "alpha-0.9.dist-info")
    environment.overwrite("alpha-0.9.dist-info/METADATA", "Name: alpha\nVersion: 0.9\n")
    own = [f"alpha-0.9.dist-info/{path.name},,\n" for path in site.glob("alpha-0.9.*/*")]
    environment.overwrite("alpha-0.9.dist-info/RECORD", "".join(own))
    story.write("alpha==1.0")
    report = story.diff()
    assert len(findings(report, "duplicate", "alpha")) == 1
    assert story.kinds() == {"alpha": "reinstall"}
    story.sync()
    assert [path.name for path in site.glob("alpha-*")] == ["alpha-1.0.dist-info"]
    assert is_whole(story)
