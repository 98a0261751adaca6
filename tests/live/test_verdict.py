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
from support.wheelhouse import Wheelhouse

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


def test_the_index_is_asked_what_no_table_knows(
    bare_environment: Environment, tmp_path: Path
) -> None:
    house = Wheelhouse(tmp_path / "wheels")
    runtime = "nvidia-cuda-runtime-cu12"
    marker = "sys_platform != 'win32'"
    house.add("torch", "2.99.0", requires=[f"{runtime}==12.4.127; {marker}"])
    house.add(runtime, "12.4.127")
    story = Story(bare_environment, house)
    story.write("torch==2.99.0")
    offline, online = (story.diff(*options)["accelerator"] for options in ((), ("--online",)))
    assert (offline["verdict"], offline["wanted"]["cuda"]) == ("unknown", None)
    assert online["wanted"]["cuda"] == "12.4"
    assert online["wanted"]["from"] == "torch 2.99.0's own metadata"
    said = " ".join(story.run("diff", "--online").stdout.split())
    assert "the lock wants CUDA 12.4 (torch 2.99.0's own metadata)" in said
    machine = {"ENVMAGIC_CUDA_DRIVER": "550.54.15", "ENVMAGIC_CUDA": "12.4", "ENVMAGIC_GPU": "8.0"}
    said = " ".join(story.run("diff", "--online", **machine).stdout.split())
    assert "wanted CUDA 12.4, by torch 2.99.0's own metadata" in said
    # A lock that has the runtime, too, and another one, asks for what torch is built for.
    house.add(runtime, "12.1.105")
    story.write("torch==2.99.0", f"{runtime}==12.1.105")
    assert story.diff()["accelerator"]["wanted"]["cuda"] == "12.1"
    assert story.diff("--online")["accelerator"]["wanted"]["cuda"] == "12.4"


def test_the_label_of_a_configured_index_counts(bare_environment: Environment) -> None:
    story = Story(bare_environment, None)
    story.write("torch==2.99.0")
    places = {"PIP_EXTRA_INDEX_URL": "https://e.org/whl/cu126"}
    told = json.loads(story.run("diff", "--json", **places).stdout)["accelerator"]
    assert told["wanted"]["cuda"] == "12.6"
    assert told["wanted"]["from"] == "torch 2.99.0 from an index of cu126"
    # Nor is an index asked where pip is told so: what counts then is where links are found.
    nothing = json.loads(story.run("diff", "--json", **places, PIP_NO_INDEX="1").stdout)
    assert nothing["accelerator"]["wanted"]["cuda"] is None
    links = {"PIP_FIND_LINKS": "https://e.org/whl/cu128", "PIP_NO_INDEX": "yes"}
    told = json.loads(story.run("diff", "--json", **places, **links).stdout)["accelerator"]
    assert told["wanted"]["cuda"] == "12.8"
