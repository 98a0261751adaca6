"""A kill before every single step that a change takes on the disk, one after the other."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from support.process import clean_environ, run_process
from support.templates import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live

# The least number of steps that each of them takes.
STORIES = {"commit": 50, "roll-back": 75, "undo": 60, "start": 30}


@pytest.mark.parametrize("story", STORIES)
def test_a_change_is_whole_or_was_never_there(tmp_path: Path, story: str) -> None:
    env = clean_environ(tmp_path) | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    done = run_process(
        [sys.executable, "-m", "support.instants", story, tmp_path / "plays"], env=env
    )
    *problems, last = done.stdout.splitlines()
    assert not problems, "\n".join(problems[:20])
    assert int(last.split()[0]) > STORIES[story]
    shutil.rmtree(tmp_path / "plays")
