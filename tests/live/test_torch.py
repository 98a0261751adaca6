"""A real torch, 2.13.0: what is read from its files is what it says itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.kernel import live_kernel
from support.story import QUIET
from support.templates import TORCH

if TYPE_CHECKING:
    from support.environment import Environment
    from support.templates import Templates

pytestmark = pytest.mark.live

LOOK = """\
import json, sys, time
from dataclasses import asdict
from envmagic.edge.probe import take_snapshot
from envmagic.edge.torch_build import read_torch_build
snapshot = take_snapshot()
began = time.process_time()
found = asdict(read_torch_build(snapshot))
print(json.dumps([found, time.process_time() - began, "torch" in sys.modules]))
"""
# `torch.cuda.get_arch_list` says nothing where there is no GPU; this is what it asks.
ASK = """\
import json, torch
flags = getattr(torch._C, "_cuda_getArchFlags", lambda: None)() or ""
said = {"version": torch.__version__, "cuda": torch.version.cuda, "hip": torch.version.hip}
print(json.dumps({**said, "architectures": flags.split(), "gpus": torch.cuda.device_count()}))
"""


@pytest.fixture(scope="module")
def environment(templates: Templates) -> Environment:
    """Return an environment with torch: a build for the CPU or for CUDA, as the index has it."""
    return templates.make("torch")


@pytest.fixture(scope="module")
def said(environment: Environment) -> dict[str, Any]:
    """Return what torch says of itself."""
    found: dict[str, Any] = json.loads(environment.run("-c", ASK, env=QUIET).stdout)
    return found


def test_what_is_read_is_what_torch_says(environment: Environment, said: dict[str, Any]) -> None:
    found, seconds, imported = json.loads(environment.run("-c", LOOK, env=QUIET).stdout)
    assert not imported
    assert found["version"] == said["version"]
    assert (found["cuda"], found["hip"]) == (said["cuda"], said["hip"])
    assert found["architectures"] == said["architectures"]
    assert bool(found["cuda"]) == bool(found["architectures"])
    assert seconds < 1.0  # 1 to 20 ms


def test_a_kernel_tries_it_out_and_never_imports_it(
    environment: Environment, said: dict[str, Any]
) -> None:
    lock = environment.home / "first_env.txt"
    lock.write_text(f"torch=={TORCH}\n", "utf-8")
    before = environment.manifest()
    with live_kernel(environment, cwd=lock.parent, env=QUIET, timeout=180) as kernel:
        kernel.run("%load_ext envmagic").check()
        checked = kernel.run("%envsync --check --smoke --json --keep-extraneous").check()
        shown = kernel.run("%envsync --smoke --keep-extraneous").check()
        imported = kernel.run("import sys; print('torch' in sys.modules)").check()
    found = json.loads(checked.stdout)["accelerator"]
    assert found["installed"]["torch"] == said["version"]
    assert found["installed"]["cuda"] == said["cuda"]
    passed = [trial for trial in found["smoke"] if trial["state"] == "passed"]
    wanted = [f"cuda:{number}" for number in range(said["gpus"])] or ["cpu"]
    assert [trial["device"] for trial in passed] == wanted
    assert {(trial["torch"], trial["cuda"]) for trial in passed} == {
        (said["version"], said["cuda"])
    }
    assert not [trial for trial in found["smoke"] if trial["state"] == "failed"]
    last = shown.displays[-1]
    assert f"torch {said['version']} multiplies rightly" in last["text/plain"]
    assert "✓ smoke test on" in last["text/html"]
    assert imported.stdout == "False\n"
    assert environment.manifest() == before


def test_a_terminal_tries_it_out(environment: Environment, said: dict[str, Any]) -> None:
    done = environment.run("-m", "envmagic", "info", "--smoke", env=QUIET)
    assert f"torch {said['version']} multiplies rightly" in done.stdout
