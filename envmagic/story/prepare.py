"""Every wheel that a plan needs, fetched or built into a stage before the first change."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.version import Version

from envmagic.core.engine import (
    absent_name,
    fetch_command,
    fetch_progress,
    fetch_text,
    hint_for,
    is_source,
    last_words,
    python_for,
    silence_of,
    versions_command,
    versions_in,
)
from envmagic.core.errors import EngineError
from envmagic.core.model import canonical_name
from envmagic.core.redact import hide_secrets
from envmagic.core.requirement import parse_requirement
from envmagic.story.build import UNTOUCHED, Builder, find_mismatch, where_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Event

    from envmagic.core.model import Change, Finding, Name, Pin, Plan
    from envmagic.core.nodes import Command, Node
    from envmagic.core.report import Progress
    from envmagic.edge.stage import Stage


@dataclass
class Preparation:
    """Fills one stage. Each step can be cancelled, and none touches the environment.

    `notice` is told of what turns out to be built. Once all wheels are there, `agree` is asked
    about that; without it nothing is built, and what would be is left out.
    """

    node: Node
    stage: Stage
    options: Sequence[str]
    tell: Callable[[Progress], None]
    cancel: Event
    notice: Callable[[Change, Plan], None]
    agree: Callable[[], bool] | None
    pip: Version = field(default_factory=lambda: Version("0"))
    left_out: set[Name] = field(default_factory=set)
    notes: list[Finding] = field(default_factory=list)
    """What is to be said of what was built."""
    _sources: set[Name] = field(default_factory=set)
    _unforeseen: list[Pin] = field(default_factory=list)
    """What must be built, and nobody has agreed to yet."""

    def lacks(self, change: Change) -> bool:
        """Whether the stage has no wheel yet that a change could use."""
        pin, staged = change.pin, self.stage.known().get(change.name)
        if change.name in self.left_out:
            return False
        if pin is None or staged is None:
            return pin is not None
        if not pin.requirer:
            return False
        fits = parse_requirement(f"{pin.name}{pin.specifier}").allows(staged.version)
        if not fits:
            self.stage.drop(change.name)
        return not fits

    def fetch(self, changes: Sequence[Change], plan: Plan) -> None:
        """Get a wheel for each of some changes of a plan, or for some of them at least.

        What must be built comes last, when no more wheels are to be had: it may import
        them, with all that they require. Raises EngineError with pip's own words for
        whatever cannot be had, and Cancelled.
        """
        self._sources |= {c.name for c in changes if c.pin and is_source(c.pin, self.options)}
        ready = wanted = [c for c in changes if c.name not in self._sources]
        while (failed := self._fetch_ready(ready)) is not None:
            self._must_be_built(failed)
            self.notice(failed, plan)
            self._sources.add(failed.name)
            ready = [c for c in ready if c.name != failed.name and self.lacks(c)]
        if self.agree is None:
            self.left_out |= self._sources
        elif not wanted:
            self._ask_to_build()
            staying = [c.installed for c in plan.changes if c.installed and not c.kind.acts]
            Builder(
                stage=self.stage,
                options=self.options,
                run=self._run,
                tell=self.tell,
                notes=self.notes,
            ).build(changes, staying)

    def _fetch_ready(self, changes: Sequence[Change]) -> Change | None:
        """Fetch wheels; return the first change that there is no wheel for, if any."""
        for group in _by_hash(changes):
            code, said = self._pip(group)
            absent = canonical_name(absent_name(said))
            failed = next((change for change in group if change.name == absent), None)
            if code and failed is None:
                raise find_mismatch([c.pin for c in group if c.pin], said) or EngineError(
                    f"the wheels cannot be had; {UNTOUCHED}\n{last_words(said)}", hint_for(said)
                )
            if code:
                return failed
        return None

    def _ask_to_build(self) -> None:
        """Ask once, when all else is known: raises EngineError where it is not to be built."""
        unforeseen, self._unforeseen = self._unforeseen, []
        if unforeseen and self.agree is not None and not self.agree():
            names = ", ".join(f"`{pin.name}{pin.specifier}`" for pin in unforeseen)
            raise EngineError(
                f"{names}: there is no wheel for this platform, and it was not to be built; "
                f"{UNTOUCHED}",
                "pin a version that has a wheel, or agree to build it",
            )

    def _must_be_built(self, change: Change) -> None:
        """Make sure that what has no wheel is there as source."""
        pin = change.pin
        assert pin is not None  # noqa: S101 (nothing else is fetched)
        versions = self._versions(change.name)
        if not any(_is_wanted(pin, version) for version in versions):
            if python := python_for(pin, self.stage.log_text()):
                raise EngineError(
                    f"`{pin.name}{pin.specifier}`{where_of(pin)} needs Python {python}; "
                    f"{UNTOUCHED}",
                    "use that Python, or a version for this one: "
                    + (", ".join(versions[:6]) or "there is none"),
                )
            if silence := silence_of(self.stage.log_text()):
                raise EngineError(
                    f"whether there is a file of `{pin.name}{pin.specifier}`{where_of(pin)} is not "
                    f"known: {silence}; {UNTOUCHED}",
                    "check the network and the index, then try again",
                )
            if not versions and "--no-index" in self.options:
                raise EngineError(
                    f"there is no file of `{pin.name}{pin.specifier}`{where_of(pin)}, and with "
                    f"`--no-index` no index is asked; {UNTOUCHED}",
                    "name the folder that has it with `--find-links`, or leave out `--no-index`",
                )
            there = f"there are {', '.join(versions[:12])}" if versions else "nor any other version"
            raise EngineError(
                f"no index has `{pin.name}{pin.specifier}`{where_of(pin)}; {UNTOUCHED}",
                f"{there}; a version of another index needs that index (`--extra-index-url`)",
            )
        self._unforeseen.append(pin)

    def _versions(self, name: Name) -> list[str]:
        _, said = self._run(versions_command(name, self.options))
        return versions_in(said)

    def _pip(self, changes: Sequence[Change]) -> tuple[int, str]:
        text, secrets = hide_secrets(fetch_text(changes, self.options), os.environ)
        requirements = self.stage.write("requirements.txt", text)
        progress = "raw" if self.pip >= Version("24.1") else "off"
        wheels = self.stage.wheels_folder
        command = fetch_command(requirements, wheels, secrets, progress)
        return self._run(command, lambda said: fetch_progress(said, len(changes)))

    def _run(
        self, command: Command, count: Callable[[str], Progress] | None = None
    ) -> tuple[int, str]:
        """Run a command; return its exit code, and what it said itself."""
        before = len(self.stage.log_text())

        def tick() -> None:
            if count is not None:
                self.tell(count(self.stage.log_text()[before:]))

        tick()
        code = self.node.run(command, log=self.stage.log, tick=tick, cancel=self.cancel)
        return code, self.stage.log_text()[before:]


def _by_hash(changes: Sequence[Change]) -> list[list[Change]]:
    """Return the pins with hashes apart: pip wants all of a run to have them, or none."""
    groups = (
        [c for c in changes if c.pin and bool(c.pin.hashes) is hashed] for hashed in (True, False)
    )
    return [group for group in groups if group]


def _is_wanted(pin: Pin, version: str) -> bool:
    return parse_requirement(f"{pin.name}{pin.specifier}").allows(Version(version))
