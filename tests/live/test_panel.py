"""The sidebar's half in real kernels: asked over a subshell, as the sidebar asks."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from support.index import Index
from support.kernel import live_kernel
from support.sidebar import Sidebar
from support.slow import add_many, wait_until_half_done
from support.story import QUIET, Story, wait_until
from support.wheelhouse import Wheelhouse
from support.wire import FOLDER
from support.witness import Witness, kill, paused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.environment import Environment
    from support.kernel import LiveKernel
    from support.templates import Templates

pytestmark = pytest.mark.live

PASSWORD = "hunter2"  # noqa: S105 (what must be seen nowhere)


@contextlib.contextmanager
def kernel_of(story: Story) -> Iterator[LiveKernel]:
    with live_kernel(story.environment, cwd=story.lock.parent, env=QUIET) as kernel:
        yield kernel


@contextlib.contextmanager
def tab(kernel: LiveKernel, story: Story) -> Iterator[Sidebar]:
    sidebar = Sidebar(kernel, story.places)
    try:
        yield sidebar
    finally:
        sidebar.close()


# --- what only looks, all in one kernel


@pytest.fixture(scope="module")
def calm(templates: Templates, wheelhouse: Wheelhouse) -> Story:
    environment = templates.make("kernel")
    environment.install(wheelhouse, "alpha==1.0", "beta==1.0", "delta==1.0")
    return Story(environment, wheelhouse)


@pytest.fixture(scope="module")
def kernel(calm: Story) -> Iterator[LiveKernel]:
    with kernel_of(calm) as kernel:
        yield kernel


@pytest.fixture
def sidebar(calm: Story, kernel: LiveKernel) -> Iterator[Sidebar]:
    calm.write("alpha==2.0", "epsilon==1.0")
    with tab(kernel, calm) as sidebar:
        yield sidebar


def test_a_kernel_answers_while_a_cell_runs(sidebar: Sidebar, kernel: LiveKernel) -> None:
    cell = kernel.start("import time; time.sleep(60)")
    kinds = {c["name"]: c["kind"] for c in sidebar.all_rows(sidebar.look())}
    kernel.catch_up()
    assert not cell.done
    assert (kinds["alpha"], kinds["epsilon"], kinds["delta"]) == ("upgrade", "install", "remove")
    assert kinds["ipykernel"] == "keep"
    kernel.interrupt()
    assert kernel.finish(cell).error is not None


def shape(value: object) -> object:
    """Return the keys of what was told, and of what that holds."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return shape(value[0])
    return None


@pytest.mark.parametrize("path", ["", "place", "report", "report.node", "report.lock"])
def test_a_real_answer_has_the_keys_of_the_golden_one(sidebar: Sidebar, path: str) -> None:
    golden, real = json.loads((FOLDER / "report.v1.json").read_text("utf-8")), sidebar.look()
    for key in filter(None, path.split(".")):
        golden, real = golden[key], real[key]
    assert set(golden) == set(real)


def test_rows_and_findings_have_the_keys_of_the_golden_ones(sidebar: Sidebar, calm: Story) -> None:
    golden = json.loads((FOLDER / "report.v1.json").read_text("utf-8"))["report"]
    calm.write("gamma==1.0", "alpha==2.0")
    report = sidebar.look()["report"]
    accelerator = sidebar.ask("gpus", report=report["id"])["accelerator"]
    assert set(accelerator) == set(golden["accelerator"])
    assert shape(report["changes"]) == shape(golden["changes"])
    assert shape(report["findings"]) == shape(golden["findings"])
    assert shape(report["restart"]) == shape(golden["restart"])


def test_the_magic_and_the_panel_mean_the_same_lock_from_any_folder(
    sidebar: Sidebar, kernel: LiveKernel, calm: Story
) -> None:
    calm.lock.with_name("data").mkdir(exist_ok=True)
    kernel.run("%load_ext envmagic\n%cd data").check()
    calm.lock.with_name("data").joinpath("first_env.txt").write_text("alpha==9.9\n")
    try:
        assert sidebar.look()["report"]["lock"]["pins"] == 2
        said = kernel.run("%envsync --dry-run --json").check().stdout
        assert json.loads(said)["lock"]["path"] == str(calm.lock)
        kernel.run("%envsync --dry-run first_env.txt").check()
        assert sidebar.look()["lock"] == "data/first_env.txt"
    finally:
        kernel.run("%cd ..").check()
        sidebar.look("first_env.txt")


def test_a_report_can_be_asked_for_again(sidebar: Sidebar) -> None:
    look = sidebar.look()
    again = sidebar.ask("report", report=look["report"]["id"])
    assert again["report"] == look["report"]
    why = sidebar.ask("explain", report=look["report"]["id"], name="alpha")
    assert why["requirers"] == ["beta 1.0 requires alpha"]


def test_a_report_that_is_forgotten_is_an_error_with_a_hint(sidebar: Sidebar) -> None:
    for method, more in (("report", {}), ("rows", {"start": 0}), ("start", {"what": "sync"})):
        error = sidebar.ask(method, report="never", **more)["error"]
        assert (error["kind"], error["hint"]) == ("PolicyError", "compare again")


def test_the_faults_of_a_lock_have_their_lines(sidebar: Sidebar, calm: Story) -> None:
    calm.write("alpha==1.0", "beta", "-r missing.txt")
    look = sidebar.look()
    faults = look["error"]["faults"]
    assert [fault["where"] for fault in faults] == ["first_env.txt:2", "first_env.txt:3"]
    assert (look["report"], look["lock"]) == (None, "first_env.txt")
    assert look["place"]["prefix"] == str(calm.environment.prefix)


def test_five_thousand_rows_come_in_pages(sidebar: Sidebar, calm: Story) -> None:
    names = [f"a-project-with-a-long-name-{number:04}" for number in range(5000)]
    calm.write(*(f"{name}==1.0" for name in names))
    look = sidebar.look()
    assert look["report"]["counts"]["install"] == 5000
    assert look["rest"] > 0
    found = [row["name"] for row in sidebar.all_rows(look)]
    assert found == sorted(found)
    assert set(names) <= set(found)
    assert len(found) == len(set(found))


def test_five_thousand_faults_fit_into_one_reply(sidebar: Sidebar, calm: Story) -> None:
    calm.write(*(f"a-project-with-a-long-name-{number:04}>=1" for number in range(5000)))
    error = sidebar.look()["error"]
    assert error["faults"][0]["where"] == "first_env.txt:1"
    assert error["faults"][-1]["text"].startswith("and ")


def test_nothing_of_it_is_seen_by_the_users_code(sidebar: Sidebar, kernel: LiveKernel) -> None:
    code = "print(sorted(set(globals()) - {'__builtins__'}), len(In), len(Out))"
    kernel.run(code)
    before = kernel.run(code).check().stdout
    look = sidebar.look()
    sidebar.ask("gpus", report=look["report"]["id"])
    after = kernel.run(code).check()
    names, _, counts = before.rpartition("]")
    _, _, counts_after = after.stdout.rpartition("]")
    ours = {"_i", "_ii", "_iii"}
    new = set(json.loads(f"{after.stdout.rpartition(']')[0]}]".replace("'", '"'))) - set(
        json.loads(f"{names}]".replace("'", '"'))
    )
    assert {name for name in new if not name.startswith("_i")} - ours == set()
    history, outputs = map(int, counts.split())
    assert tuple(map(int, counts_after.split())) == (history + 1, outputs)


def test_a_preview_with_the_index_touches_nothing(sidebar: Sidebar, calm: Story) -> None:
    """What beta requires is known only then: alpha is not in the environment's lock."""
    calm.write("gamma==1.0")
    before = calm.environment.manifest()
    work = sidebar.start("preview", sidebar.look()["report"]["id"])
    assert (work["what"], work["title"]) == ("preview", "Preview of `first_env.txt`")
    work = sidebar.await_state("ended")
    report = sidebar.ask("report", report=work["report"])["report"]
    assert sidebar.work()["report"] == work["report"]
    assert report["prepared"]
    assert {r["name"]: r["kind"] for r in report["changes"]}["gamma"] == "install"
    assert calm.environment.manifest() == before
    assert not (calm.environment.prefix / ".envmagic").exists()
    sidebar.ask("dismiss")
    assert sidebar.work() is None


def test_a_frozen_lock_is_not_written_over_unless_one_says_so(
    sidebar: Sidebar, calm: Story
) -> None:
    file = calm.lock.with_name("frozen.txt")
    done = sidebar.ask("freeze", file="frozen.txt")
    assert "alpha==1.0\n" in file.read_text()
    assert done["wrote"] == "frozen.txt"
    file.write_text("mine\n")
    refused = sidebar.ask("freeze", file="frozen.txt")["error"]
    assert "is there and differs" in refused["message"]
    assert file.read_text() == "mine\n"
    assert sidebar.ask("freeze", file="frozen.txt", force=True)["summary"] == done["summary"]
    assert sidebar.look("frozen.txt")["report"]["parity"]
    file.unlink()


def test_what_a_user_can_cause_is_an_error(sidebar: Sidebar, calm: Story) -> None:
    assert "there is nothing to undo here" in sidebar.ask("look_back")["error"]["message"]
    sidebar.options = "--keep 'half"
    assert sidebar.look()["error"]["kind"] == "UsageError"
    assert calm.lock.exists()


# --- what changes something


@pytest.fixture
def story(kernel_environment: Environment, tmp_path: Path) -> Story:
    wheelhouse = Wheelhouse.standard(tmp_path / "wheels")
    add_many(wheelhouse)
    kernel_environment.install(wheelhouse, "alpha==1.0", "delta==1.0")
    story = Story(kernel_environment, wheelhouse)
    story.write("alpha==2.0", "epsilon==1.0")
    return story


def test_a_sync_and_its_undo(story: Story) -> None:
    before = story.environment.manifest()
    with kernel_of(story) as kernel, tab(kernel, story) as sidebar:
        kernel.run("import alpha").check()
        look = sidebar.look()
        assert (look["undo"], look["news"], look["work"]) == (None, [], None)
        work = sidebar.start("sync", look["report"]["id"])
        assert (work["what"], work["title"]) == ("sync", "Sync with `first_env.txt`")
        done = sidebar.await_state("ended")
        log = sidebar.ask("work")["log"]
        after = sidebar.look()
        frozen = story.environment.freeze()
        back = sidebar.ask("look_back")
        sidebar.start("undo", back["report"]["id"])
        undone = sidebar.await_state("ended")
        again = sidebar.look()
    assert (done["outcome"]["state"], done["error"]) == ("succeeded", None)
    assert done["outcome"]["restart"] == ["`alpha` 1.0 is loaded, 2.0 is on disk"]
    assert "Successfully installed alpha-2.0 epsilon-1.0" in log
    assert after["report"]["parity"]
    assert after["report"]["restart"]["needed"]
    assert after["stamp"] != look["stamp"]
    assert after["work"] == done  # until it is dismissed
    assert after["undo"]["steps"] == "3 projects changed"
    assert (frozen["alpha"], frozen["epsilon"], "delta" in frozen) == ("2.0", "1.0", False)
    assert back["report"]["lock"]["path"].startswith("sync first_env.txt, ")
    assert undone["outcome"]["state"] == "succeeded"
    assert undone["what"] == "undo"
    assert not again["report"]["restart"]["needed"]
    assert story.environment.manifest() == before


def test_a_cell_and_a_second_tab_see_the_same_work_and_none_can_start_another(
    story: Story,
) -> None:
    story.write("alpha==2.0", "many==1.0")
    with (
        kernel_of(story) as kernel,
        tab(kernel, story) as sidebar,
        tab(kernel, story) as second,
    ):
        before, witness = story.environment.manifest(), Witness(story.environment)
        work = sidebar.start("sync", sidebar.look()["report"]["id"])
        wait_until_half_done(story.environment)
        with paused(witness):
            look = second.look()
            assert look["work"]["id"] == work["id"]
            refused = second.ask("start", what="sync", report=look["report"]["id"])["error"]
            assert refused["message"] == "Sync with `first_env.txt` is at work here"
            kernel.run("%load_ext envmagic").check()
            cell = kernel.run("%envsync --yes")
            assert cell.error is not None
            assert "another sync of" in cell.error.evalue
            late = second.ask("cancel", work="what-had-ended")["error"]
            assert late["message"].endswith("Sync with `first_env.txt` is at work here now")
            assert not second.work()["cancelling"]
            assert second.ask("cancel", work=work["id"])["work"]["cancelling"]
        ended = sidebar.await_state("ended")
        assert ended["cancelled"]
        assert "everything is as it was before" in ended["error"]["message"]
        assert story.environment.manifest() == before
        assert not second.ask("dismiss", work="what-had-ended")["dismissed"]
        assert second.ask("dismiss", work=work["id"])["dismissed"]
        assert not sidebar.ask("dismiss", work=work["id"])["dismissed"]
        after = sidebar.look()
    assert (after["work"], after["news"], after["undo"]) == (None, [], None)


def test_what_grew_after_it_was_shown_is_asked_about(story: Story) -> None:
    """Only the wheel of `wants` tells that it requires beta."""
    wheelhouse = Wheelhouse(story.lock.with_name("more"))
    wheelhouse.add("wants", "1.0", requires=["beta"])
    story.places.append(f"--find-links={wheelhouse.folder}")
    story.write("wants==1.0", "alpha==1.0", "delta==1.0")
    with kernel_of(story) as kernel, tab(kernel, story) as sidebar:
        first = sidebar.start("sync", sidebar.look()["report"]["id"])
        asking = sidebar.await_state("asking")
        more = sidebar.ask("report", report=asking["report"])["report"]
        assert asking["id"] == first["id"]
        assert {c["name"] for c in more["changes"] if c["kind"] == "install"} == {"wants", "beta"}
        assert "beta" not in story.environment.freeze()
        sidebar.ask("agree", work=first["id"], report=asking["report"])
        assert sidebar.await_state("ended")["outcome"]["state"] == "succeeded"
        frozen = story.environment.freeze()
        sidebar.start("undo", sidebar.ask("look_back")["report"]["id"])
        sidebar.await_state("ended")
        sidebar.start("sync", sidebar.look()["report"]["id"])
        sidebar.await_state("asking")
        sidebar.ask("cancel")
        refused = sidebar.await_state("ended")
    assert {"wants", "beta"} <= set(frozen)
    assert (refused["cancelled"], refused["outcome"]) == (True, None)
    assert not {"wants", "beta"} & set(story.environment.freeze())


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_new_kernel_finds_what_the_old_one_began(
    story: Story,
    is_killed: bool,  # noqa: FBT001 (a case)
) -> None:
    witness = Witness(story.environment)
    story.write("alpha==2.0", "many==1.0")
    with kernel_of(story) as kernel:
        with tab(kernel, story) as sidebar:
            sidebar.start("sync", sidebar.look()["report"]["id"])
            wait_until_half_done(story.environment)
        with contextlib.ExitStack() as stack:
            stack.enter_context(paused(witness))
            if is_killed:
                kill(kernel.pid)
            kernel.restart(now=is_killed)
            sidebar = stack.enter_context(tab(kernel, story))
            look = sidebar.look()
            assert look["work"]["what"] == "elsewhere"
            assert look["work"]["state"] == "working"
            assert look["work"]["progress"]["phase"] == "Changing"
        with tab(kernel, story) as sidebar:
            wait_until(lambda: sidebar.work() is None)
            ended = sidebar.look()
            assert "first_env.txt" in ended["news"][0]["text"]
            assert "has ended: 3 projects changed" in ended["news"][0]["text"]
            assert ended["report"]["parity"]
            sidebar.ask("dismiss")
            assert sidebar.look()["news"] == []
            assert sidebar.look()["undo"]["steps"] == "3 projects changed"


def test_what_a_killed_worker_left_is_put_back_by_asking(story: Story) -> None:
    before = story.environment.manifest()
    witness = Witness(story.environment)
    story.write("alpha==2.0", "many==1.0")
    with kernel_of(story) as kernel, tab(kernel, story) as sidebar:
        environment = story.environment
        process = environment.start(
            "-m", "envmagic", "sync", story.lock, "--yes", *story.places, env=QUIET
        )
        wait_until_half_done(environment)
        assert sidebar.work()["what"] == "elsewhere"
        for pid in [process.pid, *(seen.pid for seen in witness.look() if not seen.is_kernel)]:
            kill(pid)
        process.communicate()
        wait_until(lambda: sidebar.work() is None)
        news = sidebar.look()["news"]
    assert "did not end, and everything was put back" in news[0]["text"]
    assert environment.manifest() == before


def test_who_dismisses_what_is_ones_own_is_still_told_of_others(story: Story) -> None:
    witness = Witness(story.environment)
    with kernel_of(story) as kernel, tab(kernel, story) as sidebar:
        ours = sidebar.start("sync", sidebar.look()["report"]["id"])["id"]
        assert sidebar.await_state("ended")["outcome"]["state"] == "succeeded"
        story.write("alpha==2.0", "many==1.0")
        process = story.environment.start(
            "-m", "envmagic", "sync", story.lock, "--yes", *story.places, env=QUIET
        )
        wait_until_half_done(story.environment)
        beside = sidebar.ask("work")
        assert (beside["work"]["what"], beside["log"]) == ("elsewhere", "")
        for pid in [process.pid, *(seen.pid for seen in witness.look() if not seen.is_kernel)]:
            kill(pid)
        process.communicate()
        wait_until(lambda: sidebar.work()["id"] == ours)
        (news,) = sidebar.look()["news"]
        assert "did not end, and everything was put back" in news["text"]
        assert sidebar.ask("dismiss", work=ours)["dismissed"]
        assert sidebar.look()["work"] is None
        assert sidebar.look()["news"] == [news]
        assert sidebar.ask("dismiss", news=[news["id"]])["dismissed"]
        assert sidebar.look()["news"] == []


def test_the_sync_of_a_terminal_is_seen_and_can_be_cancelled(story: Story) -> None:
    witness = Witness(story.environment)
    before = story.environment.manifest()
    story.write("alpha==2.0", "many==1.0")
    with kernel_of(story) as kernel, tab(kernel, story) as sidebar:
        environment = story.environment
        look = sidebar.look()
        process = environment.start(
            "-m", "envmagic", "sync", story.lock, "--yes", *story.places, env=QUIET
        )
        wait_until_half_done(environment)
        with paused(witness):
            seen = sidebar.ask("stamp", lock="first_env.txt")
            assert seen["work"]["what"] == "elsewhere"
            assert seen["stamp"] != look["stamp"]
            sidebar.start("sync", look["report"]["id"])
            wait_until(lambda: sidebar.work()["what"] == "elsewhere")
            assert "is at work" in sidebar.ask("cancel", work="another")["error"]["message"]
            assert sidebar.ask("cancel", work=seen["work"]["id"])["work"] is not None
        out, err = process.communicate()
        refused = sidebar.await_state("ended")
    assert process.returncode == 130, out + err
    assert "another sync of" in refused["error"]["message"]
    assert environment.manifest() == before


def test_no_secret_of_an_index_is_in_any_reply(story: Story, tmp_path: Path) -> None:
    own = Wheelhouse.standard(tmp_path / "own")
    with Index(own.folder, user="user", password=PASSWORD) as index:
        story.places = []
        places = f"--index-url {index.url_with_credentials}"
        file = f"http://user:{PASSWORD}@{index.host}/files/beta-1.0-py3-none-any.whl"
        story.write(places, f"beta @ {file}", "alpha==2.0")
        with kernel_of(story) as kernel, tab(kernel, story) as sidebar:
            look = sidebar.look()
            assert f"****@{index.host}" in json.dumps(look)
            sidebar.start("preview", look["report"]["id"])
            sidebar.ask("report", report=sidebar.await_state("ended")["report"])
            sidebar.start("sync", look["report"]["id"])
            wait_until(lambda: sidebar.work()["state"] != "working")
            if sidebar.work()["state"] == "asking":
                sidebar.ask("agree")
            assert sidebar.await_state("ended")["outcome"]["state"] == "succeeded"
            assert "Successfully installed" in sidebar.ask("work")["log"]
            sidebar.look()
            story.write(places, "alpha==9.9")
            sidebar.start("sync", sidebar.look()["report"]["id"])
            failed = sidebar.await_state("ended")
            story.write(f"{places} --frobnicate", f"beta @ {file} ; nonsense")
            faults: list[dict[str, Any]] = sidebar.look()["error"]["faults"]
            log = kernel.log
    assert failed["error"]["kind"] == "EngineError"
    assert faults
    assert [said for said in sidebar.heard if PASSWORD in said] == []
    assert PASSWORD not in log


def test_a_kernel_whose_folder_is_gone_says_so(story: Story) -> None:
    go = "import os, tempfile; os.chdir(tempfile.mkdtemp()); os.rmdir(os.getcwd())"
    with kernel_of(story) as kernel, tab(kernel, story) as sidebar:
        kernel.run(go).check()
        first = sidebar.look()["error"]
        kernel.run(f"os.chdir({str(story.lock.parent)!r})").check()
        assert sidebar.look()["report"] is not None
        kernel.run(go).check()
        again = sidebar.look()["error"]
    assert first["message"] == "the system refuses: No such file or directory"
    assert "`%cd`" in first["hint"]
    assert again == first


def test_envmagic_is_not_there_until_it_is_asked(story: Story) -> None:
    ask = "import sys; print(sorted(m for m in sys.modules if m.startswith('envmagic')))"
    with kernel_of(story) as kernel, tab(kernel, story) as sidebar:
        assert kernel.run(ask).check().stdout == "[]\n"
        sidebar.look()
        assert "envmagic.face.panel" in kernel.run(ask).check().stdout
