"""Who else runs from this environment: kernels, Jupyter servers, other Python processes."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from envmagic.core.model import Finding, FindingKind, Severity
from envmagic.core.report import Neighbour, NeighbourKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envmagic.core.model import Platform

_PROC = Path("/proc")
_PYTHON = re.compile("python|pypy")
_CONNECTION = re.compile(r"\0--?f[=\0][^\0]*\.json(?:\0|$)|\.connection_file=")
_SERVER = re.compile(r"jupyter[-_](?:lab|labhub|notebook|server|nbclassic)|jupyterhub-singleuser")
_SERVER_MODULES = {"jupyterlab", "notebook", "nbclassic"}
_MODULE_NEXT = re.compile("-[bBdEiIOPqRsSuvx]*m")
_CODE_NEXT = re.compile("-[bBdEiIOPqRsSuvx]*c")
_SHOWN_OTHERS = 5
_UNKNOWN = Finding(
    kind=FindingKind.NEIGHBOUR,
    name="",
    text="whether other kernels of this environment are running is not known: "
    "this system has no `/proc` that tells",
    hint="they would keep what they have loaded until they are restarted",
    severity=Severity.NOTE,
)


def find_neighbours(where: Platform, proc: Path = _PROC) -> tuple[Neighbour, ...] | None:
    """Return the other processes that run from an environment; None: the system does not tell.

    A kernel or a server is one of this environment where its interpreter is, or where it
    has mapped a file of the environment, which it has with pyzmq; any other process only by
    a mapped file. Of what another user runs, only kernels and servers can be told, by the
    path of their interpreter; nothing is seen of other machines.
    """
    try:
        here = int((proc / "self").readlink().name)
    except (OSError, ValueError):
        return None
    return tuple(_Scan(where, proc, here).neighbours())


def describe_neighbours(
    found: Sequence[Neighbour] | None, *, kernel: bool = False
) -> Iterator[Finding]:
    """Yield what a reader should know about them before something changes.

    `kernel`: whether who asks is a kernel itself.
    """
    if found is None:
        yield _UNKNOWN
        return
    a_kernel = "another kernel" if kernel else "a kernel"
    words = {NeighbourKind.KERNEL: a_kernel, NeighbourKind.SERVER: "a Jupyter server"}
    for neighbour in found:
        if neighbour.kind in words:
            what = f"{words[neighbour.kind]} of this environment is running"
            yield Finding(
                kind=FindingKind.NEIGHBOUR,
                name=neighbour.name,
                text=f"{what}: {_who(neighbour)}",
                hint="it keeps what it has loaded until it is restarted",
                found=str(neighbour.pid),
            )
    others = [_who(n) for n in found if n.kind is NeighbourKind.OTHER]
    if others:
        yield _others_finding(others)


def _others_finding(others: Sequence[str]) -> Finding:
    many = len(others) > 1
    more = f" and {len(others) - _SHOWN_OTHERS} more" if len(others) > _SHOWN_OTHERS else ""
    return Finding(
        kind=FindingKind.NEIGHBOUR,
        name="",
        text=f"{'other Python processes run' if many else 'another Python process runs'} from "
        f"this environment: {', '.join(others[:_SHOWN_OTHERS])}{more}",
        hint="what has been loaded there stays until it is restarted",
        severity=Severity.NOTE,
    )


def _who(neighbour: Neighbour) -> str:
    process = f"process {neighbour.pid}"
    return f"`{neighbour.name}` ({process})" if neighbour.name else process


@dataclass(frozen=True, kw_only=True, slots=True)
class _Process:
    """A process, as its command line tells."""

    pid: int
    argv: tuple[str, ...]

    @property
    def script(self) -> str:
        """The script or module that it runs, without a path; empty: none that has a name."""
        words = iter(self.argv[1:])
        for word in words:
            if _MODULE_NEXT.fullmatch(word):
                return next(words, "")
            if word in {"-W", "-X"}:
                next(words, "")
            elif _CODE_NEXT.fullmatch(word) or word == "-":
                return ""
            elif not word.startswith("-"):
                return word.rpartition("/")[2]
        return ""

    @property
    def kind(self) -> NeighbourKind:
        """What it is: every kernel is started with the path of its connection file."""
        script = self.script
        if "kernel" in script and _CONNECTION.search("\0".join(self.argv)):
            return NeighbourKind.KERNEL
        if _SERVER.fullmatch(script) or script in _SERVER_MODULES:
            return NeighbourKind.SERVER
        return NeighbourKind.OTHER


class _Scan:
    """One look at the processes of this machine."""

    def __init__(self, where: Platform, proc: Path, here: int) -> None:
        self._proc = proc
        self._here = here
        self._bin = os.path.join(where.prefix, "bin")  # noqa: PTH118 (compared as text)
        self._executable = where.executable
        self._site = [os.path.realpath(folder) for folder in where.site]
        self._parents: dict[int, int] = {}

    def neighbours(self) -> Iterator[Neighbour]:
        """Yield what runs from this environment, each that a reader could restart once."""
        found = {process.pid: process for process in self._pythons() if self._is_ours(process)}
        kernels = {NeighbourKind.KERNEL, NeighbourKind.OTHER}
        roots = {pid for pid, process in found.items() if process.kind in kernels}
        above = set(self._ancestors(self._here))
        # A fork has the command line of who forked it, and a kernel's is its own alone.
        seen = {self._argv(self._here)}
        for pid, process in sorted(found.items()):
            if process.kind is NeighbourKind.KERNEL:
                if process.argv not in seen:
                    seen.add(process.argv)
                    yield self._describe(process, self._notebook(pid))
                continue
            parents = set(self._ancestors(pid))
            if pid in above or self._here in parents:
                continue
            # What a kernel or a pool has started ends with it, unlike what a server has.
            if process.kind is NeighbourKind.SERVER or not roots & parents:
                yield self._describe(process, process.script)

    @staticmethod
    def _describe(process: _Process, name: str) -> Neighbour:
        printable = "".join(letter if letter.isprintable() else "?" for letter in name)
        return Neighbour(pid=process.pid, kind=process.kind, name=printable)

    def _pythons(self) -> Iterator[_Process]:
        """Yield every other process that may be a Python."""
        for entry in os.listdir(self._proc):  # noqa: PTH208 (names are all that is needed)
            if not entry.isdigit() or int(entry) == self._here:
                continue
            pid = int(entry)
            program = self._program(pid)
            if program and not _PYTHON.search(program):
                continue
            argv = self._argv(pid)  # of the system's own threads and of the dead: empty
            if argv:
                yield _Process(pid=pid, argv=argv)

    def _program(self, pid: int) -> str:
        """Return the file name of what a process runs; empty: not to be read."""
        try:
            path = os.readlink(f"{self._proc}/{pid}/exe")  # noqa: PTH115 (for all processes: fast)
        except OSError:
            return ""
        return path.rpartition("/")[2]

    def _argv(self, pid: int) -> tuple[str, ...]:
        words = os.fsdecode(self._read(pid, "cmdline")).rstrip("\0")
        return tuple(words.split("\0")) if words else ()

    def _read(self, pid: int, name: str) -> bytes:
        """Return a file of a process; empty: it is gone, or another user's."""
        try:
            return (self._proc / str(pid) / name).read_bytes()
        except OSError:
            return b""

    def _is_ours(self, process: _Process) -> bool:
        if process.kind is not NeighbourKind.OTHER and self._has_our_interpreter(process):
            return True
        return self._maps_our_files(process.pid)

    def _has_our_interpreter(self, process: _Process) -> bool:
        """Whether it was started as this environment's Python, which mostly is a symlink.

        The folder tells the environment; the file, of two Pythons in `/usr/bin`, which one.
        """
        folder, _, name = process.argv[0].rpartition("/")
        if not folder.startswith("/") or not self._sees(process.pid, folder, self._bin):
            return False
        return _is_same(f"{self._bin}/{name}", self._executable)

    def _maps_our_files(self, pid: int) -> bool:
        maps = self._read(pid, "maps")
        return any(
            b" " + os.fsencode(folder) + b"/" in maps and self._sees(pid, folder, folder)
            for folder in self._site
        )

    def _sees(self, pid: int, path: str, ours: str) -> bool:
        """Whether what a process sees at a path is a folder of ours: in a container it is not."""
        root = f"{self._proc}/{pid}/root"
        if os.path.isdir(root):  # noqa: PTH112 (false, too, where it is not to be read)
            return _is_same(f"{root}{path}", ours)
        levels = {len(self._status(each, "NSpid").split()) for each in (pid, self._here)}
        return len(levels) == 1 and _is_same(path, ours)

    def _status(self, pid: int, field: str) -> str:
        status = self._read(pid, "status").decode("utf-8", "replace")
        return status.partition(f"\n{field}:")[2].partition("\n")[0]

    def _ancestors(self, pid: int) -> Iterator[int]:
        while pid := self._parent(pid):
            yield pid

    def _parent(self, pid: int) -> int:
        """Return the process that started another one; 0: none that is seen here."""
        if pid not in self._parents:
            self._parents[pid] = int(self._status(pid, "PPid").strip() or 0)
        return self._parents[pid]

    def _notebook(self, pid: int) -> str:
        """Return the notebook of a kernel; empty: not told, or inherited from another kernel."""
        session = self._session(pid)
        if session == self._session(self._parent(pid)):
            return ""
        return session.rpartition("/")[2]

    def _session(self, pid: int) -> str:
        """Return what jupyter_server told a kernel; nothing else of its environment is kept."""
        environ = b"\0" + self._read(pid, "environ")
        return os.fsdecode(environ.partition(b"\0JPY_SESSION_NAME=")[2].partition(b"\0")[0])


def _is_same(path: str, ours: str) -> bool:
    try:
        return os.path.samefile(path, ours)  # noqa: PTH121 (no Path for each process)
    except OSError:
        return False
