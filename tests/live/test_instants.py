"""A kill before every single step that a change takes on the disk, one after the other."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest
from support.process import clean_environ, run_process
from support.templates import ROOT

pytestmark = pytest.mark.live

# The least number of steps that each of them takes.
STORIES = {"commit": 50, "roll-back": 75, "undo": 60, "start": 30, "forget": 10}


# tmpfs lists the newest file first, which a removal of a folder goes by: the harder order.
_MEMORY = Path("/dev/shm")  # noqa: S108 (a folder of its own is made in it)
SHELF = _MEMORY if os.access(_MEMORY, os.W_OK) else None


@pytest.mark.parametrize("story", STORIES)
def test_a_change_is_whole_or_was_never_there(story: str) -> None:
    with tempfile.TemporaryDirectory(dir=SHELF) as folder:
        env = clean_environ(Path(folder)) | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
        play = [sys.executable, "-m", "support.instants", story, f"{folder}/plays"]
        done = run_process(play, env=env, timeout=900)
    *problems, last = done.stdout.splitlines()
    assert not problems, "\n".join(problems[:20])
    assert int(last.split()[0]) > STORIES[story]
