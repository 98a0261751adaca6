"""The examples run, in real kernels, with whatever index this machine has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbclient import NotebookClient
from support.environment import Environment

if TYPE_CHECKING:
    from support.process import Completed

pytestmark = pytest.mark.live

EXAMPLES = Path(__file__).parents[2] / "examples"
INDEX = ("PIP_", "SSL_", "REQUESTS_", "CURL_")


class OnlineEnvironment(Environment):
    """An environment whose pip knows the index of this machine."""

    machine: dict[str, str]

    @property
    def environ(self) -> dict[str, str]:
        """What hides the machine's pip is taken back."""
        quiet = {k: v for k, v in super().environ.items() if k != "PIP_CONFIG_FILE"}
        proxies = {k: v for k, v in self.machine.items() if k.lower().endswith("_proxy")}
        index = {k: v for k, v in self.machine.items() if k.startswith(INDEX)}
        return {**quiet, **proxies, **index, "PIP_CONFIG_FILE": self.config, "PIP_NO_INPUT": "1"}

    @property
    def config(self) -> str:
        """The machine's own file, since the home is another."""
        own = Path(self.machine.get("HOME", "/"), ".config", "pip", "pip.conf")
        return self.machine.get("PIP_CONFIG_FILE") or str(own)


@pytest.fixture
def environment(kernel_environment: Environment, machine: dict[str, str]) -> OnlineEnvironment:
    environment = OnlineEnvironment(kernel_environment.prefix, home=kernel_environment.home)
    environment.machine = machine
    return environment


def run_notebook(environment: Environment, name: str, folder: Path) -> Any:  # noqa: ANN401
    """Execute a notebook in a kernel of the environment, beside a copy of its locks."""
    for lock in EXAMPLES.glob("*.txt"):
        (folder / lock.name).write_bytes(lock.read_bytes())
    notebook = nbformat.read(EXAMPLES / name, as_version=4)  # type: ignore[no-untyped-call]
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=300, resources=resources)
    spec = client.create_kernel_manager().kernel_spec
    assert spec is not None
    spec.argv[0] = str(environment.python)
    with (folder / "kernel.log").open("wb") as log:
        client.execute(env=environment.environ, stderr=log)
    return notebook


def words(notebook: Any) -> str:  # noqa: ANN401
    """Return all that the cells showed, as text."""
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", ())]
    return "\n".join(o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs)


def pip_check(environment: Environment) -> Completed:
    return environment.pip("check", check=False)


def test_quickstart_makes_the_kernel_equal_to_its_lock(
    environment: OnlineEnvironment, tmp_path: Path
) -> None:
    said = words(run_notebook(environment, "quickstart.ipynb", tmp_path))
    assert "the environment is now equal to `small_env.txt`" in said
    assert "is equal to `small_env.txt`" in said
    assert "pandas==2.3.1" in said
    assert environment.freeze()["numpy"] == "1.26.4"
    assert pip_check(environment).returncode == 0


def test_ci_says_by_exit_codes_what_it_found(
    environment: OnlineEnvironment, tmp_path: Path
) -> None:
    said = words(run_notebook(environment, "ci.ipynb", tmp_path))
    first, _, rest = said.partition("exit code ")
    assert first == ""
    assert rest.startswith("1")
    assert "'succeeded'" in rest
    assert rest.rstrip().endswith("exit code 0")
    assert environment.freeze()["pandas"] == "2.3.1"


def test_the_panel_notebook_runs_without_the_panel(
    environment: OnlineEnvironment, tmp_path: Path
) -> None:
    said = words(run_notebook(environment, "panel.ipynb", tmp_path))
    assert "differs from `small_env.txt`" in said
    assert "loguru" in environment.freeze()
