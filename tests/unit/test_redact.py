"""What stands before the `@` of a URL, and in its query, is shown to nobody."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pip._internal.req.req_file import preprocess

from envmagic.core.errors import EnvmagicError
from envmagic.core.nodes import Command
from envmagic.core.redact import (
    hide_secrets,
    known_secrets,
    mask,
    mask_cut,
    redact,
    strip_userinfo,
)


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
        ("https://e.org/?mail=a@b.org", "https://e.org/?mail=****"),
        ("https://u:hun/ter2@e.org/simple", "https://****@e.org/simple"),
        ("https://u:hun?ter2@e.org/simple", "https://****@e.org/simple"),
        ("https://u:hun#ter2@e.org/simple", "https://****@e.org/simple"),
        ("https://u:/hunter2@e.org/simple", "https://****@e.org/simple"),
        ("https://me@e.org:hun/ter2@e.org/a@v1", "https://****@e.org/a@v1"),
        ("https://u:hun/te@r2@e.org/a@v1", "https://****@e.org/a@v1"),
        ("https://u:hun'ter2@e.org", "https://****@e.org"),
        ("https:/u:hunter2@e.org", "https:/****@e.org"),
        ("https://e.org:8080/path@v1", "https://e.org:8080/path@v1"),
        ("`https://e.org:8080`, not a@b", "`https://e.org:8080`, not a@b"),
        ("https://[::1]:8080/path@v1", "https://[::1]:8080/path@v1"),
        ("git+https://e.org/x@0123abc", "git+https://e.org/x@0123abc"),
        ("git+ssh://git@e.org:a/b.git@v1", "git+ssh://git@e.org:a/b.git@v1"),
        ("git+file:///a@0123abc", "git+file:///a@0123abc"),
        ("git+file:/a@0123abc", "git+file:/a@0123abc"),
        ("'https://e.org','https://u:p@e.org'", "'https://e.org','https://****@e.org'"),
        (
            "https://e.org/a?token=SECRET&b=c#sha256=00&egg=a&subdirectory=b",
            "https://e.org/a?token=****&b=****#sha256=00&egg=a&subdirectory=b",
        ),
        ("https://u:p@e.org?a==SEC=RET==&b=", "https://****@e.org?a=****&b="),
        ("https://e.org/a?SECRET", "https://e.org/a?****"),
        ("https://e.org/a?next=https://e.org/?b", "https://e.org/a?next=****"),
        (
            "`https://e.org/a?b=c`, or (https://e.org?b).",
            "`https://e.org/a?b=****`, or (https://e.org?****).",
        ),
        ("is it https://e.org/a? It is", "is it https://e.org/a? It is"),
        ("is it a?b=c", "is it a?b=c"),
        ("mail me@e.org", "mail me@e.org"),
        ("name @ file:///tmp/a", "name @ file:///tmp/a"),
        ("", ""),
    ],
)
def test_texts(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert redact(shown) == shown


@pytest.mark.parametrize(
    ("url", "identity"),
    [
        ("https://user:secret@e.org/a?b=c#d", "https://e.org/a?b=c#d"),
        ("https://u:hun/ter2@e.org/a", "https://e.org/a"),
        ("ssh://git@e.org/a@v1", "ssh://git@e.org/a@v1"),
    ],
)
def test_what_identifies_a_source(url: str, identity: str) -> None:
    assert strip_userinfo(url) == identity


def test_no_error_tells_a_secret() -> None:
    error = EnvmagicError("no `https://u:hunter2@e.org`", "not https://e.org?token=hunter2")
    assert "hunter2" not in f"{error} {error.args} {error.message} {error.hint}"
    assert "hunter2" not in "".join(error._render_traceback_())


@given(
    st.sampled_from(["https://", "git+https://", "http://"]),
    st.text(alphabet="abc012:%.~!$&*+,;=@-_'`()", min_size=1),
    st.sampled_from(["", "/simple", ":8080/a@b", "/a.git@v1#egg=a"]),
)
def test_no_form_of_user_and_password_is_left(scheme: str, secret: str, rest: str) -> None:
    shown = redact(f"see {scheme}{secret}@e.org{rest}, and more")
    assert shown == f"see {scheme}****@e.org{rest}, and more"


@given(
    st.text(alphabet="abc012%.~!$*+,-_'/?#", min_size=1),
    st.sampled_from(["", "/simple", ":8080/a", "/a.git#egg=a"]),
)
def test_a_password_with_a_slash_is_a_password(secret: str, rest: str) -> None:
    assert redact(f"https://me:x{secret}@e.org{rest}").endswith(f"://****@e.org{rest}")


@given(st.text(alphabet="ab1%=/?:@.,-_~+&", min_size=1))
def test_no_part_of_a_query_is_left(query: str) -> None:
    shown = redact(f"https://e.org/a?token={query}#egg=a").removesuffix("#egg=a")
    keys = {part.partition("=")[0] for part in query.split("&")[1:] if "=" in part}
    left = shown.removeprefix("https://e.org/a?token=")
    for part in left.rstrip(".,:").split("&"):
        key, _, value = part.partition("=")
        assert value in {"", "****"}
        assert key in {"", "****"} | keys


@given(st.text())
def test_nothing_else_is_touched(text: str) -> None:
    if ":/" not in text:
        assert redact(text) == text


FILE = """\
--index-url https://user:hunter2@e.org/simple?token=s3cret
--find-links "https://user:hunter2@two.org/wheels"
-ihttps://user:hunter2@e.org/simple
a @ https://user:hunter2@e.org/a.whl?token=s3cret&raw=#sha256=00 --hash=sha256:00
b @ git+https://ghp_1@e.org/b@0123 --hash=sha256:00
git+file:///c@0123#egg=c
d @ git+ssh://git@e.org/d@0123
e==1.0
"""
HIDDEN = """\
--index-url https://${ENVMAGIC_SECRET_1}@e.org/simple?token=${ENVMAGIC_SECRET_3}
--find-links "https://${ENVMAGIC_SECRET_1}@two.org/wheels"
-ihttps://${ENVMAGIC_SECRET_1}@e.org/simple
a @ https://${ENVMAGIC_SECRET_1}@e.org/a.whl?token=${ENVMAGIC_SECRET_3}&raw=#sha256=00 --hash=sha256:00
b @ git+https://${ENVMAGIC_SECRET_2}@e.org/b@0123 --hash=sha256:00
git+file:///c@0123#egg=c
d @ git+ssh://git@e.org/d@0123
e==1.0
"""  # noqa: E501 (a line is a line)


def as_pip_reads(text: str, variables: dict[str, str]) -> str:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        return "".join(f"{line}\n" for _, line in preprocess(text))


def test_a_file_for_pip_holds_no_secret_and_pip_reads_it_whole() -> None:
    hidden, secrets = hide_secrets(FILE, ())
    assert hidden == HIDDEN
    assert secrets == {
        "ENVMAGIC_SECRET_1": "user:hunter2",
        "ENVMAGIC_SECRET_2": "ghp_1",
        "ENVMAGIC_SECRET_3": "s3cret",
    }
    assert as_pip_reads(hidden, secrets) == FILE


def test_a_reference_of_the_user_stays_one() -> None:
    text = "-i https://${ME}:${TOKEN}@e.org?a=b${TOKEN}c\n"
    hidden, secrets = hide_secrets(text, ())
    assert hidden.count("${TOKEN}") == 2
    assert set(secrets.values()) == {":", "b", "c"}
    known = {"ME": "me", "TOKEN": "hunter2"}
    assert as_pip_reads(hidden, secrets | known) == "-i https://me:hunter2@e.org?a=bhunter2c\n"
    assert as_pip_reads(hidden, secrets) == text


def test_no_variable_of_the_user_is_taken() -> None:
    taken = {"ENVMAGIC_SECRET_1": "mine", "ENVMAGIC_SECRET_3": ""}
    text = "-i https://u:hunter2@e.org/${ENVMAGIC_SECRET_2}\nhttps://other@e.org"
    _, secrets = hide_secrets(text, taken)
    assert secrets == {"ENVMAGIC_SECRET_4": "u:hunter2", "ENVMAGIC_SECRET_5": "other"}


@given(st.lists(st.text(alphabet="ab1:/@?=&#$(){}_ENV\u00e9%.'\"", min_size=1), min_size=1))
def test_whatever_is_hidden_pip_puts_back(urls: list[str]) -> None:
    text = "".join(f"name @ https://{url}\n" for url in urls)
    hidden, secrets = hide_secrets(text, ())
    assert as_pip_reads(hidden, secrets) == as_pip_reads(text, {})
    if "${" not in text:
        left = re.sub(r"\$\{ENVMAGIC_SECRET_\d+\}", "", hidden)
        assert left == redact(text).replace("****", "")


def test_what_a_process_knows_is_masked_wherever_it_stands() -> None:
    _, hidden = hide_secrets("-i https://me:hun%24ter2@e.org?token=s3cret&b=c\n", {})
    secrets = known_secrets(
        hidden
        | {
            "PIP_EXTRA_INDEX_URL": "https://one.org https://0123456789abcdef:x@two.org",
            "https_proxy": "http://lone-token:@proxy.org:8080",
            "HOME": "/home/https://not:a-secret@e.org",
            "PIP_RETRIES": "0",
        }
    )
    said = (
        "{'ENVMAGIC_SECRET_1': 'me:hun%24ter2'} hun%24ter2,hun$ter2;s3cret user=0123456789abcdef "
        "lone-token xs3crets c me"
    )
    assert mask(said, secrets) == (
        "{'ENVMAGIC_SECRET_1': '****'} ****,****;**** user=**** **** x****s c me"
    )
    assert mask("not a-secret, c, x, me, 0", secrets) == "not a-secret, c, x, me, 0"
    assert mask(said, known_secrets({})) == said


def test_the_beginning_of_a_secret_at_the_end_is_masked() -> None:
    secrets = known_secrets({"ENVMAGIC_SECRET_1": "me:hunter2"})
    assert mask_cut("A=me:hunter", secrets) == "A=****"
    assert mask_cut("A=hunte", secrets) == "A=****"
    assert mask_cut("A=hun", secrets) == "A=hun"
    assert mask_cut("A=me:hunter2,", secrets) == "A=me:hunter2,"


def test_no_command_shows_its_variables() -> None:
    command = Command(arguments=("-m", "pip"), environment=(("ENVMAGIC_SECRET_1", "hunter2"),))
    assert "hunter2" not in f"{command} {command!r}"
