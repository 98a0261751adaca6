"""The files and the commands that pip and pip-sync get: what they say, and what they hide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.version import Version

from envmagic.core.engine import (
    absent_name,
    as_environment,
    build_command,
    effective_lock,
    fetch_command,
    fetch_progress,
    fetch_text,
    goes_in_by_path,
    is_source,
    join_places,
    last_words,
    mismatched_names,
    missing_modules,
    named_indexes,
    origin_of,
    rehearsal_command,
    silence_of,
    source_command,
    sync_commands,
    unplanned,
    versions_command,
    versions_in,
)
from envmagic.core.errors import EngineError
from envmagic.core.lock import parse_lock
from envmagic.core.model import (
    INDEX,
    Distribution,
    Lock,
    Name,
    Plan,
    Platform,
    Snapshot,
    Source,
    SourceKind,
    StagedWheel,
    canonical_name,
    read_version,
)
from envmagic.core.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envmagic.core.nodes import Command

SITE = "/env/site-packages"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SHA, SHB = "a" * 64, "b" * 64
SECRET = "hunter2"  # noqa: S105 (what must be seen nowhere)
VCS = Source(kind=SourceKind.VCS, url="https://e.org/a", vcs="git", commit=COMMIT)
ARCHIVE = Source(kind=SourceKind.ARCHIVE, url="https://e.org/a.whl", hashes=(f"sha256:{SHA}",))


def dist(text: str, *requires: str, source: Source = INDEX, local: bool = True) -> Distribution:
    name, _, version = text.partition("==")
    return Distribution(
        name=canonical_name(name),
        version=read_version(version or "1.0"),
        requires=requires,
        source=source,
        location=SITE if local else "/usr/lib",
        metadata=f"{name}.dist-info",
        local=local,
    )


def snapshot(*distributions: Distribution) -> Snapshot:
    where = Platform(
        python="3.12.1",
        implementation="cpython",
        markers=(("sys_platform", "linux"),),
        executable="/env/bin/python",
        prefix="/env",
        virtual=True,
    )
    return Snapshot(platform=where, distributions=distributions)


def read(path: str) -> str:
    raise FileNotFoundError(path)


def lock(text: str) -> Lock:
    return parse_lock(text, "lock.txt", read=read, markers={}, allow_ranges=True, environ={})


def planned(text: str, *distributions: Distribution, known: Iterable[Distribution] = ()) -> Plan:
    return make_plan(lock(text).pins, snapshot(*distributions), known={d.name: d for d in known})


def effective(text: str, *distributions: Distribution, staged: Iterable[str] = ()) -> list[str]:
    wheels = [dist(each) for each in staged]
    stage = {d.name: StagedWheel(path=Path(f"/stage/{d.name}.whl"), distribution=d) for d in wheels}
    plan = planned(text, *distributions, known=wheels)
    return effective_lock(plan, snapshot(*distributions), stage).splitlines()


def test_the_effective_lock_says_what_stays_and_what_comes() -> None:
    installed = [dist("keep==1.0+cpu"), dist("old==1.0"), dist("gone"), dist("pip==24.0")]
    assert effective(
        "keep==1.0\nold==2.0\nnew==3.0", *installed, staged=["old==2.0", "new==3.0"]
    ) == [
        "keep==1.0+cpu",
        "new===3.0",
        "old===2.0",
        "pip==24.0",
    ]


def test_what_pip_sync_would_think_is_there_goes_in_by_its_path() -> None:
    assert effective("a==1.0+cpu", dist("a==1.0"), staged=["a==1.0+cpu"]) == [
        "a @ file:///stage/a.whl"
    ]
    assert effective("a==1.0", dist("a"), dist("a"), staged=["a"]) == ["a @ file:///stage/a.whl"]


def test_what_comes_from_elsewhere_goes_in_by_its_path() -> None:
    line = f"a @ git+https://user:{SECRET}@e.org/a@{COMMIT}"
    assert effective(line, staged=["a==2.0"]) == ["a @ file:///stage/a.whl"]
    (change,) = planned(line).actions
    assert goes_in_by_path(change)
    (change,) = planned("a==1.0").actions
    assert not goes_in_by_path(change)


def test_what_stays_is_named_as_pip_sync_names_it() -> None:
    folder = Source(kind=SourceKind.DIRECTORY, url="file:///src", editable=True)
    below = Source(
        kind=SourceKind.ARCHIVE,
        url="https://e.org/c.zip",
        hashes=(f"sha256:{SHB}",),
        subdirectory="python",
    )
    installed = [
        dist("a", source=VCS),
        dist("b", source=ARCHIVE),
        dist("c", source=below),
        dist("d", source=Source(kind=SourceKind.ARCHIVE, url="file:///d.whl")),
        dist("e==0.1.dev0", source=folder),
        dist("f==odd"),
        dist("outside", local=False),
    ]
    text = "\n".join(f"{d.name}==={d.version}" for d in installed)
    assert effective(text, *installed) == [
        "a==1.0",
        f"b @ https://e.org/a.whl#sha256={SHA}",
        f"c @ https://e.org/c.zip#sha256={SHB}&subdirectory=python",
        "d==1.0",
        "e==0.1.dev0",
        "f===odd",
    ]


names = st.sampled_from(["a", "b", "c", "pip", "ipykernel"])
sets = st.dictionaries(names, st.sampled_from(["1.0", "2.0", "2.0+cpu"]), min_size=1)


@given(sets, sets)
def test_the_effective_lock_is_the_set_to_come(
    before: dict[str, str], wanted: dict[str, str]
) -> None:
    installed = [dist(f"{name}=={version}") for name, version in before.items()]
    text = "\n".join(f"{name}=={version}" for name, version in wanted.items())
    staged = [f"{name}=={version}" for name, version in wanted.items()]
    plan = planned(text, *installed)
    lines = [Requirement(line) for line in effective(text, *installed, staged=staged)]
    there = {d.name for d in installed} | {Name(name) for name in wanted}
    gone = {c.name for c in plan.actions if not c.kind.installs}
    assert [line.name for line in lines] == sorted(there - gone)
    for line in lines:
        version = Version(wanted.get(line.name, before.get(line.name, "")))
        exact = line.url is not None or line.specifier.contains(version, prereleases=True)
        assert exact or line.specifier.contains(before[line.name])


def test_the_file_for_pip_has_options_first_and_each_line_whole() -> None:
    wanted = lock(
        f"--extra-index-url https://user:{SECRET}@e.org/simple\n--pre\n"
        f"a==1.0 --hash=sha256:{SHA} --hash=sha256:{SHB}\n"
        f"b @ https://user:{SECRET}@e.org/b.whl#sha256={SHB}\n"
        "c[x]>=1,<2\n"
    )
    text = fetch_text(make_plan(wanted.pins, snapshot()).actions, wanted.options)
    assert text.splitlines() == [
        f"--extra-index-url https://user:{SECRET}@e.org/simple",
        "--pre",
        f"a==1.0 --hash=sha256:{SHA} --hash=sha256:{SHB}",
        f"b @ https://user:{SECRET}@e.org/b.whl#sha256={SHB} --hash=sha256:{SHB}",
        "c<2,>=1",
    ]


def test_the_file_for_pip_has_only_what_is_fetched() -> None:
    plan = planned("a==2.0", dist("a"), dist("gone"))
    options = ("--require-hashes", "-c constraints.txt", "-r more.txt", "--no-index", "-f /w")
    assert fetch_text(plan.actions, options) == "--no-index\n-f /w\na==2.0\n"


@pytest.mark.parametrize(
    ("url", "line"),
    [
        (f"git+file:///r@{COMMIT}", f"git+file:///r@{COMMIT}#egg=a"),
        (
            f"git+file:///r@{COMMIT}#subdirectory=b",
            f"git+file:///r@{COMMIT}#subdirectory=b&egg=a",
        ),
    ],
)
def test_a_repository_of_this_disk_is_named_as_old_pips_want_it(url: str, line: str) -> None:
    assert fetch_text(planned(f"a @ {url}").actions, ()) == f"{line}\n"


WANTED = lock(
    f"--index-url https://user:{SECRET}@e.org/simple?key=value\n"
    f"--extra-index-url=https://user:{SECRET}@two.org/simple\n"
    f"--extra-index-url https://three.org/simple\n"
    f"-f https://user:{SECRET}@e.org/wheels\n"
    "--trusted-host e.org\n--no-index\n--pre\n"
    f"a @ git+https://user:{SECRET}@e.org/a@{COMMIT}\n"
    f"b @ https://user:{SECRET}@e.org/b.whl\n"
    f"-e git+https://user:{SECRET}@e.org/c@{COMMIT}#egg=c\n"
    "d==1.0\n"
)


def all_commands() -> list[Command]:
    plan = make_plan(WANTED.pins, snapshot(dist("d"), dist("d"), dist("gone")))
    stage = Path("/stage")
    return [
        fetch_command(stage / "requirements.txt", stage / "wheels", {}, "raw"),
        source_command(stage / "requirements.txt", stage / "wheels", {}),
        *(versions_command(c.name, WANTED.options) for c in plan.actions),
        *(build_command(pin, "/src", stage, WANTED.options, stage) for pin in WANTED.pins),
        rehearsal_command(stage / "lock.txt", stage),
        *sync_commands(plan, snapshot(dist("d"), dist("d")), stage / "lock.txt", stage),
    ]


def test_no_secret_is_in_any_argument() -> None:
    for command in all_commands():
        assert SECRET not in " ".join(command.arguments)


def test_versions_are_asked_where_the_lock_says() -> None:
    command = versions_command("d", WANTED.options)
    assert command.arguments == ("-m", "pip", "index", "versions", "-vv", "--pre", "d")
    assert not command.offline
    assert dict(command.environment) == {
        "PIP_INDEX_URL": f"https://user:{SECRET}@e.org/simple?key=value",
        "PIP_EXTRA_INDEX_URL": f"https://user:{SECRET}@two.org/simple https://three.org/simple",
        "PIP_FIND_LINKS": f"https://user:{SECRET}@e.org/wheels",
        "PIP_TRUSTED_HOST": "e.org",
        "PIP_NO_INDEX": "1",
    }
    assert versions_command("d", ("-i https://e.org", "-f /one", "-f /two")).environment == (
        ("PIP_INDEX_URL", "https://e.org"),
        ("PIP_FIND_LINKS", "/one /two"),
    )
    assert versions_command("d", ()).environment == ()


def test_an_index_takes_the_place_of_those_before_it() -> None:
    options = ("--extra-index-url https://one.org", "-i https://two.org")
    assert as_environment((*options, "--extra-index-url https://three.org")) == {
        "PIP_INDEX_URL": "https://two.org",
        "PIP_EXTRA_INDEX_URL": "https://three.org",
    }
    assert as_environment(options) == {"PIP_INDEX_URL": "https://two.org"}


@pytest.mark.parametrize(
    ("own", "joined"),
    [
        ({}, {}),
        ({"PIP_NO_INDEX": "1"}, {"PIP_NO_INDEX": "1"}),
        ({"PIP_FIND_LINKS": "/own /both"}, {"PIP_FIND_LINKS": "/configured /both /own"}),
        (
            {"PIP_EXTRA_INDEX_URL": "https://own.org"},
            {"PIP_EXTRA_INDEX_URL": "https://more.org https://own.org"},
        ),
        (
            {"PIP_INDEX_URL": "https://own.org"},
            {"PIP_INDEX_URL": "https://own.org", "PIP_EXTRA_INDEX_URL": "https://own.org"},
        ),
        (
            {"PIP_INDEX_URL": "https://own.org", "PIP_EXTRA_INDEX_URL": "https://two.org"},
            {
                "PIP_INDEX_URL": "https://own.org",
                "PIP_EXTRA_INDEX_URL": "https://own.org https://two.org",
            },
        ),
    ],
)
def test_places_of_a_lock_are_joined_with_those_of_pip(
    own: dict[str, str], joined: dict[str, str]
) -> None:
    configured = {
        "PIP_INDEX_URL": "https://first.org",
        "PIP_EXTRA_INDEX_URL": "https://more.org",
        "PIP_FIND_LINKS": "/configured /both",
    }
    assert join_places(configured, own) == joined
    assert join_places({}, own) == own


def test_only_a_build_may_build() -> None:
    lines = Path("/s/requirements.txt"), Path("/s/wheels")
    fetch, build = fetch_command(*lines, {}), source_command(*lines, {})
    assert "--only-binary=:all:" in fetch.arguments
    assert "--only-binary=:all:" not in build.arguments
    for command in (fetch, build):
        assert command.arguments[:4] == ("-m", "pip", "wheel", "--no-deps")
        assert not command.offline
    assert "--no-cache-dir" in source_command(*lines, {}, cached=False).arguments
    assert "--no-cache-dir" not in build.arguments


def test_a_source_tree_is_built_beside_what_will_be_there() -> None:
    editable, plain = lock("-e file:///src/a#egg=a\nb @ file:///src/b").pins
    command = ("-m", "envmagic.edge.builder")
    alone = build_command(editable, "/src/a", Path("/w"), ())
    assert alone.arguments == (*command, "editable", "/src/a", "/w")
    beside = build_command(plain, "/src/b", Path("/w"), (), Path("/s/future.json"))
    assert beside.arguments == (*command, "wheel", "/src/b", "/w", "/s/future.json")


def test_what_a_build_did_not_find_is_read_from_its_words() -> None:
    said = (
        '      File "setup.py", line 22, in <module>\n'
        "      ModuleNotFoundError: No module named 'torch'\n"
        "  ModuleNotFoundError: No module named 'google.protobuf'\n"
        "ModuleNotFoundError: No module named 'torch'\n"
        "print('ModuleNotFoundError: No module named 'numpy'')\n"
    )
    assert missing_modules(said) == ["torch", "google"]
    assert missing_modules("error: metadata-generation-failed") == []


def test_pip_sync_acts_offline_and_from_the_stage() -> None:
    twice = snapshot(dist("a"), dist("a"), dist("b"), dist("b", local=False))
    plan = make_plan(lock("a==2.0\nb==2.0").pins, twice)
    apart = replace(plan, apart=(Name("b"),))
    _, second, _ = sync_commands(apart, twice, Path("/s/lock.txt"), Path("/s/whe els"))
    assert second.arguments == ("-m", "pip", "uninstall", "--yes", "b")
    first, sync = sync_commands(plan, twice, Path("/s/lock.txt"), Path("/s/whe els"))
    assert first.arguments == ("-m", "pip", "uninstall", "--yes", "a")
    assert sync.arguments[:4] == ("-m", "piptools", "sync", "--no-config")
    assert sync.arguments[-1] == "/s/lock.txt"
    (pip_arguments,) = [a for a in sync.arguments if a.startswith("--pip-args=")]
    assert "--no-deps" in pip_arguments
    assert "'--find-links=/s/whe els'" in pip_arguments
    assert "--no-index" in sync.arguments
    assert "--dry-run" not in sync.arguments
    assert first.offline
    assert sync.offline
    rehearsal = rehearsal_command(Path("/s/lock.txt"), Path("/s/whe els"))
    assert [a for a in rehearsal.arguments if a != "--dry-run"] == [*sync.arguments]
    assert "--dry-run" in rehearsal.arguments


@pytest.mark.parametrize(
    ("line", "options", "expected"),
    [
        ("a==1.0", (), False),
        ("a==1.0", ("--no-binary a",), True),
        ("a==1.0", ("--no-binary=b, a",), True),
        ("a==1.0", ("--no-binary :all:",), True),
        ("a==1.0", ("--no-binary b", "--pre"), False),
        ("foo-bar==1.0", ("--no-binary Foo_Bar",), True),
        (f"a @ git+https://e.org/a@{COMMIT}", (), True),
        ("a @ file:///src/a", (), True),
        ("-e file:///src/a#egg=a", (), True),
        ("a @ https://e.org/a-1.0-py3-none-any.whl", (), False),
        (f"a @ https://e.org/a-1.0-py3-none-any.whl#sha256={SHA}", (), False),
        ("a @ https://e.org/a-1.0.tar.gz", (), True),
    ],
)
def test_what_must_be_built(line: str, options: tuple[str, ...], *, expected: bool) -> None:
    (pin,) = lock(line).pins
    assert is_source(pin, options) is expected


def test_versions_are_read_from_what_pip_says() -> None:
    said = "WARNING: experimental\nalpha (2.1.0rc1)\nAvailable versions: 2.1.0rc1, 2.0, 1.0\n"
    assert versions_in(said) == ["2.1.0rc1", "2.0", "1.0"]
    assert versions_in("ERROR: No matching distribution found for alpha\n") == []


def test_the_absent_one_is_read_from_what_pip_says() -> None:
    said = "ERROR: Could not find a version\nERROR: No matching distribution found for Foo.bar==1\n"
    assert absent_name(said) == "Foo.bar"
    assert absent_name("ERROR: something else") == ""


def test_last_words_are_the_errors_without_secrets() -> None:
    log = "\n".join(
        [
            "Collecting a",
            f"ERROR: cannot reach https://user:{SECRET}@e.org/simple",
            "",
            "  error: metadata-generation-failed",
            "note: this is not pip's fault",
            "× Building failed",
        ]
    )
    assert last_words(log) == (
        "ERROR: cannot reach https://****@e.org/simple\n"
        "  error: metadata-generation-failed\n"
        "× Building failed"
    )
    assert last_words("\n".join(f"ERROR {number}" for number in range(9)), 2) == "ERROR 7\nERROR 8"
    assert last_words("one\n\ntwo\n") == "one\ntwo"
    assert last_words("") == ""


def test_progress_is_read_from_what_pip_says() -> None:
    assert fetch_progress("", 3).done == 0
    said = (
        "Looking in links: /w\nCollecting a==1\n  Downloading https://e.org/a-1.whl (2.0 MB)\n"
        "Progress 0 of 2000000\nProgress 1000000 of 2000000\nCollecting b==1\n"
    )
    progress = fetch_progress(said, 3)
    assert (progress.done, progress.total, progress.detail) == (1, 3, "`a-1.whl` 1 of 2 MB")


SAID = """\
Would uninstall:
  gone
Would install:
  old==2.0
  Foo.New[x]==3.0
  path @ file:///stage/path.whl
"""


def test_a_rehearsal_that_does_what_is_planned() -> None:
    text = f"old==2.0\nfoo-new==3.0\npath @ git+https://e.org/a@{COMMIT}"
    plan = planned(text, dist("old"), dist("gone"))
    assert unplanned(plan, SAID) == []
    assert unplanned(planned("old==1.0", dist("old")), "Everything up-to-date\n") == []


def test_a_rehearsal_that_does_something_else() -> None:
    plan = planned("old==2.0\nmine==1.0", dist("old"), dist("stays"))
    assert unplanned(plan, SAID) == [
        "uninstall `gone`",
        "install `foo-new`",
        "install `path`",
        "not install `mine`",
        "not remove `stays`",
    ]


def test_a_rehearsal_that_fails_is_an_error() -> None:
    with pytest.raises(EngineError, match=r"pip-sync cannot work here; nothing was changed\nERROR"):
        unplanned(planned("a==1.0"), "Traceback\nERROR: no\n")


def test_indexes_are_named_without_secrets() -> None:
    assert named_indexes(WANTED.options) == [
        "--index-url https://****@e.org/simple?key=****",
        "--extra-index-url=https://****@two.org/simple",
        "--extra-index-url https://three.org/simple",
        "-f https://****@e.org/wheels",
        "--trusted-host e.org",
    ]


def test_the_origin_of_a_pin_is_its_url_or_each_place_that_may_have_it() -> None:
    pins = {pin.name: pin for pin in WANTED.pins}
    assert origin_of(pins[canonical_name("b")], ()) == "`https://****@e.org/b.whl`"
    assert origin_of(pins[canonical_name("d")], WANTED.options) == (
        "`https://****@e.org/simple?key=****` or `https://****@two.org/simple` "
        "or `https://three.org/simple` or `https://****@e.org/wheels`"
    )
    options = ["-i https://one.org", "--index-url=https://two.org", "--pre", "--no-index"]
    assert origin_of(pins[canonical_name("d")], options) == "`https://two.org`"
    assert origin_of(pins[canonical_name("d")], ()) == ""


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            (
                "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError("
                "'<pip._vendor.urllib3.connection.HTTPConnection object at 0x7f>: no')'"
            ),
            "an index did not answer",
        ),
        (
            (
                "after connection broken by 'NewConnectionError(\"HTTPConnection(host='127.0.0.1', "
                "port=9): Failed to establish a new connection\")': /simple/six/"
            ),
            "`127.0.0.1` did not answer",
        ),
        (
            (
                "Could not fetch URL https://****@a.example/six/: connection error: x - skipping\n"
                "Could not fetch URL http://b.example:80/six/: 503 Server Error: no - skipping"
            ),
            "`a.example` and `b.example` did not answer",
        ),
        ("Could not fetch URL https://a.example/simple/six/: 404 Client Error: no - skipping", ""),
        ("ERROR: No matching distribution found for six==1.17.0", ""),
    ],
)
def test_what_did_not_answer_is_told(said: str, told: str) -> None:
    assert silence_of(said) == told


@pytest.mark.parametrize(
    ("said", "names"),
    [
        (
            (
                "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n"
                "    alpha==2.0 from file:///w/alpha-2.0-py3-none-any.whl:\n"
                "        Expected sha256 11\n             Got        22\n"
                "    b-c @ https://h/b.whl from https://h/b.whl (from -r x (line 1)):\n"
                "        Expected sha256 33\n             Got        44\n"
            ),
            ["alpha", "b-c"],
        ),
        ("ERROR: No matching distribution found for six==1.17.0", []),
    ],
)
def test_what_has_another_hash_is_told(said: str, names: list[str]) -> None:
    assert mismatched_names(said) == names
