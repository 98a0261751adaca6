"""envmagic: make the environment of a running Jupyter kernel equal to a lock file, safely.

In a notebook: `%load_ext envmagic`, then `%envsync first_env.txt`.
In a terminal: `python -m envmagic sync first_env.txt`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load_ipython_extension"]


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """Register `%envsync` and `%envfreeze` (called by `%load_ext envmagic`).

    What a killed sync has left is put back, and what became of it is shown.
    """
    from envmagic.face.magics import EnvMagics  # noqa: PLC0415 (the terminal does without IPython)

    magics = EnvMagics(ipython)
    ipython.register_magics(magics)
    magics.watch_imports()
    magics.tell_news()
