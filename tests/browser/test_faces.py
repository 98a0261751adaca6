"""Every face of the panel: reached for real, and photographed in the light and the dark."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support.browser import new_page
from support.notebook import Notebook
from support.nvml import FakeGpu, FakeNvml, build_fake_nvml
from support.panel import Panel
from support.slow import add_many
from support.templates import build_envmagic_wheel
from support.torches import torch_files
from support.wheelhouse import Wheelhouse
from support.witness import Witness, paused

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser
    from support.environment import Environment
    from support.lab import Lab
    from support.templates import Templates

pytestmark = pytest.mark.live

_WAIT = """
import pathlib, runpy, time
while not pathlib.Path({go!r}).exists():
    time.sleep(0.01)
"""
_SLOW = f"{_WAIT}runpy.run_module('ipykernel_launcher', None, '__main__')"
_MORTAL = """
import pathlib, runpy, sys
if pathlib.Path({ill!r}).exists():
    sys.exit(3)
runpy.run_module('ipykernel_launcher', None, '__main__')
"""
_BUSY = """() => {
  const { session } = window.jupyterapp.shell.currentWidget.sessionContext;
  return session.kernel.status === 'busy';
}"""
_SEEN = "sm_50 sm_80 sm_86 sm_90"
_ECHO = """
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel

class Echo(Kernel):
    implementation, implementation_version, banner = "echo", "1.0", "echo"
    language_info = {"name": "echo", "mimetype": "text/plain", "file_extension": ".txt"}

    async def do_execute(self, code, silent, store_history=True, user_expressions=None, **_):
        return {"status": "ok", "execution_count": 0, "payload": [], "user_expressions": {}}

IPKernelApp.launch_instance(kernel_class=Echo)
"""
_OTHER_SCHEMA = """
class Reply:
    def _repr_json_(self):
        return {{"schema": {schema}, "envmagic": "{version}"}}

def handle(text):
    return Reply()
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Wheelhouse:
    """The standard wheels, and some that go wrong."""
    house = Wheelhouse.standard(tmp_path_factory.mktemp("house"))
    add_many(house)
    house.add_liar()
    house.add("grows", "1.0", requires=["epsilon"])
    return house


@pytest.fixture
def environment(templates: Templates, house: Wheelhouse) -> Environment:
    environment = templates.make("kernel")
    environment.install(house, "alpha==1.0", "delta==1.0")
    return environment


def replace_envmagic(
    environment: Environment, house: Wheelhouse, version: str, **files: str
) -> None:
    """Put another envmagic in the place of ours, or none where it has no version."""
    environment.pip("uninstall", "--quiet", "--yes", "envmagic")
    if version:
        contents = {f"envmagic/{name}": text for name, text in {"__init__.py": "", **files}.items()}
        house.add("envmagic", version, files=contents)
        environment.install(house, f"envmagic=={version}")


def test_no_notebook(panel: Panel, tmp_path: Path) -> None:
    expect(panel.face("no-document")).to_contain_text("Open a notebook or a console")
    panel.expect_badge("", "0")
    panel.shoot("face-no-notebook", tmp_path)


def test_no_kernel(panel: Panel, notebook: Notebook, tmp_path: Path) -> None:
    notebook.open()
    panel.on_kernel("shutdown()")
    expect(panel.face("no-kernel")).to_contain_text("no environment to compare")
    panel.shoot("face-no-kernel", tmp_path)


def test_a_kernel_that_starts(panel: Panel, notebook: Notebook, lab: Lab, tmp_path: Path) -> None:
    go = tmp_path / "go"
    lab.add_kernel(notebook.name, notebook.environment, command=("-c", _SLOW.format(go=str(go))))
    notebook.write("alpha==1.0", "delta==1.0")
    panel.open_notebook(notebook.path, wait=False)
    expect(panel.face("starting")).to_contain_text("as soon as it is there")
    panel.shoot("face-starting", tmp_path)
    go.touch()
    panel.face("equal")
    go.unlink()
    panel.on_kernel("restartKernel()")
    panel.face("starting")
    go.touch()
    panel.face("equal")


def test_a_kernel_that_died(panel: Panel, notebook: Notebook, lab: Lab, tmp_path: Path) -> None:
    ill = tmp_path / "ill"
    lab.add_kernel(
        notebook.name, notebook.environment, command=("-c", _MORTAL.format(ill=str(ill)))
    )
    notebook.write("alpha==1.0", "delta==1.0")
    notebook.open()
    panel.face("equal")
    ill.touch()
    panel.run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    expect(panel.face("died", timeout=90)).to_contain_text("a new kernel tells which")
    while panel.dialog.count():
        panel.dialog.first.locator("button").last.click()
    panel.shoot("face-died", tmp_path)
    ill.unlink()
    panel.button("Restart kernel…").click()  # there is none to lose, and so no question
    panel.face("equal", timeout=90)


def test_a_kernel_that_is_not_python(
    panel: Panel, notebook: Notebook, lab: Lab, tmp_path: Path
) -> None:
    lab.add_kernel(notebook.name, notebook.environment, command=("-c", _ECHO), language="echo")
    notebook.open()
    expect(panel.face("not-python")).to_contain_text("This kernel runs echo")
    panel.shoot("face-not-python", tmp_path)


def test_envmagic_is_missing_and_can_be_installed(
    panel: Panel, notebook: Notebook, lab: Lab, tmp_path: Path
) -> None:
    notebook.write("alpha==1.0", "delta==1.0")
    replace_envmagic(notebook.environment, Wheelhouse(tmp_path / "none"), "")
    empty = tmp_path / "wheels"
    configuration = tmp_path / "pip.conf"
    configuration.write_text(f"[global]\nno-index = true\nfind-links = {empty}\n", "utf-8")
    lab.add_kernel(
        notebook.name, notebook.environment, environ={"PIP_CONFIG_FILE": str(configuration)}
    )
    empty.mkdir()
    notebook.open()
    panel.face("missing")
    panel.shoot("face-missing", tmp_path)
    panel.button("Install envmagic…").click()
    panel.answer("Install")
    expect(panel.root.get_by_role("alert")).to_contain_text("No matching distribution found")
    expect(panel.root.get_by_role("alert")).to_contain_text(
        f"$ {notebook.environment.python} -m pip install envmagic=="
    )
    panel.shoot("face-missing-failed", tmp_path)
    build_envmagic_wheel(empty)
    panel.button("Install envmagic…").click()
    panel.answer("Install")
    panel.face("equal")  # in the same kernel


@pytest.mark.parametrize(
    ("face", "schema", "version"),
    [("older-there", None, "0.0.1"), ("older-there", 0, "0.0.2"), ("older-here", 2, "99.0")],
    ids=["no room", "older schema", "newer schema"],
)
def test_another_envmagic(
    panel: Panel,
    notebook: Notebook,
    tmp_path: Path,
    face: str,
    schema: int | None,
    version: str,
) -> None:
    files = {}
    if schema is not None:
        room = _OTHER_SCHEMA.format(schema=schema, version=version)
        files = {"face/__init__.py": "", "face/panel.py": room}
    replace_envmagic(notebook.environment, Wheelhouse(tmp_path / "old"), version, **files)
    notebook.open()
    said = panel.face(face)
    if schema is not None:
        expect(said).to_contain_text(version)
    panel.shoot(f"face-{face}-{version}", tmp_path)


def test_busy_without_subshells(
    panel: Panel, templates: Templates, house: Wheelhouse, tmp_path: Path
) -> None:
    environment = templates.make("patient")
    environment.install(house, "alpha==1.0")
    notebook = Notebook(panel, house, environment)
    notebook.write("alpha==1.0")
    notebook.open()
    panel.face("equal")
    go = tmp_path / "go"
    panel.run(_WAIT.format(go=str(go)))
    panel.page.wait_for_function(_BUSY)
    panel.button("Compare again").click()
    expect(panel.face("busy")).to_contain_text("no subshells")
    panel.shoot("face-busy", tmp_path)
    go.touch()
    expect(panel.root.locator("[data-face='busy']")).to_have_count(0)
    panel.face("equal")
    notebook.close()


def test_accelerator_card(
    panel: Panel, notebook: Notebook, house: Wheelhouse, lab: Lab, tmp_path: Path
) -> None:
    """A driver that is too old for the torch of the lock: `fake_nvml.c` is its library."""
    house.add("torch", "2.4.0+cu124", files=torch_files("2.4.0+cu124", "12.4", _SEEN))
    nvml = FakeNvml(driver="470.57.02", cuda=11040, gpus=(FakeGpu(memory_used=3 * 2**30),))
    answers = tmp_path / "nvml.txt"
    answers.write_text(nvml.text(), "utf-8")
    library = build_fake_nvml(tmp_path / "nvml")
    machine = {"FAKE_NVML": str(answers), "LD_LIBRARY_PATH": str(library)}
    lab.add_kernel(notebook.name, notebook.environment, environ=machine)
    notebook.write("alpha==1.0", "delta==1.0", "torch==2.4.0+cu124")
    notebook.open()
    panel.face("differs")
    card = panel.root.locator(".jp-EnvMagic-card[data-verdict]")
    expect(card).to_contain_text("this lock will not run here")
    expect(card).to_contain_text("470.57.02 (CUDA 11.4)")
    expect(card).to_contain_text("3.0 GiB of 80 GiB in use")
    panel.shoot("face-accelerator", tmp_path)


def test_no_lock_and_several(panel: Panel, notebook: Notebook, tmp_path: Path) -> None:
    notebook.open()
    expect(panel.face("no-lock")).to_contain_text(str(notebook.folder))
    panel.shoot("face-no-lock", tmp_path)
    notebook.write("alpha==1.0", "delta==1.0")
    notebook.write("alpha==2.0", lock="requirements.txt")
    panel.button("Compare again").click()
    panel.face("several-locks")
    panel.shoot("face-several-locks", tmp_path)
    panel.button("requirements.txt").click()
    panel.face("differs")
    panel.expect_badge("differs", "2")


def test_a_lock_that_cannot_be_used(panel: Panel, notebook: Notebook, tmp_path: Path) -> None:
    image = "<img src=x onerror=document.body.dataset.harmed=1>"
    notebook.write("alpha==1.0", "beta>=2", f"{image}==1.0")
    notebook.open()
    faults = panel.face("invalid-lock").locator(".jp-EnvMagic-faults > li")
    expect(faults).to_have_count(2)
    expect(faults.nth(1)).to_contain_text("<img src=x onerror")
    panel.shoot("face-invalid-lock", tmp_path)
    panel.button("first_env.txt:3").click()
    place = panel.page.locator("#jp-main-statusbar").get_by_text("Ln 3, Col 1")
    place.wait_for()
    panel.shoot("face-invalid-lock-opened", tmp_path)
    assert panel.page.locator("body").get_attribute("data-harmed") is None
    panel.command("application:close")


def test_equal_and_differs(panel: Panel, notebook: Notebook, tmp_path: Path) -> None:
    notebook.write("alpha==1.0", "delta==1.0")
    notebook.open()
    panel.face("equal")
    panel.expect_badge("equal", "0")
    panel.shoot("face-equal", tmp_path)
    notebook.write("alpha==2.0", "epsilon==1.0")
    panel.button("Compare again").click()
    panel.face("differs")
    panel.root.get_by_role("button", name="delta").click()
    panel.shoot("face-differs", tmp_path)


def test_working_and_cancelled(panel: Panel, notebook: Notebook, tmp_path: Path) -> None:
    before = notebook.environment.manifest()
    witness = Witness(notebook.environment)
    notebook.begin_slow_change()
    with paused(witness):
        working = panel.face("working")
        expect(working).to_contain_text("Changing")
        panel.expect_badge("working")
        panel.shoot("face-working", tmp_path)
        panel.button("Cancel").click()
        expect(working).to_contain_text("Cancelling")
    panel.face("cancelled")
    panel.shoot("face-cancelled", tmp_path)
    panel.button("Dismiss").click()
    panel.face("differs")
    assert notebook.environment.manifest() == before


def test_asking_and_succeeded(panel: Panel, notebook: Notebook, tmp_path: Path) -> None:
    notebook.write("alpha==2.0", "grows==1.0", "delta==1.0")
    notebook.open()
    panel.run("import alpha")
    panel.face("differs")
    notebook.apply()
    panel.face("asking")
    expect(panel.rows.filter(has_text="epsilon")).to_be_visible()
    panel.shoot("face-asking", tmp_path)
    panel.button("Go on…").click()
    panel.answer("Apply")
    panel.face("succeeded")
    panel.face("restart")
    expect(panel.root).to_contain_text("alpha 1.0 is loaded, 2.0 is on disk")
    panel.shoot("face-succeeded", tmp_path)
    panel.button("Restart kernel…").click()
    panel.answer("Restart")
    panel.face("equal")
    expect(panel.root.locator("[data-face='restart']")).to_have_count(0)


def test_rolled_back(panel: Panel, notebook: Notebook, tmp_path: Path) -> None:
    before = notebook.environment.manifest()
    notebook.write("alpha==2.0", "lies==1.0")
    notebook.open()
    panel.face("differs")
    notebook.apply()
    said = panel.face("rolled-back")
    expect(panel.root).to_contain_text("lies lacks 1 of its files")
    assert said.is_visible()
    expect(said).not_to_contain_text("installed,")  # what was put back is not what was done
    panel.shoot("face-rolled-back", tmp_path)
    assert notebook.environment.manifest() == before


def test_failed(panel: Panel, notebook: Notebook, house: Wheelhouse, tmp_path: Path) -> None:
    """A hostile wheel makes a file that nobody can take away: for root that is `chattr +i`."""
    made = notebook.environment.site_packages / "stuck" / "__init__.py"
    stick = f"(os.system('chattr +i {made}'), sys.exit(3))"
    hook = f"import os, sys; os.path.exists({str(made)!r}) and {stick}\n"
    house.add("stuck", "1.0", files={"zz-stuck.pth": hook})
    notebook.write("alpha==2.0", "stuck==1.0")
    notebook.open()
    panel.face("differs")
    try:
        notebook.apply()
        panel.face("failed")
    finally:
        os.system(f"chattr -i {made}")  # noqa: S605 (the test's own path)
    expect(panel.root).to_contain_text("could not be put back")
    panel.shoot("face-failed", tmp_path)


def test_a_second_tab_sees_the_same_work(
    panel: Panel, notebook: Notebook, browser: Browser, lab: Lab
) -> None:
    witness = Witness(notebook.environment)
    with new_page(browser) as page:
        notebook.begin_slow_change()
        with paused(witness):
            other = Panel(page, lab)
            other.load()
            other.open_notebook(notebook.path)
            expect(other.face("working")).to_contain_text("Sync with first_env.txt")
        other.face("succeeded")
    panel.face("succeeded")


def test_a_new_kernel_finds_what_goes_on(panel: Panel, notebook: Notebook, tmp_path: Path) -> None:
    witness = Witness(notebook.environment)
    notebook.begin_slow_change()
    with paused(witness):
        os.kill(next(seen.pid for seen in witness.look() if seen.is_kernel), signal.SIGKILL)
        panel.dialog.get_by_text("appears to have died").wait_for()
        panel.answer("Ok")
        expect(panel.face("working")).to_contain_text("Another process does this")
        panel.shoot("face-working-elsewhere", tmp_path)
    panel.face("equal")
    expect(panel.root).to_contain_text("has ended: 3 projects changed")
    panel.shoot("face-news", tmp_path)
