"""Real kernels of an environment, driven from the tests' own."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import zmq
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from jupyter_client.blocking.client import BlockingKernelClient
    from support.environment import Environment

Mime: TypeAlias = "dict[str, Any]"
"""MIME type to content, as a front end gets it."""

_SPEC = {
    "argv": ["", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    "display_name": "environment",
    "language": "python",
}


class KernelDiedError(Exception):
    """The kernel ended while something waited for it."""


class CellFailedError(Exception):
    """A cell raised, and the test wanted it not to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CellError:
    """What a cell raised."""

    ename: str
    evalue: str
    traceback: str


@dataclass(kw_only=True, slots=True)
class CellResult:
    """All that one cell has sent so far; it grows while the kernel is listened to."""

    code: str
    stdout: str = ""
    stderr: str = ""
    displays: list[Mime] = field(default_factory=list)
    """What was displayed, and what updated a display, in order."""
    result: Mime | None = None
    error: CellError | None = None
    messages: list[tuple[str, Mime]] = field(default_factory=list)
    """Type and content of every message: comms, `clear_output` and payloads too."""
    idle: bool = False
    answered: bool = False

    @property
    def done(self) -> bool:
        """Whether the kernel has ended it."""
        return self.idle and self.answered

    def check(self) -> CellResult:
        """Return this, if nothing was raised."""
        if self.error:
            raise CellFailedError(f"{self.code}\n{self.error.traceback}")
        return self

    def take(self, kind: str, content: Mime) -> None:
        """Take in one message."""
        self.messages.append((kind, content))
        if kind == "stream" and content["name"] == "stdout":
            self.stdout += content["text"]
        elif kind == "stream":
            self.stderr += content["text"]
        elif kind in {"display_data", "update_display_data"}:
            self.displays.append(content["data"])
        elif kind == "execute_result":
            self.result = content["data"]
        elif kind == "error":
            trace = "\n".join(content["traceback"])
            self.error = CellError(
                ename=content["ename"], evalue=content["evalue"], traceback=trace
            )
        elif kind == "status":
            self.idle = content["execution_state"] == "idle"
        elif kind == "execute_reply":
            self.answered = True


class LiveKernel:
    """A kernel that runs; `live_kernel` makes one and ends it."""

    def __init__(
        self, manager: KernelManager, client: BlockingKernelClient, log: Path, timeout: float
    ) -> None:
        self.manager = manager
        self.client = client
        self.answers: list[str] = []
        """What to type when the kernel asks next."""
        self._log = log
        self._timeout = timeout
        self._cells: dict[str, CellResult] = {}

    @property
    def pid(self) -> int:
        """The process, for those who want to kill it."""
        provisioner = self.manager.provisioner
        assert isinstance(provisioner, LocalProvisioner)
        assert provisioner.pid
        return provisioner.pid

    @property
    def alive(self) -> bool:
        """Whether the process is still there."""
        alive: bool = self.manager.is_alive()
        return alive

    @property
    def log(self) -> str:
        """What the process itself wrote, not its cells."""
        return self._log.read_text("utf-8", "replace")

    def run(
        self, code: str, *, allow_stdin: bool = False, timeout: float | None = None
    ) -> CellResult:
        """Run a cell to its end, however it ends."""
        return self.finish(self.start(code, allow_stdin=allow_stdin), timeout=timeout)

    def start(self, code: str, *, allow_stdin: bool = False) -> CellResult:
        """Start a cell, and do not wait: `finish` does."""
        cell = CellResult(code=code)
        self._cells[self.client.execute(code, allow_stdin=allow_stdin, stop_on_error=False)] = cell
        return cell

    def finish(self, cell: CellResult, *, timeout: float | None = None) -> CellResult:
        """Listen until a cell has ended."""
        self.listen(lambda: cell.done, timeout=timeout)
        return cell

    def send_comm(self, comm_id: str, data: Mime) -> CellResult:
        """Send what a widget's front end would, and listen until it is dealt with."""
        message = self.client.session.msg("comm_msg", {"comm_id": comm_id, "data": data})
        self.client.shell_channel.send(message)
        cell = CellResult(code=f"comm {comm_id}", answered=True)
        self._cells[message["header"]["msg_id"]] = cell
        return self.finish(cell)

    def listen(self, until: Callable[[], bool], *, timeout: float | None = None) -> None:
        """Listen to the kernel until something is so.

        What a cell sends after its end (from a thread, a widget) reaches it here too.
        """
        limit = self._timeout if timeout is None else timeout
        end = time.monotonic() + limit
        while not until():
            if self._receive() or until():
                continue
            if not self.alive:
                raise KernelDiedError(self.log)
            if time.monotonic() > end:
                raise TimeoutError(f"nothing in {limit} seconds; the kernel's log:\n{self.log}")

    def interrupt(self) -> None:
        """Press the stop button."""
        self.manager.interrupt_kernel()

    def restart(self, *, now: bool = True) -> None:
        """Restart the kernel, and wait until it is ready; unfinished cells never end.

        Jupyter's button does it with `now=False`: the kernel is interrupted, and asked to end.
        """
        self.manager.restart_kernel(now=now)
        self.client.wait_for_ready(timeout=self._timeout)

    def catch_up(self) -> None:
        """Take in what lies ready, and wait for nothing."""
        while self._receive(wait=0):
            pass

    def _receive(self, *, wait: int = 50) -> bool:
        """Take in what lies ready, waiting some ms for it; return whether there was any."""
        client = self.client
        channels = (client.iopub_channel, client.shell_channel, client.stdin_channel)
        poller = zmq.Poller()
        for channel in channels:
            poller.register(channel.socket, zmq.POLLIN)
        ready = dict(poller.poll(wait))
        for channel in channels:
            if channel.socket in ready:
                self._take(channel.get_msg(timeout=0))
        return bool(ready)

    def _take(self, message: Mime) -> None:
        kind = message["header"]["msg_type"]
        if kind == "input_request":
            self.client.input(self.answers.pop(0))
        if cell := self._cells.get(message["parent_header"].get("msg_id", "")):
            cell.take(kind, message["content"])


@contextlib.contextmanager
def live_kernel(
    environment: Environment,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 60,
) -> Iterator[LiveKernel]:
    """Run a kernel of an environment; `env` is added to `environ`, `timeout` is for each wait."""
    specs = environment.home / "kernels"
    spec = specs / "environment" / "kernel.json"
    spec.parent.mkdir(parents=True, exist_ok=True)
    argv = [str(environment.python), *_SPEC["argv"][1:]]
    spec.write_text(json.dumps({**_SPEC, "argv": argv}), "utf-8")
    number = len(list(specs.glob("*.log")))
    log = specs / f"{number}.log"
    manager = KernelManager(
        kernel_name="environment",
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(specs)], ensure_native_kernel=False),
        connection_file=str(specs / f"{number}.json"),
        shutdown_wait_time=2.0,
    )
    with log.open("wb") as output, contextlib.ExitStack() as stack:
        manager.start_kernel(
            cwd=str(cwd or environment.home),
            env=environment.environ | dict(env or {}),
            stdout=output,
            stderr=output,
        )
        stack.callback(_stop, manager)
        client = manager.client()
        client.start_channels()
        stack.callback(client.stop_channels)
        kernel = LiveKernel(manager, client, log, timeout)
        client.wait_for_ready(timeout=timeout)
        yield kernel


def _stop(manager: KernelManager) -> None:
    manager.shutdown_kernel(now=True)
    manager.cleanup_resources()


def run_cells(
    environment: Environment,
    cells: Sequence[str],
    *,
    allow_stdin: bool = False,
    answers: Sequence[str] = (),
    cwd: Path | None = None,
    timeout: float = 60,
) -> list[CellResult]:
    """Run cells in a new kernel, one after the other, whatever they raise."""
    with live_kernel(environment, cwd=cwd, timeout=timeout) as kernel:
        kernel.answers.extend(answers)
        return [kernel.run(cell, allow_stdin=allow_stdin) for cell in cells]
