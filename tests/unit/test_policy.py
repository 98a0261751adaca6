"""What is refused, and what is asked about, before anything is done."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from envmagic.core.lock import parse_lock
from envmagic.core.model import (
    Damage,
    Distribution,
    Finding,
    FindingKind,
    Lock,
    Name,
    Platform,
    Policy,
    Severity,
    Snapshot,
    canonical_name,
    read_version,
)
from envmagic.core.plan import make_plan
from envmagic.edge.damage import find_damage
from envmagic.story.policy import find_idle_globs, find_refusals, find_trust_questions

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter2"  # noqa: S105 (what must be seen nowhere)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path


def dist(
    site: Path, text: str, *, record: str = "RECORD", suffix: str = "dist-info", local: bool = True
) -> Distribution:
    name, _, version = text.partition("==")
    folder = site / f"{name}-{version}.{suffix}"
    folder.mkdir(parents=True)
    (folder / (record or "METADATA")).touch()
    return Distribution(
        name=canonical_name(name),
        version=read_version(version),
        location=str(site),
        metadata=folder.name,
        local=local,
    )


def look(site: Path, *distributions: Distribution) -> Snapshot:
    engine = [dist(site / "engine", text) for text in ("pip==24.0", "pip-tools==7.6.1")]
    where = Platform(
        python="3.12.1",
        implementation="cpython",
        markers=(),
        executable="/env/bin/python",
        prefix="/env",
        virtual=True,
        site=(str(site),),
    )
    return Snapshot(platform=where, distributions=(*distributions, *engine))


def lock(*lines: str, constraints: str = "") -> Lock:
    text = "\n".join([*lines, *(["-c constraints.txt"] if constraints else [])])
    files = {"constraints.txt": constraints}
    return parse_lock(
        text,
        "lock.txt",
        read=lambda path: files[path],
        markers={},
        allow_ranges=True,
        environ={},
    )


def refusals(
    wanted: Lock,
    snapshot: Snapshot,
    policy: Policy = Policy(),  # noqa: B008 (frozen)
    damage: Damage = Damage(),  # noqa: B008 (frozen)
) -> list[str]:
    plan = make_plan(wanted.pins, snapshot, policy, constraints=wanted.constraints, damage=damage)
    found = list(find_refusals(snapshot, plan, wanted, policy))
    assert {f.severity for f in found} <= {Severity.ERROR}
    assert all(f.hint for f in found)
    return [f.text for f in found]


def test_what_pip_cannot_uninstall_is_named(site: Path) -> None:
    snapshot = look(
        site,
        dist(site, "a==1.0", record=""),
        dist(site, "b==1.0", suffix="egg-info", record=""),
        dist(site, "c==1.0", suffix="egg-info", record="installed-files.txt"),
        dist(site, "d==1.0"),
    )
    (text,) = refusals(lock("a==2.0"), snapshot)
    assert text == "pip cannot uninstall `a`, `b`: there is no list of the installed files"
    assert refusals(lock("a==1.0", "x==1.0"), snapshot, Policy(keep=("b",))) == []
    assert refusals(lock("a==1.0", "b==1.0"), snapshot) == []


def test_what_is_cleared_away_first_need_not_be_uninstalled(site: Path) -> None:
    a, b = dist(site, "a==1.0", record=""), dist(site, "b==1.0", record="")
    c = dist(site, "c==1.0", suffix="egg-info", record="")
    snapshot = look(site, a, b, c)
    damage = find_damage(snapshot)
    assert refusals(lock("a==2.0", "b==1.0", "c==1.0"), snapshot, damage=damage) == []
    assert refusals(lock("a==2.0", "c==1.0"), snapshot, damage=damage) == [
        "pip cannot uninstall `b`: there is no list of the installed files"
    ]
    (site / a.metadata / "INSTALLER").write_text("debian\n", "utf-8")
    debian = find_damage(snapshot)
    assert refusals(lock("a==2.0", "b==1.0", "c==2.0"), snapshot, damage=debian) == [
        "pip cannot uninstall `a`, `c`: there is no list of the installed files"
    ]


def test_odd_metadata_is_refused_where_it_is_not_cleared_away(site: Path) -> None:
    odd = [
        Finding(
            kind=FindingKind.UNREADABLE, name=name, text=name, hint="move it away", path=f"/{name}"
        )
        for name in ("one", "two")
    ]
    snapshot = replace(look(site), findings=tuple(odd), leftovers=("/two",))
    assert refusals(lock("a==1.0"), snapshot) == ["one"]


def test_clearing_away_needs_an_environment_that_is_ours_and_no_pip(site: Path) -> None:
    held = replace(look(site), leftovers=("/left",), distributions=(dist(site, "a==1.0"),))
    assert refusals(lock("a==1.0"), held) == []
    closed = replace(held, platform=replace(held.platform, writable=False))
    assert refusals(lock("a==1.0"), closed) == [f"`{site}` is not writable"]
    assert refusals(lock("a==1.0"), replace(closed, leftovers=())) == []


def test_what_is_put_in_again_is_no_gap_of_the_lock(site: Path) -> None:
    snapshot = look(site, dist(site, "a==1.0"), dist(site, "b==1.0"))
    damage = Damage(shared={Name("a"): {Name("b"): 1}, Name("b"): {Name("a"): 1}})
    policy = Policy(keep=("b",), exact=True)
    assert refusals(lock("a==2.0"), snapshot, policy, damage=damage) == []


def test_each_copy_in_this_environment_must_go(site: Path) -> None:
    hidden = dist(site, "a==0.9", record="")
    snapshot = look(site, dist(site, "a==1.0"), hidden)
    assert refusals(lock("a==2.0"), snapshot) == [
        "pip cannot uninstall `a`: there is no list of the installed files"
    ]


def test_what_lies_outside_need_not_be_uninstalled(site: Path) -> None:
    outside = dist(site, "a==1.0", record="", local=False)
    assert refusals(lock("a==2.0"), look(site, outside)) == []


@pytest.mark.parametrize(
    ("pin", "constraint", "contradicts"),
    [
        ("alpha==2.0", "alpha==1.0", True),
        ("alpha==2.0", "Alpha<2", True),
        ("alpha==2.0", "alpha>=1", False),
        ("alpha==2.0", "beta==1.0", False),
        ("alpha>=2", "alpha<3", False),
        ("alpha==2.0", "alpha==2.0+cpu", False),
        ("alpha==2.0+cpu", "alpha==2.0", False),
        ("alpha==2.0+cpu", "alpha==2.0+cu121", True),
        ("alpha===odd_one", "alpha==1.0", True),
        ("alpha @ https://e.org/alpha-2.0-py3-none-any.whl", "alpha==1.0", False),
    ],
)
def test_a_constraint_that_a_pin_contradicts(
    site: Path, pin: str, constraint: str, *, contradicts: bool
) -> None:
    wanted = lock("b==1.0", pin, constraints=f"\n{constraint}\n")
    text = (
        f"`{pin}` (lock.txt:2) contradicts the constraint "
        f"`{constraint.lower()}` (constraints.txt:2)"
    )
    assert refusals(wanted, look(site)) == ([text] if contradicts else [])


def test_a_contradiction_is_told_even_where_there_is_nothing_to_do(site: Path) -> None:
    snapshot = look(site, dist(site, "alpha==2.0"))
    assert len(refusals(lock("alpha==2.0", constraints="alpha==1.0"), snapshot)) == 1


def origins(wanted: Lock, snapshot: Snapshot) -> list[str]:
    found: list[Finding] = list(
        find_trust_questions(make_plan(wanted.pins, snapshot), wanted, wanted.options),
    )
    assert SECRET not in repr(found)
    return [f.text for f in found if f.kind is FindingKind.ORIGIN]


def test_each_host_of_a_direct_url_is_named_once(site: Path) -> None:
    wanted = lock(
        f"a @ https://user:{SECRET}@one.org:8443/a-1.0-py3-none-any.whl",
        f"b @ https://one.org:8443/b-1.0-py3-none-any.whl?token={SECRET}",
        f"c @ git+ssh://git@two.org/c.git@{COMMIT}",
        "d @ file:///d-1.0-py3-none-any.whl",
        "-e file:///src/e#egg=e",
        "f==1.0",
    )
    assert origins(wanted, look(site)) == [
        "the lock fetches from `one.org:8443`",
        "the lock fetches from `two.org`",
    ]


def test_a_place_that_the_lock_names_is_told(site: Path) -> None:
    wanted = lock(f"-i https://user:{SECRET}@e.org/simple", "a==1.0")
    (text,) = origins(wanted, look(site))
    assert text.startswith("the lock names its own place to fetch from: `-i https://")


def test_no_place_is_none_to_fetch_from(site: Path) -> None:
    assert origins(lock("--no-index", "a==1.0"), look(site)) == []


def test_what_is_built_is_told_with_where_it_comes_from(site: Path) -> None:
    wanted = lock(
        f"-i https://user:{SECRET}@e.org/simple",
        "--no-binary a",
        "a==1.0",
        f"b @ https://user:{SECRET}@e.org/b-1.0.tar.gz",
        f"c @ git+ssh://git@two.org/c.git@{COMMIT}",
        "d @ file:///src/d-1.0.tar.gz",
    )
    plan = make_plan(wanted.pins, look(site))
    own = find_trust_questions(plan, wanted, wanted.options)
    assert [f.text for f in own if f.kind is FindingKind.BUILD] == [
        f"{what} will be built from source, which runs its code"
        for what in (
            "`a` (1.0, from `https://****@e.org/simple`)",
            "`b` (from `https://****@e.org/b-1.0.tar.gz`)",
            f"`c` (from `git+ssh://git@two.org/c.git@{COMMIT}`)",
            "`d` (from `file:///src/d-1.0.tar.gz`)",
        )
    ]
    first = next(f for f in find_trust_questions(plan, wanted, ()) if f.name == "a")
    assert first.text.startswith("`a` (1.0, from pip's own index) will be built")


def test_a_signed_wheel_is_a_wheel(site: Path) -> None:
    wanted = lock(
        f"a @ https://e.org/a-1.0-py3-none-any.whl?sig={SECRET}/b.tar.gz",
        f"b @ https://e.org/b-1.0.tar.gz?sig={SECRET}.whl",
    )
    found = find_trust_questions(make_plan(wanted.pins, look(site)), wanted, ())
    assert [f.name for f in found if f.kind is FindingKind.BUILD] == ["b"]


def test_a_glob_that_keeps_nothing_is_told(site: Path) -> None:
    snapshot = look(site, dist(site, "my_tool==1.0"))
    found = list(find_idle_globs(snapshot, Policy(keep=("My.*", "blak", "PIP"))))
    assert [(f.text, f.severity) for f in found] == [
        ("`--keep blak` matches nothing that is installed", Severity.NOTE)
    ]
