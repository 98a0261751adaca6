"""What a user or the network can do wrong: one clear error, and nothing is touched."""

from __future__ import annotations

import os
import secrets
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.disks import leave_free, tmpfs
from support.index import Index
from support.process import is_running
from support.story import AT_A_TERMINAL, QUIET, Story, wait_until
from support.wheelhouse import Wheelhouse
from support.wheels import make_project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.environment import Environment
    from support.index import Fault
    from support.process import Process

pytestmark = pytest.mark.live


@pytest.fixture
def story(bare_environment: Environment, wheelhouse: Wheelhouse) -> Story:
    """An environment with something to lose: `delta` is not in any lock here."""
    bare_environment.install(wheelhouse, "alpha==1.0", "delta==1.0")
    return Story(bare_environment, wheelhouse)


LINE = "first_env.txt:1"
WRONG = f"--hash=sha256:{'1' * 64}"
BAD_LOCKS = {
    "empty": ("", 2, ["first_env.txt", "pins nothing"]),
    "comments": ("# nothing\n", 2, ["pins nothing"]),
    "unpinned": ("alpha\n", 2, [LINE, "`alpha` is not pinned", "--allow-ranges"]),
    "range": ("alpha>=1\n", 2, [LINE, "is a range, not a pin"]),
    "disagree": ("alpha==1.0\nalpha==2.0\n", 2, ["first_env.txt:2", "alpha"]),
    "option": ("--frobnicate\nalpha==1.0\n", 2, [LINE, "--frobnicate"]),
    "loop": ("-r first_env.txt\n", 2, [LINE, "include each other"]),
    "no-include": ("-r missing.txt\n", 2, [LINE, "missing.txt"]),
    "no-constraints": ("-c missing.txt\nalpha==1.0\n", 2, [LINE, "missing.txt"]),
    "marker": ("alpha==1.0; python_versoin > '3'\n", 2, [LINE, "marker"]),
    "hash": ("alpha==1.0 --hash=sha256:xyz\n", 2, [LINE, "hash"]),
    "all-false": ("alpha==1.0; python_version < '3'\n", 2, ["marker"]),
    "toml": ('[project]\nname = "x"\n', 2, [LINE]),
    "missing-version": ("alpha==9.9\n", 4, ["no index has `alpha==9.9`", LINE, "2.0"]),
    "missing-project": ("omega==1.0\n", 4, ["there is no file of `omega==1.0`", LINE]),
    "wrong-hash": (f"alpha==2.0 {WRONG}\n", 4, ["`alpha==2.0` (", f"{LINE}) has another hash"]),
    "no-hash": ("--require-hashes\nalpha==2.0\n", 2, ["first_env.txt:2", "hash"]),
}


@pytest.mark.parametrize("name", BAD_LOCKS)
def test_a_bad_lock_is_one_clear_error(story: Story, name: str) -> None:
    text, code, words = BAD_LOCKS[name]
    story.lock.write_text(text)
    before = story.environment.manifest()
    done = story.sync(code=code)
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert story.environment.manifest() == before


def test_all_faults_of_a_lock_are_told_at_once(story: Story) -> None:
    story.write("alpha", "beta==1.0", "gamma>=1", "--frobnicate")
    done = story.sync(code=2)
    assert [f"first_env.txt:{line}" in done.stderr for line in (1, 2, 3, 4)] == [
        True,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("kind", ["missing", "directory", "binary"])
def test_a_lock_that_cannot_be_read(story: Story, kind: str) -> None:
    if kind == "directory":
        story.lock.mkdir()
    elif kind == "binary":
        story.lock.write_bytes(b"alpha==1.0\n\xff\xfe")
    before = story.environment.manifest()
    done = story.sync(code=2)
    expected = {"missing": "no such file", "directory": "is a directory", "binary": "not UTF-8"}
    assert expected[kind] in done.stderr
    assert story.environment.manifest() == before


def test_no_lock_and_several_locks(story: Story) -> None:
    run = story.environment.run
    none = run("-m", "envmagic", "diff", check=False, env=QUIET)
    assert none.returncode == 2
    assert "no lock file" in none.stderr
    story.write("alpha==1.0", "delta==1.0")
    assert run("-m", "envmagic", "diff", check=False, env=QUIET).returncode == 0
    (story.environment.home / "requirements.txt").write_text("alpha==1.0\n")
    several = run("-m", "envmagic", "diff", check=False, env=QUIET)
    assert several.returncode == 2
    assert "`first_env.txt`, `requirements.txt`" in several.stderr


def test_a_wheel_for_another_platform(story: Story, tmp_path: Path) -> None:
    own = Wheelhouse(tmp_path / "wheels")
    own.add("native", "1.0", tag="cp311-cp311-win_amd64")
    own.add("native", "0.9", tag="py3-none-any")
    other = Story(story.environment, own)
    other.write("native==1.0", "alpha==1.0")
    before = story.environment.manifest()
    done = other.sync(code=4)
    assert "no index has `native==1.0`" in done.stderr
    assert "0.9" in done.stderr
    assert story.environment.manifest() == before


def test_a_source_with_another_hash(story: Story, tmp_path: Path) -> None:
    own = Wheelhouse.standard(tmp_path / "wheels")
    own.add_sdist("sourced", "1.0")
    other = Story(story.environment, own)
    other.write(f"sourced==1.0 {WRONG}")
    before = story.environment.manifest()
    done = other.sync(code=4)
    assert "`sourced==1.0` (" in done.stderr
    assert f"{LINE}) has another hash" in done.stderr
    assert "built" not in done.stderr
    assert story.environment.manifest() == before


def test_a_source_that_does_not_build(story: Story, tmp_path: Path) -> None:
    own = Wheelhouse.standard(tmp_path / "wheels")
    own.add_sdist("broken", "1.0", fails=True)
    other = Story(story.environment, own)
    other.write("broken==1.0", "alpha==2.0")
    before = story.environment.manifest()
    done = other.sync(code=4)
    assert "`broken` (" in done.stdout
    assert "will be built from source" in done.stdout
    assert "cannot be built" in done.stderr
    assert story.environment.manifest() == before
    log = story.environment.prefix / ".envmagic" / "last-sync.log"
    assert f"; the whole output is in `{log}`" in done.stderr
    assert "this project was made so that it cannot be built" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_source_is_named_built_and_installed(story: Story, tmp_path: Path) -> None:
    own = Wheelhouse.standard(tmp_path / "wheels")
    own.add_sdist("sourced", "1.0", requires=["alpha"])
    other = Story(story.environment, own)
    other.write("sourced==1.0", "alpha==2.0")
    looked = other.run("diff", "--online")
    assert looked.returncode == 1
    assert "unknown until prepared: what `sourced` require" in looked.stdout
    done = other.sync()
    assert "will be built from source" in done.stdout
    assert story.environment.freeze()["sourced"] == "1.0"


def test_what_turns_out_to_be_built_is_asked_about_once(story: Story, tmp_path: Path) -> None:
    own = Wheelhouse.standard(tmp_path / "wheels")
    own.add_sdist("sourced", "1.0")
    own.add("leads", "1.0", requires=["epsilon"])
    other = Story(story.environment, own)
    other.write("sourced==1.0", "leads==1.0", "alpha==2.0")
    done = story.environment.run("-c", AT_A_TERMINAL, "sync", other.lock, *other.places, env=QUIET)
    assert done.stdout.count("Apply? [y/N]") == 2  # to the plan, and to all that came to be known
    assert done.stdout.count("will be built from source") == 1
    assert story.environment.freeze()["sourced"] == "1.0"


@pytest.fixture
def served(story: Story, index: Index) -> tuple[Story, Index]:
    """The same environment, and an index on loopback instead of a folder."""
    other = Story(story.environment, None)
    other.places = [f"--index-url={index.url}"]
    other.write("alpha==2.0", "beta==1.0")
    return other, index


@pytest.mark.parametrize(
    ("target", "fault", "words"),
    [
        ("beta", "404", "no index has `beta==1.0`"),
        ("beta-1.0-py3-none-any.whl", "404", "404"),
        ("beta", "500", "did not answer"),
        ("beta-1.0-py3-none-any.whl", "500", "500"),
        ("beta-1.0-py3-none-any.whl", "cut", ""),
        ("beta-1.0-py3-none-any.whl", "lie", ""),
    ],
)
def test_an_index_that_fails(
    served: tuple[Story, Index], target: str, fault: Fault, words: str
) -> None:
    story, index = served
    index.set_fault(target, fault)
    before = story.environment.manifest()
    done = story.sync(code=4, PIP_RETRIES="0")
    assert words in done.stderr
    assert "nothing was changed" in done.stderr
    assert "Traceback" not in done.stderr
    assert story.environment.manifest() == before
    index.set_fault(target, None)
    story.sync()
    assert story.environment.freeze()["beta"] == "1.0"


def test_no_network_at_all(story: Story) -> None:
    story.places = ["--index-url=http://127.0.0.1:9/simple"]
    story.write("alpha==2.0")
    before = story.environment.manifest()
    done = story.sync(code=4, PIP_RETRIES="0")
    assert "whether there is a file of `alpha==2.0` (" in done.stderr
    assert "is not known: `127.0.0.1` did not answer; nothing was changed" in done.stderr
    assert story.environment.manifest() == before
    story.places = ["--no-index"]
    done = story.sync(code=4)
    assert "with `--no-index` no index is asked; nothing was changed" in done.stderr


def test_an_index_that_hangs_can_be_left(served: tuple[Story, Index]) -> None:
    story, index = served
    index.set_fault("beta-1.0-py3-none-any.whl", "hang")
    before = story.environment.manifest()
    process = start(story)
    wait_until(lambda: any("beta-1.0" in path for path in index.requests))
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "cancelled; nothing was changed" in said
    assert story.environment.manifest() == before
    assert not processes_in(story.environment.prefix)


@pytest.mark.parametrize("place", ["--find-links", "--extra-index-url"])
def test_what_the_lock_names_is_added_to_what_pip_is_configured_with(
    story: Story, tmp_path: Path, place: str
) -> None:
    """As in a requirements file: the source is where pip's configuration says, not the lock."""
    nowhere = "http://127.0.0.1:9/simple"
    (tmp_path / "empty").mkdir()
    with Index(Wheelhouse.standard(tmp_path / "more").folder) as index:
        Wheelhouse(index.folder).add_sdist("sourced", "1.0")
        if place == "--find-links":
            story.places = ["--no-index"]
            story.write(f"--find-links {tmp_path / 'empty'}", "sourced==1.0")
            configured = {"PIP_FIND_LINKS": str(index.folder)}
        else:
            story.places = []
            story.write(f"--extra-index-url {nowhere}", "sourced==1.0")
            configured = {"PIP_INDEX_URL": nowhere, "PIP_EXTRA_INDEX_URL": index.url}
        done = story.run("sync", "--yes", **configured, PIP_RETRIES="0")
    assert done.returncode == 0, done.stderr
    assert story.environment.freeze()["sourced"] == "1.0"


DEAF = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1], "part").write_text(str(os.getpid()))
os.replace(pathlib.Path(sys.argv[1], "part"), pathlib.Path(sys.argv[1], "there"))
while True:
    time.sleep(1)
"""


@pytest.mark.parametrize("end", ["interrupt", "kill"])
def test_a_build_that_heeds_nothing_is_dead(story: Story, tmp_path: Path, end: str) -> None:
    """It has started another process, and that is dead, too."""
    arguments = ["-c", DEAF, str(tmp_path)]
    body = f"import subprocess, sys\nsubprocess.run([sys.executable, *{arguments!r}])"
    tree = make_project(tmp_path / "tree", "slow", "0.1", setup_body=body)
    story.write(f"-e {tree}#egg=slow")
    before = story.environment.manifest()
    command = ["sync", str(story.lock), "--yes", *story.places]
    process = story.environment.start("-m", "envmagic", *command, env=QUIET)
    wait_until((tmp_path / "there").exists)
    pid = int((tmp_path / "there").read_text())
    assert is_running(pid)
    if end == "kill":
        process.kill()
        process.communicate(timeout=30)
        wait_until(lambda: not is_running(pid), timeout=30)
        return
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert not is_running(pid)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "cancelled; nothing was changed" in said
    assert story.environment.manifest() == before


def test_two_syncs_at_once(served: tuple[Story, Index]) -> None:
    story, index = served
    index.set_fault("beta-1.0-py3-none-any.whl", "hang")
    process = start(story)
    wait_until(lambda: any("beta-1.0" in path for path in index.requests))
    second = story.sync(code=3)
    assert f"another sync of `{story.environment.prefix}` is running" in second.stderr
    assert f"(process {process.pid})" in second.stderr
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=30)


def test_a_password_is_seen_by_nobody(story: Story, tmp_path: Path) -> None:
    """Not on the screen, not on a command line, not in a file that stays."""
    secret = secrets.token_hex(8)
    folder = Wheelhouse.standard(tmp_path / "secret").folder
    with Index(folder, user="someone", password=secret) as index:
        other = Story(story.environment, None)
        other.write(f"--index-url {index.url_with_credentials}", "alpha==2.0", "beta==1.0")
        index.set_fault("beta-1.0-py3-none-any.whl", "hang")
        process = start(other)
        wait_until(lambda: any("beta-1.0" in path for path in index.requests))
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            assert secret.encode() not in read(file), file
        stage = story.environment.prefix / ".envmagic"
        assert stage.stat().st_mode & 0o777 == 0o700
        os.kill(process.pid, signal.SIGINT)
        said = "".join(process.communicate(timeout=30))
        index.set_fault("beta-1.0-py3-none-any.whl", None)
        index.set_fault("beta", "404")
        failed = other.sync(code=4, PIP_RETRIES="0")
        index.set_fault("beta", None)
        done = other.sync()
    for text in (said, failed.stdout, failed.stderr, done.stdout, done.stderr):
        assert secret not in text
    assert "****@" in done.stdout
    for path in story.environment.prefix.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path


def test_a_full_disk_while_preparing(story: Story, small_disk: Path, tmp_path: Path) -> None:
    """The whole environment lies on a disk that has no room for the wheels."""
    own = Wheelhouse(tmp_path / "wheels")
    own.add("huge", "1.0", files={"huge/data.txt": os.urandom(9_000_000).hex()})
    environment = story.environment.copy(small_disk / "environment", link=False)
    leave_free(small_disk, 4_000_000)
    other = Story(environment, own)
    other.write("huge==1.0")
    before = environment.manifest()
    done = other.sync(code=4)
    assert "nothing was changed" in done.stderr
    assert environment.manifest() == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with tmpfs(tmp_path / "disk") as folder:
        yield folder


def test_an_editable_tree_that_is_gone(story: Story, tmp_path: Path) -> None:
    project = make_project(tmp_path / "tree", "edited", "0.1")
    story.write(f"-e {project}#egg=edited", "alpha==1.0")
    for file in project.rglob("*"):
        if file.is_file():
            file.unlink()
    before = story.environment.manifest()
    done = story.sync(code=4)
    assert "`edited`" in done.stderr
    assert "cannot be built" in done.stderr
    assert story.environment.manifest() == before


def start(story: Story) -> Process:
    return story.environment.start(
        "-m", "envmagic", "sync", story.lock, "--yes", *story.places, env=QUIET
    )


def read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def processes_in(prefix: Path) -> list[Path]:
    return [
        file for file in Path("/proc").glob("[0-9]*/cmdline") if str(prefix).encode() in read(file)
    ]


def test_a_wheel_that_kills_the_kernel_never_gets_in(
    kernel_environment: Environment, tmp_path: Path
) -> None:
    """Its metadata promises all that ipykernel wants; its code is not there."""
    own = Wheelhouse.standard(tmp_path / "wheels")
    own.add("traitlets", "99.0")
    story = Story(kernel_environment, own)
    story.write("traitlets==99.0", "alpha==1.0")
    before = kernel_environment.manifest()
    done = story.sync(code=3)
    assert "a kernel would not start with `traitlets` as locked" in done.stderr
    assert "ImportError" in done.stderr
    assert kernel_environment.manifest() == before
