"""Whether an installed distribution is what a pin wants."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from envmagic.core.compare import compare, direction, place, same_source
from envmagic.core.model import (
    INDEX,
    AnyVersion,
    Distribution,
    Kind,
    Name,
    Pin,
    Source,
    SourceKind,
    read_version,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"
VCS = Source(kind=SourceKind.VCS, url="https://e.org/a", vcs="git", commit=COMMIT)
FOLDER = Source(kind=SourceKind.DIRECTORY, url="file:///src/a")
ARCHIVE = Source(kind=SourceKind.ARCHIVE, url="https://e.org/a-1.0.zip")


def installed(version: str, source: Source = INDEX) -> Distribution:
    return Distribution(name=Name("a"), version=read_version(version), source=source)


def pinned(specifier: str) -> Pin:
    text = specifier.lstrip("=")
    version = read_version(text) if text != specifier else None
    return Pin(name=Name("a"), version=version, specifier=specifier)


@pytest.mark.parametrize(
    ("version", "specifier", "kind"),
    [
        ("1.0", "==1.0", Kind.EQUAL),
        ("1.0", "==1.0.0", Kind.EQUAL),
        ("1.0", "==1.0.1", Kind.UPGRADE),
        ("1.0", "==1.0rc1", Kind.DOWNGRADE),
        ("1.0+cpu", "==1.0+cu121", Kind.REINSTALL),
        ("1.0", "==1.0+cu121", Kind.REINSTALL),
        ("1.0+cpu", "===1.0", Kind.REINSTALL),
        ("1.0+cpu", "===1.0+cpu", Kind.EQUAL),
        ("odd_one", "===odd_one", Kind.EQUAL),
        ("odd_one", "==1.0", Kind.REINSTALL),
        ("1.0", "===odd_one", Kind.REINSTALL),
        ("1.0", "", Kind.EQUAL),
        ("1.0", ">=1,<2", Kind.EQUAL),
        ("1.0+cpu", ">=1,<2", Kind.EQUAL),
        ("2.0", ">=1,<2", Kind.DOWNGRADE),
        ("2.0", ">=0.5,<1", Kind.DOWNGRADE),
        ("1.0", "~=2.0", Kind.UPGRADE),
        ("1.0", "!=1.0", Kind.UPGRADE),
        ("odd_one", ">=1", Kind.REINSTALL),
    ],
)
def test_versions(version: str, specifier: str, kind: Kind) -> None:
    assert compare(installed(version), pinned(specifier))[0] is kind


@pytest.mark.parametrize("version", ["1.0", "1.0+cpu", "1.0.post1", "1.0rc1", "2.0", "1!1.0"])
@pytest.mark.parametrize("wanted", ["1.0", "1.0+cpu", "1.0+cu121", "1.0.0", "1.0.post1", "2"])
def test_equal_is_what_pep_440_matches(version: str, wanted: str) -> None:
    kind, _ = compare(installed(version), pinned(f"=={wanted}"))
    assert (kind is Kind.EQUAL) is SpecifierSet(f"=={wanted}").contains(version, prereleases=True)


def test_another_build_is_noted_or_a_difference() -> None:
    cpu, pin = installed("2.4.0+cpu"), pinned("==2.4.0")
    note = "same release, other build: lock 2.4.0, installed 2.4.0+cpu"
    assert compare(cpu, pin) == (Kind.EQUAL, note)
    assert compare(cpu, pin, strict_labels=True) == (Kind.REINSTALL, "")
    assert compare(installed("2.4.0"), pin, strict_labels=True) == (Kind.EQUAL, "")


def test_what_cannot_be_ordered_is_noted() -> None:
    assert compare(installed("odd"), pinned("==1.0")) == (
        Kind.REINSTALL,
        "versions that PEP 440 cannot order",
    )


def test_a_staged_wheel_tells_where_a_range_leads() -> None:
    found = installed("2.0")
    assert compare(found, pinned("<2"), installed("1.5"))[0] is Kind.DOWNGRADE
    assert compare(found, pinned(">2"), installed("3.0"))[0] is Kind.UPGRADE
    assert compare(found, pinned(">=1"), installed("3.0"))[0] is Kind.EQUAL


def test_a_direct_url_that_an_index_pin_meets_is_noted() -> None:
    kind, note = compare(installed("1.0", VCS), pinned("==1.0"))
    assert kind is Kind.EQUAL
    assert note == f"installed from https://e.org/a@{COMMIT[:12]}, the lock means an index"
    assert compare(installed("1.0", VCS), pinned("==2.0")) == (Kind.UPGRADE, "")
    label = "same release, other build: lock 1.0, installed 1.0+cpu"
    assert compare(installed("1.0+cpu", ARCHIVE), pinned("==1.0")) == (
        Kind.EQUAL,
        f"{label}; installed from {ARCHIVE.url}, the lock means an index",
    )


def test_a_direct_url_is_compared_by_its_origin_not_its_version() -> None:
    pin = Pin(name=Name("a"), source=VCS, url=f"git+https://e.org/a@{COMMIT}")
    assert compare(installed("1.0", VCS), pin) == (Kind.EQUAL, "")
    assert compare(installed("1.0", VCS), pin, installed("2.0")) == (Kind.EQUAL, "")
    assert compare(installed("1.0"), pin) == (Kind.REINSTALL, "")
    assert compare(installed("1.0"), pin, installed("2.0")) == (Kind.UPGRADE, "")
    assert compare(installed("1.0"), pin, installed("1.0")) == (Kind.REINSTALL, "")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (VCS, VCS, True),
        (VCS, replace(VCS, url="https://e.org/a.git"), True),
        (VCS, replace(VCS, url="https://e.org/a/"), True),
        (VCS, replace(VCS, url="https://e.org/b"), False),
        (VCS, replace(VCS, commit="1" * 40), False),
        (VCS, replace(VCS, subdirectory="python"), False),
        (VCS, FOLDER, False),
        (FOLDER, replace(FOLDER, editable=True), False),
        (FOLDER, replace(FOLDER, url="file:///src/a/"), True),
        (FOLDER, replace(FOLDER, url="file:///src/b"), False),
        (ARCHIVE, replace(ARCHIVE, url=f"{ARCHIVE.url}#egg=a"), True),
        (ARCHIVE, replace(ARCHIVE, hashes=("sha256:1",)), True),
        (
            replace(ARCHIVE, hashes=("sha256:1",)),
            replace(ARCHIVE, url="https://m.org/a", hashes=("md5:0", "sha256:1")),
            True,
        ),
        (replace(ARCHIVE, hashes=("sha256:1",)), replace(ARCHIVE, hashes=("sha256:2",)), False),
        (replace(ARCHIVE, hashes=("sha256:1",)), replace(ARCHIVE, hashes=("md5:2",)), True),
    ],
)
def test_sources(one: Source, other: Source, *, same: bool) -> None:
    assert same_source(one, other) is same
    assert same_source(other, one) is same


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ("1.0", "2.0", Kind.UPGRADE),
        ("2.0", "1.0", Kind.DOWNGRADE),
        ("1.0", "1.0+cpu", Kind.UPGRADE),
        ("1.0", "1.0", Kind.REINSTALL),
        ("odd", "1.0", Kind.REINSTALL),
        ("1.0", "odd", Kind.REINSTALL),
        ("1.0", None, Kind.REINSTALL),
    ],
)
def test_directions(one: str, other: str | None, kind: Kind) -> None:
    assert direction(read_version(one), read_version(other) if other else None) is kind


versions = st.sampled_from(["1.0", "2.0", "1.0+cpu", "1.0rc1", "odd"]).map(read_version)


@given(versions, versions)
def test_two_directions_mirror_each_other(one: AnyVersion, other: AnyVersion) -> None:
    mirrored = {
        Kind.UPGRADE: Kind.DOWNGRADE,
        Kind.DOWNGRADE: Kind.UPGRADE,
        Kind.REINSTALL: Kind.REINSTALL,
    }
    assert direction(other, one) is mirrored[direction(one, other)]


def test_places() -> None:
    assert place(VCS) == f"https://e.org/a@{COMMIT[:12]}"
    assert place(FOLDER) == "file:///src/a"
    assert place(INDEX) == ""
    assert isinstance(installed("1.0").version, Version)
