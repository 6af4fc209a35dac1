# SPDX-License-Identifier: Apache-2.0
"""Connection URIs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virloom.errors import InvalidArg
from virloom.uri import ConnectURI


@pytest.mark.parametrize(
    ("text", "scheme", "transport", "user", "host", "port", "path", "params"),
    [
        ("qemu:///embed?root=/srv/a", "qemu", None, None, None, None, "/embed", {"root": "/srv/a"}),
        ("qemu:///system", "qemu", None, None, None, None, "/system", {}),
        ("qemu+unix:///system?socket=/run/x", "qemu", "unix", None, None, None, "/system",
         {"socket": "/run/x"}),
        ("qemu+tcp://host:16509/system", "qemu", "tcp", None, "host", 16509, "/system", {}),
        ("qemu+tls://h.example/system?no_verify=1&pkipath=/p", "qemu", "tls", None, "h.example",
         None, "/system", {"no_verify": "1", "pkipath": "/p"}),
        ("qemu+ssh://me@host/session?keyfile=/k;command=/opt/nc", "qemu", "ssh", "me", "host", None,
         "/session", {"keyfile": "/k", "command": "/opt/nc"}),
        ("qemu+ext:///system?command=/bin/x", "qemu", "ext", None, None, None, "/system",
         {"command": "/bin/x"}),
        ("qemu://[::1]:5000/system", "qemu", None, None, "::1", 5000, "/system", {}),
        ("test:///default", "test", None, None, None, None, "/default", {}),
        ("test:///a%20file.xml", "test", None, None, None, None, "/a file.xml", {}),
        ("xen:///", "xen", None, None, None, None, "/", {}),
        ("qemu:///embed?root=/a%26b+c&x", "qemu", None, None, None, None, "/embed",
         {"root": "/a&b+c", "x": ""}),
    ],
)  # fmt: skip
def test_parts(
    text: str,
    scheme: str,
    transport: str | None,
    user: str | None,
    host: str | None,
    port: int | None,
    path: str,
    params: dict[str, str],
) -> None:
    uri = ConnectURI.parse(text)
    assert (uri.scheme, uri.transport, uri.user, uri.host, uri.port, uri.path, uri.params) == (
        scheme, transport, user, host, port, path, params,
    )  # fmt: skip
    assert ConnectURI.parse(str(uri)) == uri


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no DRIVER"),
        ("nonsense", "no DRIVER"),
        ("qemu:system", "no DRIVER"),
        ("://host/", "no DRIVER"),
        ("qemu+carrier://host/system", "'carrier' is not one of unix, tcp"),
        ("+tcp://host/system", "no DRIVER"),
        ("qemu+tcp:///system", "needs a host"),
        ("qemu+unix://host/system", "takes no host \\('host'\\)"),
        ("qemu+tcp://host:99999/system", "Port"),
        ("qemu+tcp://host:x/system", "[Pp]ort"),
        ("qemu://me@/system", "a user or a port, and no host"),
        ("qemu:///embed?root=/a b", "space or a control character"),
        ("qemu:///embed?root=/a\n", "space or a control character"),
        ("qemu:///embed?=x", "has no name"),
        ("qemu:///embed?root=%ff", "not UTF-8"),
        ("qemu:///embed?root=%00", "%00"),
        ("qemu:///embed#x", "'#' has no meaning"),
        ("qemu://[::1/system", "cannot read"),
    ],
)
def test_malformed(text: str, why: str) -> None:
    with pytest.raises(InvalidArg, match=why):
        ConnectURI.parse(text)


def test_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "qemu:///embed?root=/x")
    assert ConnectURI.default().params == {"root": "/x"}
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "")
    with pytest.raises(InvalidArg, match="LIBVIRT_DEFAULT_URI"):
        ConnectURI.default()


def test_what_the_other_side_gets() -> None:
    uri = ConnectURI.parse("qemu+ssh://me@host/system?keyfile=/k")
    assert uri.is_remote
    assert str(uri.without_transport()) == "qemu:///system"
    unknown = ConnectURI.parse("qemu+tcp://host/system?mode=direct&other=1")
    assert str(unknown.without_transport()) == "qemu:///system?other=1"
    assert str(ConnectURI.parse("qemu:///system?socket=/s").without_transport()) == "qemu:///system"
    named = ConnectURI.parse("qemu+tcp://host/system?name=test:///default")
    assert str(named.without_transport()) == "test:///default"
    embedded = ConnectURI.parse("qemu:///embed?root=/x")
    assert not embedded.is_remote
    assert embedded.without_transport() == embedded


_words = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"))


@given(path=_words, params=st.dictionaries(_words.filter(bool), _words))
def test_round_trip(path: str, params: dict[str, str]) -> None:
    uri = ConnectURI("qemu", path=f"/{path}", params=params)
    assert ConnectURI.parse(str(uri)).params == params
    assert ConnectURI.parse(str(uri)).path == uri.path


@given(st.text())
def test_hostile_text_is_an_error_or_a_uri(text: str) -> None:
    try:
        uri = ConnectURI.parse(text)
    except InvalidArg:
        return
    assert ConnectURI.parse(str(uri)) == uri
