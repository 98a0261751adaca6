"""No secret of a URL reaches an eye, or a disk."""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping

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
_REFERENCE = re.compile(r"(\$\{[A-Z0-9_]+\})")
"""What pip replaces in a requirements file by a variable of its environment."""
_CLOSING = ")]}>\"'`.,;:"
"""What ends a quotation or a sentence behind a URL, and is not part of its last value."""
_VARIABLE = "ENVMAGIC_SECRET_"
_SHORTEST = 4
"""What is shorter would be found in every other word, and keeps nobody out."""
_TOKEN = 16
"""A user name as long as this is none that a person would type."""


def redact(text: str) -> str:
    """Return a text with the secrets of each URL in it replaced by `****`.

    These are what stands before the `@` of the host, and each value of the query. `git@`
    alone is an account name that everybody has, and stays; so does a fragment.
    """
    return _replace(text, lambda _: "****")


def hide_secrets(text: str, taken: Container[str]) -> tuple[str, dict[str, str]]:
    """Return a requirements file without the secrets of its URLs, and these as variables.

    pip puts `${NAME}` back from its environment. What is such a reference already stays
    one. No name is used that is `taken`, or that the text itself speaks of.
    """
    names: dict[str, str] = {}
    numbered = (f"{_VARIABLE}{number}" for number in count(1))
    free = (name for name in numbered if name not in taken and name not in text)

    def hide(secret: str) -> str:
        pieces = _REFERENCE.split(secret)
        for place, piece in enumerate(pieces):
            if place % 2 == 0 and piece:
                name = names.get(piece) or names.setdefault(piece, next(free))
                pieces[place] = f"${{{name}}}"
        return "".join(pieces)

    hidden = _replace(text, hide)
    return hidden, {name: secret for secret, name in names.items()}


def known_secrets(environment: Mapping[str, str]) -> frozenset[str]:
    """Return the secrets that a process has from its environment, to be masked in its words.

    These are the variables of `hide_secrets`, and the secrets of the URLs in those of pip
    and of the proxies; each as a whole, its password, and as it reads when decoded.
    """
    found = {value for name, value in environment.items() if name.startswith(_VARIABLE)}

    def collect(secret: str) -> str:
        found.add(secret)
        return secret

    for name, value in environment.items():
        if name.startswith("PIP_") or name.lower().endswith("_proxy"):
            _replace(value, collect)
    forms = {form for secret in found for form in _forms(secret)}
    return frozenset(form for form in forms if len(form) >= _SHORTEST)


def _forms(secret: str) -> Iterator[str]:
    user, _, password = secret.partition(":")
    for part in (secret, password, user if len(user) >= _TOKEN or not password else ""):
        yield from (part, unquote(part, errors="surrogateescape"))


def mask(text: str, secrets: frozenset[str]) -> str:
    """Return a text with each of these replaced by `****`, wherever it stands."""
    if not secrets:
        return text
    longest_first = sorted(secrets, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), "****", text)


def mask_cut(text: str, secrets: frozenset[str]) -> str:
    """Return a masked text without what may be the beginning of a secret at its end."""
    starts = (s[:size] for s in secrets for size in range(_SHORTEST, len(s)))
    cut = max((start for start in starts if text.endswith(start)), key=len, default="")
    return f"{text[: -len(cut)]}****" if cut else text


def strip_userinfo(url: str) -> str:
    """Return a URL without what stands before the `@` of its host, but for `git@` alone.

    What identifies the thing behind it, its query included, stays.
    """
    return _USERINFO.sub("", url)


def _replace(text: str, replace: Callable[[str], str]) -> str:
    """Return a text with each secret of each URL replaced by what is made of it."""

    def userinfo(match: re.Match[str]) -> str:
        return replace(match[0].removesuffix("@")) + "@"

    def query(match: re.Match[str]) -> str:
        start, values = match.groups()
        bare = values.rstrip(_CLOSING)
        shown = "&".join(value(part) for part in bare.split("&"))
        return start + shown + values[len(bare) :]

    def value(part: str) -> str:
        # What has no key may be a secret as a whole.
        key, equals, secret = part.partition("=")
        if not equals:
            return replace(part) if part else ""
        return f"{key}={replace(secret)}" if secret else part

    return _QUERY.sub(query, _USERINFO.sub(userinfo, text))
