"""A real JupyterLab or Notebook, whose kernels run in environments of their own."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import sys
import urllib.request
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

import nbformat
from support.process import TimeoutExpired, clean_environ, start_process
from support.story import QUIET, wait_until
from support.templates import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from support.environment import Environment
    from support.process import Process

EXTENSION = ROOT / "envmagic" / "labextension"
"""The sidebar, as it was built."""
LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"
CONTRAST = "JupyterLab Dark High Contrast"
_APPUTILS = "@jupyterlab/apputils-extension"
_FIRST, _LAST = 60, 20
"""How many seconds a server may take to begin, and to end."""


Application = Literal["jupyterlab", "notebook"]
"""The module that is run."""


class Lab:
    """A JupyterLab or Notebook server that runs; `live_lab` makes one and ends it."""

    def __init__(self, folder: Path, application: Application, *, theme: str, locale: str) -> None:
        self.application = application
        self.root = folder / "work"
        """The folder that it shows."""
        self.root.mkdir(parents=True)
        self._folder = folder
        self._token = secrets.token_hex(16)
        self._set(f"{_APPUTILS}/notification", fetchNews="false", checkForUpdates=False)
        self._set(f"{_APPUTILS}/themes", theme=theme)
        if locale:
            self._set("@jupyterlab/translation-extension/plugin", locale=locale)

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables of the server: it knows nothing of this machine's Jupyter."""
        folders = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
        }
        private = {name: str(self._folder / folder) for name, folder in folders.items()}
        return clean_environ(self._folder) | private | {"JUPYTER_PREFER_ENV_PATH": "1"}

    @property
    def workspaces(self) -> Path:
        """The folder of the layouts that it keeps."""
        return self._folder / "workspaces"

    @property
    def log(self) -> str:
        """What the server wrote."""
        return (self._folder / "server.log").read_text("utf-8", "replace")

    def url(self, path: str = "") -> str:
        """Return the address of a notebook, or of Lab's workspace, which is empty."""
        if self.application == "notebook":
            return f"{self._base}notebooks/{quote(path)}?token={self._token}"
        tree = f"/tree/{quote(path)}" if path else ""
        return f"{self._base}lab{tree}?token={self._token}&reset"

    def add_kernel(
        self,
        name: str,
        environment: Environment,
        *,
        command: Sequence[str] = ("-m", "ipykernel_launcher"),
        language: str = "python",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Let notebooks choose a kernel that runs in an environment, by a command of its Python."""
        folder = self._folder / "data" / "kernels" / name
        folder.mkdir(parents=True, exist_ok=True)
        spec = {
            "argv": [
                str(environment.python),
                *command,
                "-f",
                "{connection_file}",
            ],
            "display_name": name,
            "language": language,
            "env": environment.environ | QUIET | dict(environ or {}),
        }
        (folder / "kernel.json").write_text(json.dumps(spec), "utf-8")

    def write_notebook(self, path: str, *cells: str, kernel: str = "python3") -> Path:
        """Write a notebook of code cells for a kernel."""
        content = nbformat.v4.new_notebook(  # type: ignore[no-untyped-call]
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells or ("",)]  # type: ignore[no-untyped-call]
        )
        content.metadata["kernelspec"] = {"name": kernel, "display_name": kernel}
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(content, target)  # type: ignore[no-untyped-call]
        return target

    @contextlib.contextmanager
    def serve(self, python: str | Path, extensions: Sequence[Path]) -> Iterator[None]:
        """Run the server with an interpreter; its kernels end with it."""
        with (self._folder / "server.log").open("wb") as output:
            process = start_process(
                [python, "-m", self.application, *self._options(extensions)],
                env=self.environ,
                cwd=self.root,
                output=output,
            )
            try:
                wait_until(lambda: self._answers(process), _FIRST)
                yield
            finally:
                _end(process)

    @property
    def _base(self) -> str:
        """The address that the server has found for itself; an error where it has none yet."""
        (told,) = (self._folder / "runtime").glob("jpserver-*.json")
        url: str = json.loads(told.read_text("utf-8"))["url"]
        return url

    def _options(self, extensions: Sequence[Path]) -> list[str]:
        places = self._folder / "extensions"
        places.mkdir()
        for extension in extensions:
            name = json.loads((extension / "package.json").read_text("utf-8"))["name"]
            (places / name).symlink_to(extension)
        return [
            "--no-browser",
            "--ip=127.0.0.1",
            "--port=0",
            f"--IdentityProvider.token={self._token}",
            f"--ServerApp.root_dir={self.root}",
            f"--LabServerApp.extra_labextensions_path={places}",
            "--LabApp.expose_app_in_browser=True",
            "--JupyterNotebookApp.expose_app_in_browser=True",
            *(["--allow-root"] if os.geteuid() == 0 else []),
        ]

    def _set(self, plugin: str, **settings: object) -> None:
        path = self._folder / "settings" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings), "utf-8")

    def _answers(self, process: Process) -> bool:
        assert process.poll() is None, self.log
        with contextlib.suppress(OSError, ValueError):
            urllib.request.urlopen(f"{self._base}api/status?token={self._token}", timeout=5).close()
            return True
        return False


def _end(process: Process) -> None:
    """End a server, which ends its kernels; they end by themselves where it is killed."""
    with process:
        process.terminate()
        try:
            process.wait(_LAST)
        except TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def live_lab(
    folder: Path,
    *,
    application: Application = "jupyterlab",
    python: str | Path = sys.executable,
    extensions: Sequence[Path] = (EXTENSION,),
    theme: str = LIGHT,
    locale: str = "",
) -> Iterator[Lab]:
    """Run a server of an interpreter, in a new folder."""
    lab = Lab(folder, application, theme=theme, locale=locale)
    with lab.serve(python, extensions):
        yield lab
