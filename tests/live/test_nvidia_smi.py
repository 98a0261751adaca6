"""A real child process without NVML, beside an `nvidia-smi` that answers or does not."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.smi import DETAILS, GPUS, REFUSED, put_nvidia_smi
from support.verdicts import judge_text

from envmagic.core.report import Accelerator, Gpu, Judgement
from envmagic.edge.gpu import describe_machine, probe_accelerator
from envmagic.face.card import accelerator_line

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live

A100 = Gpu(
    name="NVIDIA A100-SXM4-80GB",
    uuid="GPU-11111111-2222-3333-4444-555555555555",
    memory_total=81920 * 2**20,
    memory_used=4 * 2**20,
    capability="8.0",
    mig=False,
    ecc=True,
)
V100 = Gpu(
    name="Tesla V100-PCIE-16GB",
    uuid="GPU-99999999-8888-7777-6666-555555555555",
    memory_total=16384 * 2**20,
    memory_used=0,
    capability="7.0",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder on the PATH, where NVML's own library cannot be loaded."""
    library = tmp_path / "lib" / "libnvidia-ml.so.1"
    library.parent.mkdir()
    library.write_bytes(b"not a library")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(library.parent))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "bin"


def probe(timeout: float = 20.0) -> Accelerator:
    return probe_accelerator(sys.executable, timeout=timeout)


def test_it_says_what_nvml_cannot(folder: Path) -> None:
    put_nvidia_smi(folder)
    found = probe()
    assert found == Accelerator(driver="550.54.15", driver_cuda="12.4", gpus=(A100, V100))
    here = describe_machine(sys.executable, {})
    assert here.problem is None
    assert "A100" in accelerator_line(here)
    assert "driver 550.54.15 (CUDA 12.4)" in accelerator_line(here)


def test_bindings_that_are_not_installed_are_no_obstacle(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_nvidia_smi(folder)
    monkeypatch.setattr(sys, "path", [])
    assert probe().gpus == (A100, V100)


def test_an_older_one_that_refuses_a_field(folder: Path) -> None:
    old = "0, Tesla K80, GPU-1, 470.82.01, 11441, 0\n"
    put_nvidia_smi(folder, gpus=REFUSED, details="", old=old)
    gpu = Gpu(name="Tesla K80", uuid="GPU-1", memory_total=11441 * 2**20, memory_used=0)
    assert probe() == Accelerator(driver="470.82.01", gpus=(gpu,))


@pytest.mark.parametrize("said", ["N/A", "Not Found", "", "Error 3.1"])
def test_a_driver_without_cuda(folder: Path, said: str) -> None:
    put_nvidia_smi(folder, details=DETAILS.replace("12.4", said))
    found = probe()
    assert found.driver_cuda is None
    assert "NVIDIA_DRIVER_CAPABILITIES=compute,utility" in (found.problem or "")
    verdict = judge_text("torch==2.4.0\n", found)
    assert verdict.verdict is Judgement.UNKNOWN


def test_a_driver_without_a_gpu(folder: Path) -> None:
    put_nvidia_smi(folder, gpus="No devices were found\n", old="No devices were found\n")
    assert probe() == Accelerator(driver="550.54.15", driver_cuda="12.4")


def test_memory_that_is_shared_and_a_gpu_that_is_lost(folder: Path) -> None:
    lines = GPUS.splitlines(keepends=True)
    shared = lines[0].replace("81920, 4", "[N/A], [N/A]").replace("Disabled", "Enabled")
    lost = f"1, {', '.join(['[GPU is lost]'] * 8)}\n"
    put_nvidia_smi(folder, gpus=shared + lost)
    unified = replace(A100, memory_total=None, memory_used=None, unified=True, mig=True)
    assert probe().gpus == (unified, Gpu(name="GPU 1"))


@pytest.mark.parametrize(
    "said", ["[Unknown Error]", "[Insufficient Permissions]", "ERR!", "[GPU is lost]"]
)
def test_memory_that_is_not_told_is_not_that_of_the_machine(folder: Path, said: str) -> None:
    first = GPUS.splitlines(keepends=True)[0]
    put_nvidia_smi(folder, gpus=first.replace("81920, 4", f"{said}, {said}"))
    assert probe().gpus == (replace(A100, memory_total=None, memory_used=None),)
    assert describe_machine(sys.executable, {}).gpus[0].memory_total is None


@pytest.mark.parametrize("said", ["", "NVIDIA-SMI couldn't find libnvidia-ml.so library.\n"])
def test_one_that_does_not_know_either_adds_nothing(folder: Path, said: str) -> None:
    put_nvidia_smi(folder, gpus=said, old=said, details=said)
    found = probe()
    assert (found.problem or "").startswith("the NVIDIA driver library cannot be loaded: ")


def test_one_that_cannot_be_run_adds_nothing(folder: Path) -> None:
    put_nvidia_smi(folder)
    (folder / "nvidia-smi").write_text("#!/no/such/shell\n", "utf-8")
    assert (probe().problem or "").startswith("the NVIDIA driver library cannot be loaded: ")


def test_one_that_hangs_is_ended_in_time(folder: Path) -> None:
    put_nvidia_smi(folder)
    pid = folder / "pid"
    script = f"#!/bin/sh\necho $$ > {pid}\nexec sleep 600\n"
    (folder / "nvidia-smi").write_text(script, "utf-8")
    began = time.monotonic()
    found = probe(timeout=10.0)
    assert time.monotonic() - began < 30
    assert (found.problem or "").startswith("the NVIDIA driver library cannot be loaded: ")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
