"""The verdict: pure functions on described machines and the texts of locks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.verdicts import LOCKS, MACHINES, ROOT, judge_text, machine_of, reasons, table

from envmagic.core.accelerator import judge
from envmagic.core.facts import torch_wheels
from envmagic.core.model import (
    Distribution,
    Name,
    Platform,
    Severity,
    Snapshot,
    TorchBuild,
    canonical_name,
    read_version,
)
from envmagic.core.question import Question, question_of
from envmagic.core.report import Accelerator, Gpu, Judgement
from envmagic.face.card import card_lines

if TYPE_CHECKING:
    from envmagic.core.report import Verdict

LINUX = "linux-x86_64"
FLASH_WHEEL = (
    "https://h/flash_attn-2.8.0.post2%2Bcu12torch2.4cxx11abiFALSE-cp311-cp311-linux_x86_64.whl"
)


def words(verdict: Verdict) -> str:
    return "\n".join(f"{r.severity.value}: {r.text} — {r.hint}" for r in verdict.reasons)


def on(machine: str, text: str, *installed: Distribution) -> Verdict:
    return judge_text(text, machine_of(machine), *installed)


def dist(name: str, version: str, *requires: str) -> Distribution:
    return Distribution(name=canonical_name(name), version=read_version(version), requires=requires)


def judge_versions(machine: Accelerator | None, **versions: str) -> Verdict:
    asked = {canonical_name(name): version for name, version in versions.items()}
    return judge(Question(asked=asked), machine, LINUX)


def test_the_whole_table() -> None:
    """`make verdicts` prints it; a row that changes is to be read, and then kept."""
    assert table() == (ROOT / "tests" / "verdicts.txt").read_text("utf-8")


def test_each_reason_that_is_not_a_note_says_what_it_is_about() -> None:
    text = reasons()
    assert "None" not in text
    assert "()" not in text
    assert text.count(": unknown\n") > 20


@pytest.mark.parametrize(
    ("lock", "machine", "verdict", "said"),
    [
        ("first_env", "a100-550", "warn", "its `setup.py` imports torch"),
        ("first_env", "rtx5090-570", "fail", "(sm_120) has no code in `torch` 2.4.0 (CUDA 12.1)"),
        ("first_env", "rtx5090-570", "fail", "torch 2.8.0 or later has code for it"),
        ("first_env", "none", "warn", "no NVIDIA driver here"),
        ("first_env", "windows", "fail", "Torch not compiled with CUDA enabled"),
        ("first_env", "two-gpus", "warn", "`vllm` 0.6.3 needs compute 7.0 or later"),
        ("torch 2.4.1", "windows", "warn", "`NVIDIA GeForce RTX 4070` will not be used"),
        ("torch 2.4.1", "gh200", "warn", "built for the CPU alone"),
        ("torch 2.4.1", "amd", "fail", "this machine has `AMD gfx1100`"),
        ("torch 2.4.1", "mismatch", "unknown", "version mismatch"),
        ("torch 2.4.1", "no-libcuda", "unknown", "NVIDIA_DRIVER_CAPABILITIES=compute,utility"),
        ("torch 2.4.1", "mig", "ok", "cut into slices (MIG)"),
        ("torch 2.6.0", "rtx4090-535", "warn", "update the driver to 550.54.14 or later"),
        ("torch 2.6.0", "rtx4090-535", "warn", "error 222"),
        ("torch 2.6.0", "wsl2", "ok", "driver 566.36 (CUDA 12.7) serves CUDA 12.4"),
        ("torch 2.11.0", "a100-550", "fail", "(error 35)"),
        ("torch 2.11.0", "a100-550", "fail", "update the driver to 580 or later"),
        ("torch 2.11.0", "v100-580", "fail", "`torch==2.11.0+cu126` from torch's own index"),
        ("torch 2.11.0", "v100-580", "fail", "torch 2.10.0 or earlier has code for it"),
        ("torch 2.11.0", "gb10", "ok", "serves CUDA 13.0"),
        ("torch 2.8.0", "two-gpus", "warn", "another one here can be used"),
        ("torch unknown", "a100-550", "unknown", "is in no table"),
        ("torch cu118", "rtx5090-570", "warn", "may have no code"),
        ("torch rocm", "a100-550", "fail", "built for AMD GPUs"),
        ("torch rocm", "amd", "unknown", "is in no table"),
        ("cu126 index", "v100-580", "ok", "CUDA 12.6 (torch 2.7.1 from an index of cu126)"),
        ("cu126 index", "gh200", "unknown", "whether an index of cu126 has `torch 2.7.1`"),
        ("cu126 index", "apple", "ok", ""),
        ("jax 12", "a100-550", "ok", "CUDA 12 (jax-cuda12-plugin 0.6.2)"),
        ("jax 12", "rtx5090-570", "unknown", "may be none of them"),
        ("jax 13", "a100-550", "fail", "too old for CUDA 13.0 (nvidia-cuda-runtime 13.0.96)"),
        ("tensorflow alone", "a100-550", "warn", "brings no CUDA"),
        ("vllm amiss", "none", "fail", "`vllm` 0.6.3 is built for `torch` 2.4.0"),
        ("vllm amiss", "h200-580", "fail", "pin `torch==2.4.0`"),
        ("torch 2.4.1", "jetson", "warn", "built for the CPU alone"),
        ("torch 2.11.0", "jetson", "fail", "(sm_87) has no code"),
        ("torch 2.4.1", "apple", "ok", ""),
        ("torch cu118", "apple", "fail", "which no Mac has"),
    ],
)
def test_a_lock_on_a_machine(lock: str, machine: str, verdict: str, said: str) -> None:
    found = on(machine, LOCKS[lock])
    assert found.verdict.value == verdict, words(found)
    assert said in words(found)


@pytest.mark.parametrize("machine", MACHINES)
def test_what_asks_for_no_gpu_runs_everywhere_and_is_calm(machine: str) -> None:
    verdict = on(machine, "numpy==1.26.4\n")
    assert verdict.verdict is Judgement.OK
    assert not verdict.matters


def test_what_is_wanted_and_what_is_installed() -> None:
    text = "torch==2.4.0\nnvidia-cudnn-cu12==9.2.0.1\n"
    verdict = on("a100-550", text, dist("torch", "2.6.0+cu118"), dist("nvidia-nccl-cu11", "2.21.5"))
    assert (verdict.wanted.torch, verdict.wanted.cuda) == ("2.4.0", "12.1")
    assert (verdict.wanted.cudnn, verdict.wanted.nccl) == ("9.2.0.1", "2.20.5")
    assert verdict.wanted_from == "torch 2.4.0"
    assert "sm_80" in verdict.architectures
    assert verdict.covered == (True,)
    assert (verdict.installed.torch, verdict.installed.cuda) == ("2.6.0+cu118", "11.8")


def test_a_cpu_build_that_passes_for_the_cuda_build_of_the_lock() -> None:
    verdict = of_disk(disk("2.4.0+cpu"), "2.4.0+cpu")
    assert verdict.verdict is Judgement.FAIL
    assert "`torch` 2.4.0+cpu is installed and stays: it is built for the CPU alone" in words(
        verdict
    )
    assert "--strict-labels" in words(verdict)
    same = of_disk(disk("2.4.0+cu121", "12.1"), "2.4.0+cu121")
    assert same.verdict is Judgement.OK
    other = of_disk(disk("2.4.0+cu118", "11.8"), "2.4.0+cu118")
    assert other.verdict is Judgement.WARN


@pytest.mark.parametrize("installed", ["2.4.0", "2.4.0+cu121", "2.4.0+cpu"])
def test_a_torch_that_stays_and_does_not_say_what_it_is_is_not_good(installed: str) -> None:
    verdict = on("a100-550", "torch==2.4.0\n", dist("torch", installed))
    assert any(reason.unknown for reason in verdict.reasons)
    said = words(verdict)
    assert f"`torch` {installed} is installed and stays, but its `version.py` does not say" in said
    known = on("a100-550", "torch==2.4.0\n", dist("torch", "2.3.0"))  # it is replaced
    assert known.verdict is Judgement.OK
    none = on("a100-550", "numpy==1.0\n", dist("torch", installed))  # nobody asks for it
    assert none.verdict is Judgement.OK


def disk(version: str, cuda: str | None = None, codes: str = "", **more: str) -> TorchBuild:
    return TorchBuild(version=version, cuda=cuda, architectures=tuple(codes.split()), **more)


def of_disk(
    torch: TorchBuild, installed: str = "2.4.0", lock: str = "torch==2.4.0\n", on: str = "a100-550"
) -> Verdict:
    return judge_text(lock, machine_of(on), dist("torch", installed), torch=torch)


def test_a_cpu_build_whose_metadata_has_no_label_is_seen_on_the_disk() -> None:
    verdict = of_disk(disk("2.4.0"))
    assert verdict.verdict is Judgement.FAIL
    said = words(verdict)
    assert "`torch` 2.4.0 is installed and stays: it is built for the CPU alone" in said
    assert "the lock means CUDA 12.1 (torch 2.4.0)" in said
    assert "`python -m pip uninstall torch`" in said  # no label that could tell them apart
    assert "--strict-labels" not in said
    assert (verdict.wanted.cuda, verdict.installed.cuda) == ("12.1", None)
    labelled = of_disk(disk("2.4.0+cpu"), "2.4.0+cpu")
    assert "--strict-labels" in words(labelled)


def test_a_torch_that_will_be_replaced_does_not_count() -> None:
    verdict = of_disk(disk("2.3.0"), "2.3.0")
    assert verdict.verdict is Judgement.OK
    assert verdict.installed.torch == "2.3.0"
    assert verdict.installed.cuda is None
    assert "stays" not in words(verdict)


def test_what_is_on_the_disk_is_told_with_its_label() -> None:
    verdict = of_disk(disk("2.4.0+cu121", "12.1", "sm_80 sm_90"))
    assert verdict.verdict is Judgement.OK
    assert (verdict.installed.torch, verdict.installed.cuda) == ("2.4.0+cu121", "12.1")
    assert verdict.wanted_from == "torch 2.4.0"
    assert verdict.architectures == ("sm_80", "sm_90")
    ok = card_lines(machine_of("a100-550"), verdict)
    assert "  torch    2.4.0+cu121" in ok


@pytest.mark.parametrize(
    ("codes", "machine", "verdict"),
    [
        ("sm_80 sm_90", "rtx5090-570", Judgement.FAIL),
        ("sm_80 sm_120", "rtx5090-570", Judgement.OK),  # the table has it without that
        ("sm_75", "a100-550", Judgement.FAIL),
        ("sm_75 compute_75", "a100-550", Judgement.OK),
        ("sm_80 sm_90a", "h200-580", Judgement.OK),
        ("sm_80 sm_90a", "rtx5090-570", Judgement.FAIL),
        ("sm_80 sm_90x", "h200-580", Judgement.UNKNOWN),
        ("sm_90 sm_90x", "h200-580", Judgement.OK),
        ("", "rtx5090-570", Judgement.FAIL),  # not found in the library: the table counts
    ],
)
def test_the_code_on_the_disk_counts_more_than_the_table(
    codes: str, machine: str, verdict: Judgement
) -> None:
    found = of_disk(disk("2.4.0+cu121", "12.1", codes), on=machine)
    assert found.verdict is verdict, words(found)


def test_code_of_which_it_is_not_known_what_it_runs_on_is_told() -> None:
    said = words(of_disk(disk("2.4.0+cu121", "12.1", "sm_80 sm_90x"), on="h200-580"))
    assert "(compute 9.0) runs the code of torch 2.4.0" in said
    assert ", sm_80 sm_90x, is not known" in said


def test_a_torch_in_no_table_is_judged_by_its_files() -> None:
    lock = "torch==2.99.0\n"
    assert judge_text(lock, machine_of("a100-550")).verdict is Judgement.UNKNOWN
    new = of_disk(disk("2.99.0+cu124", "12.4", "sm_80"), "2.99.0", lock)
    assert new.verdict is Judgement.OK, words(new)
    assert (new.wanted.cuda, new.wanted_from) == ("12.4", "torch 2.99.0+cu124")
    cpu = of_disk(disk("2.99.0"), "2.99.0", lock)
    assert cpu.verdict is Judgement.WARN
    assert "`NVIDIA A100-SXM4-80GB` will not be used" in words(cpu)
    odd = of_disk(disk("2.99.0", "twelve"), "2.99.0", lock)
    assert odd.verdict is Judgement.UNKNOWN


def test_another_cuda_than_the_lock_means_is_judged_and_told() -> None:
    verdict = of_disk(disk("2.4.0", "13.0", "sm_80"))
    assert verdict.verdict is Judgement.FAIL
    assert "built for CUDA 13.0, the lock means CUDA 12.1" in words(verdict)
    assert "too old for CUDA 13.0" in words(verdict)
    rocm = of_disk(disk("2.4.0", hip="6.1"))
    assert "built for ROCm, the lock means CUDA 12.1" in words(rocm)
    assert rocm.verdict is Judgement.FAIL


@pytest.mark.parametrize("torch", [disk("2.5.1+xpu"), disk("2.5.1+xpu", xpu="20240703")])
def test_a_build_for_intel_is_seen_by_its_label_too(torch: TorchBuild) -> None:
    """torch 2.5 has the label, and no `xpu` in its `version.py`."""
    verdict = of_disk(torch, "2.5.1+xpu", "torch==2.5.1+xpu\n", on="none")
    assert "is built for Intel GPUs" in words(verdict)
    assert "the CPU alone" not in words(verdict)
    lock = of_disk(torch, "2.5.1+xpu", "torch==2.5.1\n", on="a100-550")
    assert "built for Intel GPUs, the lock means CUDA 12.4" in words(lock)


def test_files_of_another_version_than_the_metadata_are_told() -> None:
    said = words(of_disk(disk("2.3.0+cu121", "12.1", "sm_80")))
    assert "`torch` 2.4.0 is installed, but its `version.py` says 2.3.0+cu121" in said


def test_an_environment_as_it_is() -> None:
    where = Platform(
        python="3.11.7",
        implementation="cpython",
        markers=(),
        executable="",
        prefix="",
        virtual=True,
    )
    there = Snapshot(platform=where, distributions=(dist("torch", "2.99.0"),))
    machine = machine_of("rtx5090-570")
    build = disk("2.99.0+cu128", "12.8", "sm_90 sm_120")
    assert judge(question_of(there, build), machine, LINUX).verdict is Judgement.OK
    assert judge(question_of(there, None), machine, LINUX).verdict is Judgement.UNKNOWN


@pytest.mark.parametrize("torch", ["2.6.0", "2.8.0", "2.11.0", "2.15.0"])
def test_an_index_that_stayed_behind_is_not_believed(torch: str) -> None:
    """For pip takes PyPI's build then, of a CUDA that this driver does not serve."""
    lock = f"--extra-index-url https://download.pytorch.org/whl/cu121\ntorch=={torch}\n"
    verdict = on("rtx4090-535", lock)
    assert verdict.verdict is Judgement.UNKNOWN
    assert verdict.wanted.cuda is None
    assert f"whether an index of cu121 has `torch {torch}` for linux-x86_64" in words(verdict)
    # What the lock pins beside it tells all the same.
    runtime = on("rtx4090-535", f"{lock}nvidia-cuda-runtime-cu12==12.8.90\n")
    assert runtime.wanted.cuda == "12.8"


def test_an_index_that_has_the_release_is_believed_and_one_of_the_future() -> None:
    place = "--extra-index-url https://download.pytorch.org/whl/cu121\n"
    assert on("rtx4090-535", f"{place}torch==2.4.0\n").verdict is Judgement.OK
    assert on("rtx4090-535", f"{place}torch==2.99.0\n").wanted.cuda == "12.1"
    cpu = on("rtx4090-535", f"{place.replace('cu121', 'cpu')}torch==2.8.0\n")
    assert "will not be used" in words(cpu)


def test_what_torch_itself_requires_counts_more_than_the_index() -> None:
    torch = dist("torch", "2.8.0", "nvidia-cuda-runtime-cu12==12.8.90")
    place = "--extra-index-url https://download.pytorch.org/whl/cu126\n"
    known = {Name("torch"): torch}
    verdict = judge_text(f"{place}torch==2.8.0\n", machine_of("h200-580"), known=known)
    assert verdict.wanted.cuda == "12.8"


def test_the_index_of_a_jetson_has_builds_of_its_own() -> None:
    place = "--extra-index-url https://pypi.jetson-ai-lab.dev/jp6/cu126\n"
    verdict = on("jetson", f"{place}torch==2.8.0\n")
    assert verdict.verdict is Judgement.UNKNOWN
    assert "whether an index of cu126 has `torch 2.8.0` for linux-aarch64" in words(verdict)


def test_the_runtime_that_is_pinned_is_trusted_more_than_the_table() -> None:
    text = "torch==2.99.0\nnvidia-cuda-runtime-cu12==12.4.127\n"
    verdict = on("h200-580", text)
    assert verdict.wanted.cuda == "12.4"
    assert verdict.wanted_from == "nvidia-cuda-runtime-cu12 12.4.127"
    assert verdict.verdict is Judgement.UNKNOWN  # its architectures are in no table
    labelled = on("h200-580", f"{text.replace('2.99.0', '2.99.0+cu118')}")
    assert labelled.wanted.cuda == "11.8"


def test_what_the_index_tells_is_trusted_more_than_the_table() -> None:
    torch = dist("torch", "2.99.0", "nvidia-cuda-runtime-cu12==12.9.79", "nvidia-cudnn-cu12==9.11")
    verdict = judge_text("torch==2.99.0\n", machine_of("h200-580"), known={Name("torch"): torch})
    assert verdict.wanted.cuda == "12.9"
    assert verdict.wanted.cudnn == "9.11"
    assert verdict.wanted_from == "torch 2.99.0's own metadata"
    assert "for which GPUs torch 2.99.0 with CUDA 12.9 is built" in words(verdict)
    # Where the table has it, too: 2.4.0 on PyPI is built for CUDA 12.1.
    other = dist("torch", "2.4.0", "nvidia-cuda-runtime-cu12==12.4.127; os_name != 'x'")
    verdict = judge_text("torch==2.4.0\n", machine_of("h200-580"), known={Name("torch"): other})
    assert (verdict.wanted.cuda, verdict.wanted_from) == ("12.4", "torch 2.4.0's own metadata")


def test_the_label_of_what_was_fetched_says_it_all() -> None:
    labelled = dist("torch", "2.4.0+cu118", "nvidia-cuda-runtime-cu12==12.1.105")
    verdict = judge_text("torch==2.4.0\n", machine_of("h200-580"), known={Name("torch"): labelled})
    assert (verdict.wanted.cuda, verdict.wanted_from) == ("11.8", "torch 2.4.0+cu118")


def test_the_metadata_of_what_is_installed_is_asked_only_of_that_very_build() -> None:
    runtime = "nvidia-cuda-runtime-cu12==12.4.127"
    there = on("h200-580", "torch==2.99.0\n", dist("torch", "2.99.0", runtime))
    assert (there.wanted.cuda, there.wanted_from) == ("12.4", "torch 2.99.0's own metadata")
    other = on("h200-580", "torch==2.4.0\n", dist("torch", "2.4.0+cu124", runtime))
    assert "metadata" not in other.wanted_from


def test_metadata_is_that_of_this_platform_and_of_no_other() -> None:
    torch = dist("torch", "2.99.0", "nvidia-cuda-runtime-cu12==12.9.79")
    other = replace(machine_of("h200-580"), platform="linux-aarch64")
    verdict = judge_text("torch==2.99.0\n", other, known={Name("torch"): torch})
    assert "metadata" not in verdict.wanted_from


def test_a_gpu_that_is_lost_is_told() -> None:
    lost = "a GPU does not answer: GPU is lost (NVML error 15)"
    machine = replace(machine_of("a100-550"), problem=lost)
    verdict = judge_versions(machine, torch="2.4.0")
    assert verdict.verdict is Judgement.WARN
    assert lost in words(verdict)


def test_gpus_that_are_hidden() -> None:
    machine = replace(machine_of("a100-550"), hidden=True)
    verdict = judge_versions(machine, torch="2.4.0")
    assert verdict.verdict is Judgement.WARN
    assert "warning: CUDA_VISIBLE_DEVICES hides every GPU" in words(verdict)
    amd = replace(machine_of("amd"), hidden=True)
    said = words(judge_versions(amd, torch="2.4.0+rocm6.1"))
    assert "HIP_VISIBLE_DEVICES or CUDA_VISIBLE_DEVICES hides every GPU" in said
    assert "hides" not in words(judge_versions(machine_of("amd"), torch="2.4.0+rocm6.1"))


def test_parts_of_cuda_are_the_last_to_be_asked_and_nvjitlink_never() -> None:
    verdict = on(
        "h200-580",
        "nvidia-cublas-cu12==12.1.3.1\nnvidia-nvjitlink-cu12==12.9.86\n"
        "nvidia-cufft-cu12==11.0.2.54\n",
    )
    assert verdict.wanted.cuda == "12.1"


def test_not_asked_yet_is_unknown_where_it_matters() -> None:
    assert judge_versions(None, torch="2.4.0").verdict is Judgement.UNKNOWN
    assert judge_versions(None, numpy="1").verdict is Judgement.OK


def test_a_driver_that_only_tells_its_version_is_looked_up() -> None:
    gpu = Gpu(name="A", capability="8.0")
    machine = Accelerator(driver="535.54.03", gpus=(gpu,))
    assert "(CUDA 12.2) serves CUDA 12.1" in words(judge_versions(machine, torch="2.4.0"))
    odd = replace(machine, driver="not a version")
    assert judge_versions(odd, torch="2.4.0").verdict is Judgement.UNKNOWN


def test_a_gpu_that_does_not_tell_its_capability_is_not_good() -> None:
    machine = Accelerator(driver="550.54.15", driver_cuda="12.4", gpus=(Gpu(name="A"),))
    assert judge_versions(machine, torch="2.4.0").verdict is Judgement.UNKNOWN


def test_a_driver_without_a_gpu() -> None:
    machine = Accelerator(driver="550.54.15", driver_cuda="12.4")
    verdict = judge_versions(machine, torch="2.4.0")
    assert verdict.verdict is Judgement.WARN
    assert "the driver sees no GPU" in words(verdict)


@pytest.mark.parametrize(
    ("name", "verdict"),
    [("NVIDIA GeForce RTX 3090", Judgement.FAIL), ("NVIDIA A40", Judgement.OK)],
)
def test_cuda_compat(name: str, verdict: Judgement) -> None:
    machine = Accelerator(
        driver="535.183.01", driver_cuda="12.4", gpus=(Gpu(name=name, capability="8.6"),)
    )
    found = judge_versions(machine, torch="2.6.0")
    assert found.verdict is verdict
    assert "cuda-compat is at work" in words(found)


def test_libraries_that_come_first() -> None:
    machine = replace(machine_of("a100-550"), libraries=("/usr/local/cuda/lib64/libcudnn.so.8",))
    verdict = judge_versions(machine, torch="2.4.0")
    assert verdict.verdict is Judgement.WARN
    assert "CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH" in words(verdict)
    assert judge_versions(machine, numpy="1").verdict is Judgement.OK


@pytest.mark.parametrize(
    ("text", "severity", "said"),
    [
        ("torch==2.4.0\ntorchvision==0.19.0\n", None, ""),
        ("torch==2.4.1\ntorchvision==0.19.0\n", "warning", "is built for `torch` 2.4.0"),
        ("torch==2.5.0\ntorchvision==0.19.0\n", "error", "the lock has 2.5.0"),
        ("torch==2.5.0\ntorchaudio==2.4.0\n", "error", "`torchaudio` 2.4.0 is built for"),
        ("torch==2.5.0\nxformers==0.0.27.post2\n", "error", "`xformers` 0.0.27.post2 is built"),
        ("torch==2.4.0\ntriton==3.0.0\n", None, ""),
        ("torch==2.4.0\ntriton==3.2.0\n", "warning", "goes with `triton` 3.0.0"),
        ("torch==2.9.1\nvllm==0.20.0\n", "error", "libcudart.so.13 will not be found"),
        (
            "torch==2.4.0\nflash-attn==2.8.0.post2+cu12torch2.4cxx11abiTRUE\n",
            "error",
            "the C++ ABI TRUE, and torch from PyPI has FALSE",
        ),
        ("torch==2.4.0\nflash-attn==2.8.0.post2+cu12torch2.4cxx11abiFALSE\n", None, ""),
        (
            f"torch==2.7.0\nflash_attn @ {FLASH_WHEEL}\n",
            "error",
            "is for torch 2.4, the C++ ABI FALSE",
        ),
        (
            "nvidia-cudnn-cu12==9.10.2.21\nnvidia-cudnn-cu13==9.20.0.48\n",
            "warning",
            "two versions of cuDNN",
        ),
        (
            "torch==2.4.0\nnvidia-nvjitlink-cu12==12.0.140\nnvidia-cusparse-cu12==12.1.0.106\n",
            "error",
            "undefined symbol __nvJitLink",
        ),
        (
            "torch==2.8.0\nnvidia-cuda-nvrtc-cu12==12.6.77\n",
            "warning",
            "libnvrtc-builtins.so.12.8 will not be found",
        ),
        (
            "torch==2.8.0\nnvidia-cublas==13.1.0.3\n",
            "warning",
            "`nvidia-cublas` 13.1.0.3 are of another CUDA",
        ),
    ],
)
def test_a_lock_that_does_not_fit_together(text: str, severity: str | None, said: str) -> None:
    verdict = on("h200-580", text)
    grave = [r for r in verdict.reasons if r.severity is not Severity.NOTE]
    if severity is None:
        assert grave == []
    else:
        assert severity in {r.severity.value for r in grave if said in r.text}, words(verdict)


def test_a_sister_that_is_removed_takes_files_along() -> None:
    text = "torch==2.8.0\nnvidia-nvshmem-cu12==3.4.5\n"
    there = (dist("nvidia-nvshmem-cu12", "3.4.5"), dist("nvidia-nvshmem-cu13", "3.4.5"))
    assert "removing the one takes files of the other" in words(on("h200-580", text, *there))


def test_flash_attn_that_is_there_needs_no_build() -> None:
    text = "torch==2.4.0\nflash-attn==2.8.0.post2\n"
    assert "beside torch 2.4.0" in words(on("a100-550", text))
    assert "nvcc" in words(on("a100-550", text))
    there = on("a100-550", text, dist("flash-attn", "2.8.0.post2"))
    assert "nvcc" not in words(there)


def test_flash_attn_without_torch_cannot_be_built() -> None:
    verdict = on("a100-550", "flash-attn==2.8.0.post2\n")
    assert "it cannot be built" in words(verdict)
    assert "add torch to the lock" in words(verdict)
    # A torch that stays will do.
    there = on("a100-550", "flash-attn==2.8.0.post2\ntorch==2.4.0\n", dist("torch", "2.4.0"))
    assert "beside torch 2.4.0" in words(there)


def test_each_torch_of_the_table_has_a_verdict_on_each_platform() -> None:
    for (torch, tag), (cuda, architectures) in torch_wheels().items():
        assert bool(cuda) == bool(architectures)
        machine = replace(machine_of("h200-580"), platform=tag)
        verdict = judge(Question(asked={Name("torch"): torch}), machine, LINUX)
        assert (verdict.wanted.cuda or "") == cuda
