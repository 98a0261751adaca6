"""What a plan does to each name: as tables, and as laws for every set and every lock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.errors import UnsatisfiedAssumption
from packaging.markers import default_environment
from packaging.version import Version

from envmagic.core.check import find_conflicts
from envmagic.core.lock import parse_lock
from envmagic.core.model import (
    INDEX,
    Change,
    Damage,
    Distribution,
    Finding,
    FindingKind,
    Kind,
    Lock,
    Name,
    Pin,
    Plan,
    Platform,
    Policy,
    Severity,
    Snapshot,
    Source,
    SourceKind,
    When,
    canonical_name,
    read_version,
)
from envmagic.core.plan import make_plan, simulate
from envmagic.core.planner import KERNEL
from envmagic.core.requirement import find_closure, parse_requirement
from envmagic.edge.freeze import freeze

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from random import Random

    from hypothesis.vendor.pretty import RepresentationPrinter

SITE = "/env/lib/site-packages"
OUTSIDE = "/usr/lib/site-packages"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER_COMMIT = "89abcdef0123456789abcdef0123456789abcdef"
SHA = "a" * 64
MARKERS = {
    **{key: str(value) for key, value in default_environment().items()},
    "python_version": "3.11",
    "python_full_version": "3.11.7",
    "sys_platform": "linux",
}
VCS = Source(kind=SourceKind.VCS, url="https://e.org/a.git", vcs="git", commit=COMMIT)
EDITABLE = Source(kind=SourceKind.DIRECTORY, url="file:///src/a", editable=True)
ARCHIVE = Source(
    kind=SourceKind.ARCHIVE, url="https://e.org/a-1.0-py3-none-any.whl", hashes=(f"sha256:{SHA}",)
)


def dist(text: str, *requires: str, source: Source = INDEX, folder: str = SITE) -> Distribution:
    name, _, version = text.partition("==")
    return Distribution(
        name=canonical_name(name),
        version=read_version(version or "1.0"),
        requires=requires,
        source=source,
        location=folder,
        metadata=f"{name}-{version or '1.0'}.dist-info",
        local=folder == SITE,
    )


def snapshot(*distributions: Distribution, python: str = "3.12.1") -> Snapshot:
    where = Platform(
        python=python,
        implementation="cpython",
        markers=tuple(sorted(MARKERS.items())),
        executable="/env/bin/python",
        prefix="/env",
        virtual=True,
        site=(SITE,),
    )
    return Snapshot(platform=where, distributions=distributions)


def lock(text: str, *, constraints: str = "") -> Lock:
    files = {"constraints.txt": constraints}
    return parse_lock(
        text + ("\n-c constraints.txt" if constraints else ""),
        "lock.txt",
        read=lambda path: files[path],
        markers=MARKERS,
        allow_ranges=True,
        environ={},
    )


def plan(
    text: str,
    *distributions: Distribution,
    policy: Policy = Policy(),  # noqa: B008 (frozen)
    known: Iterable[Distribution] = (),
    constraints: str = "",
    damage: Damage = Damage(),  # noqa: B008 (frozen)
) -> Plan:
    wanted = lock(text, constraints=constraints)
    return make_plan(
        wanted.pins,
        snapshot(*distributions),
        policy,
        constraints=wanted.constraints,
        not_locked=wanted.not_locked,
        known={d.name: d for d in known},
        damage=damage,
    )


def rows(planned: Plan) -> dict[str, str]:
    """Return each name's kind and, if it has one, what it shall be."""
    return {c.name: f"{c.kind.value} {c.wanted}".strip() for c in planned.changes}


def row(planned: Plan, name: str) -> Change:
    (change,) = [c for c in planned.changes if c.name == name]
    return change


def findings(planned: Plan, kind: FindingKind) -> list[Finding]:
    return [f for f in planned.findings if f.kind is kind]


@pytest.mark.parametrize(
    ("installed", "wanted", "expected"),
    [
        ([], "a==1.0", "install 1.0"),
        (["a==1.0"], "a==1.0", "equal 1.0"),
        (["a==1.0"], "a==1.0.0", "equal 1.0"),
        (["a==1.0"], "a==1.1", "upgrade 1.1"),
        (["a==1.0"], "a==1.0.post1", "upgrade 1.0.post1"),
        (["a==1.0"], "a==1.0rc1", "downgrade 1.0rc1"),
        (["a==2.0"], "a==1.9.9", "downgrade 1.9.9"),
        (["a==2.0"], "a==1!1.0", "upgrade 1!1.0"),
        (["a==2.4.0+cpu"], "a==2.4.0", "equal 2.4.0+cpu"),
        (["a==2.4.0"], "a==2.4.0+cpu", "reinstall 2.4.0+cpu"),
        (["a==2.4.0+cpu"], "a==2.4.0+cu121", "reinstall 2.4.0+cu121"),
        (["a==2.4.0+cpu"], "a==2.4.0+CPU", "equal 2.4.0+cpu"),
        (["a==2.4.0+cpu"], "a===2.4.0", "reinstall 2.4.0"),
        (["a==2.3.0+cpu"], "a==2.4.0", "upgrade 2.4.0"),
        (["a==1.0"], "a===1.0", "equal 1.0"),
        (["a==1.0"], "a===odd_one", "reinstall odd_one"),
        (["a==odd_one"], "a===odd_one", "equal odd_one"),
        (["a==odd_one"], "a==1.0", "reinstall 1.0"),
        (["a==1.5"], "a>=1,<2", "equal 1.5"),
        (["a==2.0rc1"], "a>=1", "equal 2.0rc1"),
        (["a==2.0"], "a>=1,<2", "downgrade <2,>=1"),
        (["a==2.0"], "a", "equal 2.0"),
        ([], "a", "install any"),
        (["a==1.0"], "a[x]==1.0", "equal 1.0"),
    ],
)
def test_a_pin_and_what_is_installed_of_its_name(
    installed: list[str], wanted: str, expected: str
) -> None:
    planned = plan(wanted, *map(dist, installed))
    assert rows(planned) == {"a": expected}
    assert row(planned, "a").reason == "lock.txt:1"
    assert row(planned, "a").locked
    assert planned.parity is expected.startswith("equal")


def test_a_build_that_a_pin_without_a_label_accepts_is_noted() -> None:
    planned = plan("a==2.4.0", dist("a==2.4.0+cpu"))
    note = "same release, other build: lock 2.4.0, installed 2.4.0+cpu"
    assert row(planned, "a").note == note
    (finding,) = planned.findings
    assert (finding.kind, finding.name, finding.text) == (FindingKind.LABEL, "a", f"`a`: {note}")
    strict = plan("a==2.4.0", dist("a==2.4.0+cpu"), policy=Policy(strict_labels=True))
    assert rows(strict) == {"a": "reinstall 2.4.0"}


def test_what_is_extraneous_goes_and_the_plan_counts() -> None:
    installed = [dist("a"), dist("b", "c"), dist("c"), dist("d==2")]
    planned = plan("a==1.0\nd==1\ne==1", *installed)
    assert rows(planned) == {
        "a": "equal 1.0",
        "b": "remove",
        "c": "remove",
        "d": "downgrade 1",
        "e": "install 1",
    }
    assert row(planned, "b").reason == "not in the lock"
    assert [c.name for c in planned.actions] == ["b", "c", "d", "e"]
    assert planned.counts() == {
        **{kind.value: 0 for kind in Kind},
        "unlocked": 0,
        "equal": 1,
        "remove": 2,
        "downgrade": 1,
        "install": 1,
    }


VCS_LINE = f"a @ git+https://e.org/a.git@{COMMIT}"


@pytest.mark.parametrize(
    ("source", "wanted", "kind"),
    [
        (VCS, VCS_LINE, Kind.EQUAL),
        (VCS, VCS_LINE.replace(".git@", "@"), Kind.EQUAL),
        (VCS, VCS_LINE.replace("//", "//user:secret@", 1), Kind.EQUAL),
        (VCS, VCS_LINE.replace(COMMIT, OTHER_COMMIT), Kind.REINSTALL),
        (VCS, f"{VCS_LINE}#subdirectory=python", Kind.REINSTALL),
        (replace(VCS, subdirectory="python"), f"{VCS_LINE}#subdirectory=python", Kind.EQUAL),
        (INDEX, VCS_LINE, Kind.REINSTALL),
        (EDITABLE, "-e file:///src/a#egg=a", Kind.EQUAL),
        (EDITABLE, "a @ file:///src/a", Kind.REINSTALL),
        (EDITABLE, "-e file:///src/b#egg=a", Kind.REINSTALL),
        (replace(EDITABLE, editable=False), "a @ file:///src/a", Kind.EQUAL),
        (ARCHIVE, f"a @ {ARCHIVE.url}", Kind.EQUAL),
        (ARCHIVE, f"a @ {ARCHIVE.url}#sha256={SHA}", Kind.EQUAL),
        (ARCHIVE, f"a @ https://mirror.org/a-1.0.whl#sha256={SHA}", Kind.EQUAL),
        (ARCHIVE, f"a @ {ARCHIVE.url}#sha256={'b' * 64}", Kind.REINSTALL),
        (ARCHIVE, "a @ https://mirror.org/a-1.0.whl", Kind.REINSTALL),
        (INDEX, f"a @ {ARCHIVE.url}", Kind.REINSTALL),
    ],
)
def test_where_it_comes_from_decides_for_a_direct_url(
    source: Source, wanted: str, kind: Kind
) -> None:
    assert row(plan(wanted, dist("a", source=source)), "a").kind is kind


def test_a_direct_url_moves_as_its_wheel_says() -> None:
    for version, kind in (("0.9", Kind.DOWNGRADE), ("1.1", Kind.UPGRADE), ("1.0", Kind.REINSTALL)):
        change = row(plan(VCS_LINE, dist("a"), known=[dist(f"a=={version}")]), "a")
        assert (change.kind, change.wanted) == (kind, version)
    assert row(plan(VCS_LINE, dist("a")), "a").wanted == f"https://e.org/a.git@{COMMIT[:12]}"


def test_an_index_pin_accepts_a_direct_url_of_its_version_and_says_so() -> None:
    planned = plan("a==1.0", dist("a", source=VCS))
    assert row(planned, "a").kind is Kind.EQUAL
    assert row(planned, "a").note.startswith("installed from https://e.org/a.git@0123456789ab")


def test_two_copies_in_one_folder_are_put_right() -> None:
    twice = [dist("a==1.0"), replace(dist("a==1.0"), metadata="A-1.0.dist-info")]
    planned = plan("a==1.0", *twice)
    assert rows(planned) == {"a": "reinstall 1.0"}
    assert row(planned, "a").note == "2 copies of its metadata"
    assert rows(plan("b==1.0", *twice, dist("b"))) == {"a": "remove", "b": "equal 1.0"}


def test_a_copy_that_is_hidden_elsewhere_is_no_double() -> None:
    planned = plan("a==1.0", dist("a==1.0"), dist("a==0.9", folder=OUTSIDE))
    assert rows(planned) == {"a": "equal 1.0"}


def test_what_lies_outside_is_not_removed_and_may_be_covered() -> None:
    outside = [dist("a==1.0", folder=OUTSIDE), dist("b", folder=OUTSIDE)]
    planned = plan("a==2.0", *outside)
    assert rows(planned) == {"a": "upgrade 2.0"}
    assert rows(plan("a==1.0", *outside)) == {"a": "equal 1.0"}


def test_a_copy_outside_comes_back_when_ours_goes() -> None:
    outside = dist("lib==0.9", folder=OUTSIDE)
    mine = dist("mine", "lib>=0.5", "other", folder=OUTSIDE)
    installed = [dist("a"), dist("lib==1.0"), dist("other"), mine, outside]
    planned = plan("a==1.0", *installed)
    assert rows(planned) == {"a": "equal 1.0", "lib": "remove", "other": "remove"}
    after = simulate(planned, snapshot(*installed))
    assert after[Name("lib")] == outside
    assert Name("other") not in after
    (finding,) = findings(planned, FindingKind.MISSING)
    assert finding.requirement == "other"


def test_a_copy_behind_an_outside_one_that_the_lock_does_not_name_stays() -> None:
    ahead = replace(dist("b==2.0", folder="/work"), ahead=True)
    planned = plan("a==1.0", dist("a"), ahead, dist("b==1.0"))
    assert rows(planned) == {"a": "equal 1.0"}


def test_what_hides_this_environment_is_held() -> None:
    ahead = replace(dist("a==1.0", folder="/work"), ahead=True)
    planned = plan("a==2.0", ahead)
    assert rows(planned) == {"a": "held 2.0"}
    assert row(planned, "a").reason == "`/work` comes first on the path"
    assert not planned.parity
    assert not planned.actions
    assert rows(plan("a==1.0", ahead)) == {"a": "equal 1.0"}


def test_what_hides_an_unlocked_need_is_held_too() -> None:
    ahead = replace(dist("a==1.0", folder="/work"), ahead=True)
    planned = plan("b==1.0", ahead, dist("b", "a>=2"))
    assert rows(planned) == {"a": "held >=2", "b": "equal 1.0"}
    assert row(planned, "a").reason == "`/work` comes first on the path"


PROTECTED = (
    dist("ipykernel==6.29", "traitlets>=5.4", "comm"),
    dist("traitlets==5.14"),
    dist("comm==0.2", "traitlets>=4", 'pytest; extra == "test"'),
    dist("pip==24.0"),
    dist("pip-tools==7.6.1", "click>=8", "pip>=22.2"),
    dist("click==8.1"),
    dist("envmagic==0.1.0", "ipywidgets>=7"),
    dist("ipywidgets==8.1", "comm"),
)


def test_what_the_kernel_and_the_engine_need_is_kept() -> None:
    extraneous = (dist("pytest"), dist("requests", "urllib3"), dist("urllib3"))
    planned = plan("a==1.0", *PROTECTED, *extraneous)
    kept, removed = names_of(PROTECTED), names_of(extraneous)
    assert rows(planned) == {
        "a": "install 1.0",
        **dict.fromkeys(map(str, kept), "keep"),
        **dict.fromkeys(map(str, removed), "remove"),
    }
    reasons = {str(c.name): c.reason for c in planned.changes if c.kind is Kind.KEEP}
    assert reasons["ipykernel"] == reasons["pip-tools"] == "protected"
    assert reasons["comm"] == "protected: `ipykernel` requires it"
    assert reasons["click"] == "protected: `pip-tools` requires it"


@pytest.mark.parametrize(
    ("python", "kind"), [("3.11.7", Kind.KEEP), ("3.12.0", Kind.REMOVE), ("3.13.0rc1", Kind.REMOVE)]
)
def test_setuptools_is_kept_where_pip_sync_keeps_it(python: str, kind: Kind) -> None:
    planned = make_plan(lock("a==1.0").pins, snapshot(dist("setuptools"), python=python))
    assert row(planned, "setuptools").kind is kind


def test_what_a_server_in_this_environment_needs_is_kept() -> None:
    server = (dist("jupyterlab", "tornado; sys_platform == 'linux'"), dist("tornado"))
    assert {c.kind for c in plan("a==1.0", *server, dist("a")).changes[1:]} == {Kind.KEEP}


def test_the_lock_wins_over_protection() -> None:
    planned = plan("comm==0.1\npip==23.0", *PROTECTED)
    assert row(planned, "comm").kind is Kind.DOWNGRADE
    assert row(planned, "pip").kind is Kind.DOWNGRADE
    assert not planned.held


def test_a_change_that_the_kernel_would_not_survive_is_held() -> None:
    planned = plan("traitlets==5.0.5\na==1.0", *PROTECTED)
    assert row(planned, "traitlets").kind is Kind.HELD
    assert row(planned, "traitlets").wanted == "5.0.5"
    reason = "the kernel's own `ipykernel` 6.29 requires `traitlets>=5.4`"
    assert row(planned, "traitlets").reason == reason
    assert [c.name for c in planned.actions] == ["a"]
    assert not planned.parity
    (finding,) = findings(planned, FindingKind.HELD)
    assert finding.text == f"`traitlets` stays at 5.14, the lock wants 5.0.5: {reason}"
    assert (finding.severity, finding.when) == (Severity.ERROR, When.AFTER)
    assert findings(planned, FindingKind.CONFLICT) == []


def test_a_kernel_that_is_locked_together_with_its_needs_is_not_held() -> None:
    text = "ipykernel==5.5\ntraitlets==5.0.5\ncomm==0.2"
    wheel = dist("ipykernel==5.5", "traitlets>=4")
    planned = plan(text, *PROTECTED, known=[wheel, dist("traitlets==5.0.5")])
    assert row(planned, "traitlets").kind is Kind.DOWNGRADE
    assert row(planned, "ipykernel").kind is Kind.DOWNGRADE
    assert not planned.held


def test_a_kernel_whose_new_version_would_not_start_is_held() -> None:
    wheel = dist("ipykernel==7.0", "traitlets>=6", "comm")
    planned = plan("ipykernel==7.0\ntraitlets==5.14", *PROTECTED, known=[wheel])
    assert rows(planned)["ipykernel"] == "held 7.0"
    assert row(planned, "ipykernel").reason == (
        "the kernel's own `ipykernel` 7.0 requires `traitlets>=6`"
    )
    assert rows(planned)["traitlets"] == "equal 5.14"


def test_a_kernel_is_held_for_what_its_new_needs_need() -> None:
    known = [dist("ipykernel==7.0", "fresh"), dist("fresh", "deep>=2"), dist("deep==1.0")]
    planned = plan("ipykernel==7.0\ndeep==1.0", *PROTECTED, known=known)
    assert rows(planned)["ipykernel"] == "held 7.0"
    assert row(planned, "ipykernel").reason == "the kernel's own `fresh` 1.0 requires `deep>=2`"
    assert "fresh" not in rows(planned)


def test_a_kernel_that_is_broken_already_is_left_to_the_lock() -> None:
    broken = [dist("ipykernel==6.29", "traitlets>=5.4"), dist("traitlets==5.1")]
    planned = plan("traitlets==5.0.5", *broken)
    assert not planned.held
    (finding,) = findings(planned, FindingKind.CONFLICT)
    assert finding.when is When.NOW


def test_a_need_of_the_old_kernel_that_the_new_one_has_not_goes_at_once() -> None:
    installed = [dist("ipykernel==6.0", "nest-asyncio"), dist("nest-asyncio")]
    known = [dist("ipykernel==7.0")]
    planned = plan("ipykernel==7.0", *installed, known=known)
    assert rows(planned) == {"ipykernel": "upgrade 7.0", "nest-asyncio": "remove"}
    unknown = plan("ipykernel==7.0", *installed)
    assert rows(unknown) == {"ipykernel": "upgrade 7.0", "nest-asyncio": "keep"}


def test_what_the_lock_requires_without_naming_it_is_kept_or_installed() -> None:
    installed = [dist("a", "b>=1", "c", "d>=2"), dist("b==1.5", "e"), dist("e"), dist("d==1.0")]
    planned = plan("a==1.0", *installed)
    assert rows(planned) == {
        "a": "equal 1.0",
        "b": "keep >=1",
        "c": "install any",
        "d": "upgrade >=2",
        "e": "keep any",
    }
    assert row(planned, "c").reason == "not in the lock; `a` 1.0 requires it"
    assert row(planned, "e").reason == "not in the lock; `b` 1.5 requires it"
    assert planned.counts()["unlocked"] == 4
    assert not row(planned, "c").locked


def test_a_second_plan_after_what_is_unlocked_does_nothing() -> None:
    world = [dist("a==1.0", "b>=1", "c"), dist("b==1.0"), dist("c==1.0", "d<2"), dist("d==1.0")]
    settled = settle(lock("a==1.0"), snapshot(dist("d==3.0"), dist("e")), world)
    assert rows(settled.plan) == {
        "a": "install 1.0",
        "b": "install 1.0",
        "c": "install 1.0",
        "d": "downgrade 1.0",
        "e": "remove",
    }
    again = make_plan(lock("a==1.0").pins, settled.after)
    assert rows(again) == {"a": "equal 1.0", "b": "keep >=1", "c": "keep any", "d": "keep <2"}
    assert again.parity


def test_the_extras_of_a_pin_are_unlocked_needs() -> None:
    gamma = dist("gamma", 'delta>=1; extra == "x"', 'zeta; extra == "y"')
    planned = plan("gamma[X]==1.0", gamma)
    assert rows(planned) == {"gamma": "equal 1.0", "delta": "install >=1"}
    planned = plan("gamma[x]==1.0", gamma, dist("delta"), dist("zeta"))
    assert rows(planned) == {"gamma": "equal 1.0", "delta": "keep >=1", "zeta": "remove"}


def test_an_extra_that_a_locked_one_asks_of_another_locked_one_is_a_need_too() -> None:
    gamma = dist("gamma", 'delta; extra == "x"')
    planned = plan("a==1.0\ngamma==1.0", dist("a", "gamma[x]"), gamma)
    assert rows(planned)["delta"] == "install any"


def test_all_that_is_asked_of_an_unlocked_one_counts() -> None:
    installed = [dist("a", "c>=1"), dist("b", "c<3", 'c[x]; sys_platform == "linux"')]
    planned = plan("a==1.0\nb==1.0", *installed)
    assert rows(planned)["c"] == "install <3,>=1"
    pin = row(planned, "c").pin
    assert pin is not None
    assert (pin.requirer, pin.extras) == ("a", frozenset({"x"}))


def test_constraints_narrow_what_is_unlocked_and_install_nothing() -> None:
    planned = plan("a==1.0", dist("a", "b>=1"), constraints="b<2\nzeta==1.0")
    assert rows(planned) == {"a": "equal 1.0", "b": "install <2,>=1"}


def test_constraints_narrow_a_range_and_leave_a_pin_alone() -> None:
    narrowed = plan("a>=1\nb==2.0", constraints="a<2\na!=1.5\nb==1.0\na>=1")
    assert rows(narrowed) == {"a": "install >=1,!=1.5,<2", "b": "install 2.0"}
    moved = plan("a>=1", dist("a==2.0"), constraints="a<2")
    assert rows(moved) == {"a": "downgrade >=1,<2"}
    assert rows(plan("a", dist("a==2.0"), constraints="a<3")) == {"a": "equal 2.0"}


@pytest.mark.parametrize(
    ("version", "specifier", "kind"),
    [("1.0", "~=2.0", Kind.UPGRADE), ("2.0", ">=0.5,<1", Kind.DOWNGRADE)],
)
def test_what_is_unlocked_moves_to_where_its_bounds_are(
    version: str, specifier: str, kind: Kind
) -> None:
    planned = plan("a==1.0", dist("a", f"leaf{specifier}"), dist(f"leaf=={version}"))
    assert row(planned, "leaf").kind is kind


def test_what_new_ones_require_is_known_only_from_their_wheels() -> None:
    planned = plan("a==2.0\nc==1.0", dist("a", "b"), dist("b"))
    assert rows(planned) == {"a": "upgrade 2.0", "b": "remove", "c": "install 1.0"}
    assert row(planned, "b").reason == "not in the lock, unless the new `a` still requires it"
    (finding,) = planned.findings
    assert (finding.kind, finding.severity) == (FindingKind.UNKNOWN, Severity.NOTE)
    assert finding.text == "unknown until prepared: what `a`, `c` require"
    known = [dist("a==2.0", "b", "d"), dist("c==1.0")]
    (finding,) = plan("a==2.0", dist("a")).findings
    assert finding.text == "unknown until prepared: what `a` requires"
    planned = plan("a==2.0\nc==1.0", dist("a", "b"), dist("b"), known=known)
    assert rows(planned) == {
        "a": "upgrade 2.0",
        "b": "keep any",
        "c": "install 1.0",
        "d": "install any",
    }
    assert [f.name for f in planned.findings] == ["d"]


def test_a_conflict_to_come_is_predicted() -> None:
    installed = [dist("gamma", "alpha<2"), dist("alpha==1.0")]
    planned = plan("gamma==1.0\nalpha==2.0", *installed, known=[dist("alpha==2.0")])
    (finding,) = planned.findings
    assert (finding.kind, finding.name) == (FindingKind.CONFLICT, "gamma")
    assert (finding.when, finding.severity) == (When.AFTER, Severity.WARNING)
    assert finding.text == "`gamma` 1.0 requires `alpha<2`, but alpha 2.0 would be installed"
    assert (finding.requirement, finding.found) == ("alpha<2", "2.0")


def test_a_conflict_of_now_that_stays_is_told_as_such() -> None:
    installed = [dist("gamma", "alpha<2"), dist("alpha==2.0")]
    (finding,) = plan("gamma==1.0\nalpha==2.0", *installed).findings
    assert (finding.when, finding.severity) == (When.NOW, Severity.WARNING)
    assert finding.text == "`gamma` 1.0 requires `alpha<2`, but alpha 2.0 is installed"
    assert plan("gamma==1.0\nalpha==1.0", *installed, known=[dist("alpha==1.0")]).findings == ()


def test_what_a_kept_one_requires_is_kept() -> None:
    installed = [dist("a"), dist("mine", "lib"), dist("lib", 'deep; extra == "x"', "base")]
    installed += [dist("deep"), dist("base")]
    kept = {"a": "equal 1.0", "base": "keep", "deep": "remove", "lib": "keep", "mine": "keep"}
    planned = plan("a==1.0", *installed, policy=Policy(keep=("mi*",)))
    assert rows(planned) == kept
    assert row(planned, "mine").reason == "kept as asked"
    assert row(planned, "lib").reason == "kept: `mine` requires it"
    assert row(planned, "base").reason == "kept: `lib` requires it"
    planned = plan("a==1.0\n# envmagic: not locked: mine==1.0 (editable: file:///m)", *installed)
    assert rows(planned) == kept
    assert row(planned, "lib").reason == "kept: `mine` requires it"
    assert row(planned, "mine").reason == "the lock says that it could not be written as a line"


def test_a_kept_one_that_the_lock_moves_needs_what_its_new_version_needs() -> None:
    installed = [dist("mine", "lib"), dist("lib")]
    known = [dist("mine==2.0")]
    planned = plan("mine==2.0", *installed, known=known, policy=Policy(keep=("mine",)))
    assert rows(planned) == {"lib": "remove", "mine": "upgrade 2.0"}


def test_removing_what_another_environment_requires_is_predicted() -> None:
    installed = [dist("lib"), dist("a"), dist("mine", "lib", folder=OUTSIDE)]
    planned = plan("a==1.0", *installed)
    assert rows(planned) == {"a": "equal 1.0", "lib": "remove"}
    (finding,) = planned.findings
    assert (finding.kind, finding.when) == (FindingKind.MISSING, When.AFTER)
    assert finding.text == "`mine` 1.0 requires `lib`, but lib would not be installed"


def test_what_is_not_wanted_gone_stays() -> None:
    installed = [dist("a"), dist("my-tool"), dist("my-other"), dist("other")]
    kept = plan("a==1.0", *installed, policy=Policy(keep=("My_*",)))
    assert rows(kept) == {
        "a": "equal 1.0",
        "my-other": "keep",
        "my-tool": "keep",
        "other": "remove",
    }
    assert row(kept, "my-tool").reason == "kept as asked"
    planned = plan("a==2.0", *installed, policy=Policy(remove_extraneous=False))
    assert [c.name for c in planned.actions] == ["a"]
    assert row(planned, "other").reason == "not in the lock, kept as asked"


def test_what_could_not_be_written_as_a_line_stays_as_it_is() -> None:
    text = "a==1.0\n# envmagic: not locked: Mine==1.0 (editable: file:///src)"
    mine = dist("mine==0.1", source=EDITABLE)
    planned = plan(text, dist("a", "mine>=1"), mine, dist("b"))
    assert rows(planned) == {"a": "equal 1.0", "b": "remove", "mine": "keep >=1"}
    (finding,) = planned.findings
    assert (finding.kind, finding.when) == (FindingKind.CONFLICT, When.NOW)
    planned = plan(text, dist("a"), mine)
    assert row(planned, "mine").reason == "the lock says that it could not be written as a line"


def test_an_unlocked_one_that_is_replaced_leaves_no_needs_behind() -> None:
    """The second requirer is found after the first one's choice was followed."""
    installed = [dist("a", "c"), dist("b", "d"), dist("d", "c>=2"), dist("c==1.0", "e"), dist("e")]
    known = [dist("c==2.0")]
    planned = plan("a==1.0\nb==1.0", *installed, known=known)
    assert rows(planned)["c"] == "upgrade 2.0"
    assert rows(planned)["e"] == "remove"


def test_nothing_is_planned_for_nothing() -> None:
    planned = make_plan((), snapshot())
    assert planned == Plan(changes=())
    assert planned.parity


def gone(*files: str, **more: tuple[str, ...]) -> Damage:
    """Return the damage of a name `a` that has lost some files."""
    missing = {Name("a"): files} | {canonical_name(name): lost for name, lost in more.items()}
    return Damage(missing={name: lost for name, lost in missing.items() if lost})


def sharing(*pairs: tuple[str, str, int], **more: tuple[str, ...]) -> Damage:
    """Return the damage of names that record the same files."""
    shared: dict[Name, dict[Name, int]] = {}
    for one, other, count in pairs:
        shared.setdefault(Name(one), {})[Name(other)] = count
        shared.setdefault(Name(other), {})[Name(one)] = count
    return replace(gone(**more), shared=shared)


def test_what_has_lost_files_is_put_in_again() -> None:
    planned = plan("a==1.0\nb==1.0", dist("a"), dist("b"), damage=gone("a/x.py", "a/y.py"))
    assert rows(planned) == {"a": "reinstall 1.0", "b": "equal 1.0"}
    change = row(planned, "a")
    assert (change.note, change.reason) == (
        "2 of its files are gone, such as `a/x.py`",
        "lock.txt:1",
    )
    assert change.locked
    (finding,) = findings(planned, FindingKind.DAMAGED)
    assert (finding.severity, finding.when) == (Severity.WARNING, When.NOW)
    assert finding.text == "`a` 1.0 is damaged: 2 of its files are gone, such as `a/x.py`"
    assert finding.hint == "a sync puts it in anew"
    assert findings(planned, FindingKind.LABEL) == []


@pytest.mark.parametrize(
    ("installed", "wanted", "pinned"),
    [
        (dist("a==1.0"), "a==1.0", "==1.0"),
        (dist("a==2.4.0+cpu"), "a==2.4.0", "==2.4.0"),
        (dist("a==1.5"), "a>=1,<2", "==1.5"),
        (dist("a==1.5"), "a", "==1.5"),
        (dist("a==odd_one"), "a===odd_one", "===odd_one"),
        (dist("a", source=VCS), VCS_LINE, ""),
        (dist("a", source=VCS), "a==1.0", "==1.0"),
        (dist("a", source=EDITABLE), "-e file:///src/a#egg=a", ""),
    ],
)
def test_a_pin_is_put_in_again_as_the_lock_says(
    installed: Distribution, wanted: str, pinned: str
) -> None:
    change = row(plan(wanted, installed, damage=gone("a.py")), "a")
    assert change.kind is Kind.REINSTALL
    assert change.pin is not None
    assert change.pin.specifier == pinned
    (as_locked,) = lock(wanted).pins
    assert replace(change.pin, version=None, specifier="") == replace(
        as_locked, version=None, specifier=""
    )


def test_another_build_is_said_to_be_one_where_it_is_put_in_again() -> None:
    planned = plan("a==2.4.0", dist("a==2.4.0+cpu"), damage=gone("a.py"))
    assert row(planned, "a").note == (
        "same release, other build: lock 2.4.0, installed 2.4.0+cpu; "
        "1 of its files is gone, such as `a.py`"
    )


@pytest.mark.parametrize(
    ("installed", "pinned", "url"),
    [
        (dist("a==1.5"), "==1.5", ""),
        (dist("a==1.5+cpu"), "==1.5+cpu", ""),
        (dist("a", source=VCS), "", f"git+https://e.org/a.git@{COMMIT}"),
        (
            dist("a", source=replace(VCS, subdirectory="py")),
            "",
            f"git+https://e.org/a.git@{COMMIT}#subdirectory=py",
        ),
        (dist("a", source=ARCHIVE), "", ARCHIVE.url),
        (dist("a", source=EDITABLE), "", "file:///src/a"),
    ],
)
def test_what_is_required_is_put_in_again_as_it_is(
    installed: Distribution, pinned: str, url: str
) -> None:
    planned = plan("b==1.0", installed, dist("b", "a>=1"), damage=gone("a.py"))
    change = row(planned, "a")
    assert change.kind is Kind.REINSTALL
    assert change.pin is not None
    assert (change.pin.specifier, change.pin.url) == (pinned, url)
    assert change.pin.source == installed.source
    assert change.pin.requirer == "b"
    assert change.unlocked
    assert planned.counts()["unlocked"] == 1


def test_what_it_requires_stays_while_its_wheel_is_not_known() -> None:
    installed = [dist("a", "b"), dist("b", "c"), dist("c")]
    planned = plan("a==1.0", *installed, damage=gone("a.py", b=("b.py",)))
    assert rows(planned) == {"a": "reinstall 1.0", "b": "reinstall 1.0", "c": "keep any"}
    known = [dist("a", "b"), dist("b", "d")]
    planned = plan("a==1.0", *installed, known=known, damage=gone("a.py", b=("b.py",)))
    assert rows(planned) == {
        "a": "reinstall 1.0",
        "b": "reinstall 1.0",
        "c": "remove",
        "d": "install any",
    }


def test_what_nobody_asks_for_is_not_put_in_again() -> None:
    installed = [dist("ipykernel", "comm"), dist("comm"), dist("a"), dist("mine"), dist("b")]
    damage = gone("a.py", comm=("comm.py",), mine=("mine.py",))
    planned = plan("b==1.0", *installed, policy=Policy(keep=("mine",)), damage=damage)
    assert rows(planned) == {
        "a": "remove",
        "b": "equal 1.0",
        "comm": "keep",
        "ipykernel": "keep",
        "mine": "keep",
    }
    told = {f.name: f.hint for f in findings(planned, FindingKind.DAMAGED)}
    assert told == {
        "a": "a sync removes it",
        "comm": "name it in the lock, and a sync puts it in anew",
        "mine": "name it in the lock, and a sync puts it in anew",
    }


def test_what_lies_outside_is_not_put_in_again() -> None:
    outside = replace(dist("a", folder="/work"), ahead=True)
    planned = plan("a==1.0", outside, dist("a"), damage=gone("a.py"))
    assert rows(planned) == {"a": "equal 1.0"}
    assert planned.findings == ()


CU12, CU13 = "nvidia-cudnn-cu12", "nvidia-cudnn-cu13"


def test_what_shares_files_with_what_goes_is_put_in_again() -> None:
    planned = plan(f"{CU13}==1.0", dist(CU12), dist(CU13), damage=sharing((CU12, CU13, 31)))
    assert rows(planned) == {CU12: "remove", CU13: "reinstall 1.0"}
    note = f"shares 31 files with `{CU12}`, which is removed"
    assert row(planned, CU13).note == note
    (finding,) = findings(planned, FindingKind.DAMAGED)
    assert finding.text == f"`{CU13}` {note}, and would lose them"
    assert (finding.severity, finding.when) == (Severity.NOTE, When.AFTER)
    assert planned.apart == ()


def test_what_shares_files_and_stays_with_them_stays() -> None:
    damage = sharing((CU12, CU13, 31))
    planned = plan(f"{CU12}==1.0\n{CU13}==1.0", dist(CU12), dist(CU13), damage=damage)
    assert planned.parity
    assert planned.findings == ()


def test_a_group_that_shares_files_is_put_in_again_as_a_whole() -> None:
    damage = sharing(("a", "b", 1), ("b", "c", 2), ("c", "d", 3), ("e", "f", 1))
    installed = [dist(name) for name in "abcdef"]
    text = "\n".join(f"{name}==1.0" for name in "bcdef")
    planned = plan(text, *installed, damage=damage)
    assert rows(planned) == {
        "a": "remove",
        "b": "reinstall 1.0",
        "c": "reinstall 1.0",
        "d": "reinstall 1.0",
        "e": "equal 1.0",
        "f": "equal 1.0",
    }
    assert row(planned, "b").note == "shares 1 file with `a`, which is removed"
    assert row(planned, "d").note == "shares 3 files with `c`, which is reinstalled"


@pytest.mark.parametrize(
    ("text", "verb"), [("a==2.0", "upgraded"), ("a==0.5", "downgraded"), (VCS_LINE, "reinstalled")]
)
def test_what_moves_among_files_that_others_record_goes_first(text: str, verb: str) -> None:
    planned = plan(f"{text}\nb==1.0", dist("a"), dist("b"), damage=sharing(("a", "b", 1)))
    assert row(planned, "b").note == f"shares 1 file with `a`, which is {verb}"
    assert planned.apart == ("a",)


def test_another_build_of_the_same_version_goes_first_too() -> None:
    damage = sharing(("a", "b", 1), ("b", "c", 1))
    planned = plan("a==1.0\nb==1.0", dist("a==1.0+cpu"), dist("b"), dist("c"), damage=damage)
    assert rows(planned) == {"a": "reinstall 1.0", "b": "reinstall 1.0", "c": "remove"}
    assert planned.apart == ("a",)


def test_what_pip_works_with_does_not_go_first() -> None:
    installed = [*PROTECTED, dist("b")]
    damage = sharing(("click", "b", 1))
    planned = plan("click==9.0\nb==1.0", *installed, damage=damage)
    assert rows(planned)["click"] == "upgrade 9.0"
    assert rows(planned)["b"] == "reinstall 1.0"
    assert planned.apart == ()


def test_what_we_would_damage_is_put_in_again_though_it_is_not_locked() -> None:
    installed = [dist("a"), dist("ipykernel==6.29"), dist("mine==0.1")]
    damage = sharing(("a", "ipykernel", 1), ("ipykernel", "mine", 2))
    planned = plan("b==1.0", *installed, policy=Policy(keep=("mine",)), damage=damage)
    assert rows(planned) == {
        "a": "remove",
        "b": "install 1.0",
        "ipykernel": "reinstall 6.29",
        "mine": "reinstall 0.1",
    }
    change = row(planned, "mine")
    assert change.reason == "kept as asked"
    assert change.pin == Pin(
        name=Name("mine"), version=Version("0.1"), specifier="==0.1", requirer="mine"
    )
    assert not change.locked
    assert not change.unlocked
    assert planned.counts()["unlocked"] == 0


def test_what_is_held_and_loses_files_is_told() -> None:
    damage = sharing(("a", "traitlets", 2))
    planned = plan("traitlets==5.0.5", *PROTECTED, dist("a"), damage=damage)
    assert rows(planned)["traitlets"] == "held 5.0.5"
    (finding,) = findings(planned, FindingKind.DAMAGED)
    assert finding.text == "`traitlets` stays and loses 2 files to `a`, which is removed"
    assert (finding.severity, finding.when) == (Severity.WARNING, When.AFTER)


def test_a_repair_that_is_asked_for_by_a_change_that_is_held_is_not_done() -> None:
    damage = sharing(("traitlets", "a", 2))
    planned = plan("traitlets==5.0.5\na==1.0", *PROTECTED, dist("a"), damage=damage)
    assert rows(planned)["traitlets"] == "held 5.0.5"
    assert rows(planned)["a"] == "equal 1.0"
    assert planned.actions == ()


def test_two_copies_of_an_unlocked_need_are_put_right_too() -> None:
    twice = [dist("a==1.0"), replace(dist("a==0.9"), metadata="a-0.9.dist-info")]
    planned = plan("b==1.0", *twice, dist("b", "a"))
    assert rows(planned) == {"a": "reinstall 1.0", "b": "equal 1.0"}
    assert row(planned, "a").note == "2 copies of its metadata"


def test_the_right_copy_behind_a_wrong_one_does_not_pass_for_it() -> None:
    """pip-sync goes by any of the copies, and would find nothing to do."""
    twice = [dist("a==0.9"), dist("a==1.0")]
    assert rows(plan("a==1.0", *twice)) == {"a": "reinstall 1.0"}
    assert rows(plan("a==2.0", *twice)) == {"a": "upgrade 2.0"}


def bare(*names: str) -> Damage:
    return Damage(unrecorded={Name(n): (f"{SITE}/{n}-1.0.dist-info", f"{SITE}/{n}") for n in names})


@pytest.mark.parametrize(
    ("text", "kind", "swept"),
    [
        ("a==1.0", "reinstall 1.0", True),
        ("a==2.0", "upgrade 2.0", True),
        ("b==1.0", "remove", False),
    ],
)
def test_what_has_no_record_is_cleared_away_before_it_is_replaced(
    text: str, kind: str, *, swept: bool
) -> None:
    planned = plan(text, dist("a"), damage=bare("a"))
    assert rows(planned)["a"] == kind
    assert planned.sweeps == ((f"{SITE}/a-1.0.dist-info", f"{SITE}/a") if swept else ())
    (finding,) = findings(planned, FindingKind.DAMAGED)
    assert finding.text == "`a` 1.0 is damaged: the list of its files (RECORD) is gone"
    kept = plan("b==1.0", dist("a"), damage=bare("a"), policy=Policy(keep=("a",)))
    assert rows(kept)["a"] == "keep"
    assert kept.sweeps == ()


def test_leftovers_are_work_though_the_lock_is_fulfilled() -> None:
    left = replace(snapshot(dist("a")), leftovers=(f"{SITE}/~a",))
    planned = make_plan(lock("a==1.0").pins, left)
    assert planned.sweeps == (f"{SITE}/~a",)
    assert planned.parity
    assert planned.work
    assert not plan("a==1.0", dist("a")).work
    assert plan("a==2.0", dist("a")).work


@dataclass(frozen=True)
class Settled:
    plan: Plan
    after: Snapshot
    known: Mapping[Name, Distribution]


def settle(
    wanted: Lock,
    before: Snapshot,
    world: Sequence[Distribution],
    policy: Policy = Policy(),  # noqa: B008 (frozen)
    damage: Damage = Damage(),  # noqa: B008 (frozen)
) -> Settled:
    """Fetch what a plan needs from a world of wheels, to the end, and carry it out."""
    known: dict[Name, Distribution] = {}
    for _ in range(20):
        planned = make_plan(
            wanted.pins,
            before,
            policy,
            constraints=wanted.constraints,
            not_locked=wanted.not_locked,
            known=known,
            damage=damage,
        )
        lacking = [c for c in planned.actions if c.pin and not _serves(known.get(c.name), c.pin)]
        if not lacking:
            return Settled(planned, carry_out(planned, before, known), known)
        for change in lacking:
            assert change.pin is not None
            fitting = [d for d in world if d.name == change.name and _serves(d, change.pin)]
            if not fitting:
                raise UnsatisfiedAssumption
            known[change.name] = fitting[-1]
    raise AssertionError("the plan has no end")


def _serves(wheel: Distribution | None, pin: Pin) -> bool:
    if wheel is None:
        return False
    if pin.source.kind is not SourceKind.INDEX:
        return True
    if pin.version is not None:
        return wheel.version == pin.version
    return parse_requirement(f"{pin.name}{pin.specifier}").allows(wheel.version)


def carry_out(planned: Plan, before: Snapshot, known: Mapping[Name, Distribution]) -> Snapshot:
    future = simulate(planned, before)
    acting = {c.name: c for c in planned.actions}
    ours = []
    for name, found in future.items():
        change = acting.get(name)
        if change is None or change.pin is None:
            ours.append(found)
        else:
            wheel = known[name]
            assert found.version in {wheel.version, ""}
            ours.append(replace(wheel, source=change.pin.source, location=SITE, local=True))
    names = {d.name for d in ours if d.local}
    outside = [d for d in before.distributions if not d.local and d.name in names]
    return replace(before, distributions=(*ours, *outside))


NAMES = ("ipykernel", "traitlets", "comm", "pip", "pip-tools", "a", "b", "c", "d", "mine")
VERSIONS = ("1.0", "2.0", "2.0+cpu", "3.0rc1")
SOURCES = (
    INDEX,
    INDEX,
    INDEX,
    VCS,
    ARCHIVE,
    EDITABLE,
    replace(ARCHIVE, url="file:///a-1.0.whl"),
)


@st.composite
def requires(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(NAMES))
    extra = draw(st.sampled_from(["", "", "[x]"]))
    bound = draw(st.sampled_from(["", "", ">=1", ">=2", "<2", "!=2.0", ">2", "==2.*"]))
    marker = draw(
        st.sampled_from(
            ["", "", "", '; extra == "x"', '; sys_platform == "linux"', '; sys_platform == "win32"']
        )
    )
    return f"{name}{extra}{bound}{marker}"


@st.composite
def worlds(draw: st.DrawFn) -> list[Distribution]:
    """Draw what every version of every project requires."""
    texts = [f"{name}=={version}" for name in NAMES for version in VERSIONS]
    pairs = st.tuples(st.sampled_from(texts), requires())
    edges = draw(st.lists(pairs.filter(lambda pair: _is_of_another(*pair)), max_size=12))
    return [dist(text, *(line for other, line in edges if other == text)) for text in texts]


def _is_of_another(text: str, line: str) -> bool:
    return parse_requirement(line).name != text.partition("==")[0]


@st.composite
def snapshots(draw: st.DrawFn, world: list[Distribution]) -> Snapshot:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    found = []
    for name in names:
        chosen = draw(st.sampled_from([d for d in world if d.name == name]))
        if draw(st.integers(0, 7)) == 0:
            found.append(replace(chosen, location=OUTSIDE, local=False))
        else:
            found.append(replace(chosen, source=draw(st.sampled_from(SOURCES))))
    return snapshot(*found)


@st.composite
def locks(draw: st.DrawFn, world: list[Distribution]) -> Lock:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    lines = []
    for name in names:
        version = draw(st.sampled_from([str(d.version) for d in world if d.name == name]))
        lines.append(f"{name}{draw(st.sampled_from(['', '', '[x]']))}=={version}")
    return lock("\n".join(lines))


@dataclass(frozen=True)
class Case:
    world: list[Distribution]
    before: Snapshot
    wanted: Lock

    def _repr_pretty_(self, printer: RepresentationPrinter, _cycle: object) -> None:
        before = [_described(d) for d in self.before.distributions]
        wanted = [f"{p.name}{sorted(p.extras) or ''}=={p.version}" for p in self.wanted.pins]
        world = [_described(d) for d in self.world if d.requires]
        printer.text(f"{before=}\n{wanted=}\n{world=}")


def _described(found: Distribution) -> str:
    where = "" if found.local else " outside"
    origin = "" if found.source == INDEX else f" from {found.source.url}"
    return f"{found.name}=={found.version}{where}{origin} -> {', '.join(found.requires)}"


@st.composite
def cases(draw: st.DrawFn) -> Case:
    world = draw(worlds())
    return Case(world, draw(snapshots(world)), draw(locks(world)))


def names_of(found: Iterable[Distribution]) -> set[Name]:
    return {d.name for d in found}


def made_consistent(found: Snapshot) -> Snapshot:
    """Return a set without the requirements that it does not satisfy."""
    installed = {d.name: d for d in found.distributions}
    broken = {(d.name, r.text) for d, r in find_conflicts(installed, found.platform.markers)}
    while broken:
        installed = {
            name: replace(d, requires=tuple(r for r in d.requires if (name, r) not in broken))
            for name, d in installed.items()
        }
        broken = {(d.name, r.text) for d, r in find_conflicts(installed, found.platform.markers)}
    return replace(found, distributions=tuple(installed.values()))


def pins_of(found: Snapshot) -> Lock:
    """Return a set as the lock that freezing it makes."""
    text = freeze(found)
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assume(lines)
    return lock(text)


@given(cases())
def test_rest(case: Case) -> None:
    """A set is equal to the lock that it makes itself."""
    calm = made_consistent(case.before)
    frozen = pins_of(calm)
    planned = make_plan(frozen.pins, calm, not_locked=frozen.not_locked)
    assert planned.parity
    assert planned.findings == ()


@given(cases())
def test_arrival(case: Case) -> None:
    """Afterwards each pin is there, and nothing else but what somebody needs."""
    settled = settle(case.wanted, case.before, case.world)
    there = {name: found[0] for name, found in settled.after.by_name().items()}
    held = {change.name for change in settled.plan.held}
    for pin in case.wanted.pins:
        if pin.name not in held:
            assert isinstance(pin.version, Version)
            found = there[pin.name].version
            assert isinstance(found, Version)
            assert found == pin.version or (
                not pin.version.local and found.public == str(pin.version)
            )
    kept = {c.name for c in settled.plan.changes if c.kind is Kind.KEEP or not c.locked}
    ours = {d.name for d in settled.after.distributions if d.local}
    assert ours <= {pin.name for pin in case.wanted.pins} | kept


@settings(max_examples=300)
@given(cases())
def test_again(case: Case) -> None:
    """A second sync finds nothing to do."""
    settled = settle(case.wanted, case.before, case.world)
    again = make_plan(case.wanted.pins, settled.after, known=settled.known)
    assert [(c.name, c.kind, c.reason) for c in again.actions] == []


@given(cases())
def test_return(case: Case) -> None:
    """The lock of the set from before brings that set back."""
    # What a lock has no line for cannot come back: what lies outside, or on this disk only.
    ours = [
        replace(d, local=True, source=d.source if d.source.url.startswith("https:") else INDEX)
        for d in case.before.distributions
    ]
    before = made_consistent(replace(case.before, distributions=tuple(ours)))
    frozen = pins_of(before)
    world = [*case.world, *before.distributions]
    away = settle(case.wanted, before, world)
    assume(not away.plan.held)
    back = settle(frozen, away.after, world, Policy(strict_labels=True))
    if KERNEL in names_of(ours):
        assert not back.plan.held
    assume(not back.plan.held)
    there = {d.name: (d.version, d.source) for d in back.after.distributions if d.local}
    expected = {d.name: (d.version, d.source) for d in before.distributions if d.local}
    new = {c.name for c in back.plan.changes if _is_protected(c)} - expected.keys()
    assert {name: found for name, found in there.items() if name not in new} == expected


def _is_protected(change: Change) -> bool:
    return change.kind is Kind.KEEP and change.reason.startswith("protected")


@settings(max_examples=300)
@given(cases())
def test_safe(case: Case) -> None:
    """Nothing that the kernel needs is taken away, and the kernel can start as before."""
    markers = case.before.platform.markers
    settled = settle(case.wanted, case.before, case.world)
    before = {name: found[0] for name, found in case.before.by_name().items()}
    after = {name: found[0] for name, found in settled.after.by_name().items()}
    removed = {c.name for c in settled.plan.actions if c.kind is Kind.REMOVE}
    roots = [canonical_name(n) for n in ("ipykernel", "pip", "pip-tools")]
    assert not removed & set(roots)
    assert not removed & set(find_closure(roots, after, markers))
    if KERNEL in before:
        old = {(d.name, r.text) for d, r in find_conflicts(before, markers)}
        kernel = find_closure([KERNEL], after, markers)
        new = {(d.name, r.text) for d, r in find_conflicts(after, markers) if d.name in kernel}
        assert new <= old


@given(cases(), st.randoms(use_true_random=False))
def test_order(case: Case, random: Random) -> None:
    """No order of the input matters."""
    known = {d.name: d for d in case.world}
    pins, distributions = list(case.wanted.pins), list(case.before.distributions)
    one = make_plan(pins, case.before, known=known)
    random.shuffle(pins)
    random.shuffle(distributions)
    shuffled = dict(random.sample(sorted(known.items()), len(known)))
    other = replace(case.before, distributions=tuple(distributions))
    assert make_plan(pins, other, known=shuffled) == one


@given(cases(), st.sampled_from(["Upper", "dots", "both"]))
def test_names(case: Case, spelling: str) -> None:
    """No spelling of a name matters."""

    def respell(text: str) -> str:
        text = text.replace("pip-tools", "pip_tools") if spelling != "Upper" else text
        return text.title() if spelling != "dots" else text

    def respelled(found: Distribution) -> Distribution:
        lines = []
        for line in found.requires:
            name = parse_requirement(line).name
            lines.append(line.replace(name, respell(name), 1))
        return replace(found, requires=tuple(lines))

    text = "".join(f"{p.name}{p.specifier}\n" for p in case.wanted.pins)
    odd = "".join(f"{respell(p.name)}{p.specifier}\n" for p in case.wanted.pins)
    other = replace(case.before, distributions=tuple(map(respelled, case.before.distributions)))
    one = make_plan(lock(text).pins, case.before, Policy(keep=("pip-*",)))
    two = make_plan(lock(odd).pins, other, Policy(keep=(respell("pip-*"),)))
    assert [_without_lines(c) for c in two.changes] == [_without_lines(c) for c in one.changes]
    assert [f.kind for f in two.findings] == [f.kind for f in one.findings]


@st.composite
def damages(draw: st.DrawFn) -> Damage:
    lost = draw(st.lists(st.sampled_from(NAMES), max_size=3, unique=True))
    pairs = st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.integers(1, 3))
    together = draw(st.lists(pairs.filter(lambda pair: pair[0] != pair[1]), max_size=4))
    return sharing(*together, **{name: (f"{name}.py",) for name in lost})


def of_what_is_there(damage: Damage, before: Snapshot) -> Damage:
    """Return the part of a damage that a snapshot can have: of what is local."""
    there = {name for name, found in before.by_name().items() if found[0].local}
    pairs = {
        one: {other: count for other, count in others.items() if other in there}
        for one, others in damage.shared.items()
        if one in there
    }
    return Damage(
        missing={name: lost for name, lost in damage.missing.items() if name in there},
        shared={one: others for one, others in pairs.items() if others},
    )


Files = dict[Name, set[object]]


def files_of(damage: Damage, before: Snapshot) -> Files:
    """Return what each distribution records: a file of its own, and one for each pair."""
    return {
        d.name: {d.name, *(frozenset({d.name, other}) for other in damage.shared.get(d.name, ()))}
        for d in before.distributions
        if d.local
    }


def left_on_disk(
    planned: Plan, recorded: Files, damage: Damage, order: list[Change]
) -> set[object]:
    """Do to the files what pip does: uninstall, then replace one after the other.

    What moves to another version is taken to have no file any more that it had.
    """
    disk = set[object]().union(*recorded.values()) - set(damage.missing)
    first = [c for c in planned.actions if c.kind is Kind.REMOVE or c.name in planned.apart]
    for change in first:
        disk -= recorded.get(change.name, set())
    for change in order:
        disk -= recorded.get(change.name, set()) if change not in first else set()
        if brings_back(change):
            disk |= recorded[change.name]
    return disk


def brings_back(change: Change) -> bool:
    """Whether the same wheel goes in again, and not another build of its version."""
    installed, pin = change.installed, change.pin
    if not is_repair(change) or installed is None or pin is None:
        return False
    return installed.source == pin.source and pin.version in {None, installed.version}


def is_repair(change: Change) -> bool:
    return change.kind is Kind.REINSTALL and ("gone" in change.note or "shares" in change.note)


@settings(max_examples=300)
@given(cases(), damages(), st.randoms(use_true_random=False))
def test_whole(case: Case, drawn: Damage, random: Random) -> None:
    """Whatever order pip chooses, nothing that stays has lost a file, or it is told."""
    damage = of_what_is_there(drawn, case.before)
    settled = settle(case.wanted, case.before, case.world, damage=damage)
    installs = [c for c in settled.plan.actions if c.kind.installs]
    random.shuffle(installs)
    recorded = files_of(damage, case.before)
    disk = left_on_disk(settled.plan, recorded, damage, installs)
    before = {d.name: d for d in case.before.distributions}
    roots = [canonical_name(n) for n in ("pip", "pip-tools")]
    engine = find_closure(roots, before, case.before.platform.markers)
    unsure = {c.name for c in installs if c.name in engine and not brings_back(c)}
    told = {f.name for f in settled.plan.findings if f.kind is FindingKind.DAMAGED}
    for change in settled.plan.changes:
        installed = change.installed
        if (
            installed is None
            or not installed.local
            or (change.kind.acts and not brings_back(change))
        ):
            continue
        lost = recorded[change.name] - disk
        if change.pin is None or change.kind is Kind.HELD:
            assert not lost or change.name in told
        else:
            others = {name for file in lost if isinstance(file, frozenset) for name in file}
            assert not lost or (change.name not in lost and others & unsure)


@given(cases(), damages())
def test_repairs_change_no_version(case: Case, drawn: Damage) -> None:
    """Damage puts in again what would have stayed, and nothing else is different."""
    damage = of_what_is_there(drawn, case.before)
    known = {d.name: d for d in case.world if d.version == Version("2.0")}
    one = {c.name: c for c in make_plan(case.wanted.pins, case.before).changes}
    two = make_plan(case.wanted.pins, case.before, damage=damage)
    assert [c.name for c in two.changes] == sorted(one)
    for change in two.changes:
        if not is_repair(change):
            assert change == one[change.name]
            continue
        assert one[change.name].kind.stays
        installed, pin = change.installed, change.pin
        assert installed is not None
        assert pin is not None
        if isinstance(pin.version, Version) and isinstance(installed.version, Version):
            assert Version(pin.version.public) == Version(installed.version.public)
        else:
            assert pin.source == installed.source
    calm = Damage(shared=damage.shared)
    settled = make_plan(case.wanted.pins, case.before, known=known)
    if not settled.actions:
        assert make_plan(case.wanted.pins, case.before, known=known, damage=calm) == settled


@given(cases(), damages())
def test_again_after_damage(case: Case, drawn: Damage) -> None:
    """What was put in again is at rest afterwards."""
    damage = of_what_is_there(drawn, case.before)
    settled = settle(case.wanted, case.before, case.world, damage=damage)
    for change in settled.plan.actions:
        if change.kind is Kind.REINSTALL and change.pin and change.installed:
            # One commit, archive or folder has one version.
            is_index = change.pin.source.kind is SourceKind.INDEX
            assume(is_index or settled.known[change.name].version == change.installed.version)
    again = make_plan(case.wanted.pins, settled.after, known=settled.known)
    assert [(c.name, c.kind, c.reason) for c in again.actions] == []


@given(cases(), damages(), st.randoms(use_true_random=False))
def test_order_of_damage(case: Case, drawn: Damage, random: Random) -> None:
    damage = of_what_is_there(drawn, case.before)

    def shuffled(pairs: Iterable[tuple[Name, object]]) -> dict[Name, object]:
        found = list(pairs)
        random.shuffle(found)
        return dict(found)

    other = Damage(
        missing=shuffled(damage.missing.items()),  # type: ignore[arg-type]
        shared={n: shuffled(v.items()) for n, v in shuffled(damage.shared.items()).items()},  # type: ignore[attr-defined, misc]
    )
    one = make_plan(case.wanted.pins, case.before, damage=damage)
    assert make_plan(case.wanted.pins, case.before, damage=other) == one


def _without_lines(change: Change) -> Change:
    found = change.installed
    return replace(change, installed=replace(found, requires=()) if found else None)
