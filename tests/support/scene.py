"""What the torture plays in: an environment with an old set, and a lock that wants a new one."""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.disks import tmpfs
from support.environment import Environment
from support.kernel import live_kernel
from support.story import Story
from support.templates import NUMPY, fetch_wheels
from support.wheelhouse import Wheelhouse
from support.witness import Witness

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from support.templates import Templates

_LOCK = (
    f"numpy=={NUMPY[1]}",
    "traitlets==5.14.3",
    "comm==0.2.2",
    "packaging==25.0",
    "changes==2.0",
    "space-two==1.0",
    "space-three==1.0",
    "arrives==1.0",
)
_REAL = [line for line in _LOCK if line.startswith(("numpy", "traitlets", "comm", "packaging"))]
_OLD = ("goes==1.0", "changes==1.0", "spec==1.0", "space-one==1.0", "space-two==1.0")
LEFTOVER = "~oes-0.9.dist-info/METADATA"
_IMPORT = "import goes, changes.deep.down, spec, space.one, space.two, numpy, goes_path.inner"
WORKS = "import numpy\nassert numpy.zeros(3).sum() == 0"
_ROOM = 250
"""Megabytes for wheels, and for what is unpacked of them."""
_SCRIPT = "def main() -> None:\n    pass\n"

Contents = dict[str, str]
"""Path below the prefix to what is there, whatever the prefix is called."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """An environment to copy, the wheels that its lock wants, and what an unharmed sync does."""

    folder: Path
    before: Path
    """The prefix of the environment to copy."""
    wheels: tuple[Path, ...]
    done: Contents
    """What is there after a sync that nobody harmed."""
    undone: Contents
    """What is there after the undo of it."""
    seconds: float
    """How long such a sync takes."""
    changing: float
    """How long it changes something."""

    def enter(self, name: str, disk: Path | None = None) -> Story:
        """Copy the environment, to a disk of its own or not, and write the lock for it."""
        copied = Environment(self.before).copy((disk or self.folder) / name)
        # Of a disk that is full, all but the environment must go on working.
        home = self.folder / f"{name}-home"
        return _story(Environment(copied.prefix, home=home), self.wheels)

    @contextlib.contextmanager
    def disk(self, name: str) -> Iterator[Path]:
        """Mount a disk with room for one environment, a sync of it, and not much more."""
        used = sum(p.lstat().st_size for p in self.before.rglob("*")) // 1_000_000
        with tmpfs(self.folder / name, megabytes=used + _ROOM) as folder:
            yield folder


def _story(environment: Environment, wheels: tuple[Path, ...]) -> Story:
    story = Story(environment, None)
    story.places = ["--no-index", *(f"--find-links={folder}" for folder in wheels)]
    story.write(*_LOCK)
    return story


def make_scene(folder: Path, templates: Templates, environ: Mapping[str, str]) -> Scene:
    """Install the old set, and measure a sync and an undo that nobody harms."""
    wheels = (fetch_wheels(_REAL, environ), _make_wheels(folder / "wheels"))
    environment = templates.make("science")
    environment.install(wheels[1], *_OLD)
    environment.overwrite(LEFTOVER, "Metadata-Version: 2.1\nName: oes\nVersion: 0.9\n")
    with live_kernel(environment) as kernel:  # writes the bytecode of all that is imported
        kernel.run(f"{_IMPORT}\n{WORKS}\n%load_ext envmagic").check()
    environment.run("-m", "envmagic", "info")
    story = _story(environment.copy(folder / "reference"), wheels)
    seconds, changing = _measure(story)
    done = contents(story.environment)
    story.environment.run("-m", "envmagic", "undo", "--yes")
    return Scene(
        folder=folder,
        before=environment.prefix,
        wheels=wheels,
        done=done,
        undone=contents(story.environment),
        seconds=seconds,
        changing=changing,
    )


def _measure(story: Story) -> tuple[float, float]:
    witness = Witness(story.environment)
    start = time.monotonic()
    process = story.environment.start("-m", "envmagic", "sync", story.lock, "--yes", *story.places)
    began = start
    while process.poll() is None:
        if began == start and witness.change():
            began = time.monotonic()
        time.sleep(0.001)
    end = time.monotonic()
    said = process.communicate()
    assert process.returncode == 0, said
    return end - start, end - began


def _make_wheels(folder: Path) -> Path:
    house = Wheelhouse(folder)
    house.add(
        "goes",
        "1.0",
        files={
            "goes/__init__.py": _SCRIPT,
            "goes.pth": "goes_path\n",
            "goes_path/goes_path/inner.py": "HERE = True\n",
        },
        scripts={"goes": "goes:main"},
        data={"share/goes/words.txt": "words\n", "etc/goes/goes.conf": "a = 1\n"},
    )
    for version, module, script in (("1.0", "deep/down", "change-old"), ("2.0", "other", "change")):
        house.add(
            "changes",
            version,
            files={
                "changes/__init__.py": _SCRIPT,
                f"changes/{module}.py": f"V = {version}\n",
                "changes.pth": f"import os  # {version}\n",
            },
            scripts={script: "changes:main", "changed": "changes:main"},
            data={"share/changes/both.txt": version, f"etc/changes/{version}.conf": version},
        )
    house.add("spec", "1.0", data={"share/jupyter/kernels/spec/kernel.json": '{"argv": []}\n'})
    for name in ("one", "two", "three"):
        house.add(f"space-{name}", "1.0", files={f"space/{name}.py": "", f"space/{name}.txt": name})
    house.add(
        "arrives",
        "1.0",
        files={"arrives/__init__.py": _SCRIPT},
        scripts={"arrives": "arrives:main"},
        data={"share/arrives/new/words.txt": "new\n"},
    )
    return house.folder


def contents(environment: Environment) -> Contents:
    """Describe an environment as two that were synced alike are the same: without times.

    Bytecode is left out, and so is the prefix where a file names it. A RECORD has the
    hashes of scripts, which name it too: its paths stand for it.
    """
    prefix = str(environment.prefix).encode()
    found: Contents = {}
    for path, (_, _, digest) in environment.manifest().items():
        if "__pycache__" in path:
            continue
        found[path] = digest
        if path.endswith("/") or (environment.prefix / path).is_symlink():
            continue
        data = (environment.prefix / path).read_bytes()
        if path.endswith(".dist-info/RECORD"):
            data = b"\n".join(sorted(re.findall(rb"^[^,]+", data, re.MULTILINE)))
        if path.endswith("/RECORD") or prefix in data:
            found[path] = hashlib.sha256(data.replace(prefix, b"PREFIX")).hexdigest()
    return found
