"""A change that is killed before each single thing that it does to the disk.

`python -m support.instants STORY FOLDER` plays a small change in FOLDER, once for each of
its steps, and is killed at that step by itself, told of it by an audit hook. Then a Python of
the environment starts. What is then neither as before nor as wanted is printed.
"""

from __future__ import annotations

import os
import shutil
import sys
import venv
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from support.environment import Environment, differences
from support.killed_at import arm

from envmagic.change import rescue
from envmagic.change.history import Limits, prune, read_history
from envmagic.change.order import Tools
from envmagic.change.stash import Footprint
from envmagic.change.transaction import Intent, Transaction, new_change, recover
from envmagic.change.undo import Undone, UndoOrder
from envmagic.edge.node import LocalNode
from envmagic.edge.probe import look_at_platform
from envmagic.edge.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from envmagic.core.model import Platform

_AT = "ENVMAGIC_TEST_KILL_AT"
_HOOK = f"import os; n = os.environ.get({_AT!r}); n and __import__('killed_at').arm(int(n))\n"

_OLD = {
    "old/__init__.py": "OLD = 1\n",
    "old/data.txt": "data\n",
    "old/deep/module.py": "",
    "old-1.0.dist-info/METADATA": "Name: old\n",
    "old-1.0.dist-info/RECORD": "",
    "old.pth": "import os  # old\n",
    "both.py": "BOTH = 1\n",
    "gone.pth": "gone_path\n",
    "gone_path/inner.py": "",
}
# A virtual environment's folder is listed twice at a start, that of an installation once.
_START_ONCE = """
import os, site, sys
folder, sys.prefix = sys.argv[1:]  # as `site` sets it in a virtual environment
site.addsitedir(folder)
assert not os.path.exists(f"{folder}/gone.pth") or f"{folder}/gone_path" in sys.path
"""
_NEW = {
    "new/__init__.py": "NEW = 1\n",
    "new/deep/data.txt": "data\n",
    "old-2.0.dist-info/METADATA": "Name: old\n",
    "old.pth": "import os  # new\n",
    "both.py": "BOTH = 2\n",
}


class Play:
    """An environment with a few files, and one change of them."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder / "env", symlinks=True)
        self.environment = Environment(folder / "env")
        site = self.environment.site_packages
        for name, text in _OLD.items():
            self.environment.overwrite(name, text)
        (site / "old/__pycache__").mkdir()
        (site / "old/__pycache__/__init__.cpython-399.pyc").write_bytes(b"bytecode")
        (site / "old/link").symlink_to("data.txt")
        (site / "old/empty").mkdir()
        shutil.copy(Path(__file__).with_name("killed_at.py"), site)
        (site / "00-a-kill.pth").write_text(_HOOK)
        self.platform = _platform(self.environment)
        self.home = self.environment.prefix / rescue.FOLDER
        self.before = self.environment.manifest()

    @property
    def intent(self) -> Intent:
        """What the change will touch."""
        site = str(self.environment.site_packages)
        names = {*_OLD, *_NEW, "old/link"}
        whole = {f"{site}/old-1.0.dist-info", f"{site}/old-2.0.dist-info"}
        return Intent(
            title="a change",
            platform=self.platform,
            footprint=Footprint(
                files=frozenset(f"{site}/{name}" for name in names),
                whole=frozenset(whole),
                roots=frozenset({site}),
            ),
            steps=(),
        )

    def act(self) -> None:
        """Do what pip does: put aside, make anew, write in place, clear away."""
        site = self.environment.site_packages
        (site / "old-1.0.dist-info").rename(site / "~ld-1.0.dist-info")
        (site / "old").rename(site / "~ld")
        for name in ("gone.pth", "gone_path/inner.py"):
            (site / name).unlink()
        (site / "gone_path").rmdir()
        for name, text in _NEW.items():
            path = site / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".pth":
                path.write_text(text)
            else:
                path.unlink(missing_ok=True)
                path.write_text(text)
        for name in ("~ld", "~ld-1.0.dist-info"):
            shutil.rmtree(site / name)

    def change(self, end: str) -> None:
        """Carry it out, to its end (`commit`), back again (`roll-back`), or half-way."""
        self.home.mkdir(exist_ok=True)
        lock = rescue.take_lock(str(self.home))
        assert lock is not None
        transaction = Transaction(new_change(self.home))
        transaction.begin(self.intent)
        self.act()
        if end == "commit":
            transaction.commit({})
        elif end == "roll-back":
            transaction.roll_back(["a test"])
        os.close(lock)

    def undo(self) -> None:
        """Put the files of the last change back, as a change of its own."""
        lock = rescue.take_lock(str(self.home))
        assert lock is not None
        undone = Undone(changes=tuple(read_history(self.home)), steps=())
        stage = Stage(self.home / "stage-undo")
        order = UndoOrder(undone=undone, platform=self.platform, stage=stage)
        transaction = Transaction(new_change(self.home))
        transaction.begin(order.intent())
        order.act(Tools(node=LocalNode(), stage=stage, tell=transaction.tell, cancel=Event()))
        transaction.commit({})
        os.close(lock)

    def start(self, number: int = 0) -> int:
        """Start its Python, to be killed at a step; return its exit code."""
        env = {_AT: str(number)} if number else {}
        where = (self.environment.site_packages, self.environment.prefix)
        start = ("-S", "-c", _START_ONCE, *where)
        return self.environment.run(*start, check=False, env=env).returncode


def _platform(environment: Environment) -> Platform:
    mine = look_at_platform()
    site = str(environment.site_packages)
    scheme = {name: site for name, _ in mine.scheme} | {"data": str(environment.prefix)}
    return replace(mine, prefix=str(environment.prefix), scheme=tuple(scheme.items()), site=(site,))


def _fork(work: Callable[[], None], number: int) -> bool:
    """Do something in a process that is killed at a step; whether it was."""
    pid = os.fork()
    if pid == 0:
        arm(number)
        work()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if not os.WIFSIGNALED(status) and status:
        raise SystemExit(f"the change ended with {status}")
    return os.WIFSIGNALED(status)


def _texts(play: Play) -> dict[str, str]:
    entries = play.environment.manifest().items()
    return {path: entry[2] for path, entry in entries if path.startswith("lib/")}


def _judge(play: Play, wanted: dict[str, str]) -> Iterator[str]:
    """Yield what is wrong after a start of Python, and after a command of envmagic."""
    if play.start():
        yield "Python does not start as it should"
    now, found = play.environment.manifest(), _texts(play)
    if now != play.before and found != wanted:
        ways = [list(differences(play.before, now)), list(differences(wanted, found))]
        yield from min(ways, key=len)
    if unfinished := rescue.find_unfinished(str(play.home)):
        yield f"unfinished after a start: {unfinished}"
    recover(play.home)
    if unfinished := rescue.find_unfinished(str(play.home)):
        yield f"unfinished: {unfinished}"
    if play.environment.manifest() != now:
        yield "a later command still changes something"


def _stories(folder: Path, name: str) -> Iterator[tuple[Play, Callable[[int], bool]]]:
    """Yield a fresh environment each time, and what is killed in it at a step."""
    for number in count():
        play = Play(folder / str(number))
        if name == "undo":
            play.change("commit")
            play.before = play.environment.manifest()
            yield play, lambda n, p=play: _fork(p.undo, n)  # type: ignore[misc]
        elif name == "forget":
            play.change("commit")
            play.before = play.environment.manifest()
            yield play, lambda n, p=play: _fork(lambda: prune(p.home, Limits(count=0)), n)  # type: ignore[misc]
        elif name == "start":
            _fork(lambda p=play: p.change("half-way"), 0)  # type: ignore[misc]
            yield play, lambda n, p=play: p.start(n) < 0  # type: ignore[misc]
        else:
            yield play, lambda n, p=play: _fork(lambda: p.change(name), n)  # type: ignore[misc]


def main() -> int:
    """Play to the end, and print each failure and the number of kills."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    reference = Play(folder / "reference")
    texts = _texts(reference)
    reference.change("commit")
    wanted = texts if name == "undo" else _texts(reference)
    for number, (play, kill) in enumerate(_stories(folder, name), 1):
        if not kill(number):
            print(f"{number - 1} kills")
            return 0
        for problem in _judge(play, wanted):
            print(f"step {number}: {problem}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
