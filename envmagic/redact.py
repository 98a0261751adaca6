"""No secret of a URL reaches an eye."""

from __future__ import annotations

import re

_USERINFO = re.compile(r"(?<=://)[^/\s\"']+@")


def redact(text: str, mark: str = "****@") -> str:
    """Return a text with what stands before the `@` of each URL's host replaced.

    `git@` alone is an account name that everybody has, and stays.
    """
    return _USERINFO.sub(lambda match: match[0] if match[0] == "git@" else mark, text)
