"""How this kernel can be restarted, in the terms of the front end that shows it."""

from __future__ import annotations

import os
import sys
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class FrontEnd(Enum):
    """What shows the output, as far as a kernel can tell."""

    TERMINAL = "terminal"
    HEADLESS = "headless"
    """nbclient, papermill: nobody can answer."""
    COLAB = "colab"
    VSCODE = "vscode"
    JUPYTER = "jupyter"


_BUTTON = (
    '<button class="jp-Button jp-mod-styled jp-mod-warn" '
    'data-commandlinker-command="notebook:restart-kernel">Restart kernel</button> '
    '<span class="em-soft">or choose Kernel → Restart</span>'
)
_ADVICE = {
    FrontEnd.VSCODE: "Press <strong>Restart</strong> in the notebook's toolbar.",
    FrontEnd.COLAB: "Choose <strong>Runtime → Restart session</strong>.",
    FrontEnd.HEADLESS: "Run the notebook again in a new kernel.",
}


def find_front_end(*, kernel: bool, can_ask: bool, names: Mapping[str, object]) -> FrontEnd:
    """Return what shows the output.

    `names` is the user's namespace, where VS Code leaves the notebook's path; `can_ask`
    is whether the front end answers questions, which nbclient and papermill do not.
    """
    if not kernel:
        return FrontEnd.TERMINAL
    if "google.colab" in sys.modules:
        return FrontEnd.COLAB
    if "__vsc_ipynb_file__" in names or "VSCODE_PID" in os.environ:
        return FrontEnd.VSCODE
    return FrontEnd.JUPYTER if can_ask else FrontEnd.HEADLESS


def restart_html(front_end: FrontEnd) -> str:
    """Return the button or the advice to restart.

    JupyterLab and Notebook 7 run the command of a `data-commandlinker-command` attribute
    without any extension, and ask first; elsewhere it would be a dead button.
    """
    return _ADVICE.get(front_end, _BUTTON)
