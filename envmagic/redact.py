"""No secret of a URL reaches an eye."""

from __future__ import annotations

import re

# The first alternative is a password with an unescaped `/`, `?` or `#`: it is told by a
# "port" that is none. The second is the part before the last `@` of a sound authority.
# One slash is a typing mistake, with the secret all the same; `file:/x@1` is a path.
_USERINFO = re.compile(
    r"""
    (?: (?<=://) | (?<=\w\w:/)(?<!file:/) )(?!/)
    (?!git@[^@/?\#\s]*(?![^/?\#\s]))
    (?:
      (?:[^/?\#\s]*@)? [^@:/?\#\s\[]* : (?!//|\d+(?:[/?\#\s"'`]|$))
      [^@/?\#\s]* [/?\#] (?:(?!://)\S)*? @ (?:[^/?\#\s]*@)?
    | [^/?\#\s]*@
    )
    """,
    re.VERBOSE,
)
_QUERY = re.compile(r"(:/[^\s?#]*\?)([^\s#]+)")
_CLOSING = ")]}>\"'`.,;:"
"""What ends a quotation or a sentence behind a URL, and is not part of its last value."""


def redact(text: str) -> str:
    """Return a text with the secrets of each URL in it replaced by `****`.

    These are what stands before the `@` of the host, and each value of the query. `git@`
    alone is an account name that everybody has, and stays; so does a fragment.
    """
    return _QUERY.sub(_mask_query, _USERINFO.sub("****@", text))


def strip_userinfo(url: str) -> str:
    """Return a URL without what stands before the `@` of its host, but for `git@` alone.

    What identifies the thing behind it, its query included, stays.
    """
    return _USERINFO.sub("", url)


def _mask_query(match: re.Match[str]) -> str:
    start, query = match.groups()
    bare = query.rstrip(_CLOSING)
    return start + "&".join(map(_mask_value, bare.split("&"))) + query[len(bare) :]


def _mask_value(part: str) -> str:
    """Mask the value of `key=value`; what has no key may be a secret as a whole."""
    key, equals, value = part.partition("=")
    if not equals:
        return "****" if part else ""
    return f"{key}=****" if value else part
