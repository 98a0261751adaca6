"""A plan as the commands that carry it out: pip fetches, pip-sync acts."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from packaging.version import Version

from envmagic.core.errors import EngineError
from envmagic.core.model import Kind, SourceKind, canonical_name
from envmagic.core.nodes import Command
from envmagic.core.redact import redact
from envmagic.core.report import Progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from envmagic.core.model import Change, Distribution, Name, Pin, Plan, Snapshot, StagedWheel

_ABSENT = re.compile(r"No matching distribution found for ([A-Za-z0-9._-]+)")
_SILENT = re.compile(
    r"""Could\ not\ fetch\ URL\ \w+://(?:[^/\s@]*@)?([\w.-]+)\S*:\ (?:connection\ error|5\d\d\ )
    |HTTPS?Connection(?:Pool)?\(host='([\w.-]+)'""",
    re.VERBOSE,
)
_SILENCES = ("ConnectionError", "ConnectTimeout", "ReadTimeout", "NameResolutionError")
"""What pip says of some that it does not name."""
_MISMATCH = re.compile(r"^\s+([A-Za-z0-9][\w.-]*).* from .*:\n\s+Expected ", re.MULTILINE)
_MISSING = re.compile(r"^\W*ModuleNotFoundError: No module named '([\w.]+)'", re.MULTILINE)
_VARIABLES = {
    "-i": "PIP_INDEX_URL",
    "--index-url": "PIP_INDEX_URL",
    "--extra-index-url": "PIP_EXTRA_INDEX_URL",
    "-f": "PIP_FIND_LINKS",
    "--find-links": "PIP_FIND_LINKS",
    "--no-index": "PIP_NO_INDEX",
    "--trusted-host": "PIP_TRUSTED_HOST",
}
_PLACE = re.compile(r"(-i|--index-url|--extra-index-url|-f|--find-links)[ =]*(.+)")
_ADDED = ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_TRUSTED_HOST")
"""Of these, those of a requirements file are added to those of pip's configuration."""
_FIXED = re.compile(r"--(?:no-)?require-hashes\b|-r\b|-c\b")


def fetch_text(changes: Iterable[Change], options: Sequence[str]) -> str:
    """Return the requirements file that gets what some changes need.

    Options stand in the file, not on the command line, where every user of the machine
    could read them; what is secret in it goes by the environment (`hide_secrets`).
    """
    lines = [option for option in options if not _FIXED.match(option)]
    return "\n".join([*lines, *(_fetch_line(c.pin) for c in changes if c.pin), ""])


def _fetch_line(pin: Pin) -> str:
    line = f"{pin.name} @ {pin.url}" if pin.url else f"{pin.name}{pin.specifier}"
    if "+file:///" in pin.url:  # pip before 24 takes a repository on this disk only so
        line = f"{pin.url}{'&' if '#' in pin.url else '#'}egg={pin.name}"
    return " ".join([line, *(f"--hash={entry}" for entry in pin.hashes)])


def fetch_command(
    requirements: Path, wheels: Path, secrets: Mapping[str, str], progress: str = "off"
) -> Command:
    """Return the command that fetches wheels.

    `secrets` are the variables that the file refers to. `progress` is pip's: `raw`, which
    pip 24.1 brought, prints a line for each piece.
    """
    return _wheel_command(
        requirements, wheels, secrets, f"--progress-bar={progress}", "--only-binary=:all:"
    )


def source_command(
    requirements: Path, wheels: Path, secrets: Mapping[str, str], *, cached: bool = True
) -> Command:
    """Return the command that makes wheels from source, and leaves the unpacked source.

    In isolation, also a bare `setup.py`, which pip before 25.3 would let see what is
    installed now. Without `cached`, no wheel is taken that was built here before.
    """
    fresh = () if cached else ("--no-cache-dir",)
    isolated = {"PIP_USE_PEP517": "1"}  # a variable: later pips need not know the option
    return _wheel_command(
        requirements, wheels, {**secrets, **isolated}, "--progress-bar=off", "--no-clean", *fresh
    )


def _wheel_command(
    requirements: Path, wheels: Path, secrets: Mapping[str, str], *options: str
) -> Command:
    return Command(
        arguments=(
            "-m",
            "pip",
            "wheel",
            "--no-deps",
            *options,
            f"--wheel-dir={wheels}",
            f"--requirement={requirements}",
        ),
        environment=tuple(secrets.items()),
    )


def build_command(
    pin: Pin, source: str, wheels: Path, options: Iterable[str], *future: Path
) -> Command:
    """Return the command that builds a wheel of a source tree, or its editable wheel.

    What that takes comes from the places that the options name, as for everything else.
    With a `future` (`describe_future`), it sees what will be installed.
    """
    kind = "editable" if pin.source.editable else "wheel"
    return Command(
        arguments=(
            "-m",
            "envmagic.edge.builder",
            kind,
            source,
            str(wheels),
            *(str(path) for path in future),
        ),
        environment=tuple(as_environment(options).items()),
    )


def missing_modules(said: str) -> list[str]:
    """Return the modules at the top that a build wanted to import and did not find."""
    return list(dict.fromkeys(module.partition(".")[0] for module in _MISSING.findall(said)))


def is_source(pin: Pin, options: Sequence[str] = ()) -> bool:
    """Whether a pin can only be had by building it, as far as its own line tells."""
    if pin.source.kind in {SourceKind.VCS, SourceKind.DIRECTORY}:
        return True
    if pin.source.kind is SourceKind.ARCHIVE:
        path = pin.url.partition("#")[0].partition("?")[0]
        return not path.endswith(".whl")
    refused = [o.partition("--no-binary")[2].strip(" =") for o in options if "--no-binary" in o]
    names = {canonical_name(name.strip()) for entry in refused for name in entry.split(",")}
    return bool({":all:", pin.name} & names)


def versions_command(name: str, options: Iterable[str]) -> Command:
    """Return the command that lists all versions of a project, and every index that is silent.

    Sources are included.

    It takes no requirements file, so the places to look in go by the environment: the
    command line, which every user of the machine can read, is not for credentials.
    """
    return Command(
        arguments=("-m", "pip", "index", "versions", "-vv", "--pre", name),
        environment=tuple(as_environment(options).items()),
    )


def as_environment(options: Iterable[str]) -> dict[str, str]:
    """Return the option lines of a lock as pip's environment variables."""
    environment: dict[str, str] = {}
    for option in options:
        name, value = re.split(r"[=\s]|$", option, maxsplit=1)
        variable = _VARIABLES.get(name)
        if variable == "PIP_INDEX_URL":
            environment[variable] = value.strip()
            environment.pop("PIP_EXTRA_INDEX_URL", None)  # so far, as in pip
        elif variable:
            environment[variable] = f"{environment.get(variable, '')} {value.strip() or 1}".strip()
    return environment


def join_places(configured: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a lock beside those that pip is configured with.

    They come to what a requirements file would (`handle_option_line` in pip's req_file.py):
    an index takes the place of all configured ones, anything else is added.
    """
    joined = dict(own)
    for name in _ADDED:
        there = configured.get(name, "").split()
        replaced = name == "PIP_EXTRA_INDEX_URL" and "PIP_INDEX_URL" in own
        if there and replaced:
            there = [own["PIP_INDEX_URL"]]  # again: an empty value would count as none
        if there and (replaced or name in own):
            joined[name] = " ".join(dict.fromkeys([*there, *own.get(name, "").split()]))
    return joined


def versions_in(said: str) -> list[str]:
    """Return the versions that `pip index versions` listed, the newest first."""
    match = re.search(r"^Available versions: (.*)$", said, re.MULTILINE)
    return [version.strip() for version in match[1].split(",")] if match else []


def python_for(pin: Pin, said: str) -> str:
    """Return the Python that the pinned version asks for, where pip passed it over for that."""
    passed = re.findall(r"require a different python version: (.*)", said)
    entries = (entry for line in passed for entry in line.split(";"))
    pairs = (entry.strip().partition(" Requires-Python ") for entry in entries)
    return next((python for version, _, python in pairs if version == str(pin.version)), "")


def fetch_progress(said: str, total: int) -> Progress:
    """Return how far pip has come with `total` requirements, from what it has said."""
    collected = len(re.findall(r"^(?:Collecting|Processing) ", said, re.MULTILINE))
    names = re.findall(r"Downloading (\S+)", said)
    pieces = re.findall(r"^Progress (\d+) of (\d+)$", said, re.MULTILINE)
    detail = f"`{names[-1].rpartition('/')[2]}`" if names else ""
    if pieces:
        there, whole = (int(size) / 1e6 for size in pieces[-1])
        detail += f" {there:.0f} of {whole:.0f} MB"
    return Progress(phase="Fetching", done=max(collected - 1, 0), total=total, detail=detail)


def absent_name(log: str) -> str:
    """Return the project that pip found no wheel of; empty: the failure is another."""
    match = _ABSENT.search(log)
    return match[1] if match else ""


def mismatched_names(log: str) -> list[str]:
    """Return the projects of which pip got a file with another hash than it was to have."""
    return _MISMATCH.findall(log)


def last_words(log: str, lines: int = 6) -> str:
    """Return what a command complained of, without secrets."""
    said = [line.rstrip() for line in log.splitlines() if line.strip()]
    errors = [line for line in said if line.lstrip().startswith(("ERROR", "error", "×"))]
    if errors and errors[-1] == "ERROR: Exception:":  # and a traceback, of which the end counts
        return redact(said[-1])
    return redact("\n".join((errors or said)[-lines:]))


def hint_for(said: str) -> str:
    """Return what can be done about what a command complained of; empty: not known."""
    if "DO NOT MATCH THE HASHES" in said:
        return "the file is not the one that was locked: check the index, or lock again"
    if "No space left on device" in said:
        return "free some space, then try again"
    if silence_of(said):
        return "the index does not answer: check the network, then try again"
    return ""


def silence_of(said: str) -> str:
    """Return which hosts did not answer pip, as a sentence; empty: each did."""
    hosts = dict.fromkeys(url or pool for url, pool in _SILENT.findall(said))
    if not hosts and not any(word in said for word in _SILENCES):
        return ""
    return f"{' and '.join(f'`{host}`' for host in hosts) or 'an index'} did not answer"


def effective_lock(plan: Plan, snapshot: Snapshot, staged: Mapping[Name, StagedWheel]) -> str:
    """Return the one file from which pip-sync can only do what the plan says.

    Everything of this environment that stays is pinned to what is installed, so that it
    is not removed; what lies outside is not seen by pip-sync, and not named.
    What goes in is pinned to its staged wheel. What pip-sync would think is there already
    (a reinstall), and what did not come from an index, is named by the wheel's path: a
    direct URL without a hash never equals what is installed (`diff_key_from_ireq` in
    pip-tools' sync.py).
    """
    lines: dict[Name, str] = {}
    for name, found in snapshot.by_name().items():
        ours = next((distribution for distribution in found if distribution.local), None)
        if ours is not None:
            lines[name] = _line_that_keeps(ours)
    for change in plan.actions:
        if change.kind is Kind.REMOVE:
            del lines[change.name]
        else:
            lines[change.name] = _line_that_installs(change, staged[change.name])
    return "\n".join([*(lines[name] for name in sorted(lines)), ""])


def _line_that_keeps(distribution: Distribution) -> str:
    """Return the line that pip-sync takes for this very distribution (`diff_key_from_req`)."""
    source = distribution.source
    if source.kind is SourceKind.ARCHIVE and source.hashes:
        digest = source.hashes[0].replace(":", "=", 1)
        folder = f"&subdirectory={source.subdirectory}" if source.subdirectory else ""
        return f"{distribution.name} @ {source.url}#{digest}{folder}"
    sign = "==" if isinstance(distribution.version, Version) else "==="
    return f"{distribution.name}{sign}{distribution.version}"


def _line_that_installs(change: Change, wheel: StagedWheel) -> str:
    if goes_in_by_path(change):
        return f"{change.name} @ {wheel.path.as_uri()}"
    return f"{change.name}==={wheel.distribution.version}"


def goes_in_by_path(change: Change) -> bool:
    """Whether a change's wheel is named by its path, so that its origin is set afterwards."""
    pin = change.pin
    return change.kind is Kind.REINSTALL or (
        pin is not None and pin.source.kind is not SourceKind.INDEX
    )


def rehearsal_command(lock: Path, wheels: Path) -> Command:
    """Return the command that says what pip-sync would do."""
    return _sync_command(lock, wheels, "--dry-run")


def unplanned(plan: Plan, said: str) -> list[str]:
    """Return what a rehearsal would do to other names than the plan, a phrase each.

    Raises EngineError where it did not say what it would do.
    """
    planned = {c.name for c in plan.actions}
    found: dict[str, set[str]] = {"uninstall": set(), "install": set()}
    verb = ""
    for line in said.splitlines():
        if line.startswith("Would "):
            verb = line.removeprefix("Would ").rstrip(":")
        elif line.startswith("  ") and verb:
            found[verb].add(canonical_name(re.split(r"[\s=@\[]", line.strip(), maxsplit=1)[0]))
    if planned and not found["uninstall"] | found["install"]:
        raise EngineError(f"pip-sync cannot work here; nothing was changed\n{last_words(said)}")
    installs = {c.name for c in plan.actions if c.kind.installs}
    return [
        *(f"uninstall `{name}`" for name in sorted(found["uninstall"] - planned)),
        *(f"install `{name}`" for name in sorted(found["install"] - installs)),
        *(f"not install `{name}`" for name in sorted(installs - found["install"])),
        *(f"not remove `{name}`" for name in sorted(planned - installs - found["uninstall"])),
    ]


def sync_commands(plan: Plan, snapshot: Snapshot, lock: Path, wheels: Path) -> list[Command]:
    """Return the commands that carry out a plan, from staged wheels and without a network.

    pip-sync removes one copy of a name; the others of a doubled one go before it, and what
    the plan wants to be gone before anything is put in.
    """
    by_name = snapshot.by_name()
    doubled = [c.name for c in plan.actions for copy in by_name.get(c.name, ())[1:] if copy.local]
    uninstall = [
        Command(arguments=("-m", "pip", "uninstall", "--yes", name), offline=True)
        for name in (*doubled, *plan.apart)
    ]
    return [*uninstall, _sync_command(lock, wheels)]


def _sync_command(lock: Path, wheels: Path, *options: str) -> Command:
    # `--force-reinstall` is for what pip-sync has already decided to install: alone it
    # would pass over a wheel of a version that is there.
    pip_arguments = [
        "--no-deps",
        "--no-index",
        "--force-reinstall",
        "--no-compile",
        "--progress-bar=off",
        f"--find-links={wheels}",
    ]
    return Command(
        arguments=(
            "-m",
            "piptools",
            "sync",
            "--no-config",
            *options,
            "--no-index",
            f"--find-links={wheels}",
            f"--pip-args={shlex.join(pip_arguments)}",
            str(lock),
        ),
        offline=True,
    )


def named_indexes(options: Iterable[str]) -> list[str]:
    """Return the options that name a place to fetch from, without secrets."""
    places = tuple(option for option in _VARIABLES if option != "--no-index")  # that is none
    return [redact(option) for option in options if option.startswith(places)]


def origin_of(pin: Pin, options: Iterable[str]) -> str:
    """Return where a pin is fetched from, without secrets; empty: pip's own index.

    Of several places, it cannot be told before: each of them may answer.
    """
    if pin.url:
        return f"`{redact(pin.url)}`"
    found = [match.groups() for option in options if (match := _PLACE.match(option))]
    indexes = [url for flag, url in found if flag in {"-i", "--index-url"}][-1:]
    more = [url for flag, url in found if flag not in {"-i", "--index-url"}]
    return " or ".join(f"`{redact(url)}`" for url in dict.fromkeys([*indexes, *more]))
