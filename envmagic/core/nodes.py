"""Something with an interpreter that can be looked at, and can run a command."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from threading import Event

    from envmagic.core.model import Distribution, Name, Snapshot
    from envmagic.core.report import Accelerator, Neighbour


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """What an interpreter is run with."""

    arguments: tuple[str, ...]
    offline: bool = False
    """Whether pip's own configuration, and the credentials in it, are kept away."""
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Variables for this command alone: may carry credentials."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """What an interpreter has loaded that is not, or may not be, what is on the disk."""

    stale: tuple[str, ...] = ()
    """A reason for a restart for each version that is gone from the disk."""
    doubtful: tuple[Name, ...] = ()
    """What is loaded in a version that is not known."""


class Running(Protocol):
    """A process that was started, and lives by itself."""

    def poll(self) -> int | None:
        """Return its exit code; None: it has not ended."""

    def stop(self) -> None:
        """Ask it to stop (SIGTERM)."""

    def answer(self) -> str:
        """Return what it wrote on its standard output, once it has ended."""


class Node(Protocol):
    """Something with an interpreter that can be looked at and can run a command."""

    @property
    def kernel(self) -> bool:
        """Whether a kernel is running in it, whose modules may become stale."""

    def snapshot(self) -> Snapshot:
        """Return what its interpreter would import now; what is loaded is noted with it."""

    def loaded(self, distributions: Iterable[Distribution]) -> Mapping[Name, str]:
        """Return the version in memory of each of these that it has loaded, or `unknown`."""

    def memory(self, installed: Mapping[Name, Distribution]) -> Memory:
        """Hold what it has loaded against what is installed."""

    def neighbours(self) -> Sequence[Neighbour] | None:
        """Return the other processes that hold its modules; None: that cannot be known."""

    def accelerator(self, timeout: float | None = 0.0) -> Accelerator | None:
        """Return what the driver says; None: it has not answered within `timeout` seconds."""

    def run(
        self,
        command: Command,
        *,
        log: Path,
        cancel: Event,
        tick: Callable[[], None] = ...,
        hold: int | None = None,
    ) -> int:
        """Run the interpreter to its end, and return the exit code."""

    def start(self, command: Command, *, data: bytes, log: Path, hold: int) -> Running:
        """Start the interpreter as a process that outlives this one."""
