"""The whole story, for real: an environment that has drifted, a kernel in it, one magic, proof.

`make demo` runs it. What it proves, it proves with tools that are not envmagic's own.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess  # noqa: TID251 (a demo is a program of its own)
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
OUTPUT = ROOT / "demo-output"
ENVIRONMENT = OUTPUT / "environment"
PYTHON = ENVIRONMENT / "bin" / "python"
KERNEL_LOG = OUTPUT / "kernel.log"
LOCK = HERE / "small_env.txt"

# How the environment has drifted away from `small_env.txt`.
OLDER = ("pandas==2.2.3", "huggingface-hub==0.30.2", "packaging==24.2")
NEWER = ("numpy==2.1.3", "PyYAML==6.0.3")
EXTRANEOUS = ("humanize==4.11.0", "loguru==0.7.2", "tabulate==0.9.0")

_NAME = re.compile(r"[-_.]+")
_FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
_STARTS = "import numpy, pandas; print(numpy.__version__, pandas.__version__)"


class ProofError(Exception):
    """Something is not as it was promised."""


class Chapter:
    """A part of the story: its number, its title, and how long it took."""

    count = 0

    def __init__(self, title: str) -> None:
        Chapter.count += 1
        print(f"\n{_bold(f'{Chapter.count}  {title}')}", flush=True)
        self._began = time.perf_counter()

    def say(self, text: str) -> None:
        """Print some lines of the story."""
        print(textwrap.indent(text, "   "), flush=True)

    def took(self) -> str:
        """Return the time since the chapter began."""
        return f"{time.perf_counter() - self._began:.1f} s"


def _bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text


def run(*arguments: str | Path, check: bool = True) -> str:
    """Run a command to its end, and return what it printed."""
    command = [str(argument) for argument in arguments]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=ROOT
    )
    if check and done.returncode:
        raise ProofError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def read_pins(text: str) -> dict[str, str]:
    """Return name and version (or URL) of each line, as pip would take them for this Python."""
    pins = {}
    for line in text.splitlines():
        pin, _, marker = line.partition(";")
        sign = next((sign for sign in ("==", " @ ") if sign in pin), "")
        if sign and not line.startswith("#") and _applies(marker):
            name, _, version = pin.partition(sign)
            pins[_NAME.sub("-", name.strip()).lower()] = version.strip()
    return pins


def _applies(marker: str) -> bool:
    from packaging.markers import Marker  # noqa: PLC0415 (a tool that is not ours)

    return not marker.strip() or Marker(marker).evaluate()


def installed() -> dict[str, str]:
    """Return what pip says is installed."""
    return read_pins(run(PYTHON, "-m", "pip", "freeze", "--all"))


def make_environment() -> dict[str, str]:
    """Make an environment that differs from the lock in each of four ways."""
    chapter = Chapter("An environment that has drifted away from its lock")
    shutil.rmtree(OUTPUT, ignore_errors=True)
    pip = (PYTHON, "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(sys.executable, "-m", "venv", ENVIRONMENT)
    wheels = OUTPUT / "wheels"
    run(*pip, "wheel", "--no-deps", "--wheel-dir", wheels, ROOT)
    run(*pip, "install", "ipykernel", *OLDER, *NEWER, *EXTRANEOUS, *wheels.glob("*.whl"))
    found, wanted = installed(), read_pins(LOCK.read_text("utf-8"))
    chapter.say(
        f"{len(found)} distributions in demo-output/environment ({chapter.took()}); envmagic is\n"
        "this working tree's wheel; the lock is examples/small_env.txt\n"
    )
    for title, drifted in (("older", OLDER), ("newer", NEWER), ("extraneous", EXTRANEOUS)):
        chapter.say(f"{title:<11} {', '.join(drifted)}")
    missing = [name for name in wanted if name not in found]
    chapter.say(f"{'missing':<11} {len(missing)}: {', '.join(missing[:6])} ...")
    return found


def run_notebook() -> Any:  # noqa: ANN401 (nbformat has no types)
    """Execute the quick start in a real kernel of the environment, with nbclient."""
    import nbformat  # noqa: PLC0415 (the terminal's part works without)
    from nbclient import NotebookClient  # noqa: PLC0415

    chapter = Chapter("A real kernel of it runs examples/quickstart.ipynb")
    path = HERE / "quickstart.ipynb"
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    resources = {"metadata": {"path": str(HERE)}}
    client = NotebookClient(notebook, timeout=600, resources=resources)
    _use_environment(client.create_kernel_manager())
    with KERNEL_LOG.open("wb") as log:
        client.execute(env=_environ(), stderr=log)
    plan = ""
    for cell in notebook.cells:
        if cell.cell_type != "code" or not cell.source.startswith("%"):
            continue
        words = _words(cell)
        if plan and words.startswith(plan):
            words = f"(the same plan, then)\n{words.removeprefix(plan).lstrip()}"
        plan = words if "--dry-run" in cell.source else plan
        chapter.say(_bold(f"In [{cell.execution_count}]: {cell.source}") + f"   {_seconds(cell)}")
        if words:
            chapter.say(textwrap.indent(_shorten(words), "   ") + "\n")
    chapter.say(f"the whole notebook took {chapter.took()}")
    return notebook


def _use_environment(manager: KernelManager) -> None:
    """Let a manager start kernels of the environment: `python3` is this process's own."""
    if manager.kernel_spec is None:
        raise ProofError("there is no kernel specification beside this interpreter")
    manager.kernel_spec.argv[0] = str(PYTHON)


def _environ() -> dict[str, str]:
    return {**os.environ, "VIRTUAL_ENV": str(ENVIRONMENT)}


def _seconds(cell: Any) -> str:  # noqa: ANN401 (nbformat has no types)
    from datetime import datetime  # noqa: PLC0415

    times = cell.metadata["execution"]
    began, ended = (
        datetime.fromisoformat(times[key].replace("Z", "+00:00"))
        for key in ("iopub.execute_input", "shell.execute_reply")
    )
    return f"{(ended - began).total_seconds():.2f} s"


def _words(cell: Any) -> str:  # noqa: ANN401 (nbformat has no types)
    shown = (o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.outputs)
    return "\n\n".join(text.strip("\n") for text in shown if text.strip())


def _shorten(text: str, limit: int = 44) -> str:
    lines = text.splitlines()
    if len(lines) <= limit:
        return text
    return "\n".join([*lines[:12], f"... {len(lines) - 12} more lines"])


def prove(before: dict[str, str]) -> None:
    """Hold the environment against the lock, with pip and a new kernel as witnesses."""
    chapter = Chapter("Proof, by tools that are not envmagic's")
    wanted, found = read_pins(LOCK.read_text("utf-8")), installed()
    wrong = {n: (v, found.get(n)) for n, v in wanted.items() if found.get(n) != v}
    if wrong:
        raise ProofError(f"pip freeze differs from the lock: {wrong}")
    chapter.say(f"✓ pip freeze   all {len(wanted)} pins of the lock are installed as pinned")
    guests = sorted(n for n in read_pins("\n".join(EXTRANEOUS)) if n in found)
    if guests:
        raise ProofError(f"not in the lock, and still there: {guests}")
    gone = ", ".join(sorted(before.keys() - found.keys()))
    kept = len(found.keys() - wanted.keys())
    chapter.say(f"✓ pip freeze   gone: {gone}; the other {kept} are what the kernel lives on")
    said = run(PYTHON, "-m", "pip", "check").strip()
    chapter.say(f"✓ pip check    {said}")
    numpy, pandas = start_kernel(_STARTS).split()
    if (numpy, pandas) != (wanted["numpy"], wanted["pandas"]):
        raise ProofError(f"a new kernel imports numpy {numpy}, pandas {pandas}")
    chapter.say(f"✓ new kernel   starts, and imports numpy {numpy} and pandas {pandas}")
    chapter.say(f"({chapter.took()})")


def start_kernel(code: str) -> str:
    """Start a kernel of the environment, run a cell in it, and return what that printed."""
    manager = KernelManager()
    _use_environment(manager)
    with KERNEL_LOG.open("ab") as log:
        manager.start_kernel(env=_environ(), stderr=log)
    client: Any = manager.client()
    client.start_channels()
    printed: list[str] = []

    def take(message: dict[str, Any]) -> None:
        printed.append(message["content"].get("text", ""))

    try:
        client.wait_for_ready(timeout=60)
        client.execute_interactive(code, timeout=60, output_hook=take)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return "".join(printed)


def kill_a_sync() -> None:
    """Kill everything in the middle of a change, and see a kernel start all the same."""
    chapter = Chapter("kill -9 of the sync and of pip, in the middle of a change")
    lock = OUTPUT / "other_env.txt"
    lock.write_text(re.sub(r"(?m)^numpy==.*$", NEWER[0], LOCK.read_text("utf-8")), "utf-8")
    found, files = installed(), checksums()
    module = next(ENVIRONMENT.glob("lib/*/site-packages/numpy/__init__.py"))
    command = [str(word) for word in (PYTHON, "-m", "envmagic", "sync", lock, "--yes")]
    with KERNEL_LOG.open("ab") as log:
        sync = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        while sync.poll() is None and module.exists():
            time.sleep(0.001)
        killed = 0
        for process in Path("/proc").glob("[0-9]*"):
            if str(PYTHON) in _read(process / "cmdline"):
                os.kill(int(process.name), signal.SIGKILL)
                killed += 1
    if sync.wait() != -signal.SIGKILL:
        raise ProofError("the sync ended before it could be killed")
    there = checksums()
    lost, new = len(files - there), len(there - files)
    chapter.say(f"{killed} processes killed: {lost} files are gone or changed, {new} are new")
    numpy, _ = start_kernel(_STARTS).split()
    if checksums() != files or installed() != found:
        raise ProofError("the environment is not what it was")
    chapter.say(f"✓ new kernel   starts at once, and imports numpy {numpy}")
    chapter.say(f"✓ checksums    all {len(files)} files are what they were\n({chapter.took()})")


def checksums() -> set[tuple[str, str]]:
    """Return each file of the environment with the checksum of its content.

    Not what envmagic keeps for itself, nor bytecode: Python makes that when it likes.
    """
    return {
        (str(path), hashlib.sha256(path.read_bytes()).hexdigest())
        for path in ENVIRONMENT.rglob("*")
        if path.is_file() and not {".envmagic", "__pycache__"} & set(path.parts)
    }


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def undo(before: dict[str, str]) -> None:
    """Take back what the notebook did, without an index."""
    chapter = Chapter("The way back: python -m envmagic undo")
    said = run(PYTHON, "-m", "envmagic", "undo", "--yes").strip().splitlines()
    done = next(line for line in said if line.startswith("done:"))
    chapter.say(f"{said[0]}\n{done}".replace(f"{HERE}{os.sep}", ""))
    if installed() != before:
        raise ProofError("pip freeze is not what it was before the notebook")
    chapter.say(f"✓ pip freeze   as it was before the notebook\n({chapter.took()})")


def show_big_lock() -> None:
    """Print what the dry run of a large lock says, with torch, vllm and the like."""
    chapter = Chapter("A dry run of a GPU environment: python -m envmagic diff first_env.txt")
    text = run(PYTHON, "-m", "envmagic", "diff", HERE / "first_env.txt", check=False)
    if "differs from" not in text:
        raise ProofError(text)
    chapter.say(text.replace(f"{HERE}{os.sep}", "").rstrip())
    answer = run(PYTHON, "-m", "envmagic", "diff", HERE / "first_env.txt", "--json", check=False)
    counts = {kind: count for kind, count in json.loads(answer)["counts"].items() if count}
    chapter.say(f"\nthe same as JSON: {counts}")


def draw(notebook: Any) -> None:  # noqa: ANN401 (nbformat has no types)
    """Leave the executed notebook as HTML, and a picture of that."""
    from nbconvert import HTMLExporter  # noqa: PLC0415 (as above)

    chapter = Chapter("What it looks like")
    nowhere = {"mathjax_url": "", "require_js_url": "", "jquery_url": "", "mermaid_js_url": ""}
    exporter = HTMLExporter(theme="light", **nowhere)  # type: ignore[no-untyped-call]
    html, _ = exporter.from_notebook_node(notebook)
    page = OUTPUT / "quickstart.html"
    page.write_text(html, encoding="utf-8")
    chapter.say(f"{page.relative_to(ROOT)}  ({len(html) // 1024} KiB)")
    picture = OUTPUT / "quickstart.png"
    if reason := _take_picture(page, picture):
        chapter.say(f"the picture is left out: {reason}")
    else:
        chapter.say(f"{picture.relative_to(ROOT)}  ({picture.stat().st_size // 1024} KiB)")


def _take_picture(page: Path, picture: Path) -> str:
    """Take a picture of a page with a headless Chromium; return why not, if so."""
    chromium = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if chromium is None:
        return "there is no Chromium here"
    if importlib.util.find_spec("playwright") is None:
        return "there is no playwright here"
    from playwright.sync_api import Error, sync_playwright  # noqa: PLC0415 (as above)

    flags = [*_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    try:
        with sync_playwright() as driver:  # its profile is new, empty, and gone afterwards
            browser = driver.chromium.launch(executable_path=chromium, args=flags)
            tab = browser.new_page(viewport={"width": 1100, "height": 800}, color_scheme="light")
            tab.route("http*://**", lambda route: route.abort())
            tab.goto(page.as_uri())
            tab.screenshot(path=picture, full_page=True)
            browser.close()
    except Error as error:
        return str(error).partition("\n")[0]
    return ""


def main() -> int:
    """Tell the story; 1 if anything that it promises is not so."""
    began = time.perf_counter()
    print(_bold("envmagic: a running kernel's environment, made equal to a lock file"))
    try:
        before = make_environment()
        notebook = run_notebook()
        prove(before)
        if Path("/proc/self").exists():
            kill_a_sync()
        undo(before)
        show_big_lock()
        draw(notebook)
    except ProofError as error:
        print(f"\n✗ {error}", file=sys.stderr)
        return 1
    print(f"\n{_bold('✓ equal, proven')} in {time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
