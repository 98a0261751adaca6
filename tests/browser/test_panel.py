"""What a user does in the panel: looks, sorts, searches, applies, restarts, undoes, freezes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support.slow import add_many, wait_until_half_done
from support.wheelhouse import Wheelhouse
from support.witness import Witness, paused

if TYPE_CHECKING:
    from pathlib import Path

    from support.notebook import Notebook
    from support.panel import Panel

pytestmark = pytest.mark.live

_HARM = "<img src=x onerror=document.body.dataset.harmed=1>"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Wheelhouse:
    """The standard wheels, one that takes long, and one that has to be built."""
    house = Wheelhouse.standard(tmp_path_factory.mktemp("house"))
    add_many(house)
    house.add_sdist("built", "1.0")
    house.add("grows", "1.0", requires=["epsilon"])
    return house


def names(panel: Panel) -> list[str]:
    """Return the projects of the rows, in their order."""
    return panel.rows.locator("th").all_inner_texts()


def heading(panel: Panel, column: str) -> str | None:
    """Sort by a column, and return what a screen reader says of it."""
    found = panel.root.locator(f"th[data-column='{column}']")
    found.get_by_role("button").click()
    return found.get_attribute("aria-sort")


def walk_to(panel: Panel, selector: str) -> None:
    """Press the tabulator until something has the focus."""
    reached = panel.root.locator(f"{selector}:focus")
    for _ in range(10):
        if reached.count():
            return
        panel.page.keyboard.press("Tab")
    pytest.fail(f"no tabulator leads to {selector}")


def test_the_table(panel: Panel, notebook: Notebook, tmp_path: Path) -> None:
    notebook.write("epsilon==1.0  # the newest", "beta==1.0", "alpha==2.0")
    notebook.open()
    panel.run("import alpha")
    panel.face("differs")
    panel.expect_badge("differs", "4")
    expect(panel.status).to_have_text("Environment: 4 projects differ")
    expect(panel.tab).to_have_attribute("title", "Environment: 4 projects differ")
    assert sorted(names(panel)) == ["alpha", "beta", "delta", "epsilon"]

    assert [heading(panel, "name"), names(panel)[0]] == ["ascending", "alpha"]
    assert [heading(panel, "name"), names(panel)[0]] == ["descending", "epsilon"]
    for column in ("kind", "installed", "wanted"):
        assert heading(panel, column) == "ascending"
        forth = names(panel)
        assert heading(panel, column) == "descending"
        assert sorted(names(panel)) == sorted(forth)
        assert names(panel) != forth
    assert panel.root.locator("th[aria-sort='none']").count() == 3

    search = panel.root.get_by_role("searchbox")
    search.fill("ph")
    expect(panel.rows).to_have_count(1)
    expect(panel.root.locator(".jp-EnvMagic-count")).to_have_text("1 project shown")
    search.fill("nothing")
    expect(panel.root).to_contain_text("No project is like that.")
    search.fill("")

    chip = panel.root.locator(".jp-EnvMagic-chip[data-kind='remove']")
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "true")
    expect(panel.rows).to_have_count(1)
    assert names(panel) == ["delta"]
    chip.click()
    expect(panel.rows).to_have_count(4)

    panel.button("Compare again").click()
    panel.root.get_by_role("button", name="alpha", exact=True).click()
    detail = panel.root.locator(".jp-EnvMagic-detail")
    expect(detail).to_contain_text("1.0 is in the memory of this kernel")
    expect(detail).to_contain_text("beta 2.0 requires alpha")
    expect(detail).to_contain_text("the lock says so")
    panel.shoot("panel-row", tmp_path)
    detail.get_by_role("button", name="first_env.txt:3").click()
    panel.page.locator("#jp-main-statusbar").get_by_text("Ln 3, Col 1").wait_for()
    panel.command("application:close")


def check_question(panel: Panel, notebook: Notebook) -> None:
    """Expect that the question before a change names all that it does."""
    question = panel.dialog
    for words in (
        str(notebook.environment.python),
        "first_env.txt",
        "2 to install",
        "1 to upgrade",
    ):
        expect(question).to_contain_text(words)
    expect(question).to_contain_text("1 project is removed:")
    expect(question).to_contain_text("delta 1.0")
    expect(question).to_contain_text("1 project that changes is loaded")


def check_end(panel: Panel) -> None:
    """Expect that a change has ended well, and that it is told to restart the kernel."""
    panel.face("succeeded")
    expect(panel.root).to_contain_text("alpha 1.0 is loaded, 2.0 is on disk")
    expect(panel.status).to_have_text("Environment: equal to its lock, restart the kernel")
    panel.expect_badge("restart")


def test_apply_restart_and_undo(panel: Panel, notebook: Notebook, tmp_path: Path) -> None:
    environment = notebook.environment
    before = environment.freeze()
    notebook.write("alpha==2.0", "epsilon==1.0", "beta==2.0", "many==1.0")
    notebook.open()
    panel.run("import alpha")
    panel.face("differs")

    panel.button("Preview").click()
    expect(panel.button("Preview")).to_be_disabled()
    expect(panel.root).not_to_contain_text("unknown requirements")
    assert environment.freeze() == before

    panel.button("Apply…").click()
    check_question(panel, notebook)
    panel.shoot("panel-question", tmp_path)
    assert panel.grave_violations(".jp-EnvMagic-dialog") == []
    panel.page.keyboard.press("Escape")
    expect(panel.dialog).to_have_count(0)
    assert environment.freeze() == before

    witness = Witness(environment)
    notebook.apply()
    wait_until_half_done(environment)
    with paused(witness):
        working = panel.face("working")
        expect(working.get_by_role("progressbar")).to_be_visible()
        expect(panel.status).to_have_text("Environment: being changed")
        working.get_by_text("Output of the tools").click()
        expect(working.locator(".jp-EnvMagic-log")).to_contain_text("Saved")
        expect(working.locator(".jp-EnvMagic-log")).not_to_contain_text("\x1b")
        expect(panel.button("Apply…")).to_be_disabled()
        assert panel.grave_violations("#envmagic-panel") == []
        panel.shoot("panel-working", tmp_path)
    check_end(panel)
    panel.shoot("panel-succeeded", tmp_path)
    panel.button("Restart kernel…").click()
    panel.answer("Restart")
    panel.face("equal")
    after = environment.freeze()
    assert (after["alpha"], after["epsilon"], "delta" in after) == ("2.0", "1.0", False)
    panel.expect_badge("equal", "0")

    if panel.button("Dismiss").count():
        panel.button("Dismiss").first.click()
    panel.button("Undo…").click()
    expect(panel.dialog).to_contain_text("2 projects are removed:")
    panel.answer("Undo")
    panel.face("succeeded")
    panel.button("Dismiss").click()
    panel.face("differs")
    assert environment.freeze() == before
    # Nothing that the new kernel has loaded has changed.
    expect(panel.button("Restart kernel…")).to_have_count(0)


def test_what_is_built_is_asked_about(panel: Panel, notebook: Notebook, tmp_path: Path) -> None:
    notebook.write("alpha==1.0", "beta==2.0", "delta==1.0", "built==1.0", "grows==1.0")
    notebook.open()
    panel.face("differs")
    notebook.apply()
    panel.face("asking")  # once, when all else is known
    assert "built" not in notebook.environment.freeze()
    panel.button("Go on…").click()
    trust = panel.dialog.locator(".jp-EnvMagic-warn")
    expect(panel.dialog).to_contain_text("3 to install")
    expect(trust).to_contain_text("You trust what this lock brings with it:")
    expect(trust).to_contain_text(re.compile("built.*1.0"))
    panel.shoot("panel-built", tmp_path)
    panel.answer("Apply")
    panel.face("succeeded")
    panel.button("Dismiss").click()
    panel.face("equal")
    assert notebook.environment.freeze()["built"] == "1.0"


def test_what_is_built_is_told_by_a_preview(panel: Panel, notebook: Notebook) -> None:
    notebook.write("alpha==1.0", "beta==2.0", "delta==1.0", "built==1.0", "grows==1.0")
    notebook.open()
    panel.face("differs")
    panel.button("Preview").click()
    expect(panel.rows.filter(has_text="epsilon")).to_have_count(1)
    panel.button("Apply…").click()
    expect(panel.dialog.locator(".jp-EnvMagic-warn")).to_contain_text(re.compile("built.*1.0"))
    panel.answer("Apply")
    panel.face("succeeded")  # nothing is left to ask
    assert notebook.environment.freeze()["built"] == "1.0"


def test_cancel_in_the_middle(panel: Panel, notebook: Notebook) -> None:
    before = notebook.environment.manifest()
    witness = Witness(notebook.environment)
    notebook.begin_slow_change()
    with paused(witness):
        panel.button("Cancel").click()
        expect(panel.face("working")).to_contain_text("Cancelling")
    panel.face("cancelled")
    expect(panel.root).to_contain_text("the environment is as it was")
    panel.button("Dismiss").click()
    panel.face("differs")
    assert notebook.environment.manifest() == before


def test_freeze(panel: Panel, notebook: Notebook, tmp_path: Path) -> None:
    notebook.open()
    panel.face("no-lock")
    panel.button("Freeze…").first.click()
    panel.dialog.get_by_role("textbox").fill("frozen.txt")
    panel.page.keyboard.press("Enter")
    expect(panel.root).to_contain_text("frozen.txt: ")
    panel.face("equal")  # the only lock here is the chosen one
    file = notebook.folder / "frozen.txt"
    assert "alpha==1.0\n" in file.read_text("utf-8")
    panel.shoot("panel-frozen", tmp_path)
    panel.button("Dismiss").click()
    expect(panel.root).not_to_contain_text("frozen.txt: ")

    file.write_text("mine\n", "utf-8")
    for button in ("Cancel", "Write over it"):
        assert file.read_text("utf-8") == "mine\n"
        panel.command("envmagic:freeze", file="frozen.txt")
        expect(panel.dialog).to_contain_text("Write over frozen.txt?")
        panel.answer(button)
        expect(panel.dialog).to_have_count(0)
    expect(panel.root).to_contain_text("frozen.txt: ")
    panel.face("equal")
    assert "beta==2.0\n" in file.read_text("utf-8")


def test_what_a_lock_says_is_text(panel: Panel, notebook: Notebook, tmp_path: Path) -> None:
    lock = f"{_HARM}.txt"
    notebook.write(
        f"alpha==2.0  # {_HARM}",
        f'beta==1.0 ; python_version != "{_HARM}"',
        f"--find-links http://127.0.0.1:1/{_HARM.replace(' ', '%20')}",
        lock=lock,
    )
    notebook.open()
    panel.face("no-lock")
    panel.choose(lock)
    panel.root.locator(".jp-EnvMagic-ready:not([data-face='no-lock'])").wait_for()
    expect(panel.root).to_contain_text(_HARM)
    panel.shoot("panel-text", tmp_path)
    assert panel.root.locator("img").count() == 0
    assert panel.page.locator("body").get_attribute("data-harmed") is None


def test_a_kernel_that_was_shut_down(panel: Panel, notebook: Notebook) -> None:
    notebook.write("alpha==1.0", "delta==1.0", "beta==2.0")
    notebook.open()
    panel.face("equal")
    panel.on_kernel("shutdown()")
    panel.face("no-kernel")
    panel.expect_badge("")


def test_a_console_is_followed(panel: Panel, notebook: Notebook, tmp_path: Path) -> None:
    notebook.write("alpha==1.0", "delta==2.0", "beta==2.0")
    notebook.open_console()
    panel.face("differs")
    assert names(panel) == ["delta"]
    expect(panel.root.locator(".jp-EnvMagic-header")).to_contain_text(
        str(notebook.environment.prefix)
    )
    panel.shoot("panel-console", tmp_path)


def test_all_can_be_reached_and_read(panel: Panel, notebook: Notebook) -> None:
    notebook.write("alpha==2.0", "epsilon==1.0", "beta==2.0")
    notebook.open()
    panel.face("differs")
    panel.button("Compare again").focus()
    for selector in (
        "select",
        "input[type='search']",
        ".jp-EnvMagic-chip[data-kind='install']",
        "th[data-column='kind'] button",
        "th[data-column='wanted'] button",
        "tbody[data-index] th button",
        ".jp-EnvMagic-footer button",
    ):
        walk_to(panel, selector)
    row = panel.root.get_by_role("button", name="delta", exact=True)
    row.focus()
    panel.page.keyboard.press("Enter")
    expect(row).to_have_attribute("aria-expanded", "true")
    assert panel.grave_violations("#envmagic-panel") == []

    panel.button("Apply…").focus()
    panel.page.keyboard.press("Enter")
    expect(panel.dialog).to_be_visible()
    # What takes something away is not what Enter does at once.
    expect(panel.dialog.get_by_role("button", name="Cancel", exact=True)).to_be_focused()
    panel.page.keyboard.press("Tab")
    expect(panel.dialog.get_by_role("button", name="Apply", exact=True)).to_be_focused()
    panel.page.keyboard.press("Enter")
    panel.face("succeeded")
    panel.button("Dismiss").click()
    panel.face("equal")
    assert panel.grave_violations("#envmagic-panel") == []
