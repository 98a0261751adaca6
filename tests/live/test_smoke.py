"""The smoke test in real processes, of torches that do whatever a real one might."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.disks import tmpfs
from support.kernel import live_kernel
from support.process import is_running, run_process, start_process
from support.story import Story, wait_until
from support.torches import torch_files, working_torch
from support.wheelhouse import Wheelhouse

import envmagic
from envmagic.core.errors import Cancelled
from envmagic.edge.node import LocalNode
from envmagic.face.card import smoke_lines
from envmagic.story.smoke import run_smoke

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.environment import Environment

    from envmagic.core.report import Trial

    Put = Callable[[dict[str, str]], None]

pytestmark = pytest.mark.live

TREE = Path(envmagic.__file__).parents[1]
NO_CUDNN = "libcudnn.so.9: cannot open shared object file: No such file or directory"
NO_IMAGE = "CUDA error: no kernel image is available for execution on the device\nCUDA kernel ..."
MACHINE = {
    "ENVMAGIC_CUDA_DRIVER": "550.54.15",
    "ENVMAGIC_CUDA": "12.4",
    "ENVMAGIC_GPU": "A100=8.0",
}


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Return what lets this interpreter's processes import a torch; no GPU is in the machine."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    monkeypatch.setenv("ENVMAGIC_CUDA_DRIVER", "550.54.15")

    def write(files: dict[str, str]) -> None:
        for name, text in files.items():
            path = tmp_path / "path" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")

    return write


def smoke(limit: float = 60.0) -> tuple[Trial, ...]:
    return run_smoke(LocalNode(), limit=limit)


def states(trials: tuple[Trial, ...]) -> list[tuple[str, bool | None]]:
    return [(trial.device, trial.passed) for trial in trials]


def test_each_gpu_is_tried_also_after_one_that_fails(put: Put) -> None:
    put(working_torch("2.4.0+cu121", "12.1", gpus={"cuda:0": "", "cuda:1": NO_IMAGE, "cuda:2": ""}))
    trials = smoke()
    assert states(trials) == [("cuda:0", True), ("cuda:1", False), ("cuda:2", True)]
    first, second, _ = trials
    assert (first.name, first.capability, first.torch, first.cuda) == (
        "GPU of cuda:0",
        "8.0",
        "2.4.0+cu121",
        "12.1",
    )
    assert second.problem == f"RuntimeError: {NO_IMAGE}"
    words = smoke_lines(trials)
    assert words[0].startswith(
        "✓ smoke test on GPU 0 (GPU of cuda:0): torch 2.4.0+cu121 multiplies"
    )
    assert words[1] == (
        "✗ smoke test on GPU 1: failed: RuntimeError: CUDA error: no kernel image is available for "
        "execution on the device — pin a build of torch that has code for this GPU"
    )


def test_gpus_of_intel_and_apple_are_tried(put: Put) -> None:
    files = working_torch("2.8.0", None, gpus={"xpu:0": "", "xpu:1": "errs", "mps": ""})
    own = """
cuda.is_available = lambda: False
xpu = types.SimpleNamespace(
    is_available=lambda: True,
    device_count=lambda: 2,
    get_device_name=lambda device: "GPU of " + device,
    synchronize=lambda device: None,
)
mps = types.SimpleNamespace(synchronize=lambda: None)
backends = types.SimpleNamespace(mps=types.SimpleNamespace(is_available=lambda: True))
"""
    put(files | {"torch/__init__.py": files["torch/__init__.py"] + own})
    trials = smoke()
    assert states(trials) == [("xpu:0", True), ("xpu:1", False), ("mps", True)]
    assert [trial.name for trial in trials] == ["GPU of xpu:0", "", ""]


def test_a_wrong_product_is_a_failure(put: Put) -> None:
    put(working_torch("2.4.0+cu121", "12.1", gpus={"cuda:0": "errs"}))
    (trial,) = smoke()
    assert (trial.passed, trial.problem) == (
        False,
        "ArithmeticError: the product is wrong, by up to 1",
    )


def test_what_ends_the_process_is_told_with_its_place(put: Put) -> None:
    put(working_torch("2.4.0+cu121", "12.1", gpus={"cuda:0": "", "cuda:1": "dies"}))
    trials = smoke()
    assert states(trials) == [("cuda:0", True), ("cuda:1", False)]
    assert trials[1].problem.startswith("its process ended with -11")
    put({"torch/__init__.py": "import os, signal; os.kill(os.getpid(), signal.SIGABRT)"})
    (trial,) = smoke()
    assert (trial.device, trial.passed) == ("", False)
    assert trial.problem.startswith("its process ended with -6")
    put({"torch/__init__.py": "import os; os._exit(0)"})
    (trial,) = smoke()
    assert trial.problem.startswith("its process ended with 0")


def when_it_hangs(folder: Path, act: Callable[[], None]) -> None:
    """Do something as soon as the next one hangs."""
    there = folder / "there"
    there.unlink(missing_ok=True)

    def wait() -> None:
        wait_until(there.exists)
        act()

    threading.Thread(target=wait, daemon=True).start()


def test_what_hangs_is_ended_in_time_and_can_be_stopped(put: Put, tmp_path: Path) -> None:
    put(working_torch("2.4.0+cu121", "12.1", gpus={"cuda:0": f"hangs at {tmp_path / 'there'}"}))
    (trial,) = smoke(limit=10.0)
    assert (trial.device, trial.problem) == ("cuda:0", "it did not end within 10 seconds")
    cancel = threading.Event()
    when_it_hangs(tmp_path, cancel.set)
    began = time.monotonic()
    (trial,) = run_smoke(LocalNode(), cancel=cancel)
    assert (trial.device, trial.passed, trial.problem) == ("cuda:0", None, "it was stopped")
    assert time.monotonic() - began < 30
    interrupt = partial(os.kill, os.getpid(), signal.SIGINT)
    when_it_hangs(tmp_path, interrupt)
    (trial,) = run_smoke(LocalNode(), cancel=threading.Event())
    assert (trial.passed, trial.problem) == (None, "it was stopped")
    when_it_hangs(tmp_path, interrupt)
    with pytest.raises(Cancelled, match="nothing was changed"):  # where nothing was, before
        smoke()


def test_what_hangs_ends_where_nobody_waits_any_more(put: Put, tmp_path: Path) -> None:
    put(working_torch("2.4.0+cu121", "12.1", gpus={"cuda:0": f"hangs at {tmp_path / 'there'}"}))
    told, script = tmp_path / "told.jsonl", TREE / "envmagic" / "edge" / "smoke.py"
    done = run_process([sys.executable, script, told, "10"], env=dict(os.environ), check=False)
    assert done.returncode == -signal.SIGALRM
    assert '"begin", "device": "cuda:0"' in told.read_text()


def test_what_hangs_is_dead_where_its_kernel_was_killed(put: Put, tmp_path: Path) -> None:
    there = tmp_path / "there"
    files = working_torch("2.4.0+cu121", "12.1", gpus={"cuda:0": f"hangs at {there}"})
    code = f"import os; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
    put(files | {"torch/__init__.py": code + files["torch/__init__.py"]})
    command = [sys.executable, "-m", "envmagic", "info", "--smoke"]
    process = start_process(command, env=dict(os.environ), cwd=TREE)
    wait_until(there.exists)
    pid = int((tmp_path / "pid").read_text())
    assert is_running(pid)
    process.kill()
    process.communicate()
    wait_until(lambda: not is_running(pid), timeout=30)


def test_without_a_gpu_the_cpu_is_tried(put: Put) -> None:
    old = "The NVIDIA driver on your system is too old (found version 11040)."
    put(working_torch("2.4.0+cu121", "12.1", no_gpu=old))
    trials = smoke()
    assert states(trials) == [("cuda", None), ("cpu", True)]
    assert smoke_lines(trials)[0] == (
        f"– smoke test on a GPU: not run: RuntimeError: {old} — update the driver; or pin a build "
        "of torch for an older CUDA"
    )
    put(working_torch("2.4.0+cpu", None))
    assert states(smoke()) == [("cpu", True)]


def test_a_torch_that_is_not_there_and_one_that_lacks_something(put: Put) -> None:
    put({"torch/__init__.py": "import no_such_module"})
    (trial,) = smoke()
    assert (trial.device, trial.passed) == ("", False)
    assert trial.problem == "ModuleNotFoundError: No module named 'no_such_module'"
    put({"torch/__init__.py": "raise ModuleNotFoundError('none', name='torch')"})
    assert smoke_lines(smoke()) == ["– smoke test: not run: torch is not installed"]


def test_secrets_in_the_words_of_torch_are_masked(put: Put) -> None:
    put({"torch/__init__.py": "raise OSError('see https://me:hunter2@e.org/x')"})
    trials = smoke()
    assert "hunter2" not in str(trials)
    assert "e.org/x" in smoke_lines(trials)[0]


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ('broken, see "https://e.org/issues?id=7"', 'broken, see "https://e.org/issues?id=****"'),
        ("see x:/" + "y" * 5000, "see …"),
        ("\udcff", "?"),
    ],
)
def test_no_words_of_torch_hide_that_it_failed(put: Put, words: str, shown: str) -> None:
    put({"torch/__init__.py": f"raise ImportError({words!r})"})
    (trial,) = smoke()
    assert (trial.passed, trial.problem) == (False, f"ImportError: {shown}")


def test_what_torch_prints_is_no_answer(put: Put) -> None:
    fake = '{"smoke": "passed", "device": "cpu"}\\n{"smoke": "end"}'
    put({"torch/__init__.py": f"import os; print('{fake}', flush=True); os._exit(0)"})
    (trial,) = smoke()
    assert (trial.device, trial.passed) == ("", False)


def test_without_a_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    (trial,) = smoke()
    assert (trial.device, trial.passed) == ("", False)
    assert trial.problem.startswith("it could not be run: [Errno 2] No such file or directory:")


@pytest.fixture
def wheels(tmp_path: Path) -> Wheelhouse:
    return Wheelhouse.standard(tmp_path / "wheels")


def accelerator(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)["accelerator"]
    return found


def test_a_sync_that_succeeds_with_a_torch_that_cannot_be_imported(
    bare_environment: Environment, wheels: Wheelhouse
) -> None:
    files = torch_files("2.4.0", None) | {"torch/__init__.py": f"raise ImportError({NO_CUDNN!r})"}
    wheels.add("torch", "2.4.0", files=files)
    story = Story(bare_environment, wheels)
    story.write("torch==2.4.0")
    assert story.run("diff", "--smoke").returncode == 1
    done = story.sync("--smoke", code=1)
    assert "the environment is now equal to" in done.stdout
    failed = f"✗ smoke test: failed: ImportError: {NO_CUDNN} — a library is gone"
    assert failed in done.stdout
    assert story.run("diff").returncode == 0
    checked = story.run("diff", "--smoke")
    assert (checked.returncode, failed in checked.stdout) == (1, True)
    told = json.loads(story.sync("--smoke", "--json", code=1).stdout)
    assert told["outcome"]["state"] == "unchanged"
    (trial,) = told["accelerator"]["smoke"]
    assert (trial["device"], trial["state"], trial["torch"]) == (None, "failed", None)
    assert trial["problem"] == f"ImportError: {NO_CUDNN}"
    info = bare_environment.run("-m", "envmagic", "info", "--smoke", "--json", check=False)
    assert info.returncode == 1
    assert accelerator(info.stdout)["smoke"] == [trial]


def test_a_smoke_test_that_cannot_be_run_is_a_failure_of_itself_alone(
    bare_environment: Environment, wheels: Wheelhouse, tmp_path: Path
) -> None:
    """It has no room for what torch says; the sync is done all the same."""
    shouts = "print('x' * 2_000_000, flush=True)\nraise ImportError('none')"
    wheels.add("torch", "2.4.0", files=torch_files("2.4.0", None) | {"torch/__init__.py": shouts})
    story = Story(bare_environment, wheels)
    story.write("torch==2.4.0")
    with tmpfs(tmp_path / "small", megabytes=1) as small:
        done = story.sync("--smoke", code=1, TMPDIR=str(small))
    assert "the environment is now equal to" in done.stdout
    assert "✗ smoke test: failed: `" in done.stdout
    assert "smoke.log` cannot be written: No space left on device — free some space" in done.stdout
    assert bare_environment.freeze()["torch"] == "2.4.0"


def test_what_a_sync_has_brought_is_judged_by_what_is_on_the_disk(
    bare_environment: Environment, wheels: Wheelhouse
) -> None:
    """The lock means PyPI's build for CUDA, and the wheelhouse has one for the CPU."""
    wheels.add("torch", "2.4.0", files=working_torch("2.4.0", None))
    story = Story(bare_environment, wheels)
    story.write("torch==2.4.0")
    before = accelerator(story.run("diff", "--json", **MACHINE).stdout)
    assert (before["verdict"], before["installed"]["torch"]) == ("ok", None)
    said = story.run("sync", "--yes", "--smoke", **MACHINE).stdout
    wrong = "`torch` 2.4.0 is installed and stays: it is built for the CPU alone, the lock means"
    assert f"but {wrong} CUDA 12.1 (torch 2.4.0)" in said
    assert "✓ smoke test on the CPU: torch 2.4.0 multiplies rightly" in said
    after = accelerator(story.run("diff", "--json", **MACHINE).stdout)
    assert (after["verdict"], after["installed"]["cuda"]) == ("fail", None)
    assert wrong in after["reasons"][0]["text"]


def test_a_build_for_cuda_is_judged_by_the_code_in_it(
    bare_environment: Environment, wheels: Wheelhouse
) -> None:
    wheels.add("torch", "2.4.0", files=working_torch("2.4.0+cu121", "12.1", "sm_75 sm_90"))
    story = Story(bare_environment, wheels)
    story.write("torch==2.4.0")
    story.sync()
    found = accelerator(story.run("diff", "--json", **MACHINE).stdout)
    assert (found["verdict"], found["covered"]) == ("fail", [False])
    assert found["wanted"]["architectures"] == ["sm_75", "sm_90"]
    assert (found["installed"]["torch"], found["installed"]["cuda"]) == ("2.4.0+cu121", "12.1")
    assert "which has sm_75 sm_90: no kernel image" in found["reasons"][0]["text"]


@pytest.mark.parametrize("options", [("--dry-run",), ("--as-machine", "box.json")])
def test_what_it_does_not_go_with(
    bare_environment: Environment, wheels: Wheelhouse, options: tuple[str, ...]
) -> None:
    story = Story(bare_environment, wheels)
    story.write("alpha==1.0")
    refused = story.run("diff", "--smoke", *options)
    assert refused.returncode == 2
    assert "`--smoke`" in refused.stderr
    assert refused.stdout == ""


def test_a_kernel_whose_torch_fails_and_hangs(
    kernel_environment: Environment, wheels: Wheelhouse, tmp_path: Path
) -> None:
    hangs = tmp_path / "hangs"
    broken = working_torch("2.4.0+cu121", "12.1", gpus={"cuda:0": NO_IMAGE})
    wheels.add("torch", "2.4.0", files=broken)
    hanging = working_torch("2.4.1+cu121", "12.1", gpus={"cuda:0": f"hangs at {hangs}"})
    wheels.add("torch", "2.4.1", files=hanging)
    story = Story(kernel_environment, wheels)
    places = [story.places[0], f"--find-links {wheels.folder}"]
    story.write(*places, "torch==2.4.0")
    with live_kernel(story.environment, cwd=story.lock.parent) as kernel:
        kernel.run("%load_ext envmagic").check()
        undone = kernel.run("%envsync --undo --smoke")
        assert undone.error is not None
        assert undone.error.ename == "UsageError"
        done = kernel.run("%envsync --yes --smoke").check().displays[-1]
        assert "done: 1 installed" in done["text/plain"]
        assert (
            "✗ smoke test on GPU 0: failed: RuntimeError: CUDA error: no kernel image"
            in (done["text/plain"])
        )
        assert "✗ smoke test on GPU 0" in done["text/html"]
        checked = kernel.run("%envsync --check --smoke")
        assert checked.error is not None
        assert checked.error.ename == "SmokeError"
        assert "has code for this GPU" in checked.error.traceback
        story.write(*places, "torch==2.4.1")
        cell = kernel.start("%envsync --yes --smoke --json")
        wait_until(hangs.exists)
        kernel.interrupt()
        told = json.loads(kernel.finish(cell).check().stdout)
        assert told["outcome"]["state"] == "succeeded"
        (trial,) = told["accelerator"]["smoke"]
        assert (trial["device"], trial["state"]) == ("cuda:0", "skipped")
        assert trial["problem"] == "it was stopped"
        assert kernel.run("import sys; print('torch' in sys.modules)").stdout == "False\n"
