"""What a trace of Chromium tells: when a key was pressed, and when a frame showed its effect."""

from __future__ import annotations

import bisect
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

MARK = "rows"
"""The performance mark that a page sets whenever its rows have changed."""
_NEXT_FRAME = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
_CATEGORIES = ("devtools.timeline", "blink.user_timing")


class Trace:
    """One recording; all times are its own milliseconds.

    A key counts from the browser's own time stamp of the event (`EventTiming`, which INP is
    made of) to the presentation of a frame: not to the end of our handler, after which style,
    layout and paint are still to come, and not to the first frame either, which may show no
    more than the letter in its box. The frame is the first that was rendered after the page
    marked a change of its rows; where a key changes none, the first after the key.

    `AnimationFrame::Presentation` is when the compositor has shown a frame, which is what a
    user sees; `Paint` alone would only be the recording of what is to be drawn.
    """

    def __init__(self, raw: bytes) -> None:
        events: list[dict[str, Any]] = json.loads(raw)["traceEvents"]
        self._events = sorted((e for e in events if "ts" in e), key=lambda event: event["ts"])
        self._frames = list(self._find_frames())
        """When each frame began to be rendered, and when it was shown."""

    @property
    def marks(self) -> list[float]:
        """When the page changed its rows."""
        return [event["ts"] / 1e3 for event in self._named(MARK)]

    def replies(self, least: int) -> list[float]:
        """Return when messages came that were so many bytes on the wire, compressed, or more."""
        received = self._named("WebSocketReceive")
        return [e["ts"] / 1e3 for e in received if e["args"]["data"]["dataLength"] >= least]

    def shown_after(self, time: float) -> float:
        """Return when the first frame was shown that was rendered after `time`."""
        index = bisect.bisect_left(self._frames, (time, 0.0))
        if index == len(self._frames):
            raise RuntimeError("the trace ends before the frame: wait longer")
        return self._frames[index][1]

    def strokes(self) -> list[tuple[float, float]]:
        """Return for each key how long until the next frame, and until that with its rows."""
        keys = self._keys()
        marks = self.marks
        told = []
        for begin, end in zip(keys, [*keys[1:], float("inf")], strict=True):
            own = [mark for mark in marks if begin <= mark < end]
            ready = own[-1] if own else begin
            told.append((self.shown_after(begin) - begin, self.shown_after(ready) - begin))
        return told

    def _keys(self) -> list[float]:
        pressed = [e for e in self._named("EventTiming") if e["ph"] == "b"]
        return [e["ts"] / 1e3 for e in pressed if e["args"]["data"]["type"] == "keydown"]

    def _find_frames(self) -> Iterator[tuple[float, float]]:
        shown = {
            e["args"]["id"]: e["ts"] / 1e3 for e in self._named("AnimationFrame::Presentation")
        }
        frame = ""
        for event in self._events:
            if event["ph"] == "b" and event["name"] == "AnimationFrame":
                frame = event["args"]["id"]
            elif (
                event["ph"] == "b" and event["name"] == "AnimationFrame::Render" and frame in shown
            ):
                yield event["ts"] / 1e3, shown[frame]

    def _named(self, name: str) -> Iterator[dict[str, Any]]:
        return (event for event in self._events if event["name"] == name)


def begin(browser: Browser, page: Page) -> None:
    """Begin to record."""
    browser.start_tracing(page=page, categories=list(_CATEGORIES))


def end(browser: Browser, page: Page) -> Trace:
    """Wait until what was begun is on the screen, and return the recording."""
    page.evaluate(_NEXT_FRAME)
    page.wait_for_timeout(300)  # the compositor shows it, and says so
    return Trace(browser.stop_tracing())
