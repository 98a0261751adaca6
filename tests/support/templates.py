"""The environments that all others are copies of."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from support.backend import write_wheel
from support.environment import Environment
from support.process import run_process
from support.wheels import Content, wheel_metadata, wheel_stem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[2]
"""The repository."""

Kind = Literal["bare", "kernel", "patient", "science", "torch", "server", "oldest-server"]
"""`bare` holds envmagic and what it requires, `kernel` ipykernel too, `patient` one without
subshells; `science` and `torch` also numpy or torch: whichever build of it the ordinary index has
for this machine. The servers have Notebook, and the JupyterLab of that: the newest, and the oldest
that the panel is for."""

TORCH = "2.13.0"

NUMPY = ("1.26.4", "2.2.6") if sys.version_info < (3, 13) else ("2.3.4", "2.3.5")
"""The numpy of `science`, and another that has wheels for this Python, too."""

_CACHE = ROOT / ".cache" / "templates"
_BASE = Path(sys.executable).resolve()


class Templates:
    """One template of each kind, made when it is first wanted.

    What envmagic requires is installed once, from this machine's ordinary index, into
    an environment below `.cache/` that later sessions use again. Each session copies
    it into its own `folder`, and installs the working tree's envmagic there.

    Delete that folder when all is over, and nothing before: ext4 does not use an inode
    again for half a minute, and looks at every such one whenever it makes a folder.
    Deleting each environment after its test made the fiftieth copy ten times slower.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = environ
        self._made: dict[Kind, Environment] = {}
        self._count = 0

    def template(self, kind: Kind) -> Environment:
        """Return the template itself: look at it, change nothing."""
        if kind not in self._made:
            made = _copy_cached(kind, self._environ, self._folder / kind)
            made.install(build_envmagic_wheel(self._folder / f"{kind}-wheel").parent, "envmagic")
            self._made[kind] = made
        return self._made[kind]

    def make(self, kind: Kind) -> Environment:
        """Make an environment of this kind, in a fraction of a second."""
        self._count += 1
        return self.template(kind).copy(self._folder / f"{kind}-{self._count}")


def build_envmagic_wheel(folder: Path) -> Path:
    """Build a wheel of the working tree as hatchling would, without needing it."""
    settings = _pyproject()
    project = settings["project"]
    content = Content(
        requires=project["dependencies"],
        extras=project.get("optional-dependencies", {}),
        scripts=project.get("scripts", {}),
        requires_python=project["requires-python"],
    )
    stem = wheel_stem(project["name"], project["version"])
    members = _read_tree(ROOT / "envmagic", "envmagic")
    target = settings["tool"]["hatch"]["build"]["targets"]["wheel"]
    for left_out in target.get("exclude", ()):
        members = {name: data for name, data in members.items() if not name.startswith(left_out)}
    for source, where in target.get("shared-data", {}).items():
        members |= _read_tree(ROOT / source, f"{stem}.data/data/{where}")
    for name, text in wheel_metadata(project["name"], project["version"], content).items():
        members[f"{stem}.dist-info/{name}"] = text.encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}-py3-none-any.whl"
    write_wheel(path, members, f"{stem}.dist-info/RECORD")
    return path


def _read_tree(source: Path, target: str) -> dict[str, bytes]:
    if source.is_file():
        return {target: source.read_bytes()}
    return {
        f"{target}/{path.relative_to(source).as_posix()}": path.read_bytes()
        for path in sorted(source.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def _pyproject() -> dict[str, Any]:
    # The floor is Python 3.10, where pytest brings the one that 3.11 has of its own.
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    settings: dict[str, Any] = toml.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return settings


def _requirements(kind: Kind) -> list[str]:
    settings = _pyproject()
    requirements: list[str] = list(settings["project"]["dependencies"])
    if kind != "bare":
        group = settings["dependency-groups"]["test"]
        requirements += [line for line in group if line.startswith("ipykernel")]
    if kind == "patient":
        requirements.append("ipykernel<7")
    if kind == "science":
        requirements.append(f"numpy=={NUMPY[0]}")
    if kind == "torch":
        requirements.append(f"torch=={TORCH}")
    if kind == "server":
        requirements.append("notebook>=7.2,<8")
    if kind == "oldest-server":
        requirements += ["notebook==7.2.*", "jupyterlab==4.2.*"]
    return requirements


def _copy_cached(kind: Kind, environ: Mapping[str, str], target: Path) -> Environment:
    """Copy the environment of what envmagic requires that is made once for all sessions."""
    requirements = _requirements(kind)
    key = json.dumps([sys.version, str(_BASE), requirements])
    folder = _CACHE / f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    prefix, complete = folder / "prefix", folder / "complete"
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / "lock"):
        if not complete.exists() or complete.read_text() != _fingerprint(prefix):
            shutil.rmtree(prefix, ignore_errors=True)
            env = {k: v for k, v in environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
            run_process([_BASE, "-m", "venv", prefix], env=env)
            install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
            run_process([prefix / "bin" / "python", *install, *requirements], env=env, timeout=900)
            complete.write_text(_fingerprint(prefix))
        return Environment(prefix).copy(target)


def fetch_wheels(requirements: Sequence[str], environ: Mapping[str, str]) -> Path:
    """Return a folder below `.cache/` with these wheels, fetched once from the ordinary index."""
    key = json.dumps([sys.version, str(_BASE), *requirements])
    folder = _CACHE.with_name("wheels") / hashlib.sha256(key.encode()).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / "lock"):
        if not (folder / "complete").exists():
            fetch = ("-m", "pip", "download", "--quiet", "--disable-pip-version-check")
            options = ("--no-deps", "--only-binary=:all:", "--dest", folder)
            run_process([sys.executable, *fetch, *options, *requirements], env=environ, timeout=900)
            (folder / "complete").touch()
    return folder


def _fingerprint(folder: Path) -> str:
    """Return what changes when a file is written in place, through a hard link say."""
    found = [
        f"{p} {s.st_size} {s.st_mtime_ns}"
        for p in sorted(folder.rglob("*"))
        for s in [p.lstat()]
        if not p.is_dir()
    ]
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time in: pytest-xdist has several."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
