"""What a face shows: a comparison, how far the work has come, what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envmagic.core.model import Finding, Lock, Name, Plan, Platform


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpu:
    """One GPU, as the driver describes it; a field that it does not tell is None.

    Memory is in bytes. `capability` is CUDA's compute capability, `8.0`.
    """

    name: str
    uuid: str | None = None
    memory_total: int | None = None
    memory_used: int | None = None
    capability: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Accelerator:
    """The driver and the GPUs of this machine, or why they are not known.

    `problem` is None where the driver answered; it never says "no GPU" of what is
    only not known.
    """

    driver: str | None = None
    driver_cuda: str | None = None
    gpus: tuple[Gpu, ...] = ()
    problem: str | None = None


class NeighbourKind(str, Enum):
    """What another process of the environment is."""

    KERNEL = "kernel"
    SERVER = "server"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True, slots=True)
class Neighbour:
    """Another process that holds modules of the environment."""

    pid: int
    kind: NeighbourKind
    name: str = ""
    """The notebook of a kernel, the script or module of any other; empty: not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Restart:
    """Whether the kernel still runs code that is no longer on the disk."""

    reasons: tuple[str, ...] = ()

    @property
    def needed(self) -> bool:
        """Whether the kernel should be restarted."""
        return bool(self.reasons)


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """All that a face shows of one comparison."""

    platform: Platform
    lock: Lock
    plan: Plan
    findings: tuple[Finding, ...] = ()
    accelerator: Accelerator | None = None
    """None: not looked at yet."""
    restart: Restart = field(default_factory=Restart)
    kernel: bool = False
    """Whether this interpreter lives on, with its modules: a kernel, an IPython terminal."""
    loaded: Mapping[Name, str] = field(default_factory=dict)
    """Names of the changes that are loaded in this kernel, with the loaded version."""
    prepared: bool = False
    """Whether all metadata of what would be installed was known."""
    undo: bool = False
    """Whether this puts back what an earlier change did; `lock.path` says which."""


class State(str, Enum):
    """What became of a sync."""

    UNCHANGED = "unchanged"
    SUCCEEDED = "succeeded"
    HELD = "held"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a sync did: the report from before, the one after, and what is left to do."""

    state: State
    before: Report
    after: Report | None = None
    problems: Sequence[str] = ()
    """Why it failed, a sentence each."""
    log: str = ""
    """The path of the engine's output, where it was kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a long piece of work has come."""

    phase: str
    done: int = 0
    total: int = 0
    """0: not known."""
    detail: str = ""
