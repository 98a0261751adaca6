"""The tests' own tools do what they say."""

from __future__ import annotations

import base64
import http.client
import os
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.environment import Environment
from support.index import Fault, Index
from support.kernel import KernelDiedError, live_kernel, run_cells
from support.process import CommandError, TimeoutExpired, run_process
from support.wheelhouse import Wheelhouse
from support.wheels import make_git_repository, make_project, make_sdist, make_wheel

if TYPE_CHECKING:
    from support.templates import Templates

ALPHA = "alpha-1.0-py3-none-any.whl"
NO_INDEX = ("--no-index", "--no-deps", "--quiet")


def read(url: str, headers: dict[str, str] | None = None) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {})) as answer:
        body: bytes = answer.read()
    return body


# Wheels, sdists, projects


def test_wheel_has_the_same_bytes_every_time(tmp_path: Path) -> None:
    made = [
        make_wheel(tmp_path / str(n), "Some.Name", "1.0-rc1", requires=["alpha"]) for n in range(2)
    ]
    assert made[0].name == "some_name-1.0rc1-py3-none-any.whl"
    assert made[0].read_bytes() == made[1].read_bytes()


def test_sdist_has_the_same_bytes_every_time(tmp_path: Path) -> None:
    made = [make_sdist(tmp_path / str(n), "alpha", "1.0") for n in range(2)]
    assert made[0].read_bytes() == made[1].read_bytes()


def test_file_name_keeps_a_local_label(tmp_path: Path) -> None:
    assert make_wheel(tmp_path, "t", "2.4.0+cu121").name == "t-2.4.0+cu121-py3-none-any.whl"


def test_git_repository_gets_a_commit_each_time(tmp_path: Path) -> None:
    project = make_project(tmp_path, "alpha", "1.0")
    first = make_git_repository(project)
    (project / "src" / "alpha" / "more.py").write_text("")
    second = make_git_repository(project)
    assert len(first) == len(second) == 40
    assert first != second


@pytest.mark.live
def test_pip_installs_every_standard_wheel(
    bare_environment: Environment, wheelhouse: Wheelhouse
) -> None:
    environment = bare_environment
    environment.install(wheelhouse, "gamma[x]", "alpha<2", "delta", "tlocal==2.4.0+cu121")
    environment.install(wheelhouse, "epsilon", "shared-a", "beta==1.0")
    assert environment.pip("check").stdout == "No broken requirements found.\n"
    found = environment.freeze()
    assert found["alpha"] == "1.1"
    assert found["tlocal"] == "2.4.0+cu121"
    assert run_process([environment.prefix / "bin" / "epsilon"], env={}).stdout == (
        "epsilon speaks\n"
    )
    assert (environment.prefix / "share" / "epsilon" / "words.txt").exists()
    environment.pip("install", *NO_INDEX, "--find-links", wheelhouse.folder, "alpha==2.0")
    assert "gamma 1.0 has requirement alpha<2" in environment.pip("check", check=False).stdout


@pytest.mark.live
def test_pip_builds_an_sdist_and_projects_with_no_network(
    bare_environment: Environment, tmp_path: Path
) -> None:
    sdist = make_sdist(tmp_path, "from-sdist", "1.0", files={"extra.py": "A = 1\n"})
    editable = make_project(tmp_path, "editable", "2.0", scripts={"tool": "editable:main"})
    checkout = make_project(tmp_path, "checkout", "3.0")
    commit = make_git_repository(checkout)
    bare_environment.pip("install", *NO_INDEX, sdist, "-e", editable)
    bare_environment.pip("install", *NO_INDEX, f"git+file://{checkout}@{commit}#egg=checkout")
    (editable / "src" / "editable" / "__init__.py").write_text("print('edited')\n")
    code = "import extra, editable, checkout; print(checkout.__version__)"
    assert bare_environment.run("-c", code).stdout == "edited\n3.0\n"
    found = bare_environment.freeze()
    assert found["from-sdist"].startswith(f"file://{sdist}")
    assert found["editable"] == "2.0"
    assert found["checkout"] == f"git+file://{checkout}@{commit}"
    assert (bare_environment.prefix / "bin" / "tool").exists()


@pytest.mark.live
def test_project_fails_to_build_in_the_way_it_was_told(
    bare_environment: Environment, tmp_path: Path
) -> None:
    failing = make_sdist(tmp_path, "failing", "1.0", fails=True)
    needing = make_sdist(tmp_path, "needing", "1.0", needs_import="torch")
    leaving = make_sdist(tmp_path, "leaving", "1.0", setup_body="raise SystemExit('left')")
    for sdist, words in (
        (failing, "made so that it cannot be built"),
        (needing, "No module named 'torch'"),
        (leaving, "left"),
    ):
        done = bare_environment.pip("wheel", *NO_INDEX, "-w", tmp_path, sdist, check=False)
        assert done.returncode == 1
        assert words in done.stdout + done.stderr
    assert not list(tmp_path.glob("*.whl"))


# The index


def test_index_serves_its_folder(index: Index) -> None:
    Wheelhouse(index.folder).add("new.one", "1.0", requires_python=">=3.9")
    assert b"new-one" in read(index.url)
    page = read(f"{index.url}new-one/")
    assert b'data-requires-python="&gt;=3.9"' in page
    assert b"#sha256=" in page
    assert index.requests == ["/simple/", "/simple/new-one/"]
    assert read(index.file_url("tlocal-2.4.0+cpu-py3-none-any.whl")).startswith(b"PK")


def test_index_serves_metadata_where_asked_to(index: Index) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        read(index.file_url(f"{ALPHA}.metadata"))
    caught.value.close()
    index.metadata = True
    assert b"Name: alpha\n" in read(index.file_url(f"{ALPHA}.metadata"))
    assert b"data-dist-info-metadata" in read(f"{index.url}alpha/")


def test_index_wants_its_credentials(wheelhouse: Wheelhouse) -> None:
    with Index(wheelhouse.folder, user="me", password="secret") as index:  # noqa: S106 - a fixture
        with pytest.raises(urllib.error.HTTPError, match="401") as caught:
            read(index.url)
        caught.value.close()
        token = base64.b64encode(b"me:secret").decode()
        assert b"alpha" in read(index.url, {"Authorization": f"Basic {token}"})
        assert "//me:secret@127" in index.url_with_credentials


@pytest.mark.parametrize("fault", ["404", "500"])
@pytest.mark.parametrize("target", ["alpha", ALPHA])
def test_index_answers_with_an_error(index: Index, fault: Fault, target: str) -> None:
    index.set_fault(target, fault)
    with pytest.raises(urllib.error.HTTPError, match=fault) as caught:
        read(index.file_url(ALPHA))
    caught.value.close()
    index.set_fault(target, None)
    assert read(index.file_url(ALPHA)).startswith(b"PK")


def test_index_cuts_a_download(index: Index) -> None:
    index.set_fault(ALPHA, "cut")
    with pytest.raises(http.client.IncompleteRead):
        read(index.file_url(ALPHA))


def test_index_lies(index: Index) -> None:
    index.set_fault("alpha", "lie")
    assert read(index.file_url(ALPHA)) != (index.folder / ALPHA).read_bytes()


def test_index_that_hangs_lets_go_when_it_closes(wheelhouse: Wheelhouse) -> None:
    errors: list[Exception] = []

    def ask(url: str) -> None:
        try:
            read(url)
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError) as error:
            errors.append(error)

    with Index(wheelhouse.folder) as index:
        index.set_fault("alpha", "hang")
        thread = threading.Thread(target=ask, args=(f"{index.url}alpha/",))
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
    thread.join(5)
    assert len(errors) == 1


@pytest.mark.live
def test_pip_downloads_from_the_index(
    bare_environment: Environment, index: Index, tmp_path: Path
) -> None:
    download = ("download", "--retries=0", "--index-url", index.url, "--dest", tmp_path / "got")
    index.metadata = True
    bare_environment.pip(*download, "gamma[x]==1.0")
    assert {path.name.split("-")[0] for path in (tmp_path / "got").iterdir()} == {
        "alpha",
        "delta",
        "gamma",
    }
    index.set_fault("beta", "lie")
    lied = bare_environment.pip(*download, "--no-deps", "beta==1.0", check=False)
    assert "DO NOT MATCH THE HASHES" in lied.stderr
    assert "/simple/pip/" not in index.requests


# Environments


def test_command_that_fails_tells_what_it_printed(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="here is why"):
        run_process(["sh", "-c", "echo here is why >&2; exit 3"], env={}, cwd=tmp_path)


def test_command_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    with pytest.raises(TimeoutExpired):
        run_process(["sh", "-c", "sleep 60 & sleep 60"], env={}, cwd=tmp_path, timeout=0.2)


@pytest.mark.live
def test_environment_is_a_copy_that_stands_alone(
    templates: Templates, bare_environment: Environment, wheelhouse: Wheelhouse
) -> None:
    environment = bare_environment
    template = templates.template("bare")
    before = template.manifest()
    copied = environment.manifest()
    assert copied.keys() == before.keys()
    assert {name for name in before if before[name] != copied[name]} <= {
        name for name in before if name.startswith("bin/") or name == "pyvenv.cfg"
    }
    environment.install(wheelhouse, "alpha==1.0", "epsilon")
    environment.pip("uninstall", "--yes", "--quiet", "nvidia-ml-py")
    environment.overwrite("packaging/__init__.py", "")
    environment.damage("packaging/tags.py")
    assert template.manifest() == before
    code = "import sys, alpha; print(sys.prefix, alpha.__file__)"
    prefix, file = environment.run("-c", code).stdout.split()
    assert prefix == str(environment.prefix)
    assert file.startswith(prefix)
    assert "envmagic" in environment.freeze()


@pytest.mark.live
def test_environment_scripts_run_their_own_python(
    bare_environment: Environment,
) -> None:
    done = run_process([bare_environment.prefix / "bin" / "pip", "--version"], env={})
    assert str(bare_environment.site_packages) in done.stdout
    assert "--python-executable" in bare_environment.run("-m", "piptools", "sync", "--help").stdout


@pytest.mark.live
def test_manifest_is_stable_and_sees_every_change(bare_environment: Environment) -> None:
    environment = bare_environment
    before = environment.manifest()
    environment.run("-c", "import packaging.version, pip")
    assert environment.manifest() == before
    path = environment.site_packages / "packaging" / "tags.py"
    environment.overwrite(path, path.read_text())
    changed = environment.manifest()
    assert [name for name in before if before[name] != changed[name]] == [
        str(path.relative_to(environment.prefix))
    ]
    (environment.site_packages / "~ackaging").mkdir()
    assert environment.manifest().keys() - before.keys() == {
        f"{environment.site_packages.relative_to(environment.prefix)}/~ackaging/"
    }


@pytest.mark.live
def test_environment_knows_nothing_of_the_machine(
    bare_environment: Environment, monkeypatch: pytest.MonkeyPatch, machine: dict[str, str]
) -> None:
    assert {name for name in os.environ if name.startswith("PIP_")} == {"PIP_CONFIG_FILE"}
    assert machine["PATH"] == os.environ["PATH"]
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert bare_environment.pip("config", "list").stdout == ":env:.config-file='/dev/null'\n"
    code = "import os, sys; print(sys.dont_write_bytecode, os.environ['HOME'], os.getenv('A'))"
    words = bare_environment.run("-c", code, env={"A": "b"}).stdout.split()
    assert words == ["False", str(bare_environment.home), "b"]


@pytest.mark.live
def test_copy_takes_less_than_a_breath(templates: Templates) -> None:
    templates.template("kernel")
    start = time.monotonic()
    templates.make("kernel")
    assert time.monotonic() - start < 60, "0.2 s on a quiet machine"


@pytest.mark.parametrize("link", [True, False])
def test_environment_can_be_copied_to_another_disk(tmp_path: Path, *, link: bool) -> None:
    here = Environment(tmp_path / "here")
    here.overwrite("alpha/__init__.py", "")
    for name in ("pyvenv.cfg", "bin/alpha"):
        here.overwrite(here.prefix / name, f"#!{here.python}\n")
    here.python.symlink_to("/usr/bin/python3")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as disk:
        there = here.copy(Path(disk) / "there", link=link)
        assert there.manifest().keys() == here.manifest().keys()
        assert (there.prefix / "bin" / "alpha").read_text() == f"#!{there.python}\n"


# Kernels


@pytest.mark.live
def test_cells_run_in_a_real_kernel(kernel_environment: Environment, tmp_path: Path) -> None:
    script = "from IPython.display import HTML, display\nh = display(HTML('a'), display_id=True)"
    told, shown, asked, raised, where = run_cells(
        kernel_environment,
        [
            "import sys; print(sys.prefix); print('!', file=sys.stderr)",
            f"{script}\nh.update(HTML('b'))\n6 * 7",
            "input('who? ')",
            "1 / 0",
            "import os; os.getcwd()",
        ],
        allow_stdin=True,
        answers=["me"],
        cwd=tmp_path,
    )
    assert told.stdout == f"{kernel_environment.prefix}\n"
    assert told.stderr == "!\n"
    assert [each["text/html"] for each in shown.displays] == ["a", "b"]
    assert shown.result == {"text/plain": "42"}
    assert asked.check().result == {"text/plain": "'me'"}
    assert raised.error
    assert raised.error.ename == "ZeroDivisionError"
    assert where.result == {"text/plain": repr(str(tmp_path))}


@pytest.mark.live
def test_kernel_lives_through_interrupt_and_restart(kernel_environment: Environment) -> None:
    with live_kernel(kernel_environment) as kernel:
        first = kernel.pid
        cell = kernel.start("import time\nprint('on', flush=True)\ntime.sleep(60)")
        kernel.listen(lambda: "on" in cell.stdout)
        kernel.interrupt()
        error = kernel.finish(cell).error
        assert error
        assert error.ename == "KeyboardInterrupt"
        kernel.run("x = 1").check()
        kernel.restart()
        assert kernel.pid != first
        gone = kernel.run("x").error
        assert gone
        assert gone.ename == "NameError"
        with pytest.raises(TimeoutError):
            kernel.run("import time\ntime.sleep(60)", timeout=0.3)


@pytest.mark.live
def test_kernel_that_dies_is_told_of(kernel_environment: Environment) -> None:
    with live_kernel(kernel_environment) as kernel:
        with pytest.raises(KernelDiedError):
            kernel.run("import os; os._exit(1)")
        assert not kernel.alive
        kernel.restart()
        assert kernel.run("1").result == {"text/plain": "1"}


@pytest.mark.live
def test_widget_is_clicked(kernel_environment: Environment) -> None:
    with live_kernel(kernel_environment) as kernel:
        kernel.run("import ipywidgets as w\nb = w.Button()\nb.on_click(lambda _: print('clicked'))")
        comm = kernel.run("b.model_id").check().result
        assert comm
        click = {"method": "custom", "content": {"event": "click"}}
        done = kernel.send_comm(comm["text/plain"].strip("'"), click)
        assert done.stdout == "clicked\n"
