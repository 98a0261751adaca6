"""Who works on an environment now, as seen from outside in /proc."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from envmagic.change import rescue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.environment import Environment

_ENGINES = ("pip", "piptools", "ipykernel_launcher")


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """One process of an environment."""

    pid: int
    words: tuple[str, ...]
    """Its command line."""

    @property
    def is_worker(self) -> bool:
        """Whether it carries out an order."""
        return "envmagic.change.worker" in self.words

    @property
    def is_engine(self) -> bool:
        """Whether it is what a sync starts: pip-sync, its pips, the probe of a kernel."""
        flag, module, *_ = [word for word in (*self.words, "", "", "")[1:] if word != "-P"]
        return flag == "-m" and module in _ENGINES and not self.is_kernel

    @property
    def is_kernel(self) -> bool:
        """Whether it is a kernel with somebody at it."""
        return "-f" in self.words

    def runs(self, *words: str) -> bool:
        """Whether its arguments have all of these."""
        return set(words) <= set(self.words)


class Witness:
    """Watches one environment; processes that were there before it are not looked at."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._before = set(_processes())
        self.home = environment.prefix / rescue.FOLDER

    def look(self) -> list[Seen]:
        """Return the processes of the environment, the oldest first."""
        start = os.fsencode(f"{self._environment.prefix}{os.sep}")
        found = []
        for pid in sorted(_processes()):
            if pid in self._before:
                continue
            with contextlib.suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
                if line.startswith(start) and rescue.is_alive(pid):
                    words = line.decode("utf-8", "replace").rstrip("\0").split("\0")
                    found.append(Seen(pid=pid, words=tuple(words)))
        return found

    def change(self) -> Path | None:
        """Return the folder of the newest change."""
        found = rescue.find_changes(str(self.home))
        return Path(found[-1]) if found else None

    def changes(self) -> int:
        """Return how many changes are kept."""
        return len(rescue.find_changes(str(self.home)))

    def there(self, path: str) -> bool:
        """Whether a path below `site-packages` is there."""
        return os.path.lexists(f"{self._environment.site_packages}/{path}")


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208 (fast)


def kill(pid: int) -> bool:
    """Kill a process; False: it was not there any more."""
    return _send(pid, signal.SIGKILL)


def terminate(pid: int) -> bool:
    """Ask a process to end; False: it was not there any more."""
    return _send(pid, signal.SIGTERM)


@contextlib.contextmanager
def paused(witness: Witness) -> Iterator[None]:
    """Have all that a sync has started stand still (SIGSTOP), as on a very slow machine."""
    pids = [seen.pid for seen in witness.look() if seen.is_worker or seen.is_engine]
    assert pids
    for pid in pids:
        _send(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            _send(pid, signal.SIGCONT)


def _send(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def kill_group(pid: int) -> bool:
    """Kill the process group of a process; False: it was not there any more."""
    try:
        os.killpg(os.getpgid(pid), signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def await_moment(moment: Callable[[], bool], goes_on: Callable[[], bool]) -> bool:
    """Look each millisecond until a moment has come; False: all was over before."""
    while not moment():
        if not goes_on():
            return moment()
        time.sleep(0.001)
    return True
