"""What is built from source and imports what the lock brings, as flash-attn imports torch."""

from __future__ import annotations

import io
import json
import os
import signal
import tarfile
from typing import TYPE_CHECKING

import pytest
from support.process import is_running
from support.story import QUIET, Story, wait_until
from support.wheelhouse import Wheelhouse
from support.wheels import make_git_repository, make_project

if TYPE_CHECKING:
    from pathlib import Path

    from support.environment import Environment

pytestmark = pytest.mark.live

LOOK = """\
import importlib.util
import pathlib
import torch

others = ("alpha", "delta", "helper")
seen = [torch.__version__, *(name for name in others if importlib.util.find_spec(name))]
folder = pathlib.Path("data/share/built")
folder.mkdir(parents=True, exist_ok=True)
folder.joinpath("{name}.txt").write_text(" ".join(seen))
"""
"""What a build saw, as a data file of its wheel."""

SETUP = """\
from packaging.version import Version
from setuptools import setup
from wheel.bdist_wheel import bdist_wheel
import torch

with open("saw.txt", "w") as file:
    file.write(torch.__version__)
setup(
    name="flash_attn",
    version="2.8.0",
    py_modules=["flash_attn"],
    data_files=[("share/built", ["saw.txt"])],
    install_requires=["torch"],
)
"""
"""The head of flash-attn's own `setup.py`, which no `pyproject.toml` stands beside."""

TORCH = "import alpha\n__version__ = '{version}'\n"


@pytest.fixture
def house(tmp_path: Path) -> Wheelhouse:
    """Two versions of a torch that imports what it requires, and what is built beside it."""
    made = Wheelhouse.standard(tmp_path / "wheels")
    for version in ("2.3.0", "2.4.0"):
        files = {"torch/__init__.py": TORCH.format(version=version)}
        made.add("torch", version, files=files, requires=["alpha"])
    made.add("helper", "1.0")
    made.add_sdist(
        "ext",
        "1.0",
        setup_body=LOOK.format(name="ext"),
        requires=["torch"],
        build_requires=["helper"],
    )
    return made


@pytest.fixture
def story(bare_environment: Environment, house: Wheelhouse) -> Story:
    """An environment with something to lose: `delta` is in no lock here."""
    bare_environment.install(house, "delta==1.0")
    return Story(bare_environment, house)


def seen(story: Story, name: str = "ext") -> list[str]:
    """Return what the build of a project saw."""
    return (story.environment.prefix / f"share/built/{name}.txt").read_text().split()


def add_flash_attn(house: Wheelhouse) -> None:
    with tarfile.open(house.folder / "flash_attn-2.8.0.tar.gz", "w:gz") as archive:
        info = "Metadata-Version: 2.1\nName: flash_attn\nVersion: 2.8.0\n"
        texts = {"setup.py": SETUP, "PKG-INFO": info, "flash_attn.py": "A = 1\n"}
        for where, text in texts.items():
            member = tarfile.TarInfo(f"flash_attn-2.8.0/{where}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))


def test_a_build_sees_the_torch_of_the_lock_which_is_not_there_yet(
    story: Story, tmp_path: Path
) -> None:
    story.write("ext==1.0", "torch==2.4.0")
    before = story.environment.freeze()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = story.sync(TMPDIR=str(temporary))
    assert seen(story) == ["2.4.0", "alpha", "helper"]
    assert "`ext` was built beside `torch==2.4.0`" in done.stdout
    # Neither what the build required, nor what it was given to see, is left anywhere.
    del before["delta"]
    assert story.environment.freeze() == before | {"ext": "1.0", "torch": "2.4.0", "alpha": "2.0"}
    assert list(temporary.iterdir()) == []
    assert story.kinds() == {}


def test_a_build_sees_the_torch_of_the_lock_and_not_an_older_one(
    story: Story, house: Wheelhouse
) -> None:
    story.environment.install(house, "torch==2.3.0", "alpha==1.0")
    story.write("ext==1.0", "torch==2.4.0")
    story.sync()
    # `delta` is installed, but goes; `alpha` is installed, and stays.
    assert seen(story) == ["2.4.0", "alpha", "helper"]


def test_a_build_that_requires_torch_sees_that_of_the_lock(story: Story, house: Wheelhouse) -> None:
    """pip alone would give it the newest."""
    house.add("torch", "2.9.0", files={"torch/__init__.py": "__version__ = '2.9.0'\n"})
    for name, requires in (("declared", ["torch>=2.1"]), ("causal-conv1d", ["torch", "helper"])):
        body = LOOK.format(name=name)
        house.add_sdist(name, "1.0", setup_body=body, build_requires=requires)
    story.write("declared==1.0", "causal-conv1d==1.0", "torch==2.4.0")
    done = story.sync("--json")
    assert seen(story, "declared") == ["2.4.0", "alpha"]
    assert seen(story, "causal-conv1d") == ["2.4.0", "alpha", "helper"]
    built = {
        f["name"]: f["text"] for f in json.loads(done.stdout)["findings"] if f["kind"] == "built"
    }
    assert sorted(built) == ["causal-conv1d", "declared"]
    assert built["declared"].startswith("`declared` was built beside `torch==2.4.0`")


def test_a_build_that_requires_another_torch_is_refused(story: Story, house: Wheelhouse) -> None:
    house.add("torch", "2.9.0")
    house.add_sdist("newer", "1.0", build_requires=["torch>=2.6"])
    story.write("newer==1.0", "torch==2.4.0")
    before = story.environment.manifest()
    done = story.sync(code=4)
    assert "its build requires `torch>=2.6`, and torch 2.4.0 it will be" in done.stderr
    assert story.environment.manifest() == before


def test_a_build_sees_the_torch_that_stays(story: Story, house: Wheelhouse) -> None:
    story.environment.install(house, "torch==2.4.0", "alpha==1.0")
    story.write("ext==1.0", "torch==2.4.0")
    story.sync()
    assert seen(story) == ["2.4.0", "alpha", "helper"]


def test_without_torch_it_is_refused_with_the_ways_out(story: Story) -> None:
    story.write("ext==1.0", "alpha==2.0")
    before = story.environment.manifest()
    done = story.sync(code=4)
    assert "first_env.txt:1) cannot be built: its build imports `torch`" in done.stderr
    assert "nothing was changed" in done.stderr
    assert "pin the URL of a wheel of `ext`" in done.stderr
    assert "add what has `torch` to the lock" in done.stderr
    assert "`pip install --no-build-isolation`" in done.stderr
    assert story.environment.manifest() == before


def test_a_build_that_fails_beside_torch_leaves_nothing(
    story: Story, house: Wheelhouse, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    house.add_sdist("ext", "2.0", needs_import="torch", fails=True)
    story.write("ext==2.0", "torch==2.4.0")
    before = story.environment.manifest()
    done = story.sync(code=4, TMPDIR=str(temporary))
    assert "this project was made so that it cannot be built" in done.stderr
    assert story.environment.manifest() == before
    assert list(temporary.iterdir()) == []


def test_what_imports_what_is_built_itself_waits_for_it(story: Story, house: Wheelhouse) -> None:
    house.add_sdist("another", "1.0", needs_import="ext", setup_body=LOOK.format(name="another"))
    story.write("another==1.0", "ext==1.0", "torch==2.4.0")
    story.sync()
    assert seen(story, "another") == ["2.4.0", "alpha"]


def test_an_editable_is_built_beside_torch(story: Story, tmp_path: Path) -> None:
    tree = make_project(tmp_path / "src", "edited", "0.1", setup_body=LOOK.format(name="edited"))
    story.write(f"-e {tree}#egg=edited", "torch==2.4.0")
    story.sync()
    assert seen(story, "edited") == ["2.4.0", "alpha"]


def test_repositories_and_folders_are_built_beside_torch(story: Story, tmp_path: Path) -> None:
    look = {name: LOOK.format(name=name) for name in ("gitted", "mamba-ssm")}
    tree = make_project(
        tmp_path / "git", "gitted", "0.1", setup_body=look["gitted"], build_requires=["torch"]
    )
    commit = make_git_repository(tree)
    folder = make_project(tmp_path / "src", "mamba-ssm", "2.2", setup_body=look["mamba-ssm"])
    story.write(
        f"gitted @ git+file://{tree}@{commit}", f"mamba-ssm @ file://{folder}", "torch==2.4.0"
    )
    story.sync()
    assert seen(story, "gitted") == seen(story, "mamba-ssm") == ["2.4.0", "alpha"]
    assert story.kinds() == {}


def test_flash_attn_as_it_is(story: Story, house: Wheelhouse) -> None:
    """A bare `setup.py`, and no index that has setuptools: the environment's own will do."""
    add_flash_attn(house)
    story.write("flash_attn==2.8.0", "torch==2.4.0")
    done = story.sync()
    assert "will be built from source, beside `torch` 2.4.0, which runs its code" in done.stdout
    assert (story.environment.prefix / "share/built/saw.txt").read_text() == "2.4.0"
    assert story.environment.freeze()["flash-attn"] == "2.8.0"


def test_what_was_built_for_another_torch_is_not_taken_from_the_cache(
    story: Story, house: Wheelhouse, tmp_path: Path
) -> None:
    house.add_sdist("bindings", "1.0", setup_body=LOOK.format(name="bindings"))
    story.environment.install(house, "torch==2.3.0", "alpha==1.0")
    wheel = ("wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", tmp_path)
    wanted = (f"--find-links={house.folder}", "bindings==1.0")
    assert "Building wheel" in story.environment.pip(*wheel, *wanted).stdout
    (tmp_path / "bindings-1.0-py3-none-any.whl").unlink()
    assert "Building wheel" not in story.environment.pip(*wheel, *wanted).stdout
    story.write("bindings==1.0", "torch==2.4.0")
    story.sync()
    assert seen(story, "bindings") == ["2.4.0", "alpha"]


def test_an_error_is_not_hidden_by_a_module_that_the_build_can_do_without(
    story: Story, house: Wheelhouse
) -> None:
    body = """\
import traceback
try:
    import apex
except ImportError:
    traceback.print_exc()
raise RuntimeError("nvcc was not found")
"""
    house.add_sdist("choosy", "1.0", setup_body=body)
    story.write("choosy==1.0")
    done = story.sync(code=4)
    assert "RuntimeError: nvcc was not found" in done.stderr
    assert "its build imports" not in done.stderr


def test_a_tree_of_another_name_is_refused_at_once(story: Story, tmp_path: Path) -> None:
    built = tmp_path / "built"
    body = f"open({str(built)!r}, 'a').write('x')\n"
    tree = make_project(tmp_path / "src", "real", "0.1", setup_body=body)
    story.write(f"-e {tree}#egg=other")
    done = story.sync(code=4)
    assert "first_env.txt:1) is that of `real==0.1`" in done.stderr
    assert built.read_text() == "x"


def test_what_a_build_requires_goes_nowhere_else(story: Story, tmp_path: Path) -> None:
    """pip's own isolation knows these variables; another front end inherits them."""
    tree = make_project(tmp_path / "src", "edited", "0.1", build_requires=["helper"])
    target = tmp_path / "target"
    story.write(f"-e {tree}#egg=edited")
    story.sync(PIP_USER="1", PIP_TARGET=str(target))
    assert story.environment.freeze()["edited"] == "0.1"
    assert not target.exists()


def test_what_an_editable_requires_and_no_place_has(story: Story, tmp_path: Path) -> None:
    tree = make_project(tmp_path / "src", "edited", "0.1", build_requires=["nosuchthing"])
    story.write(f"-e {tree}#egg=edited")
    done = story.sync(code=4)
    assert "No matching distribution found for nosuchthing" in done.stderr
    assert "its build requires `nosuchthing`" in done.stderr
    assert "Traceback" not in done.stderr
    story.places = []
    story.write("--index-url http://127.0.0.1:9/simple", f"-e {tree}#egg=edited")
    done = story.sync(PIP_RETRIES="1", code=4)
    assert "the index does not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_stop_in_a_build_beside_torch(story: Story, house: Wheelhouse, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    body = (
        f"import os, torch, time\nwith open({str(begun)!r}, 'w') as file:\n"
        "    file.write(f'{os.getpid()} {torch.__version__}')\ntime.sleep(60)\n"
    )
    house.add_sdist("ext", "2.0", setup_body=body)
    story.write("ext==2.0", "torch==2.4.0")
    before = story.environment.manifest()
    process = story.environment.start(
        "-m", "envmagic", "sync", story.lock, "--yes", *story.places, env=QUIET
    )
    wait_until(lambda: begun.exists() and begun.read_text().endswith(" 2.4.0"))
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "cancelled; nothing was changed" in said
    builds = int(begun.read_text().split()[0])
    wait_until(lambda: not is_running(builds), timeout=30)
    assert story.environment.manifest() == before
    home = story.environment.prefix / ".envmagic"
    assert not [path for path in home.rglob("*") if path.name in {"build", "future.json"}]
