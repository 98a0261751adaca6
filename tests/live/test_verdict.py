"""The verdict in a real kernel, whose driver is `fake_nvml.c`."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING

import pytest
from support.kernel import live_kernel
from support.nvml import FakeGpu, FakeNvml, build_fake_nvml, compiler
from support.story import Story

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.environment import Environment
    from support.kernel import LiveKernel

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a library for Linux"),
    pytest.mark.skipif(compiler() is None, reason="no C compiler"),
]


@contextlib.contextmanager
def kernel_on(nvml: FakeNvml, environment: Environment, folder: Path) -> Iterator[LiveKernel]:
    """Run a kernel on a machine, in the folder of a lock that wants torch 2.4.0."""
    answers = folder / "nvml.txt"
    answers.write_text(nvml.text(), encoding="utf-8")
    library = build_fake_nvml(folder / "nvml")
    env = {"LD_LIBRARY_PATH": str(library), "FAKE_NVML": str(answers)}
    lock = Story(environment, None).write("torch==2.4.0")
    with live_kernel(environment, cwd=lock.parent, env=env) as kernel:
        kernel.run("%load_ext envmagic").check()
        yield kernel


def test_a_kernel_judges_a_lock_for_its_own_gpus(
    kernel_environment: Environment, tmp_path: Path
) -> None:
    gpu = FakeGpu(name="NVIDIA GeForce RTX 5090", capability=(12, 0))
    nvml = FakeNvml(driver="570.124.06", cuda=12080, gpus=(gpu,))
    with kernel_on(nvml, kernel_environment, tmp_path) as kernel:
        shown = kernel.run("%envsync --dry-run").check()
        told = kernel.run("%envsync --dry-run --json").check()
        torch = kernel.run("import sys; print('torch' in sys.modules)").check()
        frozen = kernel.run("%envfreeze").check()
    card = shown.displays[-1]
    assert "✗ fail: this will not run here" in card["text/plain"]
    assert "(sm_120) has no code in `torch` 2.4.0 (CUDA 12.1)" in card["text/plain"]
    assert "em-card-fail" in card["text/html"]
    accelerator = json.loads(told.stdout)["accelerator"]
    assert (accelerator["verdict"], accelerator["covered"]) == ("fail", [False])
    assert torch.stdout == "False\n"
    assert "# driver: 570.124.06 (CUDA 12.8)\n" in frozen.stdout


def test_a_table_does_not_wait_for_the_driver(
    kernel_environment: Environment, tmp_path: Path
) -> None:
    nvml = FakeNvml(hang=tmp_path / "pid")
    with kernel_on(nvml, kernel_environment, tmp_path) as kernel:
        shown = kernel.run("%envsync --dry-run").check()
    first, last = (display["text/plain"] for display in shown.displays)
    assert "+ install  torch" in first
    assert "the driver has not answered yet" in first
    assert "the driver has not answered yet" in last
    assert [kind for kind, _ in shown.messages].count("update_display_data") == 1
