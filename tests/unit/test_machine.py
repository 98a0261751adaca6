"""The file of another machine: read, or refused with what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from envmagic.edge.machine import MachineError, read_machine

if TYPE_CHECKING:
    from pathlib import Path


def test_the_platform_and_the_name_of_the_file_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "box.json"
    data = {"driver": "550.54.15", "driver_cuda": "12.4", "gpus": [{"name": "A"}]}
    path.write_text(json.dumps({"node": {"platform": "linux-aarch64"}, "accelerator": data}))
    machine = read_machine(str(path))
    assert (machine.driver, machine.platform) == ("550.54.15", "linux-aarch64")
    assert machine.origin == str(path)
    assert machine.gpus[0].vendor == "nvidia"
    assert machine.gpus[0].memory_total is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot read"),
        ("{", "is not JSON"),
        ("[]", "does not describe a machine"),
        ("{}", "does not describe a machine"),
        ('{"accelerator": null, "node": {"platform": "x"}}', "does not describe a machine"),
        ('{"accelerator": {"driver": 1, "driver_cuda": 1, "gpus": 3}, "node": {}}', "describe"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "box.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(MachineError, match=words) as raised:
        read_machine(str(path))
    assert raised.value.exit_code == 2
    assert "envmagic info --json" in raised.value.hint
