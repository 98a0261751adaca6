"""What a user can cause, as errors: what is wrong, and what to do about it."""

from __future__ import annotations

from envmagic.core.redact import redact


class EnvmagicError(Exception):
    """Something that a user can cause: what is wrong, and what to do about it.

    `exit_code` is what `python -m envmagic` ends with.
    """

    exit_code = 4

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = redact(message)
        self.hint = redact(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def _render_traceback_(self) -> list[str]:
        """Show two lines in a cell instead of a traceback (IPython asks for this)."""
        return [f"{type(self).__name__}: {self.message}", *([self.hint] if self.hint else [])]


class PolicyError(EnvmagicError):
    """A refusal: what was asked for would be unsafe here; nothing was touched."""

    exit_code = 3


class EngineError(EnvmagicError):
    """A tool that we ran (pip, pip-sync) failed; the message carries its last words."""


class ParityError(EnvmagicError):
    """The environment is not equal to the lock, and `--check` asked whether it is."""

    exit_code = 1


class SmokeError(EnvmagicError):
    """The environment is equal to the lock, and torch does not work in it."""

    exit_code = 1


class Cancelled(EnvmagicError):
    """The user stopped the work: nothing was changed, or everything was put back.

    `change` is the name of the change that was put back, whose end nobody else was told.
    """

    exit_code = 130

    def __init__(self, message: str, hint: str = "", *, change: str = "") -> None:
        super().__init__(message, hint)
        self.change = change
