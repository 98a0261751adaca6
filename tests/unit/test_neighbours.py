"""Who else runs from an environment, in a process tree made of files; what is said of them."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envmagic.core.model import (
    Change,
    Finding,
    FindingKind,
    Kind,
    Lock,
    Plan,
    Platform,
    Severity,
    canonical_name,
)
from envmagic.core.report import Neighbour, NeighbourKind, Report
from envmagic.edge.neighbours import describe_neighbours, find_neighbours
from envmagic.edge.probe import look_at_platform
from envmagic.story.sync import has_grown

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = 100
SITE = "lib/python3/site-packages"
KERNEL = ("-m", "ipykernel_launcher", "-f", "/run/kernel-1.json")


class Machine:
    """A process tree as Linux shows it, made of real files; `HERE` is who asks."""

    def __init__(self, folder: Path) -> None:
        self.proc = folder / "proc"
        self.home = folder
        self.prefix = self.environment("env")
        self.add(HERE, *KERNEL[:-1], "/run/kernel-100.json", parent=50)
        (self.proc / "self").symlink_to(str(HERE))

    def environment(self, name: str) -> Path:
        prefix = self.home / name
        (prefix / SITE).mkdir(parents=True)
        (prefix / "bin").mkdir()
        for python in ("python", "python3"):
            (prefix / "bin" / python).symlink_to(sys.executable)
        return prefix

    def add(  # noqa: PLR0913 (a process has many sides)
        self,
        pid: int,
        *arguments: str,
        argv0: str = "",
        parent: int = 1,
        maps: Path | None = None,
        session: str = "",
        root: Path | None = Path("/"),
        namespaces: str = "",
        program: str = "/usr/bin/python3.12",
    ) -> None:
        """Add a process of this environment's Python; `root=None`: it is another user's."""
        folder = self.proc / str(pid)
        folder.mkdir(parents=True)
        words = [argv0 or f"{self.prefix}/bin/python", *arguments]
        (folder / "cmdline").write_bytes(b"".join(os.fsencode(word) + b"\0" for word in words))
        (folder / "status").write_text(
            f"Name:\tpython\nPPid:\t{parent}\nNSpid:\t{pid}{namespaces}\nThreads:\t1\n"
        )
        if root is None:
            return
        (folder / "root").symlink_to(root)
        (folder / "exe").symlink_to(program)
        line = f"7f0000000000-7f0000001000 r-xp 00000000 08:01 42{' ' * 20}{maps}/zmq/_zmq.so\n"
        (folder / "maps").write_text(line if maps else "")
        environ = f"TOKEN=JPY_SESSION_NAME=hunter2\0JPY_SESSION_NAME={session}\0A=b\0"
        (folder / "environ").write_text(environ if session else "A=b\0")

    def where(self, prefix: Path | None = None) -> Platform:
        prefix = prefix or self.prefix
        return replace(
            look_at_platform(),
            prefix=str(prefix),
            executable=str(prefix / "bin" / "python"),
            site=(str(prefix / SITE),),
        )

    def find(self, prefix: Path | None = None) -> list[tuple[int, str, str]]:
        found = find_neighbours(self.where(prefix), self.proc)
        assert found is not None
        return [(n.pid, n.kind.value, n.name) for n in found]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_nobody_but_who_asks(machine: Machine) -> None:
    machine.add(1, argv0="/sbin/init", parent=0, program="/usr/lib/systemd/systemd")
    machine.add(2, argv0="", parent=0)
    (machine.proc / "2" / "exe").unlink()
    (machine.proc / "2" / "cmdline").write_bytes(b"")  # one of the system's own threads
    (machine.proc / "3").mkdir()  # a process that has just ended
    (machine.proc / "uptime").write_text("1.0 1.0\n")
    assert machine.find() == []


def test_a_kernel_by_its_interpreter_and_its_notebook(machine: Machine) -> None:
    machine.add(200, *KERNEL, session="work/2024/analysis.ipynb")
    assert machine.find() == [(200, "kernel", "analysis.ipynb")]


@pytest.mark.parametrize(
    "arguments",
    [
        ("-m", "ipykernel_launcher", "-f", "/run/k.json"),
        ("-Xfrozen_modules=off", "-m", "ipykernel_launcher", "--f=/run/kernel-v3.json"),
        ("-X", "importtime", "-Im", "ipykernel_launcher", "-f", "/run/k.json"),
        ("-W", "ignore", "/site/ipykernel_launcher.py", "-f", "/run/k.json"),
        ("-m", "spyder_kernels.console", "-f", "/run/k.json"),
        ("-m", "colab_kernel_launcher", "-f", "/run/k.json"),
        ("-m", "ipykernel", "--IPKernelApp.connection_file=/run/k.json"),
    ],
)
def test_the_ways_to_start_a_kernel(machine: Machine, arguments: tuple[str, ...]) -> None:
    machine.add(200, *arguments)
    assert machine.find() == [(200, "kernel", "")]


@pytest.mark.parametrize(
    "arguments",
    [
        ("-m", "ipykernel_launcher", "--version"),
        ("-m", "ipykernel", "install", "--user"),
        ("train.py", "-f", "config.json"),
        ("-c", "import kernel", "-f", "x.json"),
    ],
)
def test_what_is_no_kernel(machine: Machine, arguments: tuple[str, ...]) -> None:
    machine.add(200, *arguments)
    assert machine.find() == []


def test_kernels_of_other_environments(machine: Machine) -> None:
    other = machine.environment("env-2")  # its name begins with that of this one
    machine.add(200, *KERNEL, argv0=f"{other}/bin/python", maps=other / SITE)
    machine.add(201, *KERNEL, "--x", argv0="/usr/bin/python3", maps=Path("/usr/lib"))
    machine.add(202, *KERNEL, "--y", argv0="python", maps=machine.prefix / "share")
    machine.add(203, *KERNEL, "--z", argv0="python", maps=machine.prefix / f"{SITE}-old")
    assert machine.find() == []
    assert [pid for pid, *_ in machine.find(other)] == [200]


def test_two_pythons_in_one_folder_are_two_environments(machine: Machine) -> None:
    """As `/usr/bin/python3.11` and `/usr/bin/python3.12`, each with a site of its own."""
    another = machine.home / "python3.11"
    another.write_bytes(b"another interpreter")
    (machine.prefix / "bin" / "python3.11").symlink_to(another)
    machine.add(200, *KERNEL, argv0=f"{machine.prefix}/bin/python3.11")
    machine.add(201, *KERNEL, "--x", argv0=f"{machine.prefix}/bin/python3")
    assert [pid for pid, *_ in machine.find()] == [201]


def test_an_interpreter_called_by_another_path_of_the_same_folder(machine: Machine) -> None:
    link = machine.home / "link"
    link.symlink_to(machine.prefix)
    machine.add(200, *KERNEL, argv0=f"{link}/bin/python3")
    assert [pid for pid, *_ in machine.find()] == [200]
    assert [pid for pid, *_ in machine.find(link)] == [200]


def test_a_kernel_by_what_it_has_mapped(machine: Machine) -> None:
    machine.add(200, *KERNEL, argv0="python", maps=machine.prefix / SITE)
    assert machine.find() == [(200, "kernel", "")]
    link = machine.home / "link"
    link.symlink_to(machine.prefix)  # maps name real paths
    assert [pid for pid, *_ in machine.find(link)] == [200]


def test_the_same_paths_in_a_container_are_another_environment(machine: Machine) -> None:
    root = machine.home / "container"
    inside = root / machine.prefix.relative_to("/")
    (inside / "bin").mkdir(parents=True)
    (inside / SITE).mkdir(parents=True)
    machine.add(200, *KERNEL, root=root, maps=machine.prefix / SITE)
    assert machine.find() == []


def test_a_folder_that_a_container_shares_is_this_environment(machine: Machine) -> None:
    root = machine.home / "container"
    root.mkdir()
    (root / "mounted").symlink_to(machine.prefix)
    machine.add(200, *KERNEL, root=root, argv0="/mounted/bin/python")
    assert [pid for pid, *_ in machine.find()] == [200]


def test_a_kernel_of_another_user_has_no_name(machine: Machine) -> None:
    machine.add(200, *KERNEL, session="theirs.ipynb", root=None)
    machine.add(201, "train.py", root=None)
    machine.add(202, argv0="/usr/sbin/cron", root=None)
    machine.add(203, *KERNEL, "--x", argv0="/usr/bin/python3", root=None)
    assert machine.find() == [(200, "kernel", "")]


def test_a_kernel_of_another_user_in_a_container_is_none_of_ours(machine: Machine) -> None:
    machine.add(200, *KERNEL, root=None, namespaces="\t7")
    assert machine.find() == []


def test_a_notebook_s_name_is_not_taken_from_who_started_it(machine: Machine) -> None:
    """A kernel that papermill starts from a notebook inherits that notebook's variable."""
    machine.add(200, *KERNEL, session="a/outer.ipynb")
    machine.add(201, *KERNEL, "--x", session="a/outer.ipynb", parent=200)
    machine.add(202, *KERNEL, "--y", session="a/inner.ipynb", parent=200)
    assert machine.find() == [
        (200, "kernel", "outer.ipynb"),
        (201, "kernel", ""),
        (202, "kernel", "inner.ipynb"),
    ]


def test_a_name_cannot_write_to_a_terminal(machine: Machine) -> None:
    machine.add(200, *KERNEL, session="x\x1b[2J\n.ipynb")
    assert machine.find() == [(200, "kernel", "x?[2J?.ipynb")]


def test_forks_have_the_command_line_of_a_kernel(machine: Machine) -> None:
    machine.add(200, *KERNEL)
    machine.add(201, *KERNEL, parent=200)
    machine.add(202, *KERNEL, parent=1)  # its kernel has gone on without it
    machine.add(300, *KERNEL[:-1], "/run/kernel-100.json", parent=HERE)
    assert machine.find() == [(200, "kernel", "")]


def test_a_kernel_above_or_below_who_asks_is_a_neighbour(machine: Machine) -> None:
    """`!python -m envmagic sync` in a cell changes what that cell's kernel has loaded."""
    machine.add(50, *KERNEL, parent=49)
    machine.add(300, *KERNEL, "--x", parent=HERE)
    assert [pid for pid, *_ in machine.find()] == [50, 300]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("{bin}/jupyter-lab", "--port=8888"), "jupyter-lab"),
        (("{bin}/jupyter-notebook",), "jupyter-notebook"),
        (("{bin}/jupyterhub-singleuser",), "jupyterhub-singleuser"),
        (("-m", "jupyterlab", "--ServerApp.token=hunter2"), "jupyterlab"),
        (("-m", "jupyter_server"), "jupyter_server"),
    ],
)
def test_servers(machine: Machine, arguments: tuple[str, ...], name: str) -> None:
    machine.add(200, *(word.format(bin=machine.prefix / "bin") for word in arguments))
    assert machine.find() == [(200, "server", name)]


def test_the_server_of_who_asks_is_not_named_and_its_other_kernels_are(machine: Machine) -> None:
    machine.add(50, f"{machine.prefix}/bin/jupyter-lab", parent=1)
    machine.add(200, *KERNEL, parent=50, session="b.ipynb")
    assert machine.find() == [(200, "kernel", "b.ipynb")]


def test_another_process_counts_only_with_files_of_the_environment(machine: Machine) -> None:
    mapped = machine.prefix / SITE
    machine.add(200, "-u", "code/train.py", "--key=hunter2", maps=mapped)
    machine.add(201, "serve.py")  # nothing shows that it has loaded anything of it
    machine.add(202, "-m", "pylsp", maps=mapped, argv0="python")
    machine.add(203, "-c", "secret = 'hunter2'", maps=mapped)
    machine.add(204, maps=mapped)
    assert machine.find() == [
        (200, "other", "train.py"),
        (202, "other", "pylsp"),
        (203, "other", ""),
        (204, "other", ""),
    ]


def test_only_pythons_count(machine: Machine) -> None:
    mapped = machine.prefix / SITE
    machine.add(200, "_zmq.so", argv0="/usr/bin/gdb", program="/usr/bin/gdb", maps=mapped)
    machine.add(201, *KERNEL, argv0="/usr/bin/tini", program="/usr/bin/tini")
    machine.add(202, argv0="gunicorn: worker", maps=mapped)  # it has renamed itself
    assert machine.find() == [(202, "other", "")]


def test_who_asks_and_its_children_are_no_neighbours(machine: Machine) -> None:
    mapped = machine.prefix / SITE
    (machine.proc / str(HERE) / "cmdline").write_bytes(b"python\0-m\0envmagic\0")
    (machine.proc / str(HERE) / "maps").write_text(f"7f00-7f01 r-xp 0 08:01 42 {mapped}/a.so\n")
    machine.add(300, "-m", "helper", maps=mapped, parent=HERE)
    machine.add(301, "-m", "jupyterlab", maps=mapped, parent=300)
    assert machine.find() == []


def test_what_ends_with_another_is_not_named_itself(machine: Machine) -> None:
    mapped = machine.prefix / SITE
    machine.add(200, *KERNEL)
    machine.add(201, "-m", "debugpy.adapter", maps=mapped, parent=200)
    machine.add(300, "pool.py", maps=mapped)
    machine.add(301, "-c", "worker", maps=mapped, parent=300)
    machine.add(50, "-m", "supervisor", maps=mapped, parent=1)  # who asks was started by it
    machine.add(400, f"{machine.prefix}/bin/jupyter-lab")
    machine.add(401, argv0="/bin/bash", parent=400, program="/usr/bin/bash")
    machine.add(402, "train.py", maps=mapped, parent=401)
    assert machine.find() == [
        (200, "kernel", ""),
        (300, "other", "pool.py"),
        (400, "server", "jupyter-lab"),
        (402, "other", "train.py"),
    ]


def test_a_system_that_does_not_tell(machine: Machine) -> None:
    assert find_neighbours(machine.where(), machine.home / "nothing") is None
    (machine.proc / "self").unlink()
    (machine.proc / "self").symlink_to("curproc")
    assert find_neighbours(machine.where(), machine.proc) is None
    (finding,) = describe_neighbours(None)
    assert finding.severity is Severity.NOTE
    assert "is not known" in finding.text


def neighbour(pid: int, kind: NeighbourKind, name: str = "") -> Neighbour:
    return Neighbour(pid=pid, kind=kind, name=name)


def described(found: Sequence[Neighbour], *, kernel: bool = True) -> list[str]:
    return [f"{f.severity.value}: {f.text}" for f in describe_neighbours(found, kernel=kernel)]


def test_what_is_said_of_them() -> None:
    found = (
        neighbour(1, NeighbourKind.KERNEL, "analysis.ipynb"),
        neighbour(2, NeighbourKind.SERVER, "jupyter-lab"),
        neighbour(3, NeighbourKind.OTHER, "train.py"),
        neighbour(4, NeighbourKind.OTHER),
        neighbour(5, NeighbourKind.KERNEL),
    )
    assert described(()) == []
    assert described(found) == [
        "warning: another kernel of this environment is running: `analysis.ipynb` (process 1)",
        "warning: a Jupyter server of this environment is running: `jupyter-lab` (process 2)",
        "warning: another kernel of this environment is running: process 5",
        "note: other Python processes run from this environment: `train.py` (process 3), process 4",
    ]
    assert described(found[-1:], kernel=False) == [
        "warning: a kernel of this environment is running: process 5"
    ]
    assert described(found[2:3]) == [
        "note: another Python process runs from this environment: `train.py` (process 3)"
    ]


def test_a_flood_of_processes_is_one_line() -> None:
    (line,) = described([neighbour(pid, NeighbourKind.OTHER) for pid in range(1, 41)])
    assert line.endswith("process 4, process 5 and 35 more")


def test_a_kernel_that_came_meanwhile_asks_nothing_again(machine: Machine) -> None:
    name = canonical_name("alpha")
    remove = Plan(changes=(Change(name=name, kind=Kind.REMOVE, reason="not in the lock"),))
    shown = Report(platform=machine.where(), lock=Lock(path="lock.txt", pins=()), plan=remove)
    came = tuple(describe_neighbours([neighbour(1, NeighbourKind.KERNEL)]))
    assert not has_grown(shown, replace(shown, findings=came))
    built = Finding(kind=FindingKind.BUILD, name=name, text="`alpha` will be built from source")
    assert has_grown(shown, replace(shown, findings=(*came, built)))
