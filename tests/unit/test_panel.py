"""The sidebar's half in the kernel, as far as it needs no kernel."""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from support.story import wait_until
from support.wire import FOLDER, make_report, wire_files

from envmagic.core.errors import Cancelled, EngineError, EnvmagicError, PolicyError
from envmagic.core.lock import LockError, parse_lock
from envmagic.core.model import Finding, FindingKind, Severity
from envmagic.core.report import Accelerator, Outcome, Progress, State
from envmagic.edge.node import LocalNode
from envmagic.edge.probe import look_at_platform
from envmagic.face.at_work import AtWork
from envmagic.face.desk import Desk
from envmagic.face.memory import Memory
from envmagic.face.options import UsageError
from envmagic.face.panel import OutdatedError, Panel
from envmagic.face.replies import (
    error_to_json,
    outcome_to_json,
    page_of,
    shown_to_json,
    work_to_json,
)
from envmagic.face.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from envmagic.core.model import Snapshot
    from envmagic.face.work import Task
    from envmagic.story.sync import Face

LIMIT = 500_000
DONE = Outcome(state=State.UNCHANGED, before=make_report("attrs"))


@pytest.mark.parametrize("name", sorted(wire_files()))
def test_the_wire_form_is_what_the_golden_files_say(name: str) -> None:
    """`make wire` writes them; the tests of the sidebar read them, too."""
    assert wire_files()[name] == (FOLDER / name).read_text("utf-8")


def test_pages_join_to_all_rows_and_each_is_small() -> None:
    rows: list[dict[str, Any]] = [
        {"name": f"é{number}", "note": "ü" * 60} for number in range(5000)
    ]
    found: list[dict[str, Any]] = []
    rest = len(rows)
    while rest:
        page = page_of(rows, len(found))
        assert len(json.dumps(page)) < LIMIT
        assert page["rest"] == rest - len(page["rows"])
        found, rest = found + page["rows"], page["rest"]
    assert found == rows
    assert page_of(rows, 5000) == {"rows": [], "rest": 0}


def test_of_too_many_findings_the_worst_are_told() -> None:
    notes = [
        Finding(kind=FindingKind.MISSING, name="a", text=f"note {n} " * 20, severity=Severity.NOTE)
        for n in range(5000)
    ]
    bad = Finding(kind=FindingKind.REFUSED, name="b", text="no", severity=Severity.ERROR)
    shown = shown_to_json(replace(make_report(), findings=(*notes, bad)), "id")
    findings = shown["report"]["findings"]
    assert len(json.dumps(shown)) < LIMIT
    assert (findings[0]["text"], findings[0]["severity"]) == ("no", "error")
    assert findings[-1]["text"] == f"{5001 - (len(findings) - 1)} more findings are not shown here"
    assert set(findings[-1]) == set(findings[0])


def lock_error(text: str) -> LockError:
    with pytest.raises(LockError) as caught:
        parse_lock(text, "lock.txt", read=open, markers={}, environ={})  # type: ignore[arg-type]
    return caught.value


def test_an_error_tells_each_fault_with_its_line_and_no_secret() -> None:
    told = error_to_json(lock_error("alpha\n-r https://user:hunter2@example.org/x.txt\n"))
    assert [fault["where"] for fault in told["faults"]] == ["lock.txt:1", "lock.txt:2"]
    assert "hunter2" not in json.dumps(told)
    assert told["kind"] == "LockError"


def test_thousands_of_faults_fit_into_one_reply() -> None:
    told = error_to_json(lock_error("".join(f"name-{number}>=1\n" for number in range(20_000))))
    count = len(told["faults"])
    assert len(json.dumps(told)) < LIMIT
    assert told["faults"][-1]["text"] == f"and {20_000 - count + 1} more"
    assert told["faults"][-1]["where"] == f"lock.txt:{count}"


def test_any_other_error_has_no_faults() -> None:
    assert error_to_json(PolicyError("no", "yes")) == {
        "kind": "PolicyError",
        "message": "no",
        "hint": "yes",
        "faults": [],
    }


# --- work


def begin(task: Task, *shown: str) -> Work:
    return Work("sync", "Sync", task, make_report(*shown) if shown else None)


def finish(work: Work) -> Work:
    wait_until(lambda: work.ended, 10)
    wait_until(lambda: all(thread.name != "envmagic-work" for thread in threading.enumerate()), 10)
    return work


def say(path: Path, said: bytes) -> None:
    with path.open("ab") as file:
        file.write(said)


def test_work_that_shows_no_more_than_was_shown_is_not_asked_about() -> None:
    def task(face: Face) -> Outcome:
        assert face.agree(make_report("numpy"))
        return DONE

    work = finish(begin(task, "numpy", "pandas"))
    assert work.result is DONE
    assert work.error is None


def test_work_asks_each_time_that_there_is_more() -> None:
    answers = []
    more, most = make_report("numpy", "pandas"), make_report()

    def task(face: Face) -> Outcome:
        answers.extend([face.agree(more), face.agree(more), face.agree(most)])
        return DONE

    work = begin(task, "numpy")
    wait_until(lambda: work.question is more)
    assert work_to_json(work, "id")["state"] == "asking"
    work.agree(most)  # not what is asked about
    assert work.question is more
    work.agree(more)
    wait_until(lambda: work.question is most)
    work.agree(more)  # the second tab's click, too late
    assert not work.ended
    work.agree()
    assert finish(work).result is DONE
    assert answers == [True, True, True]
    assert work.question is None


@pytest.mark.parametrize("early", [False, True])
def test_cancel_while_it_asks_is_a_no(early: bool) -> None:  # noqa: FBT001 (a case)
    gate = threading.Event()

    def task(face: Face) -> Outcome:
        assert not early or gate.wait(10)
        if not face.agree(make_report()):
            raise Cancelled("not applied")
        return DONE

    work = begin(task, "numpy")
    if not early:
        wait_until(lambda: work.question is not None)
    work.cancel()
    assert work.cancelling or work.ended
    gate.set()
    told = work_to_json(finish(work), None)
    assert (told["state"], told["cancelled"], told["cancelling"]) == ("ended", True, False)


def test_a_question_that_nobody_answers_is_given_up() -> None:
    shown = make_report("numpy")
    work = Work("sync", "Sync", ask, shown, patience=0.2)
    told = work_to_json(finish(work), None)
    assert (told["state"], told["cancelled"], work.question) == ("ended", True, None)
    assert told["error"]["message"] == "nobody has answered; not applied"
    in_time = Work("sync", "Sync", ask, shown)
    wait_until(lambda: in_time.question is not None)
    in_time.agree()
    assert finish(in_time).result is DONE


def test_an_error_of_ours_ends_the_work() -> None:
    def task(_: Face) -> Outcome:
        raise EngineError("`pip` failed", "try again")

    work = finish(begin(task))
    assert isinstance(work.error, EnvmagicError)
    assert work.error.message == "`pip` failed"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_nobody_thought_of_ends_the_work_as_well() -> None:
    def task(_: Face) -> Outcome:
        raise ZeroDivisionError

    work = finish(begin(task))
    assert work.error is not None
    assert "an error of envmagic itself" in work.error.message


def test_the_log_is_told_on_from_any_place_and_kept_when_the_file_is_gone(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.touch()
    gate, told = threading.Event(), threading.Event()

    def task(face: Face) -> Outcome:
        face.hear(log)
        face.tell(Progress(phase="Fetching"))
        told.set()
        assert gate.wait(10)
        say(log, b"last words\n")
        log.unlink()
        return DONE

    work = begin(task)
    assert told.wait(10)
    assert work.said(0) == ("", 0)
    say(log, "naïve ".encode())
    first, end = work.said(0)
    say(log, "– done\n".encode())
    second, last = work.said(end)
    assert (first, second, last) == ("naïve ", "– done\n", 16)
    gate.set()
    finish(work)
    assert work.said(last) == ("last words\n", last + 11)
    assert work.said(0) == ("naïve – done\nlast words\n", last + 11)


def test_a_character_that_is_half_written_is_told_when_it_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.touch()
    gate = threading.Event()

    def task(face: Face) -> Outcome:
        face.hear(log)
        assert gate.wait(10)
        return DONE

    work = begin(task)
    say(log, b"a\xe2\x80")
    wait_until(lambda: work.said(0) == ("a", 1))
    say(log, b"\x93b")
    assert work.said(1) == ("–b", 5)
    say(log, b"\xe2")
    assert work.said(5) == ("", 5)
    gate.set()
    finish(work)
    assert work.said(5) == ("�", 6)  # it will never be whole


def test_a_long_log_is_told_in_small_pieces_of_whole_characters(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    text = "\x1b[1m–é\n" * 100_000
    log.write_text(text, "utf-8")

    def task(face: Face) -> Outcome:
        face.hear(log)
        return DONE

    work = finish(begin(task))
    said, ends = "", [0]
    while True:
        piece, end = work.said(ends[-1])
        assert len(json.dumps(piece)) < LIMIT
        if not piece:
            break
        said += piece
        ends.append(end)
    assert ends[-1] == log.stat().st_size
    assert all(later > earlier for earlier, later in pairwise(ends))
    assert 300_000 < len(said.encode()) <= 400_000
    assert "�" not in said
    assert text.endswith(said)


# --- what is at work, for several tabs


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def at_work(tmp_path: Path, memory: Memory) -> Iterator[AtWork]:
    at_work = AtWork(tmp_path, memory)
    yield at_work
    if (last := at_work.now()) is not None:
        last.cancel()
        finish(last)


def begin_at(at_work: AtWork, task: Task, *shown: str) -> Work:
    at_work.begin(lambda: begin(task, *shown))
    work = at_work.now()
    assert work is not None
    return work


def wait_for_cancel(face: Face) -> Outcome:
    assert face.cancel.wait(10)
    raise Cancelled("cancelled")


def ask(face: Face) -> Outcome:
    if not face.agree(make_report()):
        raise Cancelled("not applied")
    return DONE


def test_a_late_cancel_does_not_stop_what_another_tab_has_begun(at_work: AtWork) -> None:
    first = finish(begin_at(at_work, lambda _: DONE))
    at_work.cancel(first.id)  # it has ended, and there is nothing else
    second = begin_at(at_work, wait_for_cancel)
    for late in (first.id, "change-1"):
        with pytest.raises(PolicyError, match="Sync is at work here now"):
            at_work.cancel(late)
    assert not second.cancelling
    at_work.cancel(second.id)
    assert isinstance(finish(second).error, Cancelled)


def test_a_cancel_that_names_nothing_stops_what_is_there(at_work: AtWork) -> None:
    work = begin_at(at_work, wait_for_cancel)
    at_work.cancel("")
    assert isinstance(finish(work).error, Cancelled)


def test_a_dismissal_is_of_what_was_seen(at_work: AtWork) -> None:
    first = finish(begin_at(at_work, lambda _: DONE))
    second = begin_at(at_work, wait_for_cancel)
    assert not at_work.dismiss(first.id)
    assert not at_work.dismiss(second.id)  # it has not ended
    assert at_work.now() is second
    second.cancel()
    finish(second)
    assert not at_work.dismiss(first.id)
    assert at_work.now() is second
    assert at_work.dismiss(second.id)
    assert not at_work.dismiss(second.id)  # the other tab's
    assert at_work.now() is None
    finish(begin_at(at_work, lambda _: DONE))
    assert at_work.dismiss("")


def test_an_agreement_is_to_the_work_that_was_seen(at_work: AtWork, memory: Memory) -> None:
    first = begin_at(at_work, ask, "numpy")
    wait_until(lambda: first.question is not None)
    first.cancel()
    finish(first)
    second = begin_at(at_work, ask, "numpy")
    wait_until(lambda: second.question is not None)
    seen, other = at_work.told(), memory.keep(make_report(), None)
    assert seen is not None
    with pytest.raises(PolicyError, match="is at work here now"):
        at_work.agree(first.id, seen["report"])
    at_work.agree(second.id, other)  # not what is asked about
    assert second.question is not None
    at_work.agree(second.id, seen["report"])
    assert finish(second).result is DONE
    at_work.agree(second.id, seen["report"])  # the other tab's


# --- what was shown


def test_the_oldest_reports_are_forgotten_and_those_asked_for_are_not() -> None:
    memory = Memory()
    first, *others = (memory.keep(make_report(), None) for _ in range(8))
    kept = memory.find(first)
    for _ in range(3):
        memory.keep(make_report(), None)
    assert memory.find(first) is kept
    with pytest.raises(PolicyError, match="no longer remembered"):
        memory.find(others[0])


def test_a_report_keeps_its_name_when_the_driver_has_answered() -> None:
    memory, made = Memory(), make_report()
    name = memory.keep(made, None)
    filled = replace(made, accelerator=Accelerator())
    memory.find(name).report = filled
    assert memory.keep(made, None) == name
    assert memory.keep(filled, None) == name
    assert memory.find(name).report is filled


# --- the panel on a made-up environment


class Busy(LocalNode):
    """An environment in which something happens as soon as it was looked at."""

    happens: Callable[[], object] = staticmethod(int)

    def snapshot(self) -> Snapshot:
        seen = super().snapshot()
        self.happens()
        return seen


class Place:
    """A panel, and the folders that it looks at."""

    def __init__(self, folder: Path) -> None:
        self.site = folder / "site-packages"
        self.work = folder / "work"
        for path in (self.site, self.work):
            path.mkdir()
        scheme = {"purelib": str(self.site), "data": str(folder)}
        where = replace(
            look_at_platform(),
            prefix=str(folder),
            site=(str(self.site),),
            scheme=tuple(scheme.items()),
        )
        self.node = Busy(kernel=True, _platform=where)
        self.panel = Panel(Desk(node=self.node))

    def ask(self, method: str, **arguments: object) -> dict[str, Any]:
        return self.panel.answer(method, arguments)

    def stamp(self, lock: str = "first_env.txt") -> str:
        stamp: str = self.ask("stamp", lock=lock)["stamp"]
        return stamp

    def write(self, name: str, text: str) -> None:
        (self.work / name).write_text(text, "utf-8")

    def install(self, name: str) -> None:
        """Put in a project of one module, version 1.0."""
        folder = self.site / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (folder / "RECORD").write_text(f"{name}.py,,\n{folder.name}/METADATA,,\n")
        (self.site / f"{name}.py").write_text("")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    made = Place(tmp_path)
    monkeypatch.chdir(made.work)
    return made


def test_a_stamp_changes_with_the_lock_and_the_environment_alone(place: Place) -> None:
    place.write("first_env.txt", "-r more.txt\nalpha==1.0\n")
    place.write("more.txt", "beta==1.0\n")
    look = place.ask("look")
    assert look["error"] is None
    stamps = [look["stamp"]]
    place.write("notebook.ipynb", "{}")  # it is saved all the time
    place.ask("look")
    assert place.stamp() == stamps[0]
    place.write("more.txt", "beta==2.0.0\n")
    stamps.append(place.stamp())
    place.write("first_env.txt", "-r more.txt\nalpha==2.0.0\n")
    stamps.append(place.stamp())
    (place.site / "alpha-2.0.0.dist-info").mkdir()
    stamps.append(place.stamp())
    place.write("requirements.txt", "alpha==1.0\n")  # another lock to choose
    stamps.append(place.stamp())
    assert len(set(stamps)) == len(stamps)
    assert place.stamp() == stamps[-1]


def test_what_changes_while_it_is_compared_is_not_in_the_stamp(place: Place) -> None:
    place.write("first_env.txt", "-r more.txt\nalpha==1.0\n")
    place.write("more.txt", "beta==1.0\n")
    changes: list[Callable[[], object]] = [
        lambda: place.install("late"),
        lambda: place.write("first_env.txt", "-r more.txt\nalpha==3.0.0\n"),
        lambda: place.write("more.txt", "beta==2.0.0\n"),
    ]
    for change in changes:
        place.node.happens = change
        look = place.ask("look")
        assert look["report"] is not None
        assert place.stamp() != look["stamp"]
        place.node.happens = int
        assert place.ask("look")["stamp"] == place.stamp()


def test_a_stamp_changes_with_the_import_of_what_would_change(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(place.site)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a new folder there is a change
    for name in ("stamped_one", "stamped_two"):
        place.install(name)
    place.write("first_env.txt", "stamped_one==2.0\nstamped_two==1.0\n")
    look = place.ask("look")
    importlib.import_module("stamped_two")  # it stays
    assert place.stamp() == look["stamp"]
    importlib.import_module("stamped_one")
    assert place.stamp() != look["stamp"]
    again = place.ask("look")
    assert place.stamp() == again["stamp"]
    loaded = {row["name"]: row["loaded"] for row in again["report"]["changes"]}
    assert loaded["stamped-one"] == "1.0"


def test_a_stamp_changes_with_the_included_file_that_was_at_fault(place: Place) -> None:
    place.write("first_env.txt", "-r more.txt\n")
    place.write("more.txt", "beta>=1\n")
    look = place.ask("look")
    assert [fault["where"] for fault in look["error"]["faults"]] == ["more.txt:1"]
    place.write("more.txt", "beta==1.0\n")
    assert place.stamp() != look["stamp"]


def test_a_lock_written_anew_with_its_old_time_and_size_is_another(place: Place) -> None:
    place.write("first_env.txt", "alpha==1.0\n")
    before, status = place.stamp(), os.stat("first_env.txt")  # noqa: PTH116 (short)
    place.write("new.txt", "alpha==2.0\n")
    os.utime("new.txt", ns=(status.st_atime_ns, status.st_mtime_ns))
    (place.work / "new.txt").replace(place.work / "first_env.txt")
    assert place.stamp() != before


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A panel of a notebook in `work`, which the server knows by a link."""
    made = Place(tmp_path)
    (tmp_path / "link").symlink_to(made.work)
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "link" / "a.ipynb"))
    return made


def test_paths_are_those_of_the_notebooks_folder_wherever_a_cell_goes(
    notebook: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook.write("first_env.txt", "--find-links more\n-r more/more.txt\nalpha==1.0\n")
    data, more = notebook.work / "data", notebook.work / "more"
    for folder in (data, more):
        folder.mkdir()
    (more / "more.txt").write_text("beta==1.0\n", "utf-8")
    (data / "first_env.txt").write_text("gamma==9.0\n", "utf-8")
    monkeypatch.chdir(data)
    look = notebook.ask("look")
    assert look["place"]["folder"] == str(notebook.work)
    assert (look["lock"], look["locks"]) == ("first_env.txt", ["first_env.txt"])
    lines = {row["name"]: row["line"] for row in look["report"]["changes"]}
    assert (lines["alpha"], lines["beta"]) == ("first_env.txt:3", "more/more.txt:1")
    assert "gamma" not in lines
    assert str(more) in json.dumps(look["report"]["findings"])
    (data / "first_env.txt").write_text("gamma==10.0\n", "utf-8")
    assert notebook.stamp() == look["stamp"]
    (more / "more.txt").write_text("beta==2.0.0\n", "utf-8")
    assert notebook.stamp() != look["stamp"]
    notebook.ask("freeze", file="frozen.txt")
    assert (notebook.work / "frozen.txt").is_file()
    assert not (data / "frozen.txt").exists()
    none = notebook.ask("look", lock="none.txt")["error"]
    assert none["hint"] == f"this folder is `{notebook.work}`"


def test_the_files_of_a_lock_are_named_as_the_notebook_would(
    notebook: Place, tmp_path: Path
) -> None:
    """The server knows the folder by a link, and cannot tell what lies outside its own root."""
    beside = tmp_path / "locks"
    beside.mkdir()
    (beside / "base.txt").write_text("beta==1.0\n", "utf-8")
    (tmp_path / "other").symlink_to(beside)
    notebook.write("more.txt", "alpha\n")
    notebook.write("..env.txt", f"-r {tmp_path}/other/base.txt\n-r {notebook.work}/more.txt\n")
    look = notebook.ask("look", lock=f"{tmp_path}/link/..env.txt")
    wrong = {fault["where"].rpartition(":")[0] for fault in look["error"]["faults"]}
    assert wrong == {f"{notebook.work}/more.txt"}
    assert look["files"] == {
        f"{tmp_path}/link/..env.txt": "..env.txt",
        f"{notebook.work}/more.txt": "more.txt",
    }
    notebook.write("more.txt", "alpha==1.0\n")
    assert notebook.ask("look", lock="..env.txt")["files"] == {
        "..env.txt": "..env.txt",
        f"{tmp_path}/other/base.txt": "../locks/base.txt",
        f"{notebook.work}/more.txt": "more.txt",
    }
    assert notebook.ask("look", lock="../locks/base.txt")["files"] == {
        "../locks/base.txt": "../locks/base.txt"
    }


def test_the_folder_of_a_kernel_without_a_notebook_is_its_first(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write("first_env.txt", "alpha==1.0\n")
    before = place.ask("look")
    monkeypatch.chdir(place.site)
    after = place.ask("look")
    assert after["place"] == before["place"]
    assert (after["lock"], after["stamp"]) == ("first_env.txt", before["stamp"])


def test_the_lock_that_is_at_fault_is_named(place: Place) -> None:
    place.write("requirements.txt", "alpha\n")
    look = place.ask("look")
    assert (look["lock"], look["locks"], look["report"]) == (
        "requirements.txt",
        ["requirements.txt"],
        None,
    )
    assert look["error"]["faults"][0]["where"] == "requirements.txt:1"


def test_no_lock_and_several_are_told_beside_all_else(place: Place) -> None:
    none = place.ask("look")
    place.write("first_env.txt", "alpha==1.0\n")
    place.write("requirements.txt", "alpha==2.0\n")
    several = place.ask("look")
    assert (none["locks"], none["lock"]) == ([], "")
    assert "no lock file" in none["error"]["message"]
    assert several["locks"] == ["first_env.txt", "requirements.txt"]
    assert "several lock files" in several["error"]["message"]
    assert several["place"]["folder"] == str(place.work)
    assert place.ask("look", lock="requirements.txt")["report"]["lock"]["pins"] == 1
    assert place.ask("look")["lock"] == "requirements.txt"  # the last one used


@pytest.mark.parametrize("options", ["--keep 'a", "--frobnicate", "--keep", "--check", "--yes"])
def test_options_that_cannot_be_read_are_an_error(place: Place, options: str) -> None:
    place.write("first_env.txt", "alpha==1.0\n")
    error = place.ask("look", options=options)["error"]
    assert error["kind"] == UsageError.__name__


def test_options_are_those_of_the_magic(place: Place) -> None:
    place.write("first_env.txt", "alpha>=1.0\n")
    assert place.ask("look")["error"]["kind"] == "LockError"
    look = place.ask("look", options="--allow-ranges --smoke --keep 'b c*'")
    assert look["report"]["counts"]["install"] == 1


def test_a_report_that_was_never_shown_is_an_error(place: Place) -> None:
    for method in ("report", "gpus"):
        with pytest.raises(PolicyError, match="no longer remembered"):
            place.ask(method, report="x")
    for arguments in ({"report": "x", "start": 0}, {"report": "x", "name": "alpha"}):
        with pytest.raises(PolicyError, match="no longer remembered"):
            place.ask("rows" if "start" in arguments else "explain", **arguments)
    with pytest.raises(PolicyError, match="no longer remembered"):
        place.ask("start", what="sync", report="x")


def test_there_is_no_other_work_than_these(place: Place) -> None:
    """What is not known must not become a sync."""
    place.write("first_env.txt", "alpha==1.0\n")
    report = place.ask("look")["report"]["id"]
    with pytest.raises(OutdatedError, match="does not know what the sidebar asks for: `synk`"):
        place.ask("start", what="synk", report=report)
    assert place.ask("work") == {"work": None, "log": "", "log_end": 0}


@pytest.mark.parametrize(
    ("method", "arguments"),
    [("fly", {}), ("_parse", {"lock": ""}), ("look", {"far": 1}), ("rows", {"report": "x"})],
)
def test_a_request_of_a_newer_sidebar_is_told_so(
    place: Place, method: str, arguments: dict[str, object]
) -> None:
    with pytest.raises(OutdatedError, match=f"`{method}`") as caught:
        place.ask(method, **arguments)
    assert "install the sidebar's version here" in caught.value.hint


def test_a_folder_is_no_file_to_freeze_into(place: Place) -> None:
    for force in (False, True):
        with pytest.raises(PolicyError, match="is a directory"):
            place.ask("freeze", file=".", force=force)


def test_nothing_is_written_by_looking(place: Place, tmp_path: Path) -> None:
    place.write("first_env.txt", "alpha==1.0\n")
    before = sorted(tmp_path.rglob("*"))
    report = place.ask("look")["report"]["id"]
    place.ask("gpus", report=report)
    place.ask("explain", report=report, name="alpha")
    place.ask("work")
    place.ask("dismiss")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("state", State)
def test_what_was_put_back_is_not_told_as_done(state: State) -> None:
    told = outcome_to_json(Outcome(state=state, before=make_report(), after=make_report()))
    assert (told["done"] is not None) == (state in {State.SUCCEEDED, State.HELD})
