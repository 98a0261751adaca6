"""An undo: what the last changes did, put back byte for byte, whatever lies there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.kernel import live_kernel
from support.story import QUIET, Story
from support.wheelhouse import Wheelhouse
from support.wheels import make_project

if TYPE_CHECKING:
    from pathlib import Path

    from support.environment import Environment
    from support.process import Completed

pytestmark = pytest.mark.live


@pytest.fixture
def story(bare_environment: Environment, wheelhouse: Wheelhouse) -> Story:
    bare_environment.install(wheelhouse, "alpha==1.0", "delta==1.0", "epsilon==1.0")
    story = Story(bare_environment, wheelhouse)
    story.write("alpha==2.0", "beta==1.0")
    return story


def undo(story: Story, *options: str, code: int = 0, **environ: str) -> Completed:
    # Neither an index nor a cache, nor a place to find wheels in.
    env = QUIET | {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_NO_CACHE_DIR": "1"} | environ
    done = story.environment.run("-m", "envmagic", "undo", *options, "--yes", check=False, env=env)
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def info(story: Story, **environ: str) -> dict[str, Any]:
    done = story.environment.run("-m", "envmagic", "info", "--json", env=QUIET | environ)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_there_and_back_again(story: Story) -> None:
    environment = story.environment
    assert "there is nothing to undo here" in undo(story, code=3).stderr
    before = environment.manifest()
    story.sync()
    after = environment.manifest()
    assert json.loads(undo(story, "--json").stdout)["outcome"]["state"] == "succeeded"
    assert environment.manifest() == before
    undo(story)
    assert environment.manifest() == after
    titles = [past["title"].partition(":")[0] for past in info(story)["history"]]
    assert titles == ["redo", "undo", f"sync {story.lock}"]


def test_several_at_once(story: Story) -> None:
    environment = story.environment
    states = [environment.manifest()]
    for lines in (["alpha==2.0", "beta==1.0"], ["alpha==1.1"], ["alpha==2.0", "epsilon==1.0"]):
        story.write(*lines)
        story.sync()
        states.append(environment.manifest())
    assert "only 3 changes can be undone here" in undo(story, "4", code=3).stderr
    undo(story, "2")
    assert environment.manifest() == states[1]
    undo(story)
    assert environment.manifest() == states[3]
    # The oldest was forgotten for the two undos: the limit is three.
    undo(story, "3")
    assert environment.manifest() == states[2]


def test_what_somebody_else_has_changed_since_is_refused(
    story: Story, wheelhouse: Wheelhouse
) -> None:
    environment = story.environment
    story.sync()
    environment.install(wheelhouse, "tlocal==2.4.0")
    with_other = environment.manifest()
    undo(story)
    undo(story)
    assert environment.manifest() == with_other
    environment.install(wheelhouse, "alpha==1.1")
    before = environment.manifest()
    done = undo(story, code=3)
    assert "`alpha` changed after the last sync (`alpha` was 2.0, and is 1.1)" in done.stderr
    assert environment.manifest() == before


def test_another_build_of_the_same_version_is_refused(
    story: Story, wheelhouse: Wheelhouse, tmp_path: Path
) -> None:
    """Its files would stay in the older version: no change of ours knows them."""
    environment = story.environment
    patched = Wheelhouse(tmp_path / "patched")
    patched.add("alpha", "2.0", files={"alpha/local_patch.py": "PATCHED = True\n"})
    story.sync()
    environment.install(patched, "--force-reinstall", "alpha==2.0")
    before = environment.manifest()
    refused = "`alpha` changed after the last sync (the same version was installed anew)"
    assert refused in undo(story, code=3).stderr
    assert environment.manifest() == before
    # Nor may it lie between two changes that are put back at once.
    story.write("alpha==1.1")
    story.sync()
    after = environment.manifest()
    assert refused in undo(story, "2", code=3).stderr
    assert environment.manifest() == after
    undo(story)
    assert environment.manifest() == before
    environment.install(wheelhouse, "--force-reinstall", "alpha==2.0")
    undo(story, code=3)


def test_what_two_changes_share_is_counted_once(story: Story, tmp_path: Path) -> None:
    """A sync, its undo and the sync again: the old files are on the disk once."""
    house = Wheelhouse(tmp_path / "big")
    for version, letter in (("1.0", "x"), ("2.0", "y")):
        house.add("big", version, files={"big/data.txt": letter * 1_000_000})
    story.environment.install(house, "big==1.0")
    other = Story(story.environment, house)
    other.write("big==2.0")
    other.sync()
    undo(other)
    other.sync()
    costs = [past["kept_bytes"] for past in info(other)["history"]]
    assert [cost // 1_000_000 for cost in costs] == [1, 1, 0]
    files = (story.environment.prefix / ".envmagic").rglob("*")
    lost = {s.st_ino: s.st_size for f in files if (s := f.stat()).st_size >= 1_000_000}
    assert sum(costs) >= sum(lost.values()) == 2_000_000
    undo(other)
    other.sync(ENVMAGIC_UNDO_SIZE="1500kb")
    assert [past["kept_bytes"] // 1_000_000 for past in info(other)["history"]] == [1]


def test_a_dry_run_and_nobody_to_ask(story: Story) -> None:
    environment = story.environment
    story.sync()
    before = environment.manifest()
    looked = environment.run("-m", "envmagic", "undo", "--dry-run", check=False, env=QUIET)
    assert "alpha" in looked.stdout
    assert environment.manifest() == before
    asked = environment.run("-m", "envmagic", "undo", check=False, env=QUIET)
    assert asked.returncode == 3
    assert "nobody can be asked here; nothing was changed" in asked.stderr
    assert environment.manifest() == before


def test_limits(story: Story) -> None:
    environment = story.environment

    def sync(version: str, **environ: str) -> int:
        story.write(f"alpha=={version}")
        done = story.run("sync", "--yes", **environ)
        assert done.returncode == 0, done.stderr
        return sum(past["can_be_undone"] for past in info(story)["history"])

    assert sync("2.0", ENVMAGIC_UNDO_COUNT="2") == 1
    assert sync("1.1", ENVMAGIC_UNDO_COUNT="2") == 2
    assert sync("2.0", ENVMAGIC_UNDO_COUNT="1") == 1
    (past,) = info(story, ENVMAGIC_UNDO_SIZE="1.5 kb")["history"]
    assert past["steps"] == [{"name": "alpha", "before": "1.1", "after": "2.0"}]
    assert past["kept_bytes"] > 0
    text = environment.run(
        "-m", "envmagic", "info", env=QUIET | {"ENVMAGIC_UNDO_SIZE": "2GB"}
    ).stdout
    assert "undo          1 change, 0.0 MB (at most 3 and 2.0 GB)" in text
    assert f"sync {story.lock}: 1 project changed, 0.0 MB" in text
    assert sync("1.1", ENVMAGIC_UNDO_SIZE="10") == 0
    assert sync("1.0", ENVMAGIC_UNDO_COUNT="0") == 0
    assert not (environment.prefix / ".envmagic").exists()
    undo(story, code=3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVMAGIC_UNDO_COUNT", "many"),
        ("ENVMAGIC_UNDO_COUNT", "-1"),
        ("ENVMAGIC_UNDO_SIZE", "5 apples"),
    ],
)
def test_a_wrong_limit_is_one_clear_error(story: Story, name: str, value: str) -> None:
    before = story.environment.manifest()
    done = story.run("sync", "--yes", **{name: value})
    assert done.returncode == 2
    assert f"`{name}={value}` is not a" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Fetching" not in done.stderr
    assert story.environment.manifest() == before


_SPEC = '{"argv": ["{connection_file}"], "display_name": "odd", "language": "python"}'


def make_odd(folder: Path, version: str) -> Wheelhouse:
    house = Wheelhouse(folder)
    house.add(
        "odd",
        version,
        files={
            "odd/deep/module.py": f"VERSION = {version}\n",
            "odd/names with spaces/ünï.txt": "text\n",
            "odd.pth": f"# {version}\n",
            "space/odd/__init__.py": f"VERSION = {version}\n",
        },
        scripts={"odd": "odd.deep.module:main"},
        data={"share/odd/words.txt": version, "share/jupyter/kernels/odd/kernel.json": _SPEC},
    )
    house.add("other", version, files={"space/other/__init__.py": ""})
    return house


def test_odd_files_come_back_as_they_were(story: Story, tmp_path: Path) -> None:
    """All that a package folder can hold beside plain modules, before, after and in between."""
    environment = story.environment
    site = environment.site_packages
    house = make_odd(tmp_path / "wheels", "1.0")
    make_odd(tmp_path / "wheels", "2.0")
    house.add("collides", "1.0", files={"collides/x": "", "collides/x/y": ""})
    environment.install(house, "odd==1.0", "other==1.0")
    for flag in ((), ("-O",), ("-OO",)):
        environment.run(*flag, "-c", "import odd.deep.module, space.odd, space.other")
    assert (site / "odd/deep/__pycache__").is_dir()
    # A user's own, beside what is installed and within.
    environment.overwrite("odd/mine.py", "MINE = True\n")
    environment.overwrite("odd-1.0.dist-info/note.txt", "mine, too\n")
    (site / "odd/empty/within").mkdir(parents=True)
    (site / "odd/link").symlink_to("deep/module.py")
    (site / "odd/dangling").symlink_to("nowhere")
    (site / "odd/deep/module.py").chmod(0o755)
    (site / "space/odd").chmod(0o711)
    modes = {
        path: path.stat().st_mode for path in (site / "odd/deep/module.py", site / "space/odd")
    }

    def check_mine() -> None:
        assert (site / "odd/mine.py").read_text() == "MINE = True\n"

    before = environment.manifest()
    other = Story(environment, house)
    other.write("odd==2.0", "collides==1.0")
    other.sync(code=4)
    assert environment.manifest() == before
    assert modes == {path: path.stat().st_mode for path in modes}
    other.write("odd==2.0")
    other.sync()
    check_mine()
    assert environment.freeze()["odd"] == "2.0"
    after = environment.manifest()
    undo(other)
    assert environment.manifest() == before
    assert modes == {path: path.stat().st_mode for path in modes}
    undo(other)
    assert environment.manifest() == after
    check_mine()
    # What a user makes meanwhile stays, whatever its name looks like.
    environment.overwrite("odd/later.py", "")
    (site / "~mine").mkdir()
    undo(other)
    found = environment.manifest()
    late = {path for path in found if path.endswith(("odd/later.py", "~mine/"))}
    assert len(late) == 2
    assert {path: entry for path, entry in found.items() if path not in late} == before


def test_a_package_behind_a_symlink(story: Story, tmp_path: Path) -> None:
    """A user has moved a package to a bigger disk."""
    site = story.environment.site_packages
    moved = story.environment.prefix / "moved"
    (site / "delta").rename(moved)
    (site / "delta").symlink_to(moved)
    house = Wheelhouse.standard(tmp_path / "wheels")
    house.add("collides", "1.0", files={"collides/x": "", "collides/x/y": ""})
    before = story.environment.manifest()
    other = Story(story.environment, house)
    other.write("delta==2.0", "collides==1.0")
    other.sync(code=4)
    assert story.environment.manifest() == before


def test_a_folder_that_stands_in_a_record_goes_whole_and_comes_back(story: Story) -> None:
    """pip takes all that is in it, a user's own file, too."""
    environment = story.environment
    record = environment.site_packages / "delta-1.0.dist-info" / "RECORD"
    environment.overwrite(record, f"{record.read_text()}delta/\n")
    environment.overwrite("delta/sub/mine.txt", "mine\n")
    before = environment.manifest()
    story.write("alpha==2.0")
    story.sync()
    undo(story)
    assert environment.manifest() == before


def test_editables_and_eggs(story: Story, tmp_path: Path) -> None:
    environment = story.environment
    site = environment.site_packages
    project = make_project(tmp_path / "tree", "edited", "0.1")
    story.write("alpha==1.0", "delta==1.0", f"-e {project}#egg=edited")
    story.sync()
    (environment.prefix / "bin" / "laid").write_text("#!/bin/sh\n")
    environment.overwrite("laid/__init__.py", "")
    environment.overwrite(
        "laid-1.0.egg-info/PKG-INFO", "Metadata-Version: 1.1\nName: laid\nVersion: 1.0\n"
    )
    environment.overwrite("laid-1.0.egg-info/top_level.txt", "laid\n")
    installed = ["../laid/__init__.py", "PKG-INFO", "top_level.txt", "installed-files.txt"]
    installed += ["../../../../bin/laid", "./"]
    environment.overwrite("laid-1.0.egg-info/installed-files.txt", "\n".join(installed))
    environment.run("-c", "import laid, edited")
    before = environment.manifest()
    story.write("alpha==2.0")
    story.sync()
    assert not (site / "laid").exists()
    assert not (environment.prefix / "bin" / "laid").exists()
    assert not list(site.glob("*edited*"))
    undo(story)
    assert environment.manifest() == before
    seen = environment.run("-c", "import edited; print(edited.__file__)", env=QUIET)
    assert str(project) in seen.stdout


def test_the_magic_undoes_and_tells_what_is_stale(
    kernel_environment: Environment, wheelhouse: Wheelhouse
) -> None:
    kernel_environment.install(wheelhouse, "alpha==1.0", "delta==1.0")
    story = Story(kernel_environment, wheelhouse)
    story.write("--no-index", story.places[1].replace("=", " ", 1), "alpha==2.0")
    before = kernel_environment.manifest()
    story.sync()
    after = kernel_environment.manifest()
    cells = ["%load_ext envmagic", "import alpha", "%envsync --undo --dry-run", "%envsync --undo"]
    env = {"PYTHONDONTWRITEBYTECODE": "1"}
    with live_kernel(kernel_environment, cwd=story.lock.parent, env=env) as kernel:
        _, _, looked, asked = [kernel.run(cell) for cell in cells]
        assert "alpha" in looked.displays[-1]["text/plain"]
        assert asked.error is not None
        assert "add `--yes` to apply it" in asked.error.traceback
        assert kernel_environment.manifest() == after
        done = kernel.run("%envsync --undo --yes").check()
        assert "`alpha` 2.0 is loaded, 1.0 is on disk" in done.displays[-1]["text/plain"]
        assert kernel_environment.manifest() == before
        kernel.run("%envsync --undo --yes").check()
        assert kernel_environment.manifest() == after
        none = kernel.run("%envsync --undo 7 --yes")
        assert none.error is not None
        assert none.error.evalue.startswith("only 3 changes can be undone here")
