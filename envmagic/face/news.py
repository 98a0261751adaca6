"""What became of a sync that nobody was watching, and how far one has come."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from envmagic.change import rescue
from envmagic.change.history import mark_told, read_progress
from envmagic.change.transaction import recover
from envmagic.core.errors import PolicyError
from envmagic.core.report import Progress
from envmagic.face.cell import Spot
from envmagic.face.table import render_progress_html, render_words_html
from envmagic.face.view import past_line

_TICK = 0.3


def tell_news(home: Path, *, redraws: bool) -> None:
    """Show how changes ended while nobody was looking, what was put back just now included.

    One that is still at work is followed in a thread: its kernel was restarted, it went on.
    Without `redraws` the news are lines, and that one is told at the next call.
    Raises PolicyError where what a killed change has left cannot be put back.
    """
    for past in recover(home):
        _show(Spot() if redraws else None, past_line(past))
        mark_told(past.folder)
    if redraws and rescue.find_unfinished(str(home)):
        follower = threading.Thread(target=_follow, args=(home, Spot()), daemon=True)
        follower.start()


def _show(spot: Spot | None, words: str) -> None:
    if spot is None:
        print(words)
    else:
        spot.show(render_words_html(words), words)


def _follow(home: Path, spot: Spot) -> None:
    """Show the progress of another process, and its end."""
    try:
        while unfinished := rescue.find_unfinished(str(home)):
            progress = read_progress(Path(unfinished[0])) or Progress(phase="At work")
            spot.show(render_progress_html(progress), f"{progress.phase} ...")
            time.sleep(_TICK)
            if not rescue.is_at_work(unfinished[0]):
                recover(home)
        for past in recover(home):
            _show(spot, past_line(past))
            mark_told(past.folder)
    except PolicyError as error:
        _show(spot, str(error))
