"""What is published about drivers, CUDA and the builds of torch: the shipped tables."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from packaging.version import InvalidVersion, Version

_FOLDER = Path(__file__).parent.with_name("data")

_NUMBER = re.compile(r"[0-9]{1,9}")
_ARCHITECTURE = re.compile(r"(sm|compute)_(\d{2,3})([af]?)", re.ASCII)
_FIRST_FAMILY = (10, 0)

Release = tuple[int, ...]
"""A CUDA release, `(12, 1)`; `(12,)` where only the major version is known."""


def read_release(text: str | None) -> Release:
    """Return a CUDA release or a compute capability; empty where the text is none."""
    parts = (text or "").split(".")[:2]
    return tuple(map(int, parts)) if all(map(_NUMBER.fullmatch, parts)) else ()


def show_release(release: Release) -> str:
    """Return a release as it is written: `12.1`, or `12` where the rest is not known."""
    return ".".join(map(str, release))


def is_at_least(version: str, least: str) -> bool:
    """Whether a driver's version is one or a later one; False where it is no version."""
    try:
        return Version(version) >= Version(least)
    except InvalidVersion:
        return False


@cache
def _rows(table: str) -> tuple[tuple[str, ...], ...]:
    lines = (_FOLDER / f"{table}.csv").read_text("ascii").splitlines()
    return tuple(tuple(line.split(",")) for line in lines[1:])


@cache
def torch_wheels() -> dict[tuple[str, str], tuple[str, tuple[str, ...]]]:
    """Return CUDA (empty: a CPU build) and architectures of the wheels on PyPI.

    By release and platform, the oldest release first.
    """
    return {(t, tag): (cuda, tuple(archs.split())) for t, tag, cuda, archs in _rows("torch_wheels")}


@cache
def torch_builds() -> dict[tuple[str, str, str], tuple[str, ...]]:
    """Return the architectures of builds with a label, by release, CUDA and machine."""
    return {(t, cuda, m): tuple(archs.split()) for t, cuda, m, archs in _rows("torch_builds")}


@cache
def torch_indexes() -> dict[str, frozenset[str]]:
    """Return the CUDA of torch's own indexes that have a minor release for x86_64."""
    return {minor: frozenset(cuda.split()) for minor, cuda in _rows("torch_indexes")}


@cache
def torch_releases() -> dict[str, dict[str, str]]:
    """Return what a release of torch brings: `cudnn`, `nccl`, `triton`, `cxx11abi`."""
    columns = ("cudnn", "nccl", "triton", "cxx11abi")
    return {t: dict(zip(columns, rest, strict=True)) for t, *rest in _rows("torch_releases")}


@cache
def companions() -> dict[tuple[str, str], tuple[tuple[str, str], ...]]:
    """Return the exact pins of what is compiled against torch, by project and version."""
    pins = {}
    for project, version, requires in _rows("companions"):
        pairs = (requirement.split("==") for requirement in requires.split())
        pins[project, version] = tuple((name, pinned) for name, pinned in pairs)
    return pins


@cache
def _components() -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for package, version, cuda in _rows("cuda_components"):
        found.setdefault(package, []).append((version, cuda))
    return found


def component_release(package: str, version: str) -> Release:
    """Return the CUDA release that a version of an `nvidia-*` project belongs to."""
    for prefix, cuda in _components().get(package, ()):
        if version == prefix or version.startswith(f"{prefix}."):
            return read_release(cuda)
    return ()


def framework_release(project: str, version: str) -> Release:
    """Return the CUDA that a release of a framework is built for; empty: not known."""
    for name, first, last, cuda in _rows("frameworks"):
        if name == project and is_at_least(version, first) and is_at_least(last, version):
            return read_release(cuda)
    return ()


def oldest_driver(major: int, *, windows: bool) -> str:
    """Return the oldest driver that a CUDA major can run on; empty: not known."""
    drivers = {row[0]: row[2 if windows else 1] for row in _rows("cuda_majors")}
    return drivers.get(str(major), "")


def capabilities_of(major: int) -> tuple[Release, Release]:
    """Return the oldest and the newest capability that a CUDA major compiles for at first."""
    found = {row[0]: (row[3], row[4]) for row in _rows("cuda_majors")}
    oldest, newest = found.get(str(major), ("", ""))
    return read_release(oldest), read_release(newest)


def first_driver(release: Release, *, windows: bool) -> str:
    """Return the first driver that serves a CUDA release whole; empty: not known."""
    drivers = {row[0]: row[2 if windows else 1] for row in _rows("cuda_drivers")}
    return drivers.get(show_release(release), "")


def release_of_driver(driver: str, *, windows: bool) -> Release:
    """Return the CUDA release that a driver serves, as NVIDIA's table has it."""
    served = [row[0] for row in _rows("cuda_drivers") if _serves(driver, row, windows=windows)]
    return read_release(served[-1]) if served else ()


def _serves(driver: str, row: tuple[str, ...], *, windows: bool) -> bool:
    first = row[2 if windows else 1]
    return bool(first) and is_at_least(driver, first)


def release_of_branch(driver: str) -> Release:
    """Return the CUDA of a driver's own branch on Linux (`535`); empty: not in the table."""
    branch = driver.partition(".")[0]
    branches = {row[1].partition(".")[0]: row[0] for row in _rows("cuda_drivers")}
    return read_release(branches.get(branch))


def failure_hint(words: str) -> str:
    """Return what to do about a failure that is known by its words; empty: it is not."""
    return next((hint for message, hint in _rows("failures") if message in words), "")


@cache
def _cubins(cuda: Release) -> dict[str, frozenset[str]]:
    rows = (row for row in _rows("cubins") if read_release(row[1]) <= cuda)
    return {code: frozenset(runs_on.split()) for code, _, runs_on in rows}


def runs_on(architecture: str, capability: Release, cuda: Release = ()) -> bool | None:
    """Whether code for an architecture runs on a compute capability; None: that is not known.

    `cuda` is the release that compiled it.

    `sm_80` is compiled, `compute_80` (PTX) can be so later, for all that is newer. With the
    features of one architecture alone (`sm_90a`) both run on nothing else, with those of a
    family (`sm_100f`) on its members that are as new.
    """
    found = _ARCHITECTURE.fullmatch(architecture)
    if found is None:
        return None
    kind, number, features = found.groups()
    code = (int(number[:-1]), int(number[-1]))
    if features == "a":
        return capability == code
    if features == "f":
        return _covers_family(code, capability, cuda) if code >= _FIRST_FAMILY else None
    return capability >= code if kind == "compute" else _covers_family(code, capability, cuda)


def _covers_family(code: Release, capability: Release, cuda: Release) -> bool:
    """Whether compiled code runs; in what is newer than the table, on the same major's."""
    number = "".join(map(str, capability))
    listed = _cubins(cuda).get("".join(map(str, code)))
    if listed is not None:
        return number in listed
    return code[0] == capability[0] and code <= capability
