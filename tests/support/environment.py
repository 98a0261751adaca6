"""A real virtual environment that a test may change, damage and compare."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from support.process import clean_environ, run_process, start_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from support.process import Completed, Process
    from support.wheelhouse import Wheelhouse

_LIBRARY = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
_EDITABLE = re.compile(r"# Editable install with no version control \((.+)==(.+)\)")

DIARY = ".envmagic"
"""Where envmagic keeps what it needs for an undo."""

Manifest = dict[str, tuple[int, int, str]]
"""Path below the prefix to size, mtime_ns, sha256.

A symlink has its target and no numbers, a folder ends in `/` and has neither.
"""


class Environment:
    """A virtual environment, and a home of its own beside it.

    Its files may be hard links that other environments share: who writes into one
    in place must go through `overwrite` or `damage`. pip never writes in place.
    """

    def __init__(self, prefix: Path, *, home: Path | None = None) -> None:
        self.prefix = prefix
        self.home = home or prefix.with_name(f"{prefix.name}-home")
        self.python = prefix / "bin" / "python"
        self.site_packages = prefix / _LIBRARY

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables that its processes see, afresh each time."""
        self.home.mkdir(parents=True, exist_ok=True)
        clean = clean_environ(self.home)
        return clean | {"PATH": f"{self.python.parent}{os.pathsep}{clean.get('PATH', os.defpath)}"}

    def run(
        self,
        *arguments: str | Path,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = 120,
    ) -> Completed:
        """Run its python to the end; `env` is added to `environ`."""
        return run_process(
            [self.python, *arguments],
            env=self.environ | dict(env or {}),
            cwd=cwd or self.home,
            check=check,
            timeout=timeout,
        )

    def start(
        self, *arguments: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Process:
        """Start its python as the leader of a process group, and do not wait."""
        return start_process(
            [self.python, *arguments], env=self.environ | dict(env or {}), cwd=cwd or self.home
        )

    def pip(self, *arguments: str | Path, check: bool = True) -> Completed:
        """Run its pip, which knows of no index but those that it is given."""
        return self.run("-m", "pip", "--disable-pip-version-check", *arguments, check=check)

    def install(self, wheelhouse: Wheelhouse | Path, *requirements: str) -> None:
        """Install exactly these, from this wheelhouse only."""
        folder = wheelhouse if isinstance(wheelhouse, Path) else wheelhouse.folder
        options = ("--quiet", "--no-index", "--no-deps", "--find-links", folder)
        self.pip("install", *options, *requirements)

    def freeze(self) -> dict[str, str]:
        """Return the version, or else the direct URL, of all that pip sees."""
        found: dict[str, str] = {}
        for line in self.pip("freeze", "--all").stdout.splitlines():
            if editable := _EDITABLE.fullmatch(line):
                found[editable[1]] = editable[2]
            elif "==" in line and not line.startswith(("#", "-e ")):
                name, _, found[name] = line.partition("==")
            elif " @ " in line:
                name, _, found[name] = line.partition(" @ ")
            elif "#egg=" in line:
                url, _, name = line.removeprefix("-e ").partition("#egg=")
                found[name.partition("&")[0]] = url
        return found

    def manifest(self) -> Manifest:
        """Describe every file below the prefix: equal manifests, equal environments.

        What envmagic keeps for itself in `.envmagic` is not part of it.
        """
        found: Manifest = {}
        _describe(self.prefix, "", found)
        ours = f"{DIARY}/"
        return {path: entry for path, entry in found.items() if not path.startswith(ours)}

    def damage(self, path: str | Path) -> None:
        """Delete a file behind pip's back; a relative path is one in `site_packages`."""
        (self.site_packages / path).unlink()

    def overwrite(self, path: str | Path, text: str) -> None:
        """Write a file anew, never through a hard link that others share."""
        target = self.site_packages / path
        target.unlink(missing_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")

    def copy(self, prefix: Path, *, link: bool = True) -> Environment:
        """Make an environment like this one elsewhere, in a fraction of a second.

        `link=False` copies the bytes too, for tests that write in place.
        """
        replace = (os.fsencode(self.prefix), os.fsencode(prefix))
        _copy_folder(self.prefix, prefix, _link_file if link else shutil.copy2)
        for path in [prefix / "pyvenv.cfg", *(prefix / "bin").iterdir()]:
            if not path.is_symlink() and replace[0] in (content := path.read_bytes()):
                mode = path.stat().st_mode
                path.unlink()
                path.write_bytes(content.replace(*replace))
                path.chmod(mode)
        return Environment(prefix)


def differences(wanted: Mapping[str, object], found: Mapping[str, object]) -> Iterator[str]:
    """Yield in which entries one description is unlike another, the first few."""
    unlike = sorted(k for k in {**wanted, **found} if wanted.get(k) != found.get(k))
    yield from (f"{k}: {wanted.get(k)} became {found.get(k)}" for k in unlike[:8])
    if len(unlike) > 8:
        yield f"and {len(unlike) - 8} more"


def _describe(folder: Path, below: str, found: Manifest) -> None:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = below + entry.name
            if entry.is_dir(follow_symlinks=False):
                found[f"{path}/"] = (0, 0, "")
                _describe(Path(entry.path), f"{path}/", found)
                continue
            if entry.is_symlink():
                found[path] = (0, 0, str(Path(entry.path).readlink()))
                continue
            status = entry.stat()
            digest = hashlib.sha256(Path(entry.path).read_bytes()).hexdigest()
            found[path] = (status.st_size, status.st_mtime_ns, digest)


def _copy_folder(
    source: str | Path, target: str | Path, copy_file: Callable[[str, str], object]
) -> None:
    Path(target).mkdir(parents=True)
    with os.scandir(source) as entries:
        for entry in entries:
            there = f"{target}/{entry.name}"
            if entry.is_symlink():
                Path(there).symlink_to(Path(entry.path).readlink())
            elif entry.is_dir():
                _copy_folder(entry.path, there, copy_file)
            else:
                copy_file(entry.path, there)


def _link_file(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copy2(source, target)
