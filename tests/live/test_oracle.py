"""Where our plan and pip-sync's differ, it is on purpose, and for one of these reasons."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from support.wheels import make_project

from envmagic.core.model import canonical_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.environment import Environment
    from support.process import Process
    from support.templates import Templates
    from support.wheelhouse import Wheelhouse

pytestmark = pytest.mark.live

CASES = int(os.environ.get("ENVMAGIC_ORACLE_CASES", "25"))
NAMES = ("alpha", "Beta", "gam_ma", "delta.two", "epsilon", "Zeta-X", "eta", "theta", "tlocal")
VERSIONS = ("1.0", "1.1", "2.0", "2.0+cpu", "2.0+cu121", "2.1rc1", "3.0.post1")
COMMITS = ("0123456789abcdef0123456789abcdef01234567", "89abcdef0123456789abcdef0123456789abcdef")
HASHES = ("a" * 64, "b" * 64)
HOSTS = ("https://one.invalid", "https://two.invalid")
TRUE = ('python_version >= "3"', 'sys_platform != "nothing" and (os_name == "posix")')
FALSE = ('python_version < "3"', 'sys_platform == "nothing" or os_name == "nothing"')


@dataclass(frozen=True)
class Origin:
    """A direct URL: as a lock has it, and as PEP 610 records it."""

    line: str
    record: dict[str, Any]
    kind: str

    def without_hash(self) -> Origin:
        """Return the same file of which nothing more is known than where it is."""
        if self.kind != "hashed":
            return self
        record = {**self.record, "archive_info": {}}
        return Origin(self.line.partition("#")[0], record, "archive")


@dataclass
class Case:
    """One environment and one lock."""

    installed: dict[str, str] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)
    requires: dict[str, list[str]] = field(default_factory=dict)
    locked: dict[str, str] = field(default_factory=dict)
    """The line of each name; those with a false marker are left out."""
    wanted: dict[str, Origin] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    constraints: dict[str, str] = field(default_factory=dict)
    strict: bool = False

    def describe(self) -> str:
        rows = [
            f"  {name} {version} {self.origins[name].line if name in self.origins else ''} "
            f"requires {self.requires.get(name, [])}"
            for name, version in self.installed.items()
        ]
        lines = [f"  {line}" for line in self.lines]
        constraints = [f"  {line}" for line in self.constraints.values()]
        lock = f"lock (strict labels: {self.strict})"
        return "\n".join(["environment", *rows, lock, *lines, "constraints", *constraints])


def make_origin(random: Random, name: str, version: str, tree: Path) -> Origin:
    kind = random.choice(["vcs", "editable", "archive", "hashed"])
    host = random.choice(HOSTS)
    if kind == "vcs":
        url, commit = f"{host}/{name}.git", random.choice(COMMITS)
        record = {"url": url, "vcs_info": {"vcs": "git", "commit_id": commit}}
        return Origin(f"{name} @ git+{url}@{commit}", record, kind)
    if kind == "editable":
        project = make_project(tree, name, "1.0")
        record = {"url": project.as_uri(), "dir_info": {"editable": True}}
        return Origin(f"-e {project.as_uri()}#egg={name}", record, kind)
    url = f"{host}/{canonical_name(name).replace('-', '_')}-{version}-py3-none-any.whl"
    if kind == "archive":
        return Origin(f"{name} @ {url}", {"url": url, "archive_info": {}}, kind)
    digest = random.choice(HASHES)
    info = {"hash": f"sha256={digest}", "hashes": {"sha256": digest}}
    return Origin(f"{name} @ {url}#sha256={digest}", {"url": url, "archive_info": info}, kind)


def make_requirement(random: Random) -> str:
    extra = random.choice(["", "", "", "[x]"])
    bound = random.choice(["", "", ">=1", "<2", "!=1.1", ">2"])
    marker = random.choice(["", "", f"; {TRUE[0]}", f"; {FALSE[0]}", '; extra == "x"'])
    return f"{random.choice(NAMES)}{extra}{bound}{marker}"


def make_case(random: Random, tree: Path) -> Case:
    case = Case(strict=random.random() < 0.4)
    for name in NAMES:
        if random.random() < 0.7:
            case.installed[name] = random.choice(VERSIONS)
            case.requires[name] = [
                make_requirement(random) for _ in range(random.choice([0, 0, 1, 2]))
            ]
            if random.random() < 0.3:
                case.origins[name] = make_origin(random, name, case.installed[name], tree)
    for name in random.sample(NAMES, random.randint(2, len(NAMES))):
        lock_one(case, random, name, tree)
    random.shuffle(case.lines)
    for name in random.sample(NAMES, random.choice([0, 0, 2])):
        if name not in case.locked:
            case.constraints[name] = f"{name}=={random.choice(VERSIONS)}"
    return case


def lock_one(case: Case, random: Random, name: str, tree: Path) -> None:
    spelled = random.choice([name, name.upper(), canonical_name(name)])
    version = random.choice(VERSIONS)
    if name in case.installed and random.random() < 0.5:
        version = case.installed[name]
        version = random.choice([version, version.partition("+")[0]])
    draw = random.random()
    if draw < 0.2:
        origin = make_origin(random, name, version, tree)
        if name in case.origins and random.random() < 0.7:
            origin = random.choice([case.origins[name], case.origins[name].without_hash()])
        case.wanted[name], line = origin, origin.line
    elif draw < 0.3:
        line = f"{spelled}>={random.choice(['1', '2'])}"
    else:
        sign = random.choice(["==", "==", "==", " == ", "==="])
        extra = random.choice(["", "", "", "", "[x]"])
        line = f"{spelled}{extra}{sign}{version}"
    if name not in case.wanted and random.random() < 0.3:
        false = f"{spelled}==9.9 ; {random.choice(FALSE)}"
        case.lines.append(false)
        line += f" ; {random.choice(TRUE)}"
    case.lines.append(line)
    case.locked[name] = line


def write_environment(case: Case, site: Path) -> None:
    for folder in site.glob("*-oracle.dist-info"):
        shutil.rmtree(folder)
    for name, version in case.installed.items():
        folder = site / f"{canonical_name(name).replace('-', '_')}-oracle.dist-info"
        folder.mkdir()
        requires = [f"Requires-Dist: {line}" for line in case.requires[name]]
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *requires]
        (folder / "METADATA").write_text("\n".join([*lines, "Provides-Extra: x", "", ""]))
        (folder / "RECORD").write_text(f"{folder.name}/METADATA,,\n")
        (folder / "INSTALLER").write_text("pip\n")
        if name in case.origins:
            (folder / "direct_url.json").write_text(json.dumps(case.origins[name].record))


@dataclass(frozen=True)
class Answers:
    """What both sides would do to each name."""

    theirs: dict[str, str]
    ours: dict[str, str]
    rows: dict[str, dict[str, Any]]


def finish(process: Process) -> str:
    """Return what a process that has an answer said, whether that is yes or no."""
    with process:
        stdout, stderr = process.communicate(timeout=120)
    assert process.returncode in {0, 1}, stderr
    assert "Traceback" not in stderr, stderr
    return stdout


def ask_both(case: Case, environment: Environment, wheelhouse: Wheelhouse) -> Answers:
    """Let both look at the same environment at the same time."""
    text = "".join(f"{line}\n" for line in case.lines)
    environment.home.mkdir(exist_ok=True)
    if case.constraints:
        (environment.home / "constraints.txt").write_text(
            "".join(f"{line}\n" for line in case.constraints.values())
        )
        text = f"-c constraints.txt\n{text}"
    lock = environment.home / "lock.txt"
    lock.write_text(text)
    strict = ["--strict-labels"] if case.strict else []
    diff = environment.start(
        "-m", "envmagic", "diff", "lock.txt", "--json", "--allow-ranges", *strict
    )
    options = ("--no-config", "--no-index", "--find-links", wheelhouse.folder)
    sync = environment.start("-m", "piptools", "sync", "--dry-run", *options, "lock.txt")
    rows = {row["name"]: row for row in json.loads(finish(diff))["changes"]}
    acting = {
        name: "remove" if row["kind"] == "remove" else "put in"
        for name, row in rows.items()
        if row["kind"] not in {"equal", "keep", "held"}
    }
    return Answers(read_pip_sync(finish(sync)), acting, rows)


def read_pip_sync(said: str) -> dict[str, str]:
    answer: dict[str, str] = {}
    verb = ""
    for line in said.splitlines():
        if line.startswith("Would "):
            verb = "remove" if "uninstall" in line else "put in"
        elif line.startswith("  "):
            egg = re.search(r"#egg=([\w.-]+)", line)
            name = egg[1] if egg else re.split(r"[\s=<>!~@\[;]", line.strip(), maxsplit=1)[0]
            answer[canonical_name(name)] = verb
    return answer


@dataclass(frozen=True)
class Seen:
    """One name on which the answers differ."""

    case: Case
    name: str
    theirs: str
    ours: str
    row: dict[str, Any]

    def origin(self) -> Origin | None:
        return next(
            (o for n, o in self.case.origins.items() if canonical_name(n) == self.name), None
        )

    def wanted(self) -> Origin | None:
        return next(
            (o for n, o in self.case.wanted.items() if canonical_name(n) == self.name), None
        )

    def is_locked(self) -> bool:
        return self.name in {canonical_name(name) for name in self.case.locked}


def _is_protected(seen: Seen) -> bool:
    return seen.theirs == "remove" and str(seen.row.get("reason")).startswith("protected")


def _is_only_constrained(seen: Seen) -> bool:
    constrained = seen.name in {canonical_name(name) for name in seen.case.constraints}
    return constrained and not seen.is_locked() and seen.theirs in {"put in", ""}


def _is_unlocked(seen: Seen) -> bool:
    return not seen.is_locked() and str(seen.row.get("reason")).startswith("not in the lock; ")


def _is_another_build(seen: Seen) -> bool:
    kind = seen.row.get("kind")
    return seen.case.strict and kind == "reinstall" and "+" in str(seen.row["installed"])


def _is_there_as_it_was_locked(seen: Seen) -> bool:
    origin, wanted = seen.origin(), seen.wanted()
    if origin is None or wanted is None or seen.ours:
        return False
    return wanted.record == origin.record and wanted.kind in {"vcs", "editable", "archive"}


def _is_the_same_file_elsewhere(seen: Seen) -> bool:
    origin, wanted = seen.origin(), seen.wanted()
    if origin is None or wanted is None or seen.ours or not wanted.kind == origin.kind == "hashed":
        return False
    return bool(wanted.record["archive_info"] == origin.record["archive_info"])


def _is_the_same_url_without_a_hash(seen: Seen) -> bool:
    origin, wanted = seen.origin(), seen.wanted()
    if origin is None or wanted is None or seen.ours:
        return False
    archives = {"archive", "hashed"}
    return {origin.kind, wanted.kind} <= archives and origin.record["url"] == wanted.record["url"]


def _is_a_version_that_came_from_a_url(seen: Seen) -> bool:
    origin = seen.origin()
    from_url = origin is not None and origin.kind == "hashed" and seen.wanted() is None
    noted = re.search("the lock means an index|other build", str(seen.row.get("note")))
    return from_url and not seen.ours and noted is not None


def _is_a_pre_release_in_a_range(seen: Seen) -> bool:
    version = next(
        (v for n, v in seen.case.installed.items() if canonical_name(n) == seen.name), ""
    )
    line = next((x for n, x in seen.case.locked.items() if canonical_name(n) == seen.name), "")
    return "rc" in version and bool(re.match(r"[\w.-]+>=", line)) and not seen.ours


DELIBERATE: dict[str, Callable[[Seen], bool]] = {
    "the kernel, envmagic and the server live in this environment, and pip-sync knows only "
    "its own needs (decision 1)": _is_protected,
    "`-c` lines constrain, pip-sync installs them (decision 4)": _is_only_constrained,
    "what the lock requires without naming it is installed and kept, pip-sync would do the "
    "one in a run and the other in the next (decision 12)": _is_unlocked,
    "`--strict-labels` tells builds of one release apart, pip-sync cannot (decision 2)": (
        _is_another_build
    ),
    "a repository, an editable or a file without a hash that is there already stays, pip-sync "
    "puts it in again each time (decision 3)": _is_there_as_it_was_locked,
    "a file is known by its hash wherever it comes from, pip-sync goes by the URL too": (
        _is_the_same_file_elsewhere
    ),
    "a hash that only one side has says nothing, the URL decides; for pip-sync it is another "
    "file": _is_the_same_url_without_a_hash,
    "a version that came from a URL is that version, and noted; pip-sync fetches it again from "
    "the index": _is_a_version_that_came_from_a_url,
    "an installed pre-release satisfies a range, as it does for `pip check`": (
        _is_a_pre_release_in_a_range
    ),
}


@pytest.fixture(scope="module")
def environment(templates: Templates) -> Environment:
    return templates.make("bare")


@pytest.mark.parametrize("number", range(CASES))
def test_our_plan_is_that_of_pip_sync(
    number: int, environment: Environment, wheelhouse: Wheelhouse, tmp_path: Path
) -> None:
    case = make_case(Random(number), tmp_path)  # noqa: S311 (the same cases every time)
    write_environment(case, environment.site_packages)
    answers = ask_both(case, environment, wheelhouse)
    for name in sorted(answers.theirs.keys() | answers.ours.keys()):
        theirs, ours = answers.theirs.get(name, ""), answers.ours.get(name, "")
        seen = Seen(case, name, theirs, ours, answers.rows.get(name, {}))
        reasons = {reason for reason, explains in DELIBERATE.items() if explains(seen)}
        assert theirs == ours or reasons, (
            f"{name}: pip-sync would {theirs or 'do nothing'}, we would {ours or 'do nothing'}\n"
            f"{case.describe()}\ntheirs {answers.theirs}\nours {answers.ours}\n"
            f"{answers.rows.get(name)}"
        )
