"""What a process of its own can be told to do to an environment, whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from envmagic.core.engine import last_words
from envmagic.core.errors import EngineError
from envmagic.core.nodes import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Event

    from envmagic.change.transaction import Intent
    from envmagic.core.nodes import Node
    from envmagic.core.report import Progress
    from envmagic.edge.stage import Stage

START_A_KERNEL = Command(arguments=("-m", "ipykernel_launcher", "--version"), offline=True)
"""Imports all that a kernel starts with, and ends."""
_START_PYTHON = Command(arguments=("-c", "pass"), offline=True)
"""Runs each `.pth` file and a `sitecustomize`: these can keep every process from starting."""


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What an order works with; each command can be cancelled."""

    node: Node
    stage: Stage
    tell: Callable[[Progress], None]
    cancel: Event
    environment: tuple[tuple[str, str], ...] = ()
    """The environment variables that every command gets."""
    hold: int | None = None
    """The descriptor of the lock, where only that tells that an engine is at work."""

    def run(self, command: Command, tick: Callable[[], None] = lambda: None) -> tuple[int, str]:
        """Run a command; return its exit code and what it said. Raises Cancelled."""
        before = len(self.stage.log_text())
        command = replace(command, environment=(*command.environment, *self.environment))
        log = self.stage.log
        code = self.node.run(command, log=log, tick=tick, cancel=self.cancel, hold=self.hold)
        return code, self.stage.log_text()[before:]

    def start_a_kernel(self) -> Iterator[str]:
        """Yield why no kernel can be started; nothing where one can."""
        yield from self._start(START_A_KERNEL, "a kernel")

    def start_python(self) -> Iterator[str]:
        """Yield why Python itself cannot be started; nothing where it can."""
        yield from self._start(_START_PYTHON, "Python")

    def _start(self, command: Command, what: str) -> Iterator[str]:
        code, said = self.run(command)
        if code:
            yield f"{what} cannot start:\n{last_words(said)}"

    def must(self, command: Command, tick: Callable[[], None] = lambda: None) -> None:
        """Run a command; raises EngineError with its last words where it fails."""
        code, said = self.run(command, tick)
        if code:
            name = command.arguments[1]
            raise EngineError(f"`{name}` ended with {code}:\n{last_words(said)}")


class Order(Protocol):
    """One change: what it will do, the doing, and whether it came out as it should."""

    @property
    def stage(self) -> Stage:
        """The folder to work in."""

    def intent(self) -> Intent:
        """Return what must be written down before."""

    def act(self, tools: Tools) -> None:
        """Do it; raises EngineError where something goes wrong."""

    def verify(self, tools: Tools) -> Iterator[str]:
        """Yield each way in which the environment is not what was promised."""
