"""The panel in a Lab whose language is Chinese."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support.lab import live_lab
from support.notebook import Notebook
from support.panel import Panel
from support.process import clean_environ, run_process
from support.templates import ROOT, fetch_wheels
from support.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page
    from support.templates import Templates

pytestmark = pytest.mark.live


@pytest.fixture
def server(tmp_path: Path, machine: dict[str, str]) -> Path:
    """Return a Python for the server that finds the language pack, too."""
    project = "jupyterlab-language-pack-zh-CN"
    wheels, packs = fetch_wheels([project], machine), tmp_path / "packs"
    install = ("-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", packs)
    run_process(
        [sys.executable, *install, *wheels.glob("*.whl")], env=clean_environ(tmp_path / "home")
    )
    script = tmp_path / "python"
    script.write_text(
        f'#!/bin/sh\nPYTHONPATH="{packs}:{ROOT}" exec "{sys.executable}" "$@"\n', "utf-8"
    )
    script.chmod(0o755)
    return script


def test_chinese(page: Page, templates: Templates, server: Path, tmp_path: Path) -> None:
    house = Wheelhouse.standard(tmp_path / "house")
    environment = templates.make("kernel")
    environment.install(house, "alpha==1.0")
    with live_lab(tmp_path / "lab", python=server, locale="zh_CN") as lab:
        panel = Panel(page, lab)
        panel.load()
        expect(page.locator("#jp-MainMenu")).to_contain_text("文件")
        notebook = Notebook(panel, house, environment)
        notebook.write("alpha==2.0", "epsilon==1.0")
        notebook.open()
        panel.face("differs")
        expect(panel.root).to_contain_text("预览")
        expect(panel.root).to_contain_text("1 个待安装")
        expect(panel.status).to_contain_text("2 个项目不一致")
        expect(panel.button("Preview")).to_have_count(0)
        panel.shoot("panel-chinese", tmp_path)
