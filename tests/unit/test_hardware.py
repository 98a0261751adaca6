"""What the operating system shows, read from trees of files like its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envmagic.core.report import Accelerator, Gpu
from envmagic.edge.gpu import complete
from envmagic.edge.hardware import Surroundings, find_libraries, look_around

if TYPE_CHECKING:
    from pathlib import Path

MISSING = Accelerator(problem="no NVIDIA driver library", absent=True)
MEMORY = "MemTotal:       131072 kB\nMemFree: 1 kB\nMemAvailable:    65536 kB\n"


def tree(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def pci(root: Path, *devices: tuple[str, str]) -> Path:
    for number, (maker, kind) in enumerate(devices):
        folder = root / f"sys/bus/pci/devices/0000:0{number}:00.0"
        folder.mkdir(parents=True)
        (folder / "vendor").write_text(f"{maker}\n")
        (folder / "class").write_text(f"{kind}\n")
    return root


def around(root: Path) -> Surroundings:
    return look_around(root, "Linux", "x86_64")


def test_nothing_is_known_of_a_machine_that_shows_nothing(tmp_path: Path) -> None:
    assert around(tmp_path) == Surroundings()
    assert complete(MISSING, around(tmp_path), {}) == MISSING


def test_a_machine_whose_pci_has_no_gpu_of_nvidia_has_none(tmp_path: Path) -> None:
    pci(tmp_path, ("0x10de", "0x040300"), ("0x1a03", "0x030000"))  # its sound is no GPU
    assert around(tmp_path).nvidia is False
    found = complete(MISSING, around(tmp_path), {})
    assert found == Accelerator(absent=True)


def test_a_gpu_without_a_driver(tmp_path: Path) -> None:
    pci(tmp_path, ("0x10de", "0x030200"))
    found = complete(MISSING, around(tmp_path), {})
    assert (found.problem or "").startswith("a GPU of NVIDIA is in this machine")


def test_wsl(tmp_path: Path) -> None:
    tree(tmp_path, proc__sys__kernel__osrelease="5.15.153.1-microsoft-standard-WSL2\n")
    found = complete(MISSING, around(tmp_path), {})
    assert found.host == "wsl2"
    assert "driver for Windows" in (found.problem or "")


@pytest.mark.parametrize("mark", [".dockerenv", "run__.containerenv"])
def test_a_container(tmp_path: Path, mark: str) -> None:
    assert around(tree(tmp_path, **{mark: ""})).host == "container"


@pytest.mark.parametrize(
    ("model", "capability"),
    [
        ("NVIDIA Jetson AGX Orin Developer Kit\0", "8.7"),
        ("NVIDIA Jetson Orin Nano\0", "8.7"),
        ("NVIDIA Jetson Nano Developer Kit\0", "5.3"),
        ("NVIDIA Jetson of tomorrow\0", None),
    ],
)
def test_a_jetson(tmp_path: Path, model: str, capability: str | None) -> None:
    tree(tmp_path, **{"proc__device-tree__model": model, "proc__meminfo": MEMORY})
    found = complete(MISSING, around(tmp_path), {})
    assert found.host == "jetson"
    assert not found.absent
    assert "cannot be asked by NVML" in (found.problem or "")
    assert found.gpus == (
        Gpu(
            name=model.strip("\0"),
            capability=capability,
            unified=True,
            memory_total=131072 * 1024,
            memory_used=65536 * 1024,
        ),
    )


def test_amd_and_intel(tmp_path: Path) -> None:
    pci(tmp_path, ("0x1002", "0x030000"), ("0x8086", "0x030000"))
    names = [gpu.name for gpu in around(tmp_path).gpus]
    assert names == ["AMD GPU", "Intel GPU"]
    nodes = "sys__class__kfd__kfd__topology__nodes"
    tree(
        tmp_path,
        **{
            f"{nodes}__0__properties": "cpu_cores_count 16\ngfx_target_version 0\n",
            f"{nodes}__1__properties": "simd_count 96\ngfx_target_version 110000\n",
            f"{nodes}__2__properties": "simd_count 304\ngfx_target_version 90010\n",
        },
    )
    found = around(tmp_path).gpus
    assert [gpu.name for gpu in found] == ["AMD gfx1100", "AMD gfx90a", "Intel GPU"]
    assert [gpu.vendor for gpu in found] == ["amd", "amd", "intel"]


def test_apple_and_windows(tmp_path: Path) -> None:
    apple = look_around(tmp_path, "Darwin", "arm64")
    assert (apple.gpus[0].vendor, apple.nvidia) == ("apple", False)
    assert look_around(tmp_path, "Darwin", "x86_64").gpus == ()
    assert look_around(tmp_path, "Windows", "AMD64") == Surroundings()


def test_memory_that_is_the_machines(tmp_path: Path) -> None:
    tree(tmp_path, proc__meminfo=MEMORY)
    asked = Accelerator(driver="580.95.05", gpus=(Gpu(name="GB10", unified=True), Gpu(name="A")))
    first, second = complete(asked, around(tmp_path), {}).gpus
    assert (first.memory_total, first.memory_used) == (131072 * 1024, 65536 * 1024)
    assert second.memory_total is None


def test_the_module_that_is_loaded_is_told_where_the_driver_does_not_start(tmp_path: Path) -> None:
    tree(tmp_path, sys__module__nvidia__version="550.54.14\n")
    asked = Accelerator(problem="version mismatch: reboot")
    problem = complete(asked, around(tmp_path), {}).problem
    assert problem == "version mismatch: reboot (the kernel module is 550.54.14)"


def test_libraries_that_come_before_those_of_the_environment(tmp_path: Path) -> None:
    for name in ("libcudnn.so.8", "libcudnn.so.8.9.7", "libc.so.6", "libnvJitLink.so.12"):
        tree(tmp_path / "cuda", **{name: ""})
    tree(tmp_path / "driver", **{"libcuda.so.1": ""})
    tree(tmp_path / "env" / "nvidia", **{"libcublas.so.12": ""})
    folders = [tmp_path / name for name in ("gone", "cuda", "driver", "env/nvidia")]
    path = ":".join(["", *map(str, folders)])
    expected = ["cuda/libcudnn.so.8", "cuda/libnvJitLink.so.12"]
    found = find_libraries(path, str(tmp_path / "env"))
    assert list(found) == [str(tmp_path / name) for name in expected]
    machine = complete(MISSING, Surroundings(), {"LD_LIBRARY_PATH": path})
    assert machine.libraries[:2] == found


TWO = (Gpu(name="A", uuid="GPU-1111-22"), Gpu(name="B", uuid="GPU-3333-44"))


@pytest.mark.parametrize(
    ("value", "hidden"),
    [
        ("0", False),
        ("1,0", False),
        (" 1 ", False),
        ("0,-1", False),
        ("GPU-3333", False),
        ("MIG-5c8f", False),
        ("", True),
        ("-1", True),
        ("-1,0", True),
        (",0", True),
        ("none", True),
        ("void", True),
        ("NoDevFiles", True),
        ("2", True),
        ("GPU-5555", True),
    ],
)
def test_gpus_that_are_hidden(value: str, hidden: bool) -> None:  # noqa: FBT001
    environ = {"CUDA_VISIBLE_DEVICES": value}
    asked = Accelerator(driver="550.54.15", gpus=TWO)
    assert complete(asked, Surroundings(), environ).hidden is hidden
    assert not complete(asked, Surroundings(), {}).hidden
    others = {"HIP_VISIBLE_DEVICES": value, "ROCR_VISIBLE_DEVICES": value}
    assert not complete(asked, Surroundings(), others).hidden


def test_which_gpus_there_are_may_not_be_known() -> None:
    for value in ("7", "GPU-5555"):
        environ = {"CUDA_VISIBLE_DEVICES": value}
        assert not complete(MISSING, Surroundings(), environ).hidden
    unnamed = Accelerator(driver="550.54.15", gpus=(Gpu(name="A"),))
    assert not complete(unnamed, Surroundings(), {"CUDA_VISIBLE_DEVICES": "GPU-5555"}).hidden


@pytest.mark.parametrize(
    "name", ["HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"]
)
def test_gpus_of_amd_that_are_hidden(name: str) -> None:
    here = Surroundings(gpus=(Gpu(name="AMD gfx1100", vendor="amd"),), nvidia=False)
    assert complete(MISSING, here, {name: "-1"}).hidden
    assert not complete(MISSING, here, {name: "1"}).hidden
