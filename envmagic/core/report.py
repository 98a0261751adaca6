"""What a face shows: a comparison, how far the work has come, what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envmagic.core.model import (
        Distribution,
        Finding,
        Lock,
        Name,
        Plan,
        Platform,
        Severity,
        TorchBuild,
    )


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
    vendor: str = "nvidia"
    """`nvidia`, `amd`, `intel`, `apple`."""
    unified: bool = False
    """Whether its memory is that of the machine."""
    mig: bool | None = None
    """Whether it is cut into slices (multi-instance GPU): then CUDA sees only these."""
    slices: tuple[Gpu, ...] = ()
    ecc: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Accelerator:
    """The driver and the GPUs of this machine, or why they are not known.

    `problem` is None where the driver answered, or where there is certainly none to ask;
    it never says "no GPU" of what is only not known.
    """

    driver: str | None = None
    driver_cuda: str | None = None
    gpus: tuple[Gpu, ...] = ()
    problem: str | None = None
    absent: bool = False
    """Whether no NVIDIA driver can be used here, whatever the reason."""
    host: str = ""
    """What kind of machine it is where that matters: `wsl2`, `jetson`, `container`."""
    hidden: bool = False
    """Whether `CUDA_VISIBLE_DEVICES`, or one of ROCm's, hides every GPU."""
    libraries: tuple[str, ...] = ()
    """The libraries of CUDA that `LD_LIBRARY_PATH` puts before those of the environment."""
    platform: str = ""
    """The platform of another machine, `linux-x86_64`; empty: this one."""
    origin: str = ""
    """The file or the variables that describe another machine; empty: it is this one."""


class Judgement(str, Enum):
    """Whether a lock will run on a machine."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """Why a verdict is what it is, and what can be done about it."""

    severity: Severity
    text: str
    hint: str = ""
    unknown: bool = False
    """Whether it says that something is not known, and that this matters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """What a set of versions is built on; a field that is not known is None."""

    torch: str | None = None
    cuda: str | None = None
    cudnn: str | None = None
    nccl: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether a lock will run on a machine, and why (or why that is not known)."""

    verdict: Judgement
    wanted: Stack
    wanted_from: str = ""
    """What says which CUDA is wanted: `torch 2.4.0`."""
    architectures: tuple[str, ...] = ()
    """What the wanted torch is compiled for: `sm_80`."""
    covered: tuple[bool | None, ...] = ()
    """Whether each GPU of the machine can run that; None: not known."""
    installed: Stack = field(default_factory=Stack)
    reasons: tuple[Reason, ...] = ()
    """The worst first."""

    @property
    def matters(self) -> bool:
        """Whether there is anything to tell: a GPU, or something that is built for one."""
        return bool(self.wanted_from or self.installed.cuda or self.reasons)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """What became of a smoke test on one device: memory, a multiplication, its result."""

    device: str
    """`cuda:0`, `cpu`; empty: none was reached, since torch itself could not be imported."""
    passed: bool | None
    """None: it was not tried."""
    name: str = ""
    capability: str | None = None
    torch: str = ""
    cuda: str | None = None
    milliseconds: float | None = None
    problem: str = ""
    """Why it failed, or was not tried: in torch's own words where it said something."""
    hint: str = ""


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
    doubtful: tuple[Name, ...] = ()
    """What is loaded in a version that is not known, and perhaps not that on the disk."""

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
    verdict: Verdict | None = None
    """Whether what the lock asks for will run on it; None: not judged."""
    label: str = ""
    """The label of the index that torch is taken from: `cu121`; empty: not known."""
    torch: TorchBuild | None = None
    """What the files of the installed torch say; None: there is none, or they say nothing."""
    restart: Restart = field(default_factory=Restart)
    kernel: bool = False
    """Whether this interpreter lives on, with its modules: a kernel, an IPython terminal."""
    loaded: Mapping[Name, str] = field(default_factory=dict)
    """Names of the changes that are loaded in this kernel, with the loaded version."""
    prepared: bool = False
    """Whether all metadata of what would be installed was known."""
    known: Mapping[Name, Distribution] = field(default_factory=dict)
    """The metadata of what has been fetched."""
    undo: bool = False
    """Whether this puts back what an earlier change did; `lock.path` says which."""
    smoke: tuple[Trial, ...] = ()
    """What a smoke test of what is installed has told; empty: none was run."""

    @property
    def smoke_failed(self) -> bool:
        """Whether a smoke test was run, and something in it failed."""
        return any(trial.passed is False for trial in self.smoke)


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

    @property
    def was_done(self) -> bool:
        """Whether something was changed, and stays so."""
        was_held = self.state is State.HELD and bool(self.after or self.problems)
        return self.state is State.SUCCEEDED or was_held

    @property
    def latest(self) -> Report:
        """The last report that there is."""
        return self.after or self.before


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a long piece of work has come."""

    phase: str
    done: int = 0
    total: int = 0
    """0: not known."""
    detail: str = ""
