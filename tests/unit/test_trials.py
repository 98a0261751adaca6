"""What a smoke test has told, and what that means on a machine."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from envmagic.core.facts import failure_hint
from envmagic.core.report import Accelerator, Gpu
from envmagic.core.trials import read_trials

if TYPE_CHECKING:
    from envmagic.core.report import Trial

NVIDIA = Accelerator(driver="535.54.03", driver_cuda="12.2", gpus=(Gpu(name="A"),))
AMD = Accelerator(gpus=(Gpu(name="B", vendor="amd"),))
CUDA = {"torch": "2.11.0+cu130", "cuda": "13.0", "hip": None}
ROCM = {"torch": "2.11.0+rocm7.0", "cuda": None, "hip": "7.0"}


def tell(*steps: tuple[str, dict[str, Any]]) -> str:
    return "".join(json.dumps({"smoke": step, **said}) + "\n" for step, said in steps)


def without_gpu(build: dict[str, Any], machine: Accelerator | None) -> Trial:
    said = tell(
        ("begin", {"device": ""}),
        ("torch", build),
        ("skipped", {"device": "cuda", "problem": "RuntimeError: the driver is too old"}),
        ("begin", {"device": "cpu"}),
        ("passed", {"device": "cpu", "milliseconds": 1.5}),
        ("end", {}),
    )
    gpu, cpu = read_trials(said, machine, "")
    assert (cpu.device, cpu.passed, cpu.milliseconds) == ("cpu", True, 1.5)
    assert (cpu.torch, cpu.cuda) == (build["torch"], build["cuda"])
    assert gpu.problem == "RuntimeError: the driver is too old"
    return gpu


@pytest.mark.parametrize(
    ("build", "machine", "passed"),
    [
        (CUDA, NVIDIA, False),
        (ROCM, AMD, False),
        (CUDA, AMD, None),
        (ROCM, NVIDIA, None),
        (CUDA, None, None),
        (CUDA, Accelerator(absent=True), None),
        (CUDA, replace(NVIDIA, hidden=True), None),
        (CUDA, replace(NVIDIA, origin="box.json"), None),
    ],
)
def test_a_gpu_that_the_driver_sees_and_torch_does_not_is_a_failure(
    build: dict[str, Any], machine: Accelerator | None, *, passed: bool | None
) -> None:
    assert without_gpu(build, machine).passed is passed


def test_a_torch_that_is_not_there_is_no_failure() -> None:
    said = tell(("begin", {"device": ""}), ("absent", {"device": "", "problem": "x"}), ("end", {}))
    (trial,) = read_trials(said, NVIDIA, "")
    assert (trial.device, trial.passed, trial.problem) == ("", None, "torch is not installed")


@pytest.mark.parametrize("cut", ["", '{"smoke": "passed", "dev', '{"smoke": "unheard of"}'])
def test_an_end_that_is_not_told_is_a_failure_where_it_was(cut: str) -> None:
    said = tell(("begin", {"device": ""}), ("torch", CUDA), ("begin", {"device": "cuda:1"})) + cut
    (trial,) = read_trials(said, NVIDIA, "its process ended with -9")
    assert (trial.device, trial.passed) == ("cuda:1", False)
    assert trial.problem == "its process ended with -9"
    (trial,) = read_trials(said, NVIDIA, "")
    assert trial.passed is False
    (trial,) = read_trials("", NVIDIA, "it did not end")
    assert (trial.device, trial.passed, trial.problem) == ("", False, "it did not end")


def test_a_stop_is_no_failure() -> None:
    said = tell(
        ("begin", {"device": ""}),
        ("torch", CUDA),
        ("skipped", {"device": "cuda", "problem": "RuntimeError: the driver is too old"}),
        ("begin", {"device": "cpu"}),
    )
    gpu, cpu = read_trials(said, NVIDIA, "it was stopped", stopped=True)
    assert (gpu.device, gpu.passed) == ("cuda", False)
    assert (cpu.device, cpu.passed, cpu.problem) == ("cpu", None, "it was stopped")
    (trial,) = read_trials(
        tell(("begin", {"device": "cuda:1"})), NVIDIA, "it was stopped", stopped=True
    )
    assert (trial.device, trial.passed) == ("cuda:1", None)


@pytest.mark.parametrize("lost", ["{}", '"smoke"', '{"smoke": "failed", "problem": "', "?"])
def test_a_line_that_is_lost_is_a_failure(lost: str) -> None:
    passed = tell(("begin", {"device": "cpu"}), ("passed", {"device": "cpu"}))
    said = f"{passed}{lost}\n" + tell(("end", {}))
    assert [trial.passed for trial in read_trials(said, None, "")] == [True, False]


def test_an_end_without_a_trial_is_a_failure() -> None:
    (trial,) = read_trials(tell(("begin", {"device": ""}), ("end", {})), None, "")
    assert (trial.passed, trial.problem) == (False, "it ended too early")


@pytest.mark.parametrize(
    ("problem", "shown"),
    [
        ("a" * 4000, "a" * 4000),
        (f"see {'b' * 4000}", "see …"),
        (f"{'c ' * 1996}https://me:hunter2@e.org", "c " * 1995 + "c …"),
        ("\udcff and \ud800", "? and ?"),
    ],
)
def test_words_that_are_too_long_or_no_text(problem: str, shown: str) -> None:
    (trial,) = read_trials(
        tell(("failed", {"device": "cpu", "problem": problem}), ("end", {})), None, ""
    )
    assert trial.problem == shown


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("ImportError: libcudnn.so.9: cannot open shared object file: No such file", "a sync puts"),
        ("ImportError: libcudart.so.12: cannot open shared object file", "for the same CUDA"),
        ("ImportError: undefined symbol: __nvJitLinkComplete_12_4, version 12", "nvidia-nvjitlink"),
        ("ImportError: x.so: undefined symbol: _ZN3c104cuda9SetDeviceEi", "another torch"),
        ("AssertionError: Torch not compiled with CUDA enabled", "its own index"),
        ("OutOfMemoryError: CUDA out of memory. Tried to allocate", "another process"),
        ("RuntimeError: something new", ""),
    ],
)
def test_what_to_do_about_words_that_are_known(words: str, hint: str) -> None:
    assert hint in failure_hint(words)
    assert bool(failure_hint(words)) == bool(hint)
