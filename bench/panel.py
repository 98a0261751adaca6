"""How fast the sidebar is on 5,000 rows, beside a plain table: medians, interleaved.

`python -m bench.panel` opens the panel in a real JupyterLab and a real Chromium, on a real kernel
and a lock of 5,000 pins that are not installed, and reads the times out of the browser's own
tracing (`trace.py` says which). The peer is what one writes without much thought: a `<table>` of
the same rows in the same page, whose filter hides rows.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from support.browser import NoBrowserError, chromium, new_page
from support.lab import live_lab
from support.panel import Panel
from support.templates import Templates

from bench import trace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from playwright.sync_api import Browser, Page, WebSocket
    from support.environment import Environment
    from support.lab import Lab

ROUNDS = 5
PINS = 5_000
STROKE_LIMIT = 50.0
"""Milliseconds from a key to its rows."""
MESSAGE_LIMIT = 500_000
"""Bytes of one message of the kernel."""
QUERY = "e-1204"
"""Each of its letters leaves fewer rows than the one before, the last a single one."""
_WORDS = ("cache", "core", "file", "graph", "image", "matrix", "model", "queue", "stream", "table")
_PAUSE = 250
"""Milliseconds between two keys: nothing of the one is left when the next comes."""
_REPLY = 5_000
"""From how many bytes on the wire, compressed, a message brings rows."""
_KERNEL = "bench"
"""Not `python3`: that would be the server's own."""
_NOTEBOOK = "n.ipynb"
_LOCK = "first_env.txt"

_TABLE = "#envmagic-panel tbody[data-index]"
_WATCH = """([root, needed, mark]) => new MutationObserver(() => {
  if (document.querySelector(needed)) {
    performance.mark(mark);
  }
}).observe(document.querySelector(root), { childList: true, characterData: true, subtree: true })"""
"""Attributes are left out: the letter in its box is one."""
_PEER = Path(__file__).with_name("peer.js").read_text("utf-8")


class Figures:
    """Every measurement, by its name; `us` and `peer` stand side by side."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], list[float]] = {}

    def add(self, name: str, who: str, *values: float) -> None:
        """Add what one round has measured."""
        self._values.setdefault((name, who), []).extend(values)

    def median(self, name: str, who: str = "us") -> float:
        """Return the middle of what was measured."""
        return statistics.median(self._values[name, who])

    def show(self) -> None:
        """Print the table."""
        print(f"\n{'milliseconds':<52}{'median':>8}{'most':>8}{'peer':>8}{'most':>8}{'ratio':>8}")
        for name, who in self._values:
            if who == "us":
                print(f"{name:<52}{self._pair(name, who)}", end="")
                beside = (name, "peer") in self._values
                ratio = self.median(name, "peer") / self.median(name) if beside else 0
                print(f"{self._pair(name, 'peer')}{ratio:8.2f}" if beside else "")

    def _pair(self, name: str, who: str) -> str:
        return f"{self.median(name, who):8.1f}{max(self._values[name, who]):8.1f}"


PAINT = "first paint of the table, from the rows' arrival"
WHOLE = "first paint of the table, from the first reply"
FRAME = "a key of the search, to the next frame"
ROWS = "a key of the search, to the frame with its rows"
FIRST = "the first key of a page, to the frame with its rows"


class Wire:
    """What goes through the web sockets of a page."""

    def __init__(self, page: Page) -> None:
        self.received: list[int] = []
        self.asked = 0
        page.on("websocket", self._listen)

    def reset(self) -> None:
        """Count from here."""
        self.received, self.asked = [], 0

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda payload: self.received.append(len(_bytes(payload))))
        socket.on("framesent", self._sent)

    def _sent(self, payload: bytes | str) -> None:
        self.asked += b"envmagic.face.panel" in _bytes(payload)


class Bench(NamedTuple):
    """What every measurement needs."""

    browser: Browser
    panel: Panel
    wire: Wire
    rows: str
    """The same rows for the peer, as JSON."""
    figures: Figures

    def round(self) -> None:
        """Measure each once, in a page that is loaded anew."""
        self._paint()
        self._watch(".jp-EnvMagic-diff", "body")
        self._type("us", "#envmagic-panel input[type=search]", ".jp-EnvMagic-count")
        self._paint_peer()
        self._watch("#peer", "body")
        self._type("peer", "#peer input", "#peer p")

    def _paint(self) -> None:
        panel = self.panel
        panel.load_page()
        panel.open_notebook(_NOTEBOOK)
        self._watch("#envmagic-panel", _TABLE)
        trace.begin(self.browser, panel.page)
        panel.tab.click()
        panel.rows.first.wait_for()
        told = trace.end(self.browser, panel.page)
        replies = told.replies(_REPLY)
        mark = next(mark for mark in told.marks if mark > replies[-1])
        shown = told.shown_after(mark)
        self.figures.add(PAINT, "us", shown - replies[-1])
        self.figures.add(WHOLE, "us", shown - replies[0])

    def _paint_peer(self) -> None:
        page = self.panel.page
        page.evaluate(_PEER)
        trace.begin(self.browser, page)
        page.evaluate("([rows, mark]) => window.peer.draw(rows, mark)", [self.rows, trace.MARK])
        told = trace.end(self.browser, page)
        self.figures.add(PAINT, "peer", told.shown_after(told.marks[0]) - told.marks[0])

    def _watch(self, root: str, needed: str) -> None:
        """Have the page mark what changes below `root`, once `needed` is there."""
        self.panel.page.evaluate(_WATCH, [root, needed, trace.MARK])

    def _type(self, who: str, search: str, count: str) -> None:
        """Type the query and take it away again, a key at a time."""
        page = self.panel.page
        page.locator(search).click()
        trace.begin(self.browser, page)
        self._press(*QUERY)
        said = page.locator(count).inner_text()
        self._press(*["Backspace"] * len(QUERY))
        strokes = trace.end(self.browser, page).strokes()
        if len(strokes) != 2 * len(QUERY) or not said.startswith("1 "):
            raise RuntimeError(f"{who}: {len(strokes)} keys in the trace, {said}")
        self.figures.add(FIRST, who, strokes[0][1])
        self.figures.add(FRAME, who, *(frame for frame, _ in strokes[1:]))
        self.figures.add(ROWS, who, *(rows for _, rows in strokes[1:]))

    def _press(self, *keys: str) -> None:
        for key in keys:
            self.panel.page.keyboard.press(key)
            self.panel.page.wait_for_timeout(_PAUSE)

    def rest(self, seconds: int) -> tuple[int, int]:
        """Return how many questions and messages there are while nothing happens."""
        self.wire.reset()
        self.panel.page.wait_for_timeout(seconds * 1000)
        return self.wire.asked, len(self.wire.received)


def _bytes(payload: bytes | str) -> bytes:
    return payload if isinstance(payload, bytes) else payload.encode()


def _lines() -> Iterator[str]:
    for number in range(PINS):
        word = _WORDS[number % len(_WORDS)]
        yield f"{word}-{number:04}=={number % 7}.{number % 13}.{number % 31}"


def _prepare(lab: Lab, environment: Environment) -> str:
    """Write the notebook and its lock, and return the rows of the comparison."""
    lab.add_kernel(_KERNEL, environment)
    lab.write_notebook(_NOTEBOOK, kernel=_KERNEL)
    lock = lab.root / _LOCK
    lock.write_text("\n".join([*_lines(), ""]), "utf-8")
    report = environment.run("-m", "envmagic", "diff", lock, "--json", "--all", check=False)
    changes: list[dict[str, Any]] = json.loads(report.stdout)["changes"]
    return json.dumps(changes)


def measure(lab: Lab, browser: Browser, page: Page, rows: str, rounds: int) -> bool:
    """Measure and print; true where the limits are kept."""
    bench = Bench(browser, Panel(page, lab), Wire(page), rows, Figures())
    for number in range(rounds):
        print(f"\rround {number + 1} of {rounds} ", end="", file=sys.stderr, flush=True)
        bench.round()
    print("\r", end="", file=sys.stderr)
    bench.figures.show()
    biggest = max(bench.wire.received)
    stroke = bench.figures.median(ROWS)
    print()
    kept = [
        _judge("a key", f"{stroke:.1f} ms", f"{STROKE_LIMIT:.0f} ms", kept=stroke <= STROKE_LIMIT),
        _judge(
            "the biggest message",
            f"{biggest:,} bytes",
            f"{MESSAGE_LIMIT:,} bytes",
            kept=biggest <= MESSAGE_LIMIT,
        ),
    ]
    _show_rest(bench)
    return all(kept)


def _judge(what: str, found: str, limit: str, *, kept: bool) -> bool:
    print(f"{what}: {found}, the limit is {limit}: {'kept' if kept else 'BROKEN'}")
    return kept


def _show_rest(bench: Bench) -> None:
    for name in ("in view", "hidden"):
        if name == "hidden":
            bench.panel.tab.click()
            bench.panel.root.wait_for(state="hidden")
        asked, received = bench.rest(60)
        print(
            f"a minute with the panel {name}, and nothing changes: "
            f"{asked} questions, {received} messages"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where a limit is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args(arguments).rounds
    load = " ".join(f"{load:.2f}" for load in os.getloadavg())
    print(f"load average {load} on {os.cpu_count()} CPUs, {rounds} rounds, {PINS} pins")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = Templates(folder / "templates", dict(os.environ)).make("kernel")
        try:
            with (
                live_lab(folder / "lab") as lab,
                chromium() as browser,
                new_page(browser) as page,
            ):
                kept = measure(lab, browser, page, _prepare(lab, environment), rounds)
        except NoBrowserError as error:
            print(error)
            return 2
    return int(not kept)


if __name__ == "__main__":
    sys.exit(main())
