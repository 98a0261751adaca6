"""The magics in real kernels, as a notebook's front end sees them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.kernel import live_kernel, run_cells
from support.story import Story, wait_until
from support.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.environment import Environment
    from support.index import Index
    from support.kernel import CellResult, LiveKernel

pytestmark = pytest.mark.live


@pytest.fixture
def story(kernel_environment: Environment, wheelhouse: Wheelhouse) -> Story:
    """A kernel's environment with `alpha` too old and `delta` too much."""
    kernel_environment.install(wheelhouse, "alpha==1.0", "delta==1.0")
    story = Story(kernel_environment, wheelhouse)
    story.write(*story.places[:1], story.places[1].replace("=", " ", 1), "alpha==2.0", "beta==1.0")
    return story


@pytest.fixture
def kernel(story: Story) -> Iterator[LiveKernel]:
    with live_kernel(story.environment, cwd=story.lock.parent) as kernel:
        kernel.run("%load_ext envmagic").check()
        yield kernel


def test_the_story_of_a_notebook_without_a_reader(story: Story) -> None:
    cells = [
        "%load_ext envmagic",
        "import alpha",
        "%envsync --dry-run",
        "%envsync --yes",
        "%envsync --check",
        "%envfreeze",
    ]
    loaded, _, preview, done, check, frozen = run_cells(
        story.environment, cells, cwd=story.lock.parent
    )
    assert loaded.stdout == loaded.stderr == ""
    table = preview.displays[-1]  # it may have been there before the driver had answered
    assert "1 to install, 1 to upgrade, 1 to remove" in table["text/plain"]
    assert "↑ upgrade" in table["text/html"]
    assert preview.result is None
    assert "done: 1 installed, 1 upgraded, 1 removed" in done.displays[-1]["text/plain"]
    assert "`alpha` 1.0 is loaded, 2.0 is on disk" in done.displays[-1]["text/plain"]
    assert "data-commandlinker-command" not in done.displays[-1]["text/html"]
    assert check.error is None
    assert "\nalpha==2.0\n" in frozen.stdout
    assert "\ndelta==" not in frozen.stdout
    assert story.environment.freeze()["beta"] == "1.0"


@pytest.mark.parametrize("compared", [True, False])
def test_a_restart_is_asked_for_after_a_pip_install(
    story: Story,
    kernel: LiveKernel,
    compared: bool,  # noqa: FBT001 (a case)
) -> None:
    """It makes the environment equal, and this kernel runs the old code."""
    places = " ".join(story.places)
    if compared:
        kernel.run("%envsync --dry-run").check()
    kernel.run("import alpha").check()
    kernel.run(f"%pip install -q {places} alpha==2.0 beta==1.0").check()
    kernel.run("%pip uninstall -q -y delta").check()
    told = kernel.run("%envsync --dry-run").check().displays[-1]["text/plain"]
    assert "is equal to" in told
    assert "restart the kernel: `alpha` 1.0 is loaded, 2.0 is on disk" in told


def test_a_module_that_tells_no_version_is_known_by_its_cell(
    kernel: LiveKernel, tmp_path: Path
) -> None:
    house = Wheelhouse(tmp_path / "more")
    for version in ("1.0", "2.0"):
        house.add("silent", version, files={"silent/__init__.py": ""})
    install = f"%pip install -q --find-links {house.folder} --no-index"
    kernel.run(f"{install} silent==1.0").check()
    kernel.run("import silent").check()
    first = kernel.run("%envsync --dry-run --keep silent").check().displays[-1]["text/plain"]
    assert "silent" not in first
    kernel.run(f"{install} silent==2.0").check()
    then = kernel.run("%envsync --dry-run --keep silent").check().displays[-1]["text/plain"]
    assert "restart the kernel: `silent` 1.0 is loaded, 2.0 is on disk" in then


def test_no_restart_is_asked_for_after_a_first_import(story: Story, kernel: LiveKernel) -> None:
    kernel.run(f"%pip install -q {' '.join(story.places)} alpha==2.0 beta==1.0").check()
    kernel.run("%pip uninstall -q -y delta").check()
    kernel.run("import alpha, beta").check()
    told = kernel.run("%envsync --dry-run").check().displays[-1]["text/plain"]
    assert "is equal to" in told
    assert "restart" not in told


def test_nobody_can_be_asked(story: Story) -> None:
    before = story.environment.freeze()
    _, asked = run_cells(
        story.environment, ["%load_ext envmagic", "%envsync"], cwd=story.lock.parent
    )
    assert asked.error is not None
    assert asked.error.ename == "PolicyError"
    assert "add `--yes` to apply it" in asked.error.traceback
    assert "Traceback" not in asked.error.traceback
    assert story.environment.freeze() == before


def test_a_check_fails_its_cell_in_two_lines(kernel: LiveKernel) -> None:
    cell = kernel.run("%envsync --check")
    assert cell.error is not None
    assert cell.error.ename == "ParityError"
    assert len(cell.error.traceback.splitlines()) == 2
    assert "differs from" in cell.error.traceback


def test_json_is_all_that_is_printed(kernel: LiveKernel) -> None:
    cell = kernel.run("%envsync --dry-run --json").check()
    report = json.loads(cell.stdout)
    assert (report["schema"], report["parity"], cell.displays) == (1, False, [])
    applied = json.loads(kernel.run("%envsync --yes --json").check().stdout)
    assert (applied["parity"], applied["outcome"]["state"]) == (True, "succeeded")
    assert applied["outcome"]["done"]["upgrade"] == 1


def test_a_value_for_who_assigns_it(kernel: LiveKernel) -> None:
    cell = kernel.run("report = %envsync --dry-run\nprint(report.plan.parity)").check()
    assert cell.stdout == "False\n"
    assert kernel.run("%envsync --dry-run").check().result is None


def test_a_wrong_option_and_help(kernel: LiveKernel) -> None:
    wrong = kernel.run("%envsync --frobnicate")
    assert wrong.error is not None
    assert wrong.error.ename == "UsageError"
    assert "--keep-extraneous" in kernel.run("%envsync --help").check().stdout


def test_a_fault_of_the_lock_is_not_a_traceback(story: Story, kernel: LiveKernel) -> None:
    story.write("alpha", "beta>=1")
    cell = kernel.run("%envsync --dry-run")
    assert cell.error is not None
    assert cell.error.ename == "LockError"
    assert "first_env.txt:1" in cell.error.traceback
    assert "first_env.txt:2" in cell.error.traceback
    assert "line_magic" not in cell.error.traceback


def widgets(cell: CellResult, name: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the widgets of a kind that a cell made: comm and state."""
    opened = [
        (content["comm_id"], content["data"]["state"])
        for kind, content in cell.messages
        if kind == "comm_open" and content["target_name"] == "jupyter.widget"
    ]
    return [(comm, state) for comm, state in opened if state["_model_name"] == name]


def click(kernel: LiveKernel, cell: CellResult, button: str) -> CellResult:
    (comm,) = [
        comm for comm, state in widgets(cell, "ButtonModel") if state["description"] == button
    ]
    return kernel.send_comm(comm, {"method": "custom", "content": {"event": "click"}})


def texts(cell: CellResult) -> str:
    return "\n".join(display.get("text/plain", "") for display in cell.displays)


def test_a_click_applies(story: Story, kernel: LiveKernel) -> None:
    cell = kernel.run("%envsync", allow_stdin=True).check()
    assert story.environment.freeze()["alpha"] == "1.0"
    clicked = click(kernel, cell, "Apply")
    kernel.listen(lambda: "done: " in texts(clicked) + texts(cell))
    assert story.environment.freeze()["alpha"] == "2.0"
    assert story.diff()["parity"]
    assert "no restart needed" in texts(clicked) + texts(cell)


def test_what_a_click_did_asks_for_a_restart_with_a_button(
    story: Story, kernel: LiveKernel
) -> None:
    kernel.run("import alpha").check()
    cell = kernel.run("%envsync", allow_stdin=True).check()
    clicked = click(kernel, cell, "Apply")
    kernel.listen(lambda: "done: " in texts(clicked) + texts(cell))
    html = (clicked.displays or cell.displays)[-1]["text/html"]
    assert 'data-commandlinker-command="notebook:restart-kernel"' in html
    assert "<code>alpha</code> 1.0 is loaded, 2.0 is on disk" in html
    kernel.restart()
    kernel.run("%load_ext envmagic").check()
    after = kernel.run("%envsync", allow_stdin=True).check()
    assert "is equal to" in texts(after)
    assert widgets(after, "ButtonModel") == []
    assert story.diff()["parity"]


def test_a_click_on_cancel_changes_nothing(story: Story, kernel: LiveKernel) -> None:
    before = story.environment.freeze()
    cell = kernel.run("%envsync", allow_stdin=True).check()
    clicked = click(kernel, cell, "Cancel")
    kernel.listen(lambda: "nothing was changed" in texts(clicked) + texts(cell))
    assert story.environment.freeze() == before


def test_a_question_that_nobody_answers_stands_in_nobodys_way(
    story: Story, kernel: LiveKernel, tmp_path: Path
) -> None:
    """Only the wheel of `wants` tells that it requires beta: that is asked about once more."""
    house = Wheelhouse(tmp_path / "more")
    house.add("wants", "1.0", requires=["beta"])
    places = [story.places[0], story.places[1].replace("=", " ", 1)]
    places.append(f"--find-links {house.folder}")
    story.write(*places, "alpha==2.0", "wants==1.0")
    cell = kernel.run("%envsync", allow_stdin=True).check()
    click(kernel, cell, "Apply")
    wait_until((story.environment.prefix / ".envmagic" / "lock").exists)
    wait_until(lambda: "it may wait for an answer there" in story.run("sync", "--yes").stderr)
    # Until it asks it is at work.
    wait_until(lambda: kernel.run("%envsync --yes").error is None)
    assert story.environment.freeze()["wants"] == "1.0"


def test_a_click_that_cannot_be_done_says_why(story: Story, kernel: LiveKernel) -> None:
    cell = kernel.run("%envsync", allow_stdin=True).check()
    folder = story.environment.prefix / ".envmagic"
    folder.write_text("a file where a folder should be")
    clicked = click(kernel, cell, "Apply")
    kernel.listen(lambda: "cannot be used" in texts(clicked) + texts(cell))
    folder.unlink()
    again = kernel.run("%envsync --yes").check()
    assert "done: " in texts(again)


def test_the_rows_can_be_filtered_and_searched(kernel: LiveKernel) -> None:
    cell = kernel.run("%envsync", allow_stdin=True).check()
    ((kinds, state),) = widgets(cell, "ToggleButtonsModel")
    chosen = state["_options_labels"].index("remove")
    update = {"method": "update", "state": {"index": chosen}, "buffer_paths": []}
    filtered = kernel.send_comm(kinds, update)
    html = filtered.displays[-1]["text/html"]
    assert "1 of 3 changes" in html
    assert ">delta</th>" in html
    assert ">alpha</th>" not in html
    kernel.send_comm(kinds, {**update, "state": {"index": 0}})
    ((search, _),) = widgets(cell, "TextModel")
    found = kernel.send_comm(
        search, {"method": "update", "state": {"value": "AlPh"}, "buffer_paths": []}
    )
    assert "1 of 3 changes" in found.displays[-1]["text/html"]
    assert ">alpha</th>" in found.displays[-1]["text/html"]


def test_an_interrupt_while_preparing_changes_nothing(
    kernel_environment: Environment, wheelhouse: Wheelhouse, index: Index
) -> None:
    story = Story(kernel_environment, wheelhouse)
    story.write(f"--index-url {index.url}", "alpha==2.0")
    index.set_fault("alpha-2.0-py3-none-any.whl", "hang")
    before = kernel_environment.freeze()
    with live_kernel(kernel_environment, cwd=story.lock.parent) as kernel:
        kernel.run("%load_ext envmagic").check()
        cell = kernel.start("%envsync --yes")
        kernel.listen(lambda: any("alpha-2.0" in path for path in index.requests))
        kernel.interrupt()
        kernel.finish(cell)
        assert cell.error is not None
        assert cell.error.ename == "Cancelled"
        assert kernel.run("1 + 1").check().result == {"text/plain": "2"}
    assert kernel_environment.freeze() == before
    assert not (kernel_environment.prefix / ".envmagic").exists()


def test_loading_the_extension_is_light(kernel: LiveKernel) -> None:
    names = ["ipywidgets", "packaging.requirements", "piptools", "pip", "rich", "torch"]
    code = f"import sys; print([name for name in {names} if name in sys.modules])"
    assert kernel.run(code).check().stdout == "[]\n"


def test_the_magics_in_a_terminal_ask(story: Story) -> None:
    script = (
        "from IPython.terminal.interactiveshell import TerminalInteractiveShell as Shell\n"
        "shell = Shell.instance()\n"
        "shell.run_line_magic('load_ext', 'envmagic')\n"
        "shell.run_cell('import alpha')\n"
        f"shell.run_line_magic('envsync', {str(story.lock)!r})\n"
    )
    refused = story.environment.run(
        "-c", f"import io, sys; sys.stdin = io.StringIO('n\\n')\n{script}", check=False
    )
    assert "Apply? [y/N]" in refused.stdout
    assert "not applied; nothing was changed" in refused.stderr
    assert story.environment.freeze()["alpha"] == "1.0"
    done = story.environment.run("-c", f"import io, sys; sys.stdin = io.StringIO('y\\n')\n{script}")
    assert "done: 1 installed, 1 upgraded, 1 removed" in done.stdout
    assert "`alpha` 1.0 is loaded, 2.0 is on disk" in done.stdout
    assert story.environment.freeze()["alpha"] == "2.0"
