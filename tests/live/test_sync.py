"""A sync on real environments, with the real pip and pip-sync."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.process import run_process
from support.story import QUIET, Story
from support.wheelhouse import Wheelhouse
from support.wheels import make_git_repository, make_project

if TYPE_CHECKING:
    from support.environment import Environment
    from support.templates import Templates

pytestmark = pytest.mark.live


@pytest.fixture
def story(bare_environment: Environment, wheelhouse: Wheelhouse) -> Story:
    return Story(bare_environment, wheelhouse)


def assert_only_one_change_is_kept(environment: Environment) -> None:
    (kept,) = (environment.prefix / ".envmagic").iterdir()
    assert kept.name.startswith("change-")


def direct_url(environment: Environment, name: str) -> dict[str, Any] | None:
    (metadata,) = environment.site_packages.glob(f"{name}-*.dist-info")
    file = metadata / "direct_url.json"
    if not file.exists():
        assert "direct_url.json" not in (metadata / "RECORD").read_text()
        return None
    data = file.read_bytes()
    assert (
        f"direct_url.json,sha256={urlsafe_hash(data)},{len(data)}"
        in (metadata / "RECORD").read_text()
    )
    found: dict[str, Any] = json.loads(data)
    return found


def urlsafe_hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def test_pip_sync_does_what_the_plan_says_and_no_more(story: Story, wheelhouse: Wheelhouse) -> None:
    environment = story.environment
    environment.install(wheelhouse, "alpha==1.0", "beta==2.0", "delta==2.0", "epsilon==1.0")
    before = environment.freeze()
    story.write("alpha==2.0", "beta==1.0", "gamma==1.0")
    planned = story.diff("--online")
    story.sync()
    after = environment.freeze()
    changed = {name: after.get(name) for name in before.keys() | after.keys()}
    changed = {n: v for n, v in changed.items() if before.get(n) != v}
    acting = {"install", "upgrade", "downgrade", "reinstall", "remove"}
    assert changed == {c["name"]: c["wanted"] for c in planned["changes"] if c["kind"] in acting}
    assert changed == {
        "alpha": "2.0",
        "beta": "1.0",
        "gamma": "1.0",
        "delta": None,
        "epsilon": None,
    }
    assert not (environment.prefix / "bin" / "epsilon").exists()
    assert_only_one_change_is_kept(environment)


def test_a_conflict_that_the_lock_makes_is_predicted(story: Story) -> None:
    story.write("alpha==2.0", "gamma==1.0")
    findings = story.diff("--online")["findings"]
    assert [(f["kind"], f["name"], f["requirement"], f["when"]) for f in findings] == [
        ("conflict", "gamma", "alpha<2", "after")
    ]
    story.sync()
    again = story.diff()["findings"]
    assert [(f["kind"], f["when"]) for f in again] == [("conflict", "now")]


def test_a_second_sync_has_nothing_to_do(story: Story) -> None:
    story.write("alpha==1.1", "delta==1.0")
    story.sync()
    manifest = story.environment.manifest()
    done = story.sync()
    assert "is equal to" in done.stdout
    assert story.environment.manifest() == manifest


def test_a_lock_that_is_not_a_closure_is_completed_and_stays_so(story: Story) -> None:
    story.write("beta==2.0")
    story.sync()
    assert story.environment.freeze()["alpha"] == "2.0"
    report = story.diff()
    assert report["parity"]
    assert report["counts"]["unlocked"] == 1
    story.sync()
    assert story.environment.freeze()["alpha"] == "2.0"


def test_constraints_choose_what_is_completed_and_install_nothing(story: Story) -> None:
    constraints = story.environment.home / "constraints.txt"
    constraints.write_text("alpha<2\nepsilon==1.0\n")
    story.write("-c constraints.txt", "beta==2.0")
    story.sync()
    frozen = story.environment.freeze()
    assert frozen["alpha"] == "1.1"
    assert "epsilon" not in frozen


def test_exact_refuses_what_is_not_a_closure(story: Story) -> None:
    story.write("beta==2.0")
    manifest = story.environment.manifest()
    done = story.sync("--exact", code=3)
    assert "not a closure: `alpha`" in done.stderr
    assert story.environment.manifest() == manifest


def test_the_extras_of_a_pin_are_installed(story: Story, wheelhouse: Wheelhouse) -> None:
    story.environment.install(wheelhouse, "gamma==1.0", "alpha==1.0")
    story.write("gamma[x]==1.0", "alpha==1.0")
    assert story.kinds() == {"delta": "install"}
    story.sync()
    assert "delta" in story.environment.freeze()


def test_keep_and_keep_extraneous(story: Story, wheelhouse: Wheelhouse) -> None:
    story.environment.install(wheelhouse, "delta==1.0", "epsilon==1.0")
    story.write("alpha==1.0")
    assert story.kinds("--keep", "eps*") == {"alpha": "install", "delta": "remove"}
    assert story.kinds("--keep-extraneous") == {"alpha": "install"}
    story.sync("--keep", "eps*")
    assert {"alpha", "epsilon"} <= story.environment.freeze().keys()


def test_labels(story: Story, wheelhouse: Wheelhouse) -> None:
    story.environment.install(wheelhouse, "tlocal==2.4.0+cpu")
    story.write("tlocal==2.4.0")
    report = story.diff()
    assert report["parity"]
    (row,) = [c for c in report["changes"] if c["name"] == "tlocal"]
    assert row["note"] == "same release, other build: lock 2.4.0, installed 2.4.0+cpu"
    assert story.kinds("--strict-labels") == {"tlocal": "reinstall"}
    story.write("tlocal==2.4.0+cu121")
    assert story.kinds() == {"tlocal": "reinstall"}
    story.sync()
    assert story.environment.freeze()["tlocal"] == "2.4.0+cu121"
    assert direct_url(story.environment, "tlocal") is None


def test_a_repository_is_equal_to_its_commit_every_time(story: Story, tmp_path: Path) -> None:
    project = make_project(tmp_path / "repository", "gitted", "0.3")
    commit = make_git_repository(project)
    story.write(f"gitted @ git+file://{project}@{commit}")
    assert any(f["kind"] == "build" for f in story.diff()["findings"])
    story.sync()
    assert direct_url(story.environment, "gitted") == {
        "url": f"file://{project}",
        "vcs_info": {"vcs": "git", "commit_id": commit},
    }
    manifest = story.environment.manifest()
    shutil.rmtree(project)
    story.sync()
    assert story.environment.manifest() == manifest


def test_an_editable_tree_is_equal_to_itself_every_time(story: Story, tmp_path: Path) -> None:
    project = make_project(tmp_path / "tree", "edited", "0.1")
    story.write(f"-e {project}#egg=edited")
    story.sync()
    assert direct_url(story.environment, "edited") == {
        "url": f"file://{project}",
        "dir_info": {"editable": True},
    }
    assert story.diff()["parity"]
    (module,) = project.rglob("edited/__init__.py")
    module.write_text("__version__ = 'changed'\n")
    seen = story.environment.run("-c", "import edited; print(edited.__version__)")
    assert seen.stdout.strip() == "changed"
    story.write("alpha==1.0", f"-e {project}#egg=edited")
    story.sync()
    assert story.diff()["parity"]


def test_an_archive_is_equal_to_its_hash(story: Story, wheelhouse: Wheelhouse) -> None:
    wheel = wheelhouse.folder / "alpha-1.0-py3-none-any.whl"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    story.write(f"alpha @ {wheel.as_uri()}#sha256={digest}")
    story.sync()
    found = direct_url(story.environment, "alpha")
    assert found is not None
    assert found["url"] == wheel.as_uri()
    assert found["archive_info"] == {"hash": f"sha256={digest}", "hashes": {"sha256": digest}}
    assert story.diff()["parity"]
    story.write(f"alpha @ {wheel.as_uri()}#sha256={digest}", "delta==1.0")
    story.sync()
    assert direct_url(story.environment, "alpha") == found
    story.write("alpha==2.0")
    story.sync()
    assert direct_url(story.environment, "alpha") is None


def test_hashes_of_the_lock_are_checked(story: Story, wheelhouse: Wheelhouse) -> None:
    wheel = wheelhouse.folder / "alpha-1.0-py3-none-any.whl"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    story.write("delta==1.0", f"alpha==1.0 --hash=sha256:{'0' * 64}")
    manifest = story.environment.manifest()
    done = story.sync(code=4)
    assert "nothing was changed" in done.stderr
    assert "check the index, or lock again" in done.stderr
    assert story.environment.manifest() == manifest
    story.write("delta==1.0", f"alpha==1.0 \\\n    --hash=sha256:{digest}")
    story.sync()
    assert story.diff()["parity"]


def test_two_copies_of_one_name_become_one(story: Story, wheelhouse: Wheelhouse) -> None:
    environment = story.environment
    environment.install(wheelhouse, "alpha==1.0", "delta==1.0")
    stray = "alpha-1.1.dist-info"
    environment.overwrite(f"{stray}/METADATA", "Metadata-Version: 2.1\nName: alpha\nVersion: 1.1\n")
    environment.overwrite(f"{stray}/RECORD", f"{stray}/METADATA,,\n{stray}/RECORD,,\n")
    story.write("alpha==1.0", "delta==1.0")
    assert any(f["kind"] == "duplicate" for f in story.diff()["findings"])
    assert story.kinds() == {"alpha": "reinstall"}
    story.sync()
    assert [p.name for p in environment.site_packages.glob("alpha-*")] == ["alpha-1.0.dist-info"]
    assert (environment.site_packages / "alpha" / "__init__.py").exists()
    assert story.diff()["parity"]


def test_odd_metadata_that_is_not_pip_s_is_refused_first(story: Story) -> None:
    story.environment.overwrite("epsilon-1.0.egg-info/SOURCES.txt", "")
    story.write("alpha==1.0")
    manifest = story.environment.manifest()
    done = story.sync(code=3)
    assert "metadata without name or version" in done.stderr
    assert story.environment.manifest() == manifest


def test_a_leftover_of_pip_is_told_and_does_no_harm(story: Story) -> None:
    folder = "~lpha-1.0.dist-info"
    story.environment.overwrite(f"{folder}/METADATA", "Name: alpha\nVersion: 1.0\n")
    story.write("alpha==1.0")
    assert [f["kind"] for f in story.diff()["findings"] if f["name"] == "lpha"] == ["leftover"]
    story.sync()
    assert story.environment.freeze()["alpha"] == "1.0"


def test_a_change_that_kills_the_kernel_is_held(
    kernel_environment: Environment, tmp_path: Path
) -> None:
    own = Wheelhouse.standard(tmp_path / "wheels")
    own.add("traitlets", "4.0")
    story = Story(kernel_environment, own)
    story.write("traitlets==4.0", "alpha==1.0")
    held = story.diff()
    assert held["counts"]["held"] == 1
    done = story.sync(code=1)
    assert "not in parity" in done.stdout
    assert "the kernel's own" in done.stdout
    frozen = kernel_environment.freeze()
    assert frozen["alpha"] == "1.0"
    assert frozen["traitlets"] != "4.0"
    kernel_environment.run("-m", "ipykernel_launcher", "--version")


def test_a_kernel_lives_on_after_a_lock_of_one_line(
    kernel_environment: Environment, wheelhouse: Wheelhouse
) -> None:
    kernel_environment.install(wheelhouse, "delta==1.0")
    story = Story(kernel_environment, wheelhouse)
    before = kernel_environment.freeze()
    story.write("alpha==1.0")
    story.sync()
    after = kernel_environment.freeze()
    assert before.keys() - after.keys() == {"delta"}
    assert after.keys() - before.keys() == {"alpha"}
    kernel_environment.run("-m", "ipykernel_launcher", "--version")


def test_a_freeze_is_a_lock_of_the_same_set(
    story: Story, wheelhouse: Wheelhouse, bare_environment: Environment, templates: Templates
) -> None:
    story.environment.install(wheelhouse, "alpha==1.0", "tlocal==2.4.0+cpu", "epsilon==1.0")
    frozen = story.environment.run("-m", "envmagic", "freeze").stdout
    story.lock.write_text(frozen)
    assert story.diff()["parity"]
    assert story.kinds() == {}
    other = Story(templates.make("bare"), wheelhouse)
    other.environment.install(wheelhouse, "delta==1.0")
    other.lock.write_text(frozen)
    other.sync()
    assert other.environment.freeze() == bare_environment.freeze()


def test_a_freeze_names_what_it_cannot_lock_and_a_sync_keeps_it(
    story: Story, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "tree", "edited", "0.1")
    story.write(f"-e {project}#egg=edited")
    story.sync()
    frozen = story.environment.run("-m", "envmagic", "freeze").stdout
    assert f"# envmagic: not locked: edited==0.1 (editable: file://{project})" in frozen
    story.lock.write_text(frozen)
    assert story.kinds() == {}


def test_freeze_does_not_write_over_another_file(story: Story) -> None:
    file = story.write("alpha==1.0")
    environment = story.environment
    refused = environment.run("-m", "envmagic", "freeze", file, check=False)
    assert refused.returncode == 3
    assert file.read_text() == "alpha==1.0\n"
    environment.run("-m", "envmagic", "freeze", file, "--force")
    assert "digest: sha256:" in file.read_text()
    environment.run("-m", "envmagic", "freeze", file)


def test_another_interpreter_of_the_system_is_refused(tmp_path: Path, story: Story) -> None:
    """PEP 668: a copy of this interpreter's installation, marked as the system's own."""
    story.write("alpha==1.0")
    base = Path(sys.base_prefix)
    prefix = tmp_path / "system"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (prefix / "bin").mkdir(parents=True)
    shutil.copy2(base / "bin" / version, prefix / "bin" / "python3")
    shutil.copytree(
        base / "lib" / version,
        prefix / "lib" / version,
        copy_function=link,
        ignore=shutil.ignore_patterns("site-packages", "test", "__pycache__"),
    )
    (prefix / "lib" / version / "site-packages").mkdir()
    (prefix / "lib" / version / "EXTERNALLY-MANAGED").write_text("[externally-managed]\n")
    done = run_process(
        [prefix / "bin" / "python3", "-m", "envmagic", "sync", story.lock, "--yes"],
        env=story.environment.environ
        | {
            "PYTHONHOME": str(prefix),
            "PYTHONPATH": str(story.environment.site_packages),
            "LD_LIBRARY_PATH": str(base / "lib"),
        },
        cwd=tmp_path,
        check=False,
        timeout=60,
    )
    assert done.returncode == 3, done.stderr
    assert "PEP 668" in done.stderr
    assert "make a virtual environment" in done.stderr


def link(source: str, target: str) -> None:
    Path(target).hardlink_to(source) if Path(source).stat().st_dev == Path(
        target
    ).parent.stat().st_dev else shutil.copy2(source, target)


def test_a_constraint_that_contradicts_a_pin_is_refused_even_where_the_pin_is_met(
    story: Story, wheelhouse: Wheelhouse
) -> None:
    story.environment.install(wheelhouse, "alpha==2.0")
    (story.environment.home / "constraints.txt").write_text("alpha<2\n")
    story.write("-c constraints.txt", "alpha==2.0")
    done = story.sync(code=3)
    assert "contradicts the constraint `alpha<2`" in done.stderr
    assert "constraints.txt:1" in done.stderr


def test_an_editable_of_a_repository_is_refused(story: Story) -> None:
    story.write("alpha==1.0", f"-e git+https://example.org/x@{'0' * 40}#egg=x")
    done = story.sync(code=3)
    assert "`x` is an editable of a repository" in done.stderr
    assert "alpha" not in story.environment.freeze()


BLINDED = """\
import resource, sys
from envmagic.face.options import Parser, add_request_options, make_request
from envmagic.edge.node import LocalNode
from envmagic.face.view import render_outcome
from envmagic.story.sync import Face, synchronize

def tell(progress):
    if progress.phase == "Checking":
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))

parser = Parser(prog="test")
parser.add_argument("lock")
add_request_options(parser)
node = LocalNode()
request = make_request(parser.parse_args(sys.argv[1:]), node.platform())
print(render_outcome(synchronize(request, node, Face(agree=lambda _: True, tell=tell))))
"""


def test_a_change_that_cannot_be_looked_at_is_done_all_the_same(story: Story) -> None:
    """No more files can be opened, once the process that makes the change has made it."""
    story.write("alpha==1.0")
    done = story.environment.run("-c", BLINDED, story.lock, *story.places, env=QUIET)
    assert "done: 1 installed; the environment is now equal to" in done.stdout
    assert "what is there now could not be looked at: [Errno 24]" in done.stdout
    assert story.environment.freeze()["alpha"] == "1.0"


def test_what_keeps_a_kernel_from_starting_already_is_told(
    kernel_environment: Environment, wheelhouse: Wheelhouse
) -> None:
    """`%pip` may have done that; envmagic itself would hold it."""
    kernel_environment.install(wheelhouse, "alpha==1.0")
    kernel_environment.pip("uninstall", "-y", "comm")
    story = Story(kernel_environment, wheelhouse)
    story.write("alpha==1.0")
    found = [f for f in story.diff("--keep-extraneous")["findings"] if f["severity"] == "error"]
    assert {f["name"] for f in found} >= {"ipykernel"}
    assert all(f["text"].endswith(": a kernel may not start") for f in found)
    assert found[0]["hint"].startswith("before you restart it: `pip install 'comm")
    story.write("alpha==2.0")
    before = kernel_environment.manifest()
    done = story.sync("--keep-extraneous", code=4)
    assert "a kernel cannot start:" in done.stdout + done.stderr
    assert "that may be older: `ipykernel`" in done.stdout + done.stderr
    assert kernel_environment.manifest() == before
