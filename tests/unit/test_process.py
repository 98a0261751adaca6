"""All that a command has started is dead when it is told to be cancelled, or its node dies."""

from __future__ import annotations

import os
import signal
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.process import is_running, start_process
from support.story import wait_until

from envmagic.core.errors import Cancelled
from envmagic.core.nodes import Command
from envmagic.edge.node import LocalNode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SLEEP = "time.sleep(60)"
DEAF = f"signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"
SLOW = f"signal.signal(signal.SIGTERM, lambda *_: pathlib.Path('asked').touch()); {SLEEP}; {SLEEP}"
LEAVE = "wait_for('child')"


def person(name: str, does: str, first: str = "") -> str:
    """Return a program that tells its process by a file, and then does something."""
    return f"""
import os, pathlib, signal, subprocess, sys, time

def wait_for(name):
    while not os.path.exists(name):
        time.sleep(0.01)

{first}
do, tell = {does!r}, lambda: os.replace({name + ".part"!r}, {name!r})
pathlib.Path({name + ".part"!r}).write_text(str(os.getpid()))
handler, _, rest = do.partition("; ")
exec(handler if rest else "")
tell()
exec(rest or handler)
"""


def family(leader: str, child: str) -> str:
    """Return a program that starts another, and does something itself."""
    start = f"subprocess.Popen([sys.executable, '-c', {person('child', child)!r}])"
    return person("leader", leader, start)


def pids(folder: Path) -> list[int]:
    """Return the processes of a family, once they are all there."""
    files = [folder / name for name in ("leader", "child")]
    wait_until(lambda: all(file.exists() for file in files))
    return [int(file.read_text()) for file in files]


def run(folder: Path, code: str, tick: Callable[[], None], cancel: threading.Event) -> int:
    command = Command(arguments=("-c", code))
    return LocalNode().run(command, log=folder / "log.txt", cancel=cancel, tick=tick)


@pytest.mark.parametrize(("leader", "child"), [(SLEEP, SLEEP), (SLEEP, DEAF), (DEAF, DEAF)])
def test_who_is_cancelled_is_dead_with_all_children(
    tmp_path: Path, leader: str, child: str
) -> None:
    """Also those that do not heed a SIGTERM."""
    cancel = threading.Event()

    def tick() -> None:
        pids(tmp_path)
        cancel.set()

    with pytest.raises(Cancelled):
        run(tmp_path, family(leader, child), tick, cancel)
    assert [pid for pid in pids(tmp_path) if is_running(pid)] == []


def test_who_has_ended_when_it_is_cancelled_leaves_no_child(tmp_path: Path) -> None:
    cancel = threading.Event()

    def tick() -> None:
        leader, _ = pids(tmp_path)
        wait_until(lambda: not is_running(leader))
        cancel.set()

    with pytest.raises(Cancelled):
        run(tmp_path, family(LEAVE, DEAF), tick, cancel)
    assert [pid for pid in pids(tmp_path) if is_running(pid)] == []


def test_an_impatient_user_interrupts_twice(tmp_path: Path) -> None:
    """The second interrupt comes while the first is dealt with, and ends that no sooner."""
    interrupt = partial(os.kill, os.getpid(), signal.SIGINT)

    def again() -> None:
        wait_until((tmp_path / "asked").exists)
        interrupt()

    def tick() -> None:
        pids(tmp_path)
        interrupt()

    thread = threading.Thread(target=again)
    thread.start()
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Cancelled):
        run(tmp_path, family(SLOW, DEAF), tick, threading.Event())
    thread.join()
    assert [pid for pid in pids(tmp_path) if is_running(pid)] == []
    assert signal.getsignal(signal.SIGINT) is before


def test_a_node_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    code = f"""
import pathlib, threading
from envmagic.core.nodes import Command
from envmagic.edge.node import LocalNode
command = Command(arguments=("-c", {family(DEAF, DEAF)!r}))
LocalNode().run(command, log=pathlib.Path("log.txt").absolute(), cancel=threading.Event())
"""
    process = start_process([sys.executable, "-c", code], env=dict(os.environ), cwd=tmp_path)
    family_pids = pids(tmp_path)
    assert all(is_running(pid) for pid in family_pids)
    process.kill()
    process.communicate()
    wait_until(lambda: not any(is_running(pid) for pid in family_pids), timeout=30)


def test_who_ends_well_keeps_what_it_has_started(tmp_path: Path) -> None:
    """A compiler's server, for example: nobody has asked for its end."""
    assert run(tmp_path, family(LEAVE, SLEEP), lambda: None, threading.Event()) == 0
    _, child = pids(tmp_path)
    assert is_running(child)
    os.kill(child, signal.SIGKILL)


def test_scripts_of_a_build_import_their_neighbours_and_the_command_does_not(
    tmp_path: Path,
) -> None:
    """As code generators do: `python tools/gen.py`."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "gen.py").write_text("import shadow; print(shadow.__file__)")
    for folder in (tmp_path, tools):
        (folder / "shadow.py").write_text("")
    code = (
        "import importlib.util, subprocess, sys\n"
        "print(sys.version_info < (3, 11) or not importlib.util.find_spec('shadow'), flush=True)\n"
        "sys.exit(subprocess.run([sys.executable, 'tools/gen.py']).returncode)"
    )
    assert run(tmp_path, code, lambda: None, threading.Event()) == 0
    assert (tmp_path / "log.txt").read_text() == f"True\n{tools / 'shadow.py'}\n"
