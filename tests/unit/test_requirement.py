"""What we read of a `Requires-Dist` line is what `packaging` reads of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from packaging.markers import Marker, UndefinedEnvironmentName, default_environment
from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Oracle
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from envmagic.core.model import Distribution, Name, canonical_name
from envmagic.core.requirement import (
    Markers,
    Requirement,
    find_closure,
    is_too_low,
    parse_requirement,
    requirements_of,
    unreadable_lines,
)
from envmagic.edge.probe import look_at_platform

if TYPE_CHECKING:
    from collections.abc import Mapping


def platform(**changes: str) -> Markers:
    linux = {
        "implementation_name": "cpython",
        "implementation_version": "3.11.7",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "5.15.0-105-generic",
        "platform_system": "Linux",
        "platform_version": "#115-Ubuntu SMP Mon Apr 15 09:52:04 UTC 2024",
        "python_full_version": "3.11.7",
        "python_version": "3.11",
        "sys_platform": "linux",
    }
    return tuple((linux | changes).items())


LINUX = platform()
PLATFORMS = (
    LINUX,
    platform(
        os_name="nt",
        platform_machine="AMD64",
        platform_release="10",
        platform_system="Windows",
        platform_version="10.0.19045",
        python_full_version="3.9.13",
        python_version="3.9",
        sys_platform="win32",
    ),
    platform(
        platform_machine="arm64",
        platform_release="23.4.0",
        platform_system="Darwin",
        platform_version="Darwin Kernel Version 23.4.0",
        python_full_version="3.13.0rc1",
        python_version="3.13",
        implementation_version="3.13.0rc1",
        sys_platform="darwin",
    ),
    platform(
        implementation_name="pypy",
        implementation_version="7.3.15",
        platform_python_implementation="PyPy",
        python_full_version="3.10.13",
        python_version="3.10",
    ),
)

numbers = st.sampled_from(["0", "1", "2", "3", "10", "00", "2024"])
releases = st.lists(numbers, min_size=1, max_size=4).map(".".join)
spaces = st.sampled_from(["", "", " ", "  ", "\t"])
spellings = st.sampled_from(
    ["a", "A1", "numpy", "Num_Py", "num.py", "NUM--py", "jaraco.classes", "zope_.-interface", "0x"]
)


@st.composite
def versions(draw: st.DrawFn, *, local: bool = True) -> str:
    epoch = draw(st.sampled_from(["", "", "", "", "0!", "1!"]))
    pre = draw(st.sampled_from(["", "", "", "a1", "b2", "rc1", ".rc.1", "-alpha", "c0"]))
    post = draw(st.sampled_from(["", "", "", ".post1", "-1", ".rev", "post0"]))
    dev = draw(st.sampled_from(["", "", "", ".dev0", "dev3", "_dev"]))
    label = draw(st.sampled_from(["", "", "", "+cu121", "+cpu.1", "+1"])) if local else ""
    return epoch + draw(releases) + pre + post + dev + label


@st.composite
def clauses(draw: st.DrawFn) -> str:
    sign = draw(st.sampled_from(["==", "!=", "<=", ">=", "<", ">", "~=", "==*", "!=*", "==="]))
    if sign.endswith("*"):
        epoch = draw(st.sampled_from(["", "", "1!"]))
        clause = sign[:-1], f"{epoch}{draw(releases)}.*"
    elif sign == "~=":
        suffix = draw(st.sampled_from(["", "", "a1", ".post1", ".dev0"]))
        clause = sign, f"{draw(numbers)}.{draw(releases)}{suffix}"
    else:
        clause = sign, draw(versions(local=sign in {"==", "!=", "==="}))
    return f"{clause[0]}{draw(spaces)}{clause[1]}"


@st.composite
def specifiers(draw: st.DrawFn) -> str:
    parts = draw(st.lists(clauses(), max_size=3))
    return f"{draw(spaces)},{draw(spaces)}".join(parts)


VALUES = {
    "implementation_name": ["cpython", "pypy", "cpython pypy"],
    "implementation_version": ["3.11.7", "7.3", "3.13.0rc1"],
    "os_name": ["posix", "nt", "java", ""],
    "platform_machine": ["x86_64", "arm64", "AMD64", "x86_64 aarch64", "64"],
    "platform_python_implementation": ["CPython", "PyPy"],
    "platform_release": ["10", "5.15", "23.4.0", "5.15.0-105-generic", "10.0"],
    "platform_system": ["Linux", "Darwin", "Windows"],
    "platform_version": ["10.0.19045", "10.0", "10.0.19045.0", "Ubuntu"],
    "python_full_version": ["3.11.7", "3.11.07", "3.9", "3.13", "3.13.0", "3.13.0rc1", "3.10.*"],
    "python_version": ["3.11", "3.11.0", "3", "3.9", "3.10", "3.*", "3.10,3.11", "3.13 3.9", "4"],
    "sys_platform": ["linux", "win32", "darwin", "linux2", "win", "cygwin"],
    "os.name": ["posix", "nt"],
    "sys.platform": ["linux", "win32"],
    "platform.machine": ["x86_64"],
    "python_implementation": ["CPython"],
}
EXTRAS = ["", "x", "test", "Foo_Bar", "foo.bar", "foo--bar"]


@st.composite
def comparisons(draw: st.DrawFn) -> str:
    quote = draw(st.sampled_from(['"', "'"]))
    before, after = draw(spaces), draw(spaces)
    if draw(st.booleans()):
        variable, value = "extra", draw(st.sampled_from(EXTRAS))
        sign = draw(st.sampled_from(["==", "==", "==", "!="]))
    else:
        variable = draw(st.sampled_from(sorted(VALUES)))
        value = draw(st.sampled_from(VALUES[variable]))
        signs = ["==", "!=", "<", "<=", ">", ">=", "~=", "===", " in ", " not in ", "  not  in "]
        sign = draw(st.sampled_from(signs))
    literal = f"{quote}{value}{quote}"
    left, right = (literal, variable) if draw(st.integers(0, 3)) == 0 else (variable, literal)
    return f"{left}{before}{sign}{after}{right}"


def _joined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    several = st.lists(parts, min_size=2, max_size=3)
    joints = st.sampled_from([" and ", " or ", "  or\t"])
    return st.one_of(
        st.builds(lambda joint, each: joint.join(each), joints, several),
        st.builds(lambda left, each, right: f"({left}{each}{right})", spaces, parts, spaces),
    )


conditions = st.recursive(comparisons(), _joined, max_leaves=5)


@st.composite
def lines(draw: st.DrawFn) -> str:
    extras = draw(st.lists(st.sampled_from(EXTRAS[1:]), max_size=2))
    inner = f"{draw(spaces)},{draw(spaces)}".join(extras)
    bracketed = f"[{draw(spaces)}{inner}{draw(spaces)}]" if draw(st.booleans()) or extras else ""
    head = f"{draw(spaces)}{draw(spellings)}{draw(spaces)}{bracketed}{draw(spaces)}"
    marker = draw(st.one_of(st.just(""), conditions))
    if draw(st.integers(0, 5)) == 0:
        url = draw(
            st.sampled_from(
                ["https://e.org/a-1.whl", "git+https://e.org/a@v1#egg=a", "file:///tmp/a%20b"]
            )
        )
        return f"{head}@ {url}" + (f" ; {marker}" if marker else "")
    specifier = draw(specifiers())
    if specifier and draw(st.booleans()):
        specifier = f"({draw(spaces)}{specifier}{draw(spaces)})"
    tail = f"{draw(spaces)};{draw(spaces)}{marker}" if marker else ""
    return f"{head}{specifier}{tail}{draw(spaces)}"


def requirement(specifier: str) -> Requirement:
    return Requirement(name=Name("a"), extras=frozenset(), specifier=specifier, marker="", text="")


def condition(marker: str) -> Requirement:
    return parse_requirement(f"a; {marker}")


@given(lines())
@example("numpy (>=1.0,<2) ; extra=='x'")
@example("a[x]@https://e.org/a.whl")
@example("foo>=1.0.*")
@example("foo~=1")
@example("foo>1.0+cpu")
def test_a_line_reads_as_packaging_reads_it(line: str) -> None:
    try:
        oracle = Oracle(line)
    except InvalidRequirement:
        with pytest.raises(InvalidRequirement):
            parse_requirement(line)
        return
    ours = parse_requirement(line)
    assert str(ours.name) == canonicalize_name(oracle.name)
    assert ours.extras == {canonicalize_name(extra) for extra in oracle.extras}
    assert SpecifierSet(ours.specifier) == oracle.specifier
    assert (Marker(ours.marker) if ours.marker else None) == oracle.marker
    assert ours.text == line


@pytest.mark.parametrize(
    "line",
    [
        "",
        " ",
        "-a",
        "a-",
        "a b",
        "a==",
        "a=1.0",
        "a>=x",
        "a>=1.0,,<2 <3",
        "a(>=1",
        "a>=1)",
        "a[x",
        "a[x y]",
        "a[-]",
        "a @",
        "a;",
        "a; python_version",
        "a; nonsense",
        "a; python_version > '3' and",
        "a; (python_version > '3'",
        "a; unheard_of == '1'",
        "a; python_version > 3",
        "a>=1.0 # a comment",
        "a>=1.nonsense",
    ],
)
def test_what_packaging_cannot_read_is_an_error(line: str) -> None:
    with pytest.raises(InvalidRequirement):
        Oracle(line)
    with pytest.raises(InvalidRequirement):
        parse_requirement(line)


@given(specifiers(), versions())
@example(">1.0", "1.0.post1")
@example("<1.0", "1.0.dev0")
@example("<=1.0", "1.0+cpu")
@example("==1.0.*", "1")
@example("~=1.0.0", "1.0")
@example("!=1.*", "1!1.0")
@example("===1.0", "1.0.0")
def test_a_version_is_allowed_as_packaging_allows_it(specifier: str, version: str) -> None:
    expected = SpecifierSet(specifier).contains(Version(version), prereleases=True)
    assert requirement(specifier).allows(Version(version)) is expected


@settings(max_examples=300)
@given(specifiers(), releases)
def test_a_plain_version_is_allowed_as_packaging_allows_it(specifier: str, version: str) -> None:
    expected = SpecifierSet(specifier).contains(Version(version), prereleases=True)
    assert requirement(specifier).allows(Version(version)) is expected


def test_an_arbitrary_equality_goes_by_the_text_whatever_was_asked_before() -> None:
    allowed = [requirement("===7.0").allows(Version(text)) for text in ("7.0", "7.0.0", "7")]
    assert allowed == [True, False, False]


@pytest.mark.parametrize(
    ("specifier", "allowed"),
    [("", True), (">=0", False), ("===strange", True), ("=== strange", True), ("===other", False)],
)
def test_a_version_that_pep_440_cannot_read_is_compared_as_text(
    specifier: str, *, allowed: bool
) -> None:
    assert requirement(specifier).allows("strange") is allowed


@given(conditions, st.sampled_from(PLATFORMS), st.sampled_from(EXTRAS))
@example("platform_version == '10.0.19045.0'", PLATFORMS[1], "")
@example("platform_version >= '9'", PLATFORMS[1], "")
@example("platform_release == '10.0'", PLATFORMS[1], "")
@example("python_version=='3.9'or extra=='x'", LINUX, "x")
@example("extra != 'x'", LINUX, "x")
@example("sys_platform == 'linux' and (extra == 'Foo_Bar' or extra=='test')", LINUX, "foo.bar")
def test_a_marker_is_as_true_as_packaging_has_it(marker: str, markers: Markers, extra: str) -> None:
    try:
        expected = Marker(marker).evaluate({**dict(markers), "extra": extra})
    except (ValueError, UndefinedEnvironmentName):
        assume(False)  # noqa: FBT003 (it has no answer: see the end)
    assert condition(marker).applies(markers, extra) is expected


def test_no_marker_is_always_true() -> None:
    assert requirement("").applies(LINUX)
    assert requirement("").applies((), "x")


@given(st.text(alphabet="abAZ019-_.", max_size=12))
def test_the_canonical_name_is_that_of_packaging(name: str) -> None:
    assert str(canonical_name(name)) == canonicalize_name(name)


def test_the_markers_of_this_interpreter_are_those_of_packaging() -> None:
    assert dict(look_at_platform().markers) == {
        key: value for key, value in default_environment().items() if key != "extra"
    }


def distribution(name: str, *requires: str) -> Distribution:
    return Distribution(name=canonical_name(name), version=Version("1"), requires=requires)


def names(*requires: str, extras: frozenset[str] = frozenset()) -> list[str]:
    return [r.name for r in requirements_of(distribution("root", *requires), LINUX, extras)]


@pytest.mark.parametrize(
    ("extras", "expected"),
    [
        (frozenset[str](), ["plain", "here", "maybe", "reversed-no", "close"]),
        (
            frozenset({"x"}),
            ["plain", "here", "on-x", "maybe", "reversed-x", "reversed-no", "close"],
        ),
        (frozenset({"x-y"}), ["plain", "here", "odd", "maybe", "either", "reversed-no", "close"]),
        (
            frozenset({"x", "x-y"}),
            [
                "plain",
                "here",
                "on-x",
                "odd",
                "maybe",
                "either",
                "reversed-x",
                "reversed-no",
                "close",
            ],
        ),
    ],
)
def test_requirements_are_those_of_this_platform_and_these_extras(
    extras: frozenset[str], expected: list[str]
) -> None:
    requires = (
        "plain>=1",
        'here; sys_platform == "linux"',
        'there; sys_platform == "win32"',
        'on-x; extra == "x"',
        'on-x-there; sys_platform == "win32" and extra == "x"',
        "odd; (python_version > '3') and (extra == 'X.Y')",
        'maybe; sys_platform == "linux" or extra == "x"',
        'either; sys_platform == "win32"or extra == "x_y"',
        'reversed-x; "x" == extra',
        'reversed-no; extra != "z"',
        'close; sys_platform == "linux"or extra == "z"',
    )
    assert names(*requires, extras=extras) == expected


@given(st.lists(lines(), max_size=5), st.sets(st.sampled_from(["x", "test", "foo-bar"])))
def test_no_requirement_is_passed_over(texts: list[str], extras: set[str]) -> None:
    expected = []
    for text in texts:
        try:
            marker = Oracle(text).marker
            answers = [
                marker is None or marker.evaluate({**dict(LINUX), "extra": extra})
                for extra in ("", *extras)
            ]
        except (ValueError, UndefinedEnvironmentName):
            assume(False)  # noqa: FBT003 (it has no answer: see the end)
        if any(answers):
            expected.append(text)
    found = requirements_of(distribution("root", *texts), LINUX, frozenset(extras))
    assert [each.text for each in found] == expected


UNREADABLE = ("pkg_resources>=", "odd; nonsense", "odd (>=1", "odd; python_version ? '3'")


@pytest.mark.parametrize("line", UNREADABLE)
def test_an_unreadable_line_is_passed_over_and_told(line: str) -> None:
    assert names("one", line, "two") == ["one", "two"]
    assert list(unreadable_lines(distribution("root", "one", line, "two"), LINUX)) == [line]


def test_an_unreadable_line_of_an_extra_matters_only_with_it() -> None:
    root = distribution("root", "one", 'odd>=; extra == "x"')
    assert unreadable_lines(root, LINUX) == ()
    assert [r.name for r in requirements_of(root, LINUX)] == ["one"]
    assert [r.name for r in requirements_of(root, LINUX, frozenset({"x"}))] == ["one"]


@pytest.mark.parametrize(
    "marker",
    ['sys_platform ~= "x"', 'platform_release ~= "y"', '"x" in extras', 'extra ~= "x"'],
)
def test_a_marker_without_an_answer_is_passed_over(marker: str) -> None:
    assert names("one", f"odd; {marker}", "two") == ["one", "two"]


def closure(installed: Mapping[str, tuple[str, ...]], *roots: str) -> dict[Name, Name]:
    distributions = {canonical_name(n): distribution(n, *r) for n, r in installed.items()}
    return find_closure(map(canonical_name, roots), distributions, LINUX)


def test_a_closure_follows_extras_and_markers_and_names_who_asked_first() -> None:
    installed = {
        "root": ("Mid[fast]>=2", "gone", 'windows; sys_platform == "win32"'),
        "mid": ("deep<1", 'quick; extra == "fast"', 'slow; extra == "slow"', "root"),
        "deep": (),
        "quick": ("deep",),
        "slow": (),
        "windows": (),
        "other": ("deep",),
    }
    assert closure(installed, "root") == {
        "root": "root",
        "mid": "root",
        "deep": "mid",
        "quick": "mid",
    }
    assert closure(installed, "other", "mid") == {
        "other": "other",
        "mid": "mid",
        "deep": "other",
        "root": "mid",
        "quick": "mid",
    }
    assert closure(installed, "nowhere") == {}


def test_an_extra_that_is_asked_for_later_is_followed_too() -> None:
    installed = {"a": ("c", "b"), "b": ("c[x]",), "c": ('d; extra == "x"',), "d": ()}
    assert closure(installed, "a") == {"a": "a", "b": "a", "c": "a", "d": "c"}


@pytest.mark.parametrize(
    ("version", "specifier", "too_low"),
    [
        ("1.0", "~=2.0", True),
        ("1.0", ">=0.5,>1.5", True),
        ("1.0rc1", ">=1", True),
        ("1.0", "==1.1.*", True),
        ("2.0rc1", "==2.0", True),
        ("1.5", "!=1.5,<2", True),
        ("1.0", "", True),
        ("1.0", "===odd", True),
        ("2.0", ">=0.5,<1", False),
        ("1.0", "<1", False),
        ("1.0.1", "<=1", False),
        ("1.2", "==1.1.*", False),
        ("1.2", "==1.1", False),
        ("3.0", "~=2.0", False),
        ("2.0rc1", "<2", False),
        ("2.0.post1", "<=2.0", False),
        ("2.0", "!=1.0,<2", False),
    ],
)
def test_what_is_not_allowed_is_below_or_above(
    version: str, specifier: str, *, too_low: bool
) -> None:
    assert is_too_low(Version(version), specifier) is too_low


@given(releases, releases)
def test_a_version_is_too_low_or_too_high_for_one_bound(one: str, other: str) -> None:
    low, high = sorted([Version(one), Version(other)])
    assume(low != high)
    assert all(is_too_low(low, f"{sign}{high}") for sign in (">=", ">", "==", "~="))
    assert not any(is_too_low(high, f"{sign}{low}") for sign in ("<=", "<", "=="))
