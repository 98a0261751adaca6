"""A kernel of this very interpreter freezes its environment, takes in a project, and goes back.

`python examples/round_trip.py` needs only what a kernel needs. `make floors` runs it with the
oldest dependencies that envmagic supports.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager

GUEST = "toposort==1.10"
"""A small project that nothing requires."""


class Kernel:
    """A real kernel of this interpreter, in a folder of its own."""

    def __init__(self, folder: str) -> None:
        self._manager = KernelManager()
        if self._manager.kernel_spec is None:
            raise SystemExit("there is no kernel specification: `pip install ipykernel`")
        # The one called `python3` may be another interpreter.
        self._manager.kernel_spec.argv[0] = sys.executable
        self._manager.start_kernel(cwd=folder)
        self._client: Any = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)

    def run(self, code: str) -> None:
        """Run a cell, print what it shows, and raise where it raises."""
        began = time.perf_counter()
        reply = self._client.execute_interactive(
            code, allow_stdin=False, timeout=300, output_hook=_print_output
        )
        if reply["content"]["status"] != "ok":
            raise SystemExit(f"{code} failed: {reply['content'].get('evalue')}")
        print(f"  {code.splitlines()[0]}  ({time.perf_counter() - began:.1f} s)", flush=True)

    def stop(self) -> None:
        """End the kernel."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


def _print_output(message: dict[str, Any]) -> None:
    content = message["content"]
    text = content.get("data", {}).get("text/plain") or content.get("text", "")
    first = text.strip().partition("\n")[0]
    if message["msg_type"] in {"display_data", "execute_result", "stream", "update_display_data"}:
        print(f"    {first}" if first else "", end="\n" if first else "")


def main() -> None:
    """Run the story; the exit code is not 0 if any cell fails."""
    with tempfile.TemporaryDirectory() as folder:
        kernel = Kernel(folder)
        try:
            kernel.run("%load_ext envmagic")
            kernel.run("%envfreeze before.txt")
            kernel.run("%envsync before.txt --check")
            frozen = Path(folder, "before.txt").read_text(encoding="utf-8")
            Path(folder, "after.txt").write_text(f"{frozen}{GUEST}\n", encoding="utf-8")
            kernel.run("%envsync after.txt --dry-run")
            kernel.run("%envsync after.txt --yes")
            kernel.run("%envsync after.txt --check")
            kernel.run(f"import {GUEST.partition('==')[0]}")
            kernel.run("%envsync --undo --yes")
            kernel.run("%envsync before.txt --check")
        finally:
            kernel.stop()


if __name__ == "__main__":
    main()
