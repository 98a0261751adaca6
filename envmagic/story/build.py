"""What has no wheel, built: alone, or beside what it imports and what will be installed."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from envmagic.core.companions import IMPORT_TORCH
from envmagic.core.cuda_build import TORCH
from envmagic.core.engine import (
    absent_name,
    build_command,
    fetch_text,
    hint_for,
    last_words,
    mismatched_names,
    missing_modules,
    source_command,
)
from envmagic.core.errors import EngineError
from envmagic.core.model import (
    Finding,
    FindingKind,
    Severity,
    SourceKind,
    canonical_name,
    join_names,
)
from envmagic.core.redact import hide_secrets
from envmagic.core.report import Progress
from envmagic.core.requirement import parse_requirement
from envmagic.edge.future import describe_future, find_providers
from envmagic.edge.origin import folder_of

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence
    from pathlib import Path

    from envmagic.core.model import Change, Distribution, Name, Pin
    from envmagic.core.nodes import Command
    from envmagic.edge.stage import Stage

UNTOUCHED = "nothing was changed"
_NOT_YET = re.compile(r"^error: its build requires ([\w.-]+), which is not there yet", re.MULTILINE)
_EXCEPTION = re.compile(
    r"^\W*([\w.]+(?:Error|Exception|Exit)\b.*|error: its build requires.*)", re.MULTILINE
)


class _LackingError(EngineError):
    """A build that imports what is not there, or not yet."""


@dataclass
class Builder:
    """Builds into one stage, and leaves nothing else there, nor in any temporary folder.

    A source tree that the lock names by its folder is built where it lies, as by pip: what
    its backend leaves there (`build`, `*.egg-info`) is not ours to clear away. `run` runs a
    command, and returns its exit code and what it said.
    """

    stage: Stage
    options: Sequence[str]
    run: Callable[[Command], tuple[int, str]]
    tell: Callable[[Progress], None]
    notes: list[Finding] = field(default_factory=list)
    """What a build has seen of what will be installed."""
    given: tuple[Name, ...] = ()
    """What a build must not fetch for itself: torch, where that is to be there."""

    def build(self, changes: Sequence[Change], staying: Sequence[Distribution]) -> None:
        """Build what can be built now; `staying` is what is installed and will be.

        What imports something that is to be built itself can wait for that. Raises
        EngineError for what cannot be built, or where nothing can be built any more.
        """
        waiting: list[EngineError] = []
        coming = {*(c.name for c in changes), *(d.name for d in staying), *self.stage.known()}
        self.given = tuple({TORCH} & coming)
        for done, change in enumerate(changes):
            progress = Progress(phase="Building", done=done, total=len(changes), detail=change.name)
            self.tell(progress)
            folder = self.stage.make_folder("build")
            try:
                self._build(change, staying, folder, progress)
            except _LackingError as error:
                waiting.append(error)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        if changes and len(waiting) == len(changes):
            raise waiting[0]

    def _build(
        self,
        change: Change,
        staying: Sequence[Distribution],
        folder: Path,
        progress: Progress,
    ) -> None:
        pin = change.pin
        assert pin is not None  # noqa: S101 (nothing else is built)
        wheels = self.stage.wheels()
        providers = find_providers(wheels.values(), staying)
        code, said = self._build_alone(change, pin, folder, providers)
        beside = _find_wanted(change, said, providers) if code else []
        source = _find_source(pin, folder)
        if beside and source:
            self.tell(replace(progress, detail=f"{change.name}, beside {beside[0].name}"))
            future = self.stage.write("future.json", describe_future(wheels.values(), staying))
            code, said = self._run(self._command_of_tree(pin, source, future), folder)
        if code:
            raise _failure(change, pin, said, providers)
        _check(pin, self.stage.known(), wheels)
        self.notes += [_built_beside(change, beside)] if beside else []

    def _build_alone(
        self, change: Change, pin: Pin, folder: Path, providers: Container[str]
    ) -> tuple[int, str]:
        """Build what sees nothing of what will be installed, if it can be built so.

        Where torch is one of that, pip does not build: it would give a build the newest
        torch that it finds, or take from its cache what was built for another one.
        """
        if not self.given and not pin.source.editable:
            return self._run(self._command_of_pip(change, cached=True), folder)
        code, said = 1, ""
        if pin.source.kind is not SourceKind.DIRECTORY:
            code, said = self._fetch_source(change, folder)
        source = _find_source(pin, folder)
        if not source:
            return code, said
        if change.name in IMPORT_TORCH and TORCH in providers:
            return 1, ""
        return self._run(self._command_of_tree(pin, source), folder)

    def _fetch_source(self, change: Change, folder: Path) -> tuple[int, str]:
        """Let pip unpack a source tree, and give up before it runs any code of that.

        Before it does, it notes down what it builds, in a folder that is not there.
        """
        command = self._command_of_pip(change, cached=False)
        nowhere = ("PIP_BUILD_TRACKER", str(folder / "nowhere"))
        return self._run(replace(command, environment=(*command.environment, nowhere)), folder)

    def _command_of_pip(self, change: Change, *, cached: bool) -> Command:
        text, secrets = hide_secrets(fetch_text([change], self.options), os.environ)
        requirements = self.stage.write("requirements.txt", text)
        return source_command(requirements, self.stage.wheels_folder, secrets, cached=cached)

    def _command_of_tree(self, pin: Pin, source: str, *future: Path) -> Command:
        command = build_command(pin, source, self.stage.wheels_folder, self.options, *future)
        given = [f"--given={name}" for name in self.given]
        return replace(command, arguments=(*command.arguments, *given))

    def _run(self, command: Command, folder: Path) -> tuple[int, str]:
        """Run a command whose temporary files lie in a folder, which nothing outlives."""
        environment = (*command.environment, ("TMPDIR", str(folder)))
        return self.run(replace(command, environment=environment))


def _check(pin: Pin, there: Mapping[Name, Distribution], before: Container[Name]) -> None:
    """Make sure that what was built is what the lock wants, which only its name says."""
    built = there.get(pin.name)
    if built is not None and parse_requirement(f"{pin.name}{pin.specifier}").allows(built.version):
        return
    found = [built] if built else [d for name, d in there.items() if name not in before]
    what = join_names(f"{d.name}=={d.version}" for d in found) or "something else"
    raise EngineError(
        f"the source of `{pin.name}{pin.specifier}`{where_of(pin)} is that of {what}; {UNTOUCHED}",
        "write the name and the version that it has",
    )


def _find_wanted(
    change: Change, said: str, providers: Mapping[str, Distribution]
) -> list[Distribution]:
    """Return what a build that failed alone would have had of what will be installed."""
    modules = [*_missing(said), *(["torch"] if change.name in IMPORT_TORCH else ())]
    found = [providers[module] for module in dict.fromkeys(modules) if module in providers]
    # What no index has that may be asked, such as setuptools where there is none.
    absent = canonical_name(absent_name(said))
    return found or [d for d in providers.values() if d.name == absent][:1]


def _find_source(pin: Pin, folder: Path) -> str:
    """Return the source tree of a pin, which pip has unpacked into a folder; empty: none."""
    if pin.source.kind is SourceKind.DIRECTORY:
        return folder_of(pin.source)
    for name in ("pyproject.toml", "setup.py"):
        pattern = "/".join(filter(None, ("pip-*/*", pin.source.subdirectory, name)))
        for found in folder.glob(pattern):
            return str(found.parent)
    return ""


def _built_beside(change: Change, beside: Iterable[Distribution]) -> Finding:
    seen = join_names(f"{found.name}=={found.version}" for found in beside)
    return Finding(
        kind=FindingKind.BUILT,
        name=change.name,
        text=f"`{change.name}` was built beside {seen}, which its build imports",
        hint="with another version of that, it must be built again",
        severity=Severity.NOTE,
    )


def _missing(said: str) -> list[str]:
    """Return the modules that a build did not find, and what it was not given."""
    return [*missing_modules(said), *_NOT_YET.findall(said)]


def _failure(change: Change, pin: Pin, said: str, there: Container[str]) -> EngineError:
    if (wrong := find_mismatch([pin], said)) is not None:
        return wrong
    text = f"`{change.name}`{where_of(pin)} cannot be built"
    words = _last_words(said)
    missing = [module for module in _missing(said) if module not in there]
    absent = absent_name(said)
    if absent and canonical_name(absent) != change.name:
        hint = f"its build requires `{absent}`, which none of the places has that were asked"
        return EngineError(f"{text}; {UNTOUCHED}\n{words}", hint_for(said) or hint)
    if not missing:
        hint = hint_for(said) or "pin a version that has a wheel"
        return EngineError(f"{text}; {UNTOUCHED}\n{words}", hint)
    module = next(iter(_missing(_last_exception(said))), "")
    if module not in missing:  # what it did not find first, it did not mind, perhaps
        hint = f"it did not find {join_names(missing)} either, if that matters"
        return _LackingError(f"{text}; {UNTOUCHED}\n{words}", hint)
    return _LackingError(
        f"{text}: its build imports `{module}`, which neither the lock brings nor what stays "
        f"here; {UNTOUCHED}\n{words}",
        f"pin the URL of a wheel of `{change.name}` that is built already; or add what has "
        f"`{module}` to the lock; or install that first, then `{change.name}` with "
        "`pip install --no-build-isolation`",
    )


def _last_words(said: str) -> str:
    """Return what a build complained of: its last exception, and what was made of that."""
    words, error = last_words(said), last_words(_last_exception(said))
    return words if error in words else f"{error}\n{words}"


def _last_exception(said: str) -> str:
    return next(iter(_EXCEPTION.findall(said)[::-1]), "")


def find_mismatch(pins: Iterable[Pin], said: str) -> EngineError | None:
    """Return what to say where pip got another file than was locked; None: it did not."""
    wrong = {canonical_name(name) for name in mismatched_names(said)}
    found = [pin for pin in pins if pin.name in wrong]
    if not found:
        return None
    names = ", ".join(f"`{pin.name}{pin.specifier}`{where_of(pin)}" for pin in found)
    return EngineError(
        f"the file that there is of {names} has another hash than was locked; {UNTOUCHED}",
        hint_for(said),
    )


def where_of(pin: Pin) -> str:
    """Return where a pin comes from, to stand behind its name."""
    if pin.where:
        return f" ({pin.where})"
    if pin.requirer == pin.name:
        return " (which is installed, and to be put in again)"
    return f" (which `{pin.requirer}` requires)" if pin.requirer else ""
