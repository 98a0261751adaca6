"""What a distribution requires: one `Requires-Dist` line, read fast and exactly.

An environment of 250 distributions has some 3,000 such lines, and `packaging` needs
20 µs for each. The forms that nearly all of them have are read by one expression;
everything else goes to `packaging`, which the tests also hold the fast form against.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from envmagic.core.model import canonical_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from envmagic.core.model import AnyVersion, Distribution, Name

Markers = tuple[tuple[str, str], ...]

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_LINE = re.compile(
    rf"\s*({_NAME})\s*"
    r"(?:\[([A-Za-z0-9._, -]*)\])?\s*"  # extras
    r"(?:\(([^()@;]*)\)|([^()@;\[\]]*))"  # specifier, in brackets or not
    r"(?:;(.*))?"  # marker
)
_EXTRAS = re.compile(rf"\s*(?:{_NAME}\s*(?:,\s*{_NAME}\s*)*)?")
_CLAUSE = re.compile(r"\s*(==|!=|<=|>=|<|>|~=)\s*(\d+(?:\.\d+)*)(\.\*|[.-]?[a-z]+[.]?\d*)?\s*")
_COMPARISON = re.compile(r"""(\w+)\s*(==|!=|<=|>=|<|>)\s*(?:"([^"]*)"|'([^']*)')""")
_TOKEN = re.compile(
    r"""\s*(\(|\)|and\b|or\b|[\w.]+\s*(?:[<>=!~]+|not\s+in|in)\s*(?:"[^"]*"|'[^']*'))\s*"""
)
_OR = re.compile(r"\bor\b")
_IS_EXTRA = re.compile(r"""\s*==\s*(?:"([^"]*)"|'([^']*)')\s*\)*\s*$""")
_VERSIONED = {"implementation_version", "platform_release", "python_full_version", "python_version"}
"""The variables that are compared as versions, where both sides are one."""
_PLAIN_COMPARISON = (
    r"(?:implementation_name|implementation_version|os_name|platform_machine"
    r"|platform_python_implementation|platform_release|platform_system|platform_version"
    r"|python_full_version|python_version|sys_platform|extra)"
    r"""\s*(?:==|!=|<=|>=|<|>)\s*(?:"[^"]*"|'[^']*')\s*"""
)
_PLAIN_MARKER = re.compile(rf"\s*{_PLAIN_COMPARISON}(?:\b(?:and|or)\b\s*{_PLAIN_COMPARISON})*")
_PLAIN_VERSION = re.compile(r"\d+(?:\.\d+)*")
_COMPARE: dict[str, Callable[[Version, Version], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirement:
    """One requirement of a distribution (PEP 508)."""

    name: Name
    extras: frozenset[str]
    specifier: str
    """As written, without brackets; empty: any version."""
    marker: str
    text: str

    def allows(self, version: AnyVersion) -> bool:
        """Whether an installed version satisfies it; pre-releases do, as in `pip check`."""
        if "===" in self.specifier and not isinstance(version, str):
            # By its text: to a cache, 1.0 and 1.0.0 are the same.
            return _allows_slowly(self.specifier, version)
        return not self.specifier or _allows(self.specifier, version)

    def applies(self, markers: Markers, extra: str = "") -> bool:
        """Whether its marker is true on a platform, for one extra or for none."""
        return not self.marker or _marker_is_true(self.marker, markers, extra)


@cache
def parse_requirement(text: str) -> Requirement:
    """Return the requirement that a `Requires-Dist` line states.

    Raises `packaging.requirements.InvalidRequirement`, a ValueError, for a line that
    PEP 508 cannot read.
    """
    match = _LINE.fullmatch(text)
    if match is None:
        return _parse_slowly(text)
    name, extras, bracketed, bare, marker = match.groups()
    specifier = (bracketed or bare or "").strip()
    if specifier and _clauses(specifier) is None:
        return _parse_slowly(text)
    if extras and not _EXTRAS.fullmatch(extras):
        return _parse_slowly(text)
    if marker is not None and not _PLAIN_MARKER.fullmatch(marker):
        return _parse_slowly(text)
    return Requirement(
        name=canonical_name(name),
        extras=_names_of_extras(extras.split(",")) if extras else frozenset(),
        specifier=specifier,
        marker=marker.strip() if marker else "",
        text=text,
    )


def _parse_slowly(text: str) -> Requirement:
    from packaging.requirements import Requirement as AnyRequirement  # noqa: PLC0415 (7 ms)

    read = AnyRequirement(text)
    return Requirement(
        name=canonical_name(read.name),
        extras=_names_of_extras(read.extras),
        specifier=str(read.specifier),
        marker=str(read.marker or ""),
        text=text,
    )


def _names_of_extras(extras: Iterable[str]) -> frozenset[str]:
    return frozenset(canonical_name(extra.strip()) for extra in extras if extra.strip())


@cache
def _clauses(specifier: str) -> tuple[tuple[str, Version, bool], ...] | None:
    """Return (sign, version, is a prefix) of each clause; None: not of the plain form."""
    clauses = []
    for part in specifier.split(","):
        match = _CLAUSE.fullmatch(part)
        if match is None:
            return None
        sign, release, suffix = match.groups()
        prefix = suffix == ".*"
        if prefix and sign not in {"==", "!="}:
            return None
        if sign == "~=" and (suffix or "." not in release):
            return None
        try:
            version = Version(release if prefix else release + (suffix or ""))
        except InvalidVersion:
            return None
        clauses.append((sign, version, prefix))
    return tuple(clauses)


@cache
def _allows(specifier: str, version: AnyVersion) -> bool:
    if isinstance(version, str):
        return specifier.startswith("===") and specifier[3:].strip() == version
    clauses = _clauses(specifier)
    if clauses is None or version.is_prerelease or version.local or version.epoch:
        return _allows_slowly(specifier, version)
    if version.is_postrelease and any(sign == ">" for sign, _, _ in clauses):
        return _allows_slowly(specifier, version)
    return all(_holds(version, *clause) for clause in clauses)


def _allows_slowly(specifier: str, version: Version) -> bool:
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415 (4 ms)

    return SpecifierSet(specifier).contains(version, prereleases=True)


def _holds(version: Version, sign: str, bound: Version, prefix: bool) -> bool:  # noqa: FBT001
    """Compare two plain releases (PEP 440, "Version specifiers")."""
    if prefix:
        return _starts_with(version, bound.release) is (sign == "==")
    if sign == "~=":
        return version >= bound and _starts_with(version, bound.release[:-1])
    return _COMPARE[sign](version, bound)


def is_too_low(version: Version, specifier: str) -> bool:
    """Whether a version that a specifier does not allow is below it, and not above.

    What neither can be said of, such as an excluded version, counts as below: the newest
    that is allowed takes its place.
    """
    clauses = _clauses(specifier) if specifier else ()
    return not any(_is_above(version, *clause) for clause in clauses or ())


def _is_above(version: Version, sign: str, bound: Version, prefix: bool) -> bool:  # noqa: FBT001
    if sign == "<":  # which allows no pre-release of its bound, either
        return version >= bound or Version(version.base_version) == bound
    bounded = sign in {"<=", "==", "~="} and version > bound
    return bounded and not _holds(version, sign, bound, prefix)


def _starts_with(version: Version, release: tuple[int, ...]) -> bool:
    padded = version.release + (0,) * (len(release) - len(version.release))
    return padded[: len(release)] == release


@cache
def _marker_is_true(marker: str, markers: Markers, extra: str) -> bool:
    if not _TOKEN.sub("", marker):
        tokens = _TOKEN.findall(marker)
        verdict = _any_holds(tokens, dict(markers), extra)
        if verdict is not None and not tokens:
            return verdict
    return _marker_is_true_slowly(marker, markers, extra)


def _any_holds(tokens: list[str], markers: dict[str, str], extra: str) -> bool | None:
    """Evaluate `a or b`, taking its tokens away; None: not known by the plain form."""
    verdicts = [_all_hold(tokens, markers, extra)]
    while tokens and tokens[0] == "or":
        tokens.pop(0)
        verdicts.append(_all_hold(tokens, markers, extra))
    return True if True in verdicts else None if None in verdicts else False


def _all_hold(tokens: list[str], markers: dict[str, str], extra: str) -> bool | None:
    verdicts = [_one_holds(tokens, markers, extra)]
    while tokens and tokens[0] == "and":
        tokens.pop(0)
        verdicts.append(_one_holds(tokens, markers, extra))
    return False if False in verdicts else None if None in verdicts else True


def _one_holds(tokens: list[str], markers: dict[str, str], extra: str) -> bool | None:
    token = tokens.pop(0) if tokens else ""
    if token != "(":  # noqa: S105 (a bracket)
        return _comparison(token, markers, extra)
    verdict = _any_holds(tokens, markers, extra)
    return verdict if tokens and tokens.pop(0) == ")" else None


def _marker_is_true_slowly(marker: str, markers: Markers, extra: str) -> bool:
    from packaging.markers import Marker  # noqa: PLC0415 (7 ms)

    try:
        return Marker(marker).evaluate({**dict(markers), "extra": extra})
    except (ValueError, KeyError):  # one without an answer: `"x" in extras`, `os_name ~= "y"`
        return False


def _comparison(text: str, markers: dict[str, str], extra: str) -> bool | None:
    """Return one comparison's verdict; None: not of the plain form."""
    match = _COMPARISON.fullmatch(text)
    if match is None:
        return None
    variable, sign, one, other = match.groups()
    wanted = one if one is not None else other
    if variable == "extra":
        return (canonical_name(wanted) == canonical_name(extra)) if sign == "==" else None
    value = markers.get(variable)
    if value is not None and variable in _VERSIONED:
        if _PLAIN_VERSION.fullmatch(value) and _PLAIN_VERSION.fullmatch(wanted):
            return _holds(Version(value), sign, Version(wanted), prefix=False)
    elif value is not None and sign in {"==", "!="} and not _PLAIN_VERSION.match(wanted):
        return (value == wanted) is (sign == "==")
    return None


def requirements_of(
    distribution: Distribution, markers: Markers, extras: frozenset[str] = frozenset()
) -> tuple[Requirement, ...]:
    """Return what a distribution requires on a platform, with some of its extras.

    A line that PEP 508 cannot read is passed over; see `unreadable_lines`.
    """
    return _read_lines(distribution.requires, markers, extras)[0]


def unreadable_lines(distribution: Distribution, markers: Markers) -> tuple[str, ...]:
    """Return the `Requires-Dist` lines of a distribution that PEP 508 cannot read.

    What stands under an extra is read only when that extra is asked for.
    """
    return _read_lines(distribution.requires, markers, frozenset())[1]


@cache
def _read_lines(
    lines: tuple[str, ...], markers: Markers, extras: frozenset[str]
) -> tuple[tuple[Requirement, ...], tuple[str, ...]]:
    """Return what applies of some lines, and the lines that cannot be read."""
    found, unreadable = [], []
    for line in lines:
        if "extra" in line and not _extra_is_asked(line, extras):
            continue
        try:
            requirement = parse_requirement(line)
        except ValueError:
            unreadable.append(line)
            continue
        if requirement.applies(markers) or any(requirement.applies(markers, e) for e in extras):
            found.append(requirement)
    return tuple(found), tuple(unreadable)


def _extra_is_asked(line: str, extras: frozenset[str]) -> bool:
    """Whether a line may apply, told without reading it: four lines of five do not."""
    if "or" in line and _OR.search(line):
        return _may_apply(line.partition(";")[2], extras)
    match = _IS_EXTRA.match(line.rpartition("extra")[2])
    if match is None:
        return True
    asked = canonical_name(match[1] or match[2] or "")
    return not asked or asked in extras


def _may_apply(marker: str, extras: frozenset[str]) -> bool:
    """Whether a marker can be true with these extras, whatever the platform is."""
    if _TOKEN.sub("", marker):
        return True
    verdicts = (_any_holds(_TOKEN.findall(marker), {}, extra) for extra in ("", *extras))
    return any(verdict is not False for verdict in verdicts)


def find_closure(
    roots: Iterable[Name], installed: Mapping[Name, Distribution], markers: Markers
) -> dict[Name, Name]:
    """Return all that some roots require, each with the name that asked for it first.

    Extras and markers are evaluated; versions are not looked at, since a distribution
    that is already of the wrong version is needed all the same. A root is its own
    requirer. What is not installed is not in the answer.
    """
    requirers: dict[Name, Name] = {}
    waiting = [(root, frozenset[str](), root) for root in roots]
    seen: set[tuple[Name, frozenset[str]]] = set()
    while waiting:
        name, extras, requirer = waiting.pop(0)
        if (name, extras) in seen or name not in installed:
            continue
        seen.add((name, extras))
        requirers.setdefault(name, requirer)
        waiting += [
            (requirement.name, requirement.extras, name)
            for requirement in requirements_of(installed[name], markers, extras)
        ]
    return requirers
