"""The real bindings in a real child process, on machines made up by `fake_nvml.c`."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from support.nvml import LIBRARY, FakeGpu, FakeNvml, build_fake_nvml, compiler
from support.smi import put_nvidia_smi

from envmagic.core.report import Accelerator, Gpu
from envmagic.edge.gpu import AcceleratorProbe, describe_machine, probe_accelerator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Machine = Callable[[FakeNvml], None]

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a library for Linux"),
    pytest.mark.skipif(compiler() is None, reason="no C compiler"),
]

V100 = FakeGpu(
    name="Tesla V100-PCIE-16GB",
    uuid="GPU-99999999-8888-7777-6666-555555555555",
    memory_total=17179869184,
    memory_used=1048576,
    capability=(7, 0),
)


@pytest.fixture(autouse=True)
def _silent_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let that of this machine, if it has one, say nothing."""
    put_nvidia_smi(tmp_path / "bin", gpus="", details="")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_fake_nvml(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def machine(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    def become(nvml: FakeNvml) -> None:
        answers = tmp_path / "nvml.txt"
        answers.write_text(nvml.text(), encoding="utf-8")
        monkeypatch.setenv("FAKE_NVML", str(answers))
        monkeypatch.setenv("LD_LIBRARY_PATH", str(library))

    return become


def has_driver() -> bool:
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        return False
    return True


def probe() -> Accelerator:
    return probe_accelerator(sys.executable)


def problem() -> str:
    accelerator = probe()
    assert accelerator == Accelerator(problem=accelerator.problem, absent=accelerator.absent)
    return accelerator.problem or ""


def test_two_gpus(machine: Machine) -> None:
    machine(FakeNvml(gpus=(FakeGpu(), V100)))
    assert probe() == Accelerator(
        driver="550.54.15",
        driver_cuda="12.4",
        gpus=(
            Gpu(
                name="NVIDIA A100-SXM4-80GB",
                uuid="GPU-11111111-2222-3333-4444-555555555555",
                memory_total=85899345920,
                memory_used=0,
                capability="8.0",
            ),
            Gpu(
                name="Tesla V100-PCIE-16GB",
                uuid="GPU-99999999-8888-7777-6666-555555555555",
                memory_total=17179869184,
                memory_used=1048576,
                capability="7.0",
            ),
        ),
    )


def test_a_driver_that_sees_no_gpu_is_no_problem(machine: Machine) -> None:
    machine(FakeNvml(driver="580.65.06", cuda=13000))
    assert probe() == Accelerator(driver="580.65.06", driver_cuda="13.0")


@pytest.mark.skipif(has_driver(), reason="this machine has an NVIDIA driver")
def test_no_driver() -> None:
    assert probe().absent
    assert problem().startswith("no NVIDIA driver library (libnvidia-ml.so.1) found: ")


def test_a_library_that_cannot_be_loaded_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / LIBRARY).write_bytes(b"not a library")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    assert problem().startswith("the NVIDIA driver library cannot be loaded: ")
    assert not probe().absent


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (4, "no permission to use the NVIDIA driver"),
        (9, "installed but not loaded"),
        (13, "older than `nvidia-ml-py` can ask"),
        (18, "version mismatch"),
        (12, "does not start: NVML Shared Library Not Found (NVML error 12)"),
        (999, "does not start: Unknown Error (NVML error 999)"),
    ],
)
def test_a_driver_that_does_not_start(machine: Machine, code: int, words: str) -> None:
    machine(FakeNvml(gpus=(FakeGpu(),), failures={"nvmlInitWithFlags": code}))
    assert words in problem()


def test_a_container_without_libcuda(machine: Machine) -> None:
    machine(FakeNvml(gpus=(FakeGpu(),), failures={"nvmlSystemGetCudaDriverVersion_v2": 12}))
    accelerator = probe()
    assert (accelerator.driver, accelerator.driver_cuda) == ("550.54.15", None)
    assert accelerator.gpus[0].capability == "8.0"
    assert "NVIDIA_DRIVER_CAPABILITIES=compute,utility" in (accelerator.problem or "")


def test_memory_that_the_driver_does_not_tell(machine: Machine) -> None:
    machine(FakeNvml(gpus=(FakeGpu(),), failures={"nvmlDeviceGetMemoryInfo": 3}))
    accelerator = probe()
    assert (accelerator.gpus[0].memory_total, accelerator.gpus[0].memory_used) == (None, None)
    assert accelerator.gpus[0].capability == "8.0"
    assert accelerator.gpus[0].unified
    assert accelerator.problem is None


def test_memory_that_cannot_be_read_is_not_called_shared(machine: Machine) -> None:
    machine(FakeNvml(gpus=(FakeGpu(),), failures={"nvmlDeviceGetMemoryInfo": 999}))
    assert not probe().gpus[0].unified


def test_a_gpu_in_slices(machine: Machine) -> None:
    slices = ("MIG-11111111-2222", "MIG-33333333-4444")
    machine(FakeNvml(gpus=(FakeGpu(mig=1, ecc=1, slices=slices), FakeGpu(mig=0, ecc=0))))
    first, second = probe().gpus
    assert (first.mig, first.ecc, second.mig, second.ecc) == (True, True, False, False)
    assert [piece.uuid for piece in first.slices] == list(slices)
    assert first.slices[0].memory_total == 40 * 2**30
    assert second.slices == ()


def test_variables_stand_for_another_machine(machine: Machine) -> None:
    machine(FakeNvml(gpus=(FakeGpu(),)))
    both = {"ENVMAGIC_CUDA_DRIVER": "535.54.03", "ENVMAGIC_GPU": "RTX 5090=12.0, 8.0"}
    assert describe_machine(sys.executable, both) == Accelerator(
        driver="535.54.03",
        gpus=(
            Gpu(name="RTX 5090", capability="12.0"),
            Gpu(name="GPU of compute 8.0", capability="8.0"),
        ),
        origin="ENVMAGIC_CUDA_DRIVER, ENVMAGIC_GPU",
    )
    only_gpu = describe_machine(sys.executable, {"ENVMAGIC_GPU": "9.0"})
    assert (only_gpu.driver, only_gpu.gpus[0].capability) == ("550.54.15", "9.0")
    here = describe_machine(sys.executable, {})
    assert (here.gpus[0].name, here.origin) == ("NVIDIA A100-SXM4-80GB", "")


def test_each_other_field_fails_alone(machine: Machine) -> None:
    fields = {
        "nvmlSystemGetDriverVersion": 999,
        "nvmlSystemGetCudaDriverVersion_v2": 999,
        "nvmlDeviceGetName": 3,
        "nvmlDeviceGetUUID": 3,
        "nvmlDeviceGetCudaComputeCapability": 3,
    }
    machine(FakeNvml(gpus=(FakeGpu(memory_used=1),), failures=fields))
    gpu = Gpu(name="GPU 0", memory_total=85899345920, memory_used=1)
    assert probe() == Accelerator(gpus=(gpu,))


def test_a_lost_gpu_is_still_counted(machine: Machine) -> None:
    machine(FakeNvml(gpus=(FakeGpu(),), failures={"nvmlDeviceGetHandleByIndex_v2": 15}))
    accelerator = probe()
    assert accelerator.gpus == (Gpu(name="GPU 0"),)
    assert accelerator.problem == "a GPU does not answer: GPU is lost (NVML error 15)"


def test_gpus_that_cannot_be_counted_are_not_none(machine: Machine) -> None:
    machine(FakeNvml(gpus=(FakeGpu(),), failures={"nvmlDeviceGetCount_v2": 999}))
    assert (probe().problem or "").startswith("the NVIDIA driver does not tell which GPUs")


def test_the_library_of_an_old_driver(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(FakeNvml(driver="390.157", gpus=(V100,)))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(build_fake_nvml(tmp_path / "old", old=True)))
    gpu = Gpu(name="Tesla V100-PCIE-16GB", memory_total=17179869184, memory_used=1048576)
    assert probe() == Accelerator(driver="390.157", gpus=(gpu,))


def test_a_driver_that_hangs_is_killed(machine: Machine, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    machine(FakeNvml(hang=pid))
    begin = time.monotonic()
    accelerator = probe_accelerator(sys.executable, timeout=10)
    assert time.monotonic() - begin < 30
    assert accelerator == Accelerator(problem="the NVIDIA driver did not answer within 10 seconds")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text(encoding="utf-8")), 0)


def test_a_driver_that_hangs_does_not_outlive_a_kernel_that_is_gone(
    machine: Machine, tmp_path: Path
) -> None:
    machine(FakeNvml(hang=tmp_path / "pid"))
    script = find_spec("envmagic.edge.nvml")
    assert script is not None
    arguments = [sys.executable, "-I", "-S", str(script.origin), "10", *filter(None, sys.path)]
    assert subprocess.run(arguments, check=False, timeout=30).returncode == -signal.SIGALRM
    assert (tmp_path / "pid").exists()


def test_a_crash_in_the_library_is_told(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine(FakeNvml())
    monkeypatch.setenv("FAKE_NVML", str(tmp_path / "missing"))
    words = "asking the NVIDIA driver failed (exit code -6): fake_nvml: FAKE_NVML does not name"
    assert problem().startswith(words)


def test_an_interpreter_that_is_not_there() -> None:
    accelerator = probe_accelerator("/nonexistent/python")
    assert "cannot run `/nonexistent/python`" in (accelerator.problem or "")


def test_bindings_that_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    assert problem().startswith("`nvidia-ml-py` cannot be imported")


def test_another_module_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pynvml.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert problem().startswith(f"`{tmp_path / 'pynvml.py'}` hides `nvidia-ml-py`")


def test_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pynvml").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert problem().startswith(f"`{tmp_path / 'pynvml'}` hides `nvidia-ml-py`")


@pytest.mark.parametrize("entry", ["", ".", "absolute"])
def test_files_in_the_working_folder_are_not_imported(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    machine(FakeNvml(gpus=(FakeGpu(),)))
    for name in ("pynvml.py", "json.py", "string.py", "sitecustomize.py"):
        (tmp_path / name).write_text("raise SystemExit('imported')\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path) if entry == "absolute" else entry, *sys.path])
    assert probe().problem is None


def test_a_working_folder_that_is_gone(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(FakeNvml())
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert probe().driver == "550.54.15"


def test_it_is_asked_once_beside_everything_else(machine: Machine) -> None:
    machine(FakeNvml(gpus=(FakeGpu(),)))
    asked = AcceleratorProbe(sys.executable)
    asked.start()
    asked.start()
    assert asked.result(0.0) is None
    answer = asked.result(None)
    assert answer is not None
    assert answer.driver == "550.54.15"
    assert asked.result(0.0) is answer


def test_asking_for_the_result_begins_to_ask(machine: Machine) -> None:
    machine(FakeNvml())
    answer = AcceleratorProbe(sys.executable).result(None)
    assert answer is not None
    assert answer.driver_cuda == "12.4"
