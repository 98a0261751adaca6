"""Every wheel that a plan needs, fetched or built into a stage before the first change."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.version import Version

from envmagic.core.engine import (
    absent_name,
    editable_command,
    fetch_command,
    fetch_progress,
    fetch_text,
    is_source,
    last_words,
    python_for,
    versions_command,
    versions_in,
)
from envmagic.core.errors import EngineError
from envmagic.core.model import canonical_name
from envmagic.core.redact import hide_secrets
from envmagic.core.report import Progress
from envmagic.core.requirement import parse_requirement
from envmagic.story.policy import build_finding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Event

    from envmagic.core.model import Change, Finding, Name, Pin
    from envmagic.core.nodes import Command, Node
    from envmagic.edge.stage import Stage

UNTOUCHED = "nothing was changed"


@dataclass
class Preparation:
    """Fills one stage. Each step can be cancelled, and none touches the environment.

    `agree` is asked before anything is built that was not known to be built before;
    without it nothing is built, and what would be is left out.
    """

    node: Node
    stage: Stage
    options: Sequence[str]
    tell: Callable[[Progress], None]
    cancel: Event
    agree: Callable[[Finding], bool] | None
    pip: Version = field(default_factory=lambda: Version("0"))
    left_out: set[Name] = field(default_factory=set)

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

    def fetch(self, changes: Sequence[Change]) -> None:
        """Get a wheel for each change.

        Raises EngineError with pip's own words for whatever cannot be had, and Cancelled.
        """
        sources = {c.name for c in changes if c.pin and is_source(c.pin, self.options)}
        ready = [c for c in changes if c.name not in sources]
        while (failed := self._fetch_ready(ready)) is not None:
            self._must_be_built(failed)
            sources.add(failed.name)
            ready = [c for c in ready if c.name != failed.name and self.lacks(c)]
        if self.agree is None:
            self.left_out |= sources
        else:
            self._build([c for c in changes if c.name in sources])

    def _fetch_ready(self, changes: Sequence[Change]) -> Change | None:
        """Fetch wheels; return the first change that there is no wheel for, if any."""
        for group in _by_hash(changes):
            code, said = self._pip(group, build=False)
            absent = canonical_name(absent_name(said))
            failed = next((change for change in group if change.name == absent), None)
            if code and failed is None:
                raise EngineError(
                    f"the wheels cannot be had; {UNTOUCHED}\n{last_words(said)}", _hint_for(said)
                )
            if code:
                return failed
        return None

    def _must_be_built(self, change: Change) -> None:
        """Make sure that what has no wheel is there as source, and may be built."""
        pin = change.pin
        assert pin is not None  # noqa: S101 (nothing else is fetched)
        versions = self._versions(change.name)
        if not any(_is_wanted(pin, version) for version in versions):
            if python := python_for(pin, self.stage.log_text()):
                raise EngineError(
                    f"`{pin.name}{pin.specifier}`{_at(pin)} needs Python {python}; {UNTOUCHED}",
                    "use that Python, or a version for this one: "
                    + (", ".join(versions[:6]) or "there is none"),
                )
            there = f"there are {', '.join(versions[:12])}" if versions else "nor any other version"
            raise EngineError(
                f"no index has `{pin.name}{pin.specifier}`{_at(pin)}; {UNTOUCHED}",
                f"{there}; a version of another index needs that index (`--extra-index-url`)",
            )
        if self.agree is not None and not self.agree(build_finding(change.name, change.wanted)):
            raise EngineError(
                f"`{pin.name}{pin.specifier}` has no wheel for this platform and was not to be "
                f"built; {UNTOUCHED}",
                "pin a version that has a wheel, or agree to build it",
            )

    def _versions(self, name: Name) -> list[str]:
        _, said = self._run(versions_command(name, self.options))
        return versions_in(said)

    def _build(self, changes: Sequence[Change]) -> None:
        for done, change in enumerate(changes):
            pin = change.pin
            assert pin is not None  # noqa: S101 (nothing else is built)
            self.tell(Progress(phase="Building", done=done, total=len(changes), detail=change.name))
            if pin.source.editable:
                command = editable_command(pin, self.stage.wheels_folder, self.options)
                code, said = self._run(command)
            else:
                code, said = self._pip([change], build=True)
            if code:
                raise EngineError(
                    f"`{change.name}`{_at(pin)} cannot be built; {UNTOUCHED}\n{last_words(said)}",
                    _hint_for(said) or "pin a version that has a wheel",
                )

    def _pip(self, changes: Sequence[Change], *, build: bool) -> tuple[int, str]:
        text, secrets = hide_secrets(fetch_text(changes, self.options), os.environ)
        requirements = self.stage.write("requirements.txt", text)
        progress = "raw" if self.pip >= Version("24.1") else "off"
        wheels = self.stage.wheels_folder
        command = fetch_command(requirements, wheels, secrets, build=build, progress=progress)
        total = len(changes)
        return self._run(command, None if build else lambda said: fetch_progress(said, total))

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


def _at(pin: Pin) -> str:
    if pin.where:
        return f" ({pin.where})"
    if pin.requirer == pin.name:
        return " (which is installed, and to be put in again)"
    return f" (which `{pin.requirer}` requires)" if pin.requirer else ""


def _hint_for(said: str) -> str:
    if "DO NOT MATCH THE HASHES" in said:
        return "the file is not the one that was locked: check the index, or lock again"
    if "No space left on device" in said:
        return "free some space, then try again"
    if any(word in said for word in ("ConnectionError", "NewConnectionError", "ReadTimeout")):
        return "the index does not answer: check the network, then try again"
    return ""
