"""What stands before the `@` of a URL is shown to nobody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmagic.redact import redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:secret@e.org/simple", "https://****@e.org/simple"),
        ("https://secret@e.org/simple", "https://****@e.org/simple"),
        ("http://user:@e.org", "http://****@e.org"),
        ("https://user:p%40ss@e.org:8080/a", "https://****@e.org:8080/a"),
        ("https://user:se@cret@e.org/a", "https://****@e.org/a"),
        ("git+https://token@e.org/a.git@v1", "git+https://****@e.org/a.git@v1"),
        ("git+ssh://git@e.org/a.git@v1", "git+ssh://git@e.org/a.git@v1"),
        ("git+ssh://git:secret@e.org/a.git", "git+ssh://****@e.org/a.git"),
        ("--index-url=https://u:secret@e.org", "--index-url=https://****@e.org"),
        ("two: http://a:secret@b/ and ftp://c:secret@d", "two: http://****@b/ and ftp://****@d"),
        ('"https://u:secret@e.org"', '"https://****@e.org"'),
        ("https://e.org/a@1.0", "https://e.org/a@1.0"),
        ("https://e.org/?mail=a@b.org", "https://e.org/?mail=a@b.org"),
        ("mail me@e.org", "mail me@e.org"),
        ("name @ file:///tmp/a", "name @ file:///tmp/a"),
        ("", ""),
    ],
)
def test_texts(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert redact(shown) == shown


def test_another_mark() -> None:
    assert redact("https://user:secret@e.org/a", mark="") == "https://e.org/a"


@given(
    st.sampled_from(["https://", "git+https://", "http://"]),
    st.text(alphabet="abc012:%.~!$&*+,;=@-_", min_size=1),
    st.sampled_from(["", "/simple", ":8080/a@b", "/a.git@v1#egg=a"]),
)
def test_no_form_of_user_and_password_is_left(scheme: str, secret: str, rest: str) -> None:
    shown = redact(f"see {scheme}{secret}@e.org{rest}, and more")
    assert shown == f"see {scheme}****@e.org{rest}, and more"


@given(st.text())
def test_nothing_else_is_touched(text: str) -> None:
    if "://" not in text:
        assert redact(text) == text
