"""Put back what an unfinished change has left: with the standard library alone.

While a change works, a copy of this file lies beside its journal, and a `.pth` file runs
it whenever this environment's Python starts. So what a killed sync left half-way is put
back before anything of it is imported: a kernel starts, though ipykernel, or envmagic
itself, was in pieces a moment ago.

At every instant the names of a change's files say what to do:

- no `journal.json`: nothing has been changed yet, the folder can go;
- `journal.json` alone: the change is at work, or was killed: put back;
- `outcome.json` beside it: the change has ended, and its files are kept for an undo;
- `rolled-back.json` in its place: all was put back.

An environment can be copied or moved with all this in it: a journal is read in the terms
of where it lies now, and a door leads to the script of its own environment.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import stat
import sys
import time

TYPE_CHECKING = False  # `typing` itself costs every start of Python 3 ms
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

FOLDER = ".envmagic"
"""What holds all that envmagic keeps of an environment, in the base of its scheme."""
FORMAT = 1
"""The version of the journal."""
LOCK = "lock"
JOURNAL = "journal.json"
OUTCOME = "outcome.json"
ROLLED_BACK = "rolled-back.json"
ROLLING_BACK = "rolling-back"
FILES = "files"
CHANGES = "change-"
DOOR = "00-envmagic-rescue.pth"
SCRIPT = "rescue.py"

MARK = "ENVMAGIC_CHANGE"
"""The environment variable by which all that a change starts can be told."""
KILLED = "the process that worked on it was killed"

_NEW = ".new"
_BESIDE = ".envmagic"
"""These end the name of what will take the place of a file of ours, or of an installed one."""
_CLEAN_PASSES = 2
_PATIENCE = 60.0
"""Seconds that a starting Python waits for another process that is putting back."""
_KERNEL_PATIENCE = 40.0
"""Seconds that a starting kernel waits for a change of what it starts with."""


class RescueError(Exception):
    """Some files could not be put back: `paths` says which."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths
        super().__init__(f"cannot be put back: {', '.join(paths[:5])}")


def door_text(script: str, door: str, prefix: str) -> str:
    """Return the `.pth` line that runs a script at each start, while the script is there.

    It goes by the prefix that is started, and is ASCII: `site` may read it in any encoding.
    """
    way, own = (os.path.relpath(path, prefix) for path in (script, door))
    join = "os.path.normpath(os.path.join(sys.prefix, %a))"
    names = f"{{'__name__': {FOLDER!a}, 'PATHS': (p, {join % own})}}"
    call = f"exec(compile(open(p, 'rb').read(), p, 'exec'), {names})"
    return f"import os, sys; p = {join % way}; os.path.isfile(p) and {call}\n"


def find_changes(home: str) -> list[str]:
    """Return the folders of all changes, the oldest first."""
    try:
        names = sorted(name for name in os.listdir(home) if name.startswith(CHANGES))
    except OSError:
        return []
    return [os.path.join(home, name) for name in names]


def find_unfinished(home: str) -> list[str]:
    """Return the changes that have begun and not ended, the newest first."""
    return [
        change
        for change in reversed(find_changes(home))
        if os.path.exists(os.path.join(change, JOURNAL))
        and not os.path.exists(os.path.join(change, OUTCOME))
    ]


def take_lock(home: str) -> int | None:
    """Take the lock of an environment, and return its descriptor; None: another has it.

    The lock is the system's own, so it ends with its holders, however they end.
    """
    import fcntl  # noqa: PLC0415 (not on Windows, where the import says so)

    path = os.path.join(home, LOCK)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        give_to_owner(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        # It must be the file that others would find, not one that was taken away since.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                sign_lock(descriptor)
                return descriptor
        os.close(descriptor)


def sign_lock(descriptor: int) -> None:
    """Write down who holds a lock, for a person."""
    with contextlib.suppress(OSError):  # a full disk
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)


def lock_holder(home: str) -> str:
    """Return the process that took the lock last, as it wrote itself down."""
    try:
        with open(os.path.join(home, LOCK), encoding="utf-8") as lock:
            return lock.read(32) or "unknown"
    except OSError:
        return "unknown"


def roll_back(change: str, problems: list[str], state: str = "rolled_back") -> None:
    """Put back all that a change has touched, and mark it as rolled back.

    Whoever still works on it is ended first. It can be killed at any instant and begun
    again, and asks for no room: what is new goes first, what was put by is renamed into
    its place, and so is the mark itself.
    Raises RescueError for what cannot be put back. That is an end, too: no later start
    tries again, over what its user has mended since; the journal and the files stay.
    """
    with contextlib.suppress(OSError):
        write_durably(os.path.join(change, ROLLING_BACK), b"")
    with contextlib.suppress(FileNotFoundError):  # of a commit that failed at the last step
        os.unlink(os.path.join(change, OUTCOME))
    end_engines(change)
    journal = None
    try:
        journal = read_journal(change)
        put_back(journal["folders"], places_of(change, journal), consume=True)
    except RescueError as error:
        _end(change, "failed", [*problems, str(error)], journal)
        raise
    os.replace(os.path.join(change, JOURNAL), os.path.join(change, ROLLED_BACK))
    sync_to_disk(change)
    _end(change, state, problems, journal)
    drop_files(change, journal)


def _end(change: str, state: str, problems: list[str], journal: dict[str, Any] | None) -> None:
    """Close the door, if it is known where, and say how it ended, if there is room."""
    if journal is not None:
        close_door(journal)
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(change, ROLLING_BACK))
        write_outcome(change, state, problems)


def end_engines(change: str) -> None:
    """Kill what a change has started, and that outlived it, told by its environment.

    One pass can miss what is being started, so there must be nothing in two of them.
    """
    mark = os.fsencode(f"{MARK}={os.path.realpath(change)}")
    clean = 0
    while clean < _CLEAN_PASSES:
        found = [pid for pid in _processes() if mark in _environment(pid).split(b"\0")]
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        clean = 0 if found else clean + 1
        time.sleep(0.01)


def _processes() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except FileNotFoundError:  # not Linux: there pip-sync holds the lock, but not its pip
        return []


def _environment(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read()
    except OSError:
        return b""


def is_alive(pid: int) -> bool:
    """Whether a process is there, and not only waiting for its parent to take note."""
    if pid <= 0:
        return False
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (OSError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not os.path.isdir("/proc/self")


def read_journal(change: str, name: str = JOURNAL) -> dict[str, Any]:
    """Return what a change wrote down before it began, in the terms of where it lies now.

    Raises RescueError for one that is not for here, or not to be read.
    """
    path = os.path.join(change, name)
    base = os.path.realpath(os.path.dirname(os.path.dirname(change)))
    try:
        with open(path, encoding="utf-8") as file:
            journal: dict[str, Any] = json.load(file)
        if journal["format"] != FORMAT:
            raise RescueError([path])
        return journal if journal["base"] == base else _moved(journal, base)
    except (ValueError, KeyError) as error:
        raise RescueError([path]) from error


def _moved(journal: dict[str, Any], base: str) -> dict[str, Any]:
    """Return the journal of an environment that was copied or moved to another base."""
    old = journal["base"]

    def move(path: str) -> str:
        if path != old and not path.startswith(old + os.sep):
            raise RescueError([path])  # outside: it is that of the other one
        return base + path[len(old) :]

    return {
        **journal,
        "base": base,
        "door": move(journal["door"]),
        "worker": 0,  # works on the other one
        "places": [move(place) for place in journal["places"]],
        "folders": {move(path): was for path, was in journal["folders"].items()},
    }


def write_outcome(
    change: str, state: str, problems: list[str], seconds: dict[str, float] | None = None
) -> None:
    """Write down how a change ended; that it stands there, durably, is its end."""
    outcome = {"state": state, "problems": problems, "ended": time.time(), "seconds": seconds or {}}
    write_durably(os.path.join(change, OUTCOME), json.dumps(outcome).encode())


def open_door(journal: dict[str, Any], prefix: str) -> None:
    """Let every start of this environment's Python look for a change that was killed."""
    script, door = _script_of(journal), journal["door"]
    with open(__file__, "rb") as source:
        write_durably(script, source.read())
    # Made in our own folder: no half of it must ever lie beside the modules.
    made, text = f"{script}{_NEW}", door_text(script, door, os.path.realpath(prefix))
    write_durably(made, text.encode())
    try:
        os.replace(made, door)
    except OSError:  # another file system
        write_durably(door, text.encode())
    sync_to_disk(os.path.dirname(door))


def _script_of(journal: dict[str, Any]) -> str:
    return os.path.join(journal["base"], FOLDER, SCRIPT)


def close_door(journal: dict[str, Any]) -> None:
    """Take the `.pth` file away again, and what it runs, whole or half-written."""
    for path in (journal["door"], _script_of(journal)):
        for name in (path, f"{path}{_NEW}"):
            with contextlib.suppress(OSError):
                os.unlink(name)


def drop_files(change: str, journal: dict[str, Any]) -> None:
    """Take away what a change has put by, in each of its places."""
    for folder in places_of(change, journal):
        shutil.rmtree(folder, ignore_errors=True)


def places_of(change: str, journal: dict[str, Any]) -> list[str]:
    """Return the folders that the files of a change were put into."""
    return [os.path.join(change, FILES), *journal["places"]]


def write_durably(path: str, data: bytes) -> None:
    """Write a file, for its user alone, that is wholly there or not at all."""
    beside = f"{path}{_NEW}"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(beside)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    give_to_owner(beside)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError:
        os.unlink(beside)
        raise
    sync_to_disk(os.path.dirname(path))


def give_to_owner(path: str) -> None:
    """Let root leave nothing in somebody's environment that they could not read or end."""
    if os.geteuid() == 0:
        owner = os.stat(os.path.dirname(path))
        with contextlib.suppress(OSError):
            os.chown(path, owner.st_uid, owner.st_gid)


def sync_to_disk(path: str) -> None:
    """Make the content of a file durable, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_back(folders: dict[str, Any], places: list[str], *, consume: bool) -> None:
    """Make every path of a journal what it was when the change began.

    `folders` maps a folder to its `mode` (None: it was not there), to whether all in it is
    the change's own (`whole`), and to its `entries`: None, it was not there; a text, the
    target of a symlink; True, there and left alone; else a file, see `_Files`.
    With `consume`, the files put by are used up: a rename needs no room.
    Raises RescueError for what cannot be put back, after all else is.
    """
    files = _Files(places, consume=consume)
    for path in sorted(folders, reverse=True):
        # What pip has left half-way is this change's only while it is at work.
        _clear(path, folders, files.lost, leftovers=consume)
    for path in sorted(folders):
        if (mode := folders[path]["mode"]) is not None:
            try:
                _make_folder(path, mode)
            except OSError:
                files.lost.append(path)
    for path, was in folders.items():
        for name, entry in was["entries"].items():
            if entry is not None and entry is not True:
                files.put(os.path.join(path, name), entry)
    if files.lost:
        raise RescueError(files.lost)


def _clear(path: str, folders: dict[str, Any], lost: list[str], *, leftovers: bool) -> None:
    """Take away what a change has made in a folder, and nothing of anybody else."""
    was = folders[path]
    try:
        entries = list(os.scandir(path))
    except (FileNotFoundError, NotADirectoryError):
        return
    known = was["entries"]
    for entry in entries:
        if entry.path in folders and entry.is_dir(follow_symlinks=False):
            continue  # it was cleared by itself
        if entry.name not in known:
            left = leftovers and entry.name.startswith("~")
            beside = entry.name.endswith(_BESIDE) and entry.name[: -len(_BESIDE)] in known
            mine = was["whole"] or left or beside or is_bytecode(entry.path)
        else:
            mine = known[entry.name] is None and not entry.is_dir(follow_symlinks=False)
        if mine:
            try:
                _remove(entry)
            except OSError:
                lost.append(entry.path)
    if was["mode"] is None:
        with contextlib.suppress(OSError):  # something of somebody else's is in it
            os.rmdir(path)


def is_bytecode(path: str) -> bool:
    """Whether a file is what Python has compiled of a module beside its folder."""
    return path.endswith(".pyc") and os.path.basename(os.path.dirname(path)) == "__pycache__"


def _remove(entry: os.DirEntry[str]) -> None:
    if entry.is_dir(follow_symlinks=False):
        shutil.rmtree(entry.path)
    else:
        os.unlink(entry.path)


def _make_folder(path: str, mode: int) -> None:
    if not os.path.isdir(path):
        os.makedirs(path)
    if stat.S_IMODE(os.stat(path).st_mode) != mode:
        os.chmod(path, mode)


class _Files:
    """The files put by: `[place, number, inode, size, mtime_ns]` each, on some places."""

    def __init__(self, places: list[str], *, consume: bool) -> None:
        self._places = places
        self._consume = consume
        self.lost: list[str] = []

    def put(self, path: str, entry: str | list[int]) -> None:
        """Put one back, where it is not there as it was."""
        try:
            if isinstance(entry, str):
                _put_symlink(path, entry)
            elif not _is_there(path, entry):
                self._put_file(path, os.path.join(self._places[entry[0]], str(entry[1])))
        except OSError:
            # A copy that was renamed into its place has another inode, and no source now.
            if isinstance(entry, str) or not _is_there(path, [0, 0, 0, *entry[3:]]):
                self.lost.append(path)

    def _put_file(self, path: str, source: str) -> None:
        if self._consume:
            os.replace(source, path)
            return
        with _beside(path) as beside:
            try:
                os.link(source, beside)
            except OSError:
                copy_file(source, beside)


def _is_there(path: str, entry: list[int]) -> bool:
    """Whether a file is the very one that was put by; inode 0: or just like it."""
    _, _, inode, size, mtime = entry
    try:
        now = os.lstat(path)
    except FileNotFoundError:
        return False
    same = stat.S_ISREG(now.st_mode) and (now.st_size, now.st_mtime_ns) == (size, mtime)
    return same and inode in {0, now.st_ino}


def _put_symlink(path: str, target: str) -> None:
    if os.path.islink(path) and os.readlink(path) == target:
        return
    with _beside(path) as beside:
        os.symlink(target, beside)


@contextlib.contextmanager
def _beside(path: str) -> Iterator[str]:
    """Give a name to make something under, which then takes the place of `path`."""
    beside = f"{path}{_BESIDE}"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(beside)
    yield beside
    os.replace(beside, path)


def copy_file(source: str, target: str) -> None:
    """Copy a file with its times, mode and, where we may, its owner; durably."""
    shutil.copy2(source, target)
    sync_to_disk(target)
    owner = os.stat(source)
    with contextlib.suppress(OSError):
        os.chown(target, owner.st_uid, owner.st_gid)


def look_for_killed(home: str, door: str) -> None:
    """Roll back what a killed change has left, unless somebody works on it: at a start."""
    if MARK in os.environ:
        # An engine whose change has ended without it, or is looked after by nobody.
        if not is_at_work(os.environ[MARK]):
            os._exit(1)
        return
    site = os.path.dirname(door)
    known = set(os.listdir(site))
    if find_unfinished(home):
        _await_or_roll_back(home)
    else:
        _shut(home, door)
    _take_in(site, known)


def _await_or_roll_back(home: str) -> None:
    start = time.monotonic()
    while unfinished := find_unfinished(home):
        lock = take_lock(home)
        if lock is not None:
            try:
                for change in find_unfinished(home):
                    roll_back(change, [KILLED])
                    sys.stderr.write(f"envmagic: an unfinished sync was rolled back ({home})\n")
            finally:
                os.close(lock)
            return
        patience = _PATIENCE
        if is_at_work(unfinished[0]):
            patience = _KERNEL_PATIENCE if _breaks_this_start(unfinished[0]) else 0.0
        if time.monotonic() > start + patience:
            return
        time.sleep(0.05)


def _breaks_this_start(change: str) -> bool:
    """Whether this is the start of a kernel, and a change is at what kernels start with.

    Jupyter restarts a kernel while its sync goes on; it would die of an import.
    """
    if not {"ipykernel", "ipykernel_launcher"}.intersection(sys.orig_argv):
        return False
    try:
        return bool(read_journal(change)["kernel"])
    except (FileNotFoundError, RescueError):
        return False


def _shut(home: str, door: str) -> None:
    """Close a door that a change left open which was killed just after its end."""
    with contextlib.suppress(OSError):  # not ours to write in
        lock = take_lock(home)
        if lock is not None:
            if not find_unfinished(home):
                close_door({"door": door, "base": os.path.dirname(home)})
            os.close(lock)


def _take_in(folder: str, known: set[str]) -> None:
    """Let this start see the `.pth` files that came back: it has listed them before."""
    for name in sorted(set(os.listdir(folder)) - known):
        if name.endswith(".pth") and name != DOOR:
            import site  # noqa: PLC0415 (it runs this)

            site.addpackage(folder, name, None)


def is_at_work(change: str) -> bool:
    """Whether a change goes on; False: it has ended, or is being put back."""
    if any(os.path.exists(os.path.join(change, name)) for name in (OUTCOME, ROLLING_BACK)):
        return False
    try:
        return is_alive(read_journal(change)["worker"])
    except (FileNotFoundError, RescueError):
        return False


if __name__ == FOLDER:
    try:
        ran, opened = globals()["PATHS"]
        look_for_killed(os.path.dirname(ran), opened)
    except (OSError, ValueError, RescueError) as error:
        sys.stderr.write(f"envmagic: an unfinished sync could not be rolled back: {error}\n")
