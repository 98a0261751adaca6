"""What is wrong with a set, and the sentences that say so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement as Oracle

from envmagic.core.check import conflict_finding, find_conflicts, inspect_snapshot
from envmagic.core.model import (
    Distribution,
    Finding,
    FindingKind,
    Name,
    Platform,
    Severity,
    Snapshot,
    When,
    canonical_name,
    read_version,
)

if TYPE_CHECKING:
    from envmagic.core.requirement import Markers

SITE = "/env/site-packages"
MARKERS: Markers = (("python_version", "3.11"), ("sys_platform", "linux"))


def dist(text: str, *requires: str, folder: str = SITE, metadata: str = "") -> Distribution:
    name, _, version = text.partition("==")
    return Distribution(
        name=canonical_name(name),
        version=read_version(version or "1.0"),
        requires=requires,
        location=folder,
        metadata=metadata or f"{name}-{version or '1.0'}.dist-info",
    )


def conflicts(*distributions: Distribution) -> list[str]:
    found = find_conflicts({d.name: d for d in distributions}, MARKERS)
    return [f"{requirer.name}: {requirement.text}" for requirer, requirement in found]


def test_a_set_that_satisfies_itself_has_no_conflict() -> None:
    assert conflicts(dist("a", "b>=1", "C.d"), dist("b==2.0rc1"), dist("c-d", "a")) == []


def test_each_unsatisfied_requirement_is_told_in_order() -> None:
    assert conflicts(
        dist("b", "z", "c>=2", 'y; sys_platform == "win32"'), dist("a", "c<1"), dist("c")
    ) == [
        "a: c<1",
        "b: c>=2",
        "b: z",
    ]


def test_extras_that_are_asked_for_are_followed_to_the_end() -> None:
    b = dist("b", 'c; extra == "x"', 'd[y]; extra == "x"', 'gone; extra == "z"')
    d = dist("d", 'e>=2; extra == "y"', 'b[w]; extra == "y"')
    assert conflicts(dist("a", "b[X]"), b, d, dist("e")) == [
        'b: c; extra == "x"',
        'd: e>=2; extra == "y"',
    ]
    assert conflicts(dist("a", "b"), b, d, dist("e")) == []


def test_what_extras_ask_is_checked_with_each_of_them() -> None:
    b = dist("b", 'c; extra == "x"', 'd; extra == "y"')
    assert conflicts(dist("a", "b[x]"), dist("e", "b[y]"), b) == [
        'b: c; extra == "x"',
        'b: d; extra == "y"',
    ]


def test_a_version_that_pep_440_cannot_read_satisfies_no_bound() -> None:
    assert conflicts(dist("a", "b", "b>=1"), dist("b==odd")) == ["a: b>=1"]


names = st.sampled_from(["a", "b", "c"])
requirements = st.builds(
    "{}{}{}".format,
    names,
    st.sampled_from(["", ">=2", "<2", "!=1.0", "==1.*"]),
    st.sampled_from(["", '; sys_platform == "win32"', '; python_version >= "3.9"']),
)
sets = st.dictionaries(
    names, st.tuples(st.sampled_from(["1.0", "2.0", "2.0rc1"]), st.lists(requirements, max_size=3))
)


@given(sets)
def test_without_extras_it_is_what_pip_check_does(
    described: dict[str, tuple[str, list[str]]],
) -> None:
    expected = set()
    for name, (_, lines) in described.items():
        for line in lines:
            oracle = Oracle(line)
            if oracle.marker is not None and not oracle.marker.evaluate(dict(MARKERS)):
                continue
            found = described.get(oracle.name)
            if found is None or not oracle.specifier.contains(found[0], prereleases=True):
                expected.add(f"{name}: {line}")
    installed = [dist(f"{n}=={version}", *lines) for n, (version, lines) in described.items()]
    assert conflicts(*installed) == sorted(expected)


def conflict(when: When, *distributions: Distribution) -> Finding:
    installed = {d.name: d for d in distributions}
    ((requirer, requirement),) = find_conflicts(installed, MARKERS)
    return conflict_finding(requirer, requirement, when, installed, kernel=False)


@pytest.mark.parametrize(
    ("when", "there", "kind", "end"),
    [
        (When.NOW, ["b==1.0"], FindingKind.CONFLICT, "b 1.0 is installed"),
        (When.NOW, [], FindingKind.MISSING, "b is not installed"),
        (When.AFTER, ["b==1.0"], FindingKind.CONFLICT, "b 1.0 would be installed"),
        (When.AFTER, [], FindingKind.MISSING, "b would not be installed"),
    ],
)
def test_a_conflict_is_one_sentence(
    when: When, there: list[str], kind: FindingKind, end: str
) -> None:
    line = "B[y,x] >=2 ; python_version > '3'"
    finding = conflict(when, dist("a", line), *map(dist, there))
    assert finding.text == f"`a` 1.0 requires `b[x,y]>=2`, but {end}"
    assert (finding.kind, finding.severity, finding.when) == (kind, Severity.WARNING, when)
    assert (finding.name, finding.requirement) == ("a", "b[x,y]>=2")
    assert finding.found == ("1.0" if there else "")


def inspect(*distributions: Distribution, findings: tuple[Finding, ...] = ()) -> list[Finding]:
    where = Platform(
        python="3.11.7",
        implementation="cpython",
        markers=MARKERS,
        executable="/env/bin/python",
        prefix="/env",
        virtual=True,
    )
    snapshot = Snapshot(platform=where, distributions=distributions, findings=findings)
    return list(inspect_snapshot(snapshot))


def test_a_plain_set_has_nothing_odd() -> None:
    assert inspect(dist("a", "missing>=1"), dist("b")) == []


def test_what_the_probe_found_comes_first() -> None:
    leftover = Finding(kind=FindingKind.LEFTOVER, name="ip", text="a leftover")
    found = inspect(dist("a==odd"), findings=(leftover,))
    assert [f.kind for f in found] == [FindingKind.LEFTOVER, FindingKind.UNREADABLE]


def test_two_copies_in_one_folder_are_a_duplicate() -> None:
    (finding,) = inspect(dist("a==1.0"), dist("b"), dist("a==2.0"))
    assert (finding.kind, finding.severity) == (FindingKind.DUPLICATE, Severity.WARNING)
    assert finding.text == (
        f"`a` is there 2 times in `{SITE}`: `a-1.0.dist-info` and `a-2.0.dist-info`"
    )
    assert finding.hint


@pytest.mark.parametrize(("other", "severity"), [("1.0", Severity.NOTE), ("2.0", Severity.WARNING)])
def test_a_copy_elsewhere_is_shadowed(other: str, severity: Severity) -> None:
    (finding,) = inspect(dist("a==1.0"), dist(f"a=={other}", folder="/usr/lib"))
    assert (finding.kind, finding.severity) == (FindingKind.SHADOWED, severity)
    assert finding.text == f"`a` 1.0 in `{SITE}` is imported and hides {other} in `/usr/lib`"


def test_a_hidden_copy_that_differs_is_a_warning_wherever_it_stands() -> None:
    (finding,) = inspect(
        dist("a==1.0"), dist("a==1.0", folder="/usr/lib"), dist("a==2.0", folder="/opt/lib")
    )
    assert finding.severity is Severity.WARNING
    assert finding.text.endswith("hides 1.0 in `/usr/lib` and 2.0 in `/opt/lib`")


def test_a_version_that_pep_440_cannot_read_is_told() -> None:
    (finding,) = inspect(dist("a==2024-01-odd"))
    assert (finding.kind, finding.name) == (FindingKind.UNREADABLE, Name("a"))
    assert "`2024-01-odd`" in finding.text
    assert finding.found == "2024-01-odd"


def test_a_requirement_that_pep_508_cannot_read_is_told() -> None:
    (finding,) = inspect(dist("a", "b>=", "c", "d[>=1"), dist("c", 'odd>=; extra == "x"'))[:1]
    assert finding.kind is FindingKind.UNREADABLE
    assert re.fullmatch(r"`a` requires `b>=`, which PEP 508 cannot read: not checked", finding.text)
    assert len(inspect(dist("a", "b>=", "c", "d[>=1"), dist("c", 'odd>=; extra == "x"'))) == 2
