"""No credential stays on the disk, however a sync ends, and nobody else reads the rest."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import signal
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from support.index import Index
from support.process import start_process
from support.story import QUIET, Story, wait_until
from support.wheelhouse import Wheelhouse
from support.wheels import make_project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.environment import Environment
    from support.process import Process

pytestmark = pytest.mark.live

PASSWORD, TOKEN = secrets.token_hex(8), secrets.token_hex(8)


@pytest.fixture
def story(bare_environment: Environment, wheelhouse: Wheelhouse) -> Story:
    bare_environment.install(wheelhouse, "alpha==1.0")
    return Story(bare_environment, None)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An index with a password; `sourced` must be built, and then asks for `delta`."""
    own = Wheelhouse.standard(tmp_path / "secret")
    own.add_sdist("sourced", "1.0", requires=["delta"])
    with Index(own.folder, user="someone", password=PASSWORD) as index:
        yield index


def write_lock(story: Story, index: Index) -> None:
    """Write a lock with a secret in every place that can have one."""
    files = index.url_with_credentials.replace("/simple/", "/files")
    story.write(
        f"--index-url {index.url_with_credentials}",
        f'--find-links "{files.replace("/files", "/simple")}/epsilon/?token={TOKEN}"',
        f"alpha @ {files}/alpha-2.0-py3-none-any.whl?token={TOKEN}",
        f"sourced @ {files}/sourced-1.0.tar.gz?token={TOKEN}#sha256={digest(index)}",
        "beta==1.0",
    )


def digest(index: Index) -> str:
    return hashlib.sha256((index.folder / "sourced-1.0.tar.gz").read_bytes()).hexdigest()


def start(story: Story, umask: str) -> Process:
    python = str(story.environment.python)
    command = [python, "-m", "envmagic", "sync", str(story.lock), "--yes"]
    return start_process(
        ["sh", "-c", f'umask {umask}; exec "$@"', "sh", *command],
        env=story.environment.environ | QUIET,
        cwd=story.environment.home,
    )


def read(path: Path) -> bytes:
    with contextlib.suppress(OSError):
        return path.read_bytes()
    return b""


def content(path: Path) -> bytes:
    """Return the bytes of a file, and of all that is packed in it."""
    found = read(path)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            found += b"".join(archive.read(name) for name in archive.namelist())
    return found


def places_of(secret: str, prefix: Path) -> list[str]:
    """Return the files below a prefix that hold a secret."""
    files = (path for path in prefix.rglob("*") if path.is_file())
    return [str(path.relative_to(prefix)) for path in files if secret.encode() in content(path)]


def command_lines() -> dict[int, bytes]:
    return {int(file.parent.name): read(file) for file in Path("/proc").glob("[0-9]*/cmdline")}


def kill_all(process: Process, prefix: Path) -> None:
    """Kill the sync and its pip, which has a session of its own, without a last word."""
    ours = [pid for pid, line in command_lines().items() if line.startswith(bytes(prefix))]
    assert process.pid in ours
    for pid in {process.pid, *ours}:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(os.getpgid(pid), signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize("umask", ["000", "077"])
def test_a_sync_that_is_killed_leaves_no_secret(story: Story, index: Index, umask: str) -> None:
    """It is killed in its second round: a wheel is fetched by then, and one is built."""
    write_lock(story, index)
    prefix = story.environment.prefix
    index.set_fault("delta-2.0-py3-none-any.whl", "hang")
    process = start(story, umask)
    wait_until(lambda: any("delta-2.0" in path for path in index.requests))
    logs = prefix / ".envmagic"
    wait_until(
        lambda: any("Collecting delta" in log.read_text() for log in logs.glob("stage-*/log.txt"))
    )
    lines = command_lines().values()
    assert not [line for line in lines if PASSWORD.encode() in line or TOKEN.encode() in line]
    kill_all(process, prefix)
    (stage,) = (prefix / ".envmagic").glob("stage-*")
    wheels = {path.name for path in (stage / "wheels").iterdir()}
    assert {"alpha-2.0-py3-none-any.whl", "sourced-1.0-py3-none-any.whl"} <= wheels
    said = (stage / "log.txt").read_text()
    assert "Collecting delta" in said
    assert "/files/alpha-2.0-py3-none-any.whl?token=****" in said
    assert "${ENVMAGIC_SECRET_1}@" in (stage / "requirements.txt").read_text()
    assert places_of(PASSWORD, prefix) == []
    assert places_of(TOKEN, prefix) == []
    for path in (prefix / ".envmagic", *(prefix / ".envmagic").rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    index.set_fault("delta-2.0-py3-none-any.whl", None)
    story.sync()
    assert story.environment.freeze()["delta"] == "2.0"


def test_a_lock_with_secrets_in_all_places_works(story: Story, index: Index) -> None:
    write_lock(story, index)
    done = story.sync()
    asked = [urlsplit(path) for path in index.requests]
    told = {url.path for url in asked if url.query == f"token={TOKEN}"}
    assert told == {
        "/files/alpha-2.0-py3-none-any.whl",
        "/files/sourced-1.0.tar.gz",
        "/simple/epsilon/",
    }
    frozen = story.environment.freeze()
    assert frozen["alpha"].startswith(f"http://{index.host}/files/alpha-2.0-")
    assert {"sourced", "beta", "delta"} <= set(frozen)
    for secret in (PASSWORD, TOKEN):
        assert secret not in done.stdout + done.stderr
    assert places_of(PASSWORD, story.environment.prefix) == []
    origins = places_of(TOKEN, story.environment.prefix)  # PEP 610: a query is identity
    assert {Path(path).name for path in origins} == {"direct_url.json"}
    assert story.diff()["parity"]


PRINTS = """
import os
print(dict(os.environ), flush=True)
told = [f"{name}={value}" for name, value in os.environ.items() if "SECRET" in name]
assert told
raise SystemExit("ERROR: not with " + " ".join(told))
"""


def test_a_build_that_prints_its_environment_tells_no_secret(story: Story, index: Index) -> None:
    Wheelhouse(index.folder).add_sdist("sourced", "1.0", setup_body=PRINTS)
    write_lock(story, index)
    done = story.sync(code=4, PIP_RETRIES="0")
    assert "ERROR: not with ENVMAGIC_SECRET_1=****" in done.stderr
    for secret in (PASSWORD, TOKEN):
        assert secret not in done.stdout + done.stderr
        assert places_of(secret, story.environment.prefix) == []


def test_an_editable_that_prints_its_environment_tells_no_secret(
    story: Story, index: Index, tmp_path: Path
) -> None:
    body = "import os\nurl = os.environ['PIP_INDEX_URL']\nraise SystemExit('ERROR: ' + url[13:])"
    tree = make_project(tmp_path / "trees", "edited", "0.1", setup_body=body)
    story.write(f"--index-url {index.url_with_credentials}", f"-e {tree}#egg=edited")
    done = story.sync(code=4)
    assert "ERROR: e:****@127.0.0.1" in done.stderr
    assert PASSWORD not in done.stdout + done.stderr


@pytest.mark.parametrize("target", ["alpha-2.0-py3-none-any.whl", "beta", "sourced-1.0.tar.gz"])
def test_a_fetch_that_fails_tells_no_secret(story: Story, index: Index, target: str) -> None:
    write_lock(story, index)
    index.set_fault(target, "404")
    before = story.environment.manifest()
    done = story.sync(code=4, PIP_RETRIES="0")
    for secret in (PASSWORD, TOKEN):
        assert secret not in done.stdout + done.stderr
        assert places_of(secret, story.environment.prefix) == []
    assert story.environment.manifest() == before


def test_the_log_that_is_kept_holds_no_secret(story: Story, index: Index) -> None:
    """pip cannot write where a folder of the user stands in the way."""
    write_lock(story, index)
    in_the_way = story.environment.site_packages / "beta" / "__init__.py"
    in_the_way.mkdir(parents=True)
    (in_the_way / "mine.txt").write_text("mine")
    done = story.run("sync", "--yes")
    assert done.returncode
    log = story.environment.prefix / ".envmagic" / "last-sync.log"
    assert str(log) in done.stdout + done.stderr
    assert log.stat().st_mode & 0o777 == 0o600
    assert "****@127.0.0.1" in log.read_text()
    for secret in (PASSWORD, TOKEN):
        assert secret not in done.stdout + done.stderr + log.read_text()
