"""What a command says is in its log at once, whole, and without a secret."""

from __future__ import annotations

import os
import signal
import tempfile
import textwrap
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmagic.core.errors import EngineError
from envmagic.core.nodes import Command
from envmagic.core.redact import hide_secrets, redact
from envmagic.edge.log import open_log
from envmagic.edge.node import LocalNode
from envmagic.edge.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

WAIT = "while not os.path.exists('go'): time.sleep(0.01)"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.txt"


def run(
    log: Path,
    code: str,
    tick: Callable[[], None] = lambda: None,
    *,
    offline: bool = False,
    environment: Mapping[str, str] | None = None,
) -> int:
    code = "import os, subprocess, sys, time\n" + textwrap.dedent(code)
    variables = tuple((environment or {}).items())
    command = Command(arguments=("-c", code), offline=offline, environment=variables)
    return LocalNode().run(command, log=log, cancel=threading.Event(), tick=tick)


def test_a_log_holds_no_secret(log: Path) -> None:
    code = run(log, "print('at https://u:hunter2@e.org?a=hunter2#b, and\\tmore'); sys.exit(3)")
    assert code == 3
    assert log.read_text() == "at https://****@e.org?a=****#b, and\tmore\n"


@pytest.mark.parametrize("end", ["\\n", ""])
def test_who_prints_its_environment_prints_no_secret(log: Path, end: str) -> None:
    """Bare, in a word of a megabyte, and cut off in the middle."""
    _, secrets = hide_secrets("-i https://me:hunter2@e.org?a=s3cret", os.environ)
    code = f"""
    print({{name: os.environ[name] for name in os.environ if "SECRET" in name}})
    print(os.environ["PIP_PROXY"].partition(":")[2].split("@")[0], "x" * 1000000 + "hunter2")
    os.write(1, b"ENVMAGIC_SECRET_1=me:hunte{end}")
    """
    secrets["PIP_PROXY"] = "http://you:swordfish@e.org"
    assert run(log, code, environment=secrets) == 0
    said = log.read_text()
    assert "'ENVMAGIC_SECRET_1': '****', 'ENVMAGIC_SECRET_2': '****'" in said
    for word in ("hunter2", "s3cret", "swordfish", *([] if end else ["me:hun"])):
        assert word not in said


def test_what_has_no_end_of_line_is_there_at_once(log: Path) -> None:
    """A bar that goes back with `\\r`, and a line that asks and waits."""

    def tick() -> None:
        if log.read_bytes() == b"10 %\r20 %\rgo on? ":
            (log.parent / "go").touch()

    assert run(log, f"print('10 %\\r20 %\\rgo on? ', end='')\n{WAIT}", tick) == 0
    assert log.read_bytes() == b"10 %\r20 %\rgo on? "


def test_a_secret_in_two_pieces_is_one(log: Path) -> None:
    seen = []

    def tick() -> None:
        seen.append(log.read_text())
        if seen.count("at ") > 3:
            (log.parent / "go").touch()

    run(log, f"print('at https://u:hun', end='')\n{WAIT}\nprint('ter2@e.org')", tick)
    assert "at " in seen
    assert "hun" not in "".join(seen)
    assert log.read_text() == "at https://****@e.org\n"


def test_a_url_that_was_cut_is_masked_whole(log: Path) -> None:
    assert run(log, "print('at https://u:hunter2', end=''); os.kill(os.getpid(), 9)") == -9
    assert log.read_text() == "at https:/****"
    run(log, "print('the end', end='')")
    assert log.read_text() == "at https:/****the end"


@pytest.mark.parametrize("word", ["pass", "print('https://u:hunter2@e.org ')"])
def test_a_child_that_stays_keeps_nobody(log: Path, word: str) -> None:
    """It has the pipe, and is silent or never so; pip's children may do that, too."""
    begun = time.monotonic()
    child = f"import time\nfor _ in range(6000):\n    {word}\n    time.sleep(0.01)"
    stays = f"child = subprocess.Popen([sys.executable, '-u', '-c', {child!r}])"
    assert run(log, f"{stays}; print('a'); open('pid', 'w').write(str(child.pid))") == 0
    assert time.monotonic() - begun < 30
    os.kill(int((log.parent / "pid").read_text()), signal.SIGKILL)
    assert "a\n" in log.read_text()
    assert "hunter2" not in log.read_text()


def test_a_flood_arrives_whole(log: Path) -> None:
    run(log, "for n in range(200000): os.write(1, b'line %d of 200000\\n' % n)")
    assert log.read_text() == "".join(f"line {n} of 200000\n" for n in range(200000))


def test_a_word_of_a_megabyte_is_read_in_a_moment(log: Path) -> None:
    begun = time.monotonic()
    run(log, "print('x', 'https://a:/b:/hunter2@' * 50000, 'y', 'z' * 1000000)")
    assert time.monotonic() - begun < 60
    assert log.read_text() == f"x https:/**** y {'z' * 1000000}\n"


def test_bytes_that_are_no_text_stay(log: Path) -> None:
    run(log, "os.write(1, b'\\xff\\x00 https://u:\\xfc@e.org\\n')")
    assert log.read_bytes() == b"\xff\x00 https://****@e.org\n"


def test_who_is_offline_writes_the_log_itself(log: Path) -> None:
    """So it can go on when the process that started it is dead."""
    for offline in (True, False):
        run(log, "print(os.readlink('/proc/self/fd/1').partition(':')[0])", offline=offline)
    assert log.read_text() == f"{log}\npipe\n"


def test_a_log_that_cannot_be_written_is_an_error() -> None:
    with pytest.raises(EngineError, match="`/dev/full` cannot be written: No space") as caught:
        run(Path("/dev/full"), "print('x' * 1000000)")
    assert caught.value.hint == "free some space, then try again"


@given(st.text(), st.lists(st.integers(min_value=1, max_value=9)))
def test_no_way_to_cut_it_matters(text: str, sizes: list[int]) -> None:
    text = text.replace("%", "https://u:hunter2@") + "\n"
    said, parts = text.encode(), []
    for size in sizes:
        parts.append(said[:size])
        said = said[size:]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log.txt")
        with open_log(log, secrets=frozenset()) as output:
            for part in (*parts, said):
                os.write(output, part)
        assert log.read_bytes() == redact(text).encode()


@pytest.fixture(params=[0, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_a_stage_is_for_its_user_alone(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "stage")
    stage.write("lock.txt", "a==1.0\n")
    stage.write("lock.txt", "b==1.0\n")
    for offline in (True, False):
        run(stage.log, "print('said')", offline=offline)
    assert stage.log_text() == "said\nsaid\n"
    assert (stage.folder / "lock.txt").read_text() == "b==1.0\n"
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {"stage": 0o700, "wheels": 0o700, "lock.txt": 0o600, "log.txt": 0o600}
