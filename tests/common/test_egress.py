"""Where a tenant's URL may lead: to public machines over https only."""

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import config
from app.common.egress import (
    Call,
    EgressFailed,
    EgressRefused,
    Limits,
    Outgoing,
    check_url,
    fetch,
    is_public,
)
from app.common.egress.transport import tls_context
from app.config import Settings
from tests.channels.local_server import (
    Behaviour,
    answering,
    closed_port,
    hanging,
    resetting,
    serve,
    trickling,
)


def test_tls_is_of_a_present_version_and_the_certificate_is_verified() -> None:
    context = tls_context()
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.fixture(autouse=True)
def _no_exceptions(settings: Settings) -> Iterator[None]:
    config.use(settings)
    yield
    config.use(settings)


@pytest.fixture
def loopback_allowed(settings: Settings) -> None:
    config.use(replace(settings, allowed_private_hosts=("127.0.0.1",)))


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a.png?x=1&y=%20",
        "https://example.com:8443/a",
        "https://93.184.216.34/a",
        "https://[2606:2800:220:1::1]/a",
        "  https://example.com/a  ",
    ],
)
def test_a_public_url_passes_as_it_is(url: str) -> None:
    assert check_url(url) == url.strip()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/a",
        "//example.com/a",
        "http://example.com/a",
        "ftp://example.com/a",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https:///a",
        "https://user:pw@example.com/",
        "https://user@example.com/",
        "https://example.com\\@127.0.0.1/",
        "https://exa mple.com/",
        "https://example.com/\na",
        "https://example.com:99999/",
        "https://[::1",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://db/",
        "https://db.internal/",
        "https://printer.local/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://10.0.0.1/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://[::1]/",
        "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[64:ff9b:1::1]/",
        "https://[2002:7f00:1::]/",
        "https://[::7f00:1]/",
        "https://[fe80::1]/",
        "https://[fc00::1]/",
        "https://[ff02::1]/",
        "https://example.com/" + "a" * 2000,
    ],
)
def test_any_other_url_is_refused_in_a_sentence(url: str) -> None:
    with pytest.raises(EgressRefused) as refused:
        check_url(url)
    assert str(refused.value).endswith(".")


@given(st.text(max_size=60) | st.text(max_size=40).map(lambda text: f"https://{text}"))
def test_any_text_is_a_url_or_refused(text: str) -> None:
    try:
        checked = check_url(text)
    except ValueError:
        return
    assert checked.startswith("https://")
    assert check_url(checked) == checked


@pytest.mark.parametrize("entry", ["127.0.0.1", "127.0.0.1:8001"])
def test_the_operator_may_allow_a_private_host(settings: Settings, entry: str) -> None:
    config.use(replace(settings, allowed_private_hosts=(entry,)))
    assert check_url("http://127.0.0.1:8001/a") == "http://127.0.0.1:8001/a"
    for other in ("http://127.0.0.2:8001/a", "http://example.com/"):
        with pytest.raises(EgressRefused):
            check_url(other)


def test_an_allowed_port_allows_no_other(settings: Settings) -> None:
    config.use(replace(settings, allowed_private_hosts=("127.0.0.1:8001",)))
    with pytest.raises(EgressRefused):
        check_url("http://127.0.0.1:5432/")


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::808:808", True),
        ("64:ff9b::a00:1", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("240.0.0.1", False),
        ("2001:db8::1", False),
        ("2001::1", False),
    ],
)
def test_public_addresses(text: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(text)) is public


def test_an_answer_is_fetched_with_the_name_as_host(settings: Settings) -> None:
    with serve(answering("200 OK", b"hello", "X-A: b")) as server:
        config.use(replace(settings, allowed_private_hosts=("localhost",)))
        found = fetch(
            Outgoing(f"http://localhost:{server.port}/p?q=1", "POST", {"X-Mine": "1"}, b"the body")
        )
    assert (found.status, found.body, found.headers["x-a"]) == (200, b"hello", "b")
    (request,) = server.requests
    assert request.startswith(b"POST /p?q=1 HTTP/1.1\r\n")
    assert f"Host: localhost:{server.port}\r\n".encode() in request
    assert b"X-Mine: 1\r\n" in request
    assert request.endswith(b"the body")


@pytest.mark.usefixtures("loopback_allowed")
def test_a_redirect_is_not_followed() -> None:
    with serve(answering("302 Found", b"", "Location: http://127.0.0.1:1/")) as server:
        assert fetch(Outgoing(server.url)).status == 302
        assert len(server.requests) == 1


@pytest.mark.usefixtures("loopback_allowed")
@pytest.mark.parametrize(
    "behave",
    [
        resetting,
        hanging,
        trickling,
        answering("200 OK", b"x" * 2000),
        answering("200 OK", b"x", "Content-Encoding: gzip"),
        lambda connection: connection.sendall(b"nonsense\r\n\r\n"),
        lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"),
    ],
    ids=["reset", "hang", "trickle", "too large", "compressed", "nonsense", "cut short"],
)
def test_a_bad_answer_is_a_failure_within_the_deadline(behave: Behaviour) -> None:
    began = time.monotonic()
    with serve(behave) as server, pytest.raises(EgressFailed) as failed:
        fetch(Outgoing(server.url), Limits(seconds=0.5, max_bytes=1000))
    assert time.monotonic() - began < 2
    assert str(failed.value).endswith(".")


@pytest.mark.usefixtures("loopback_allowed")
def test_a_refused_connection_is_a_failure() -> None:
    with pytest.raises(EgressFailed):
        fetch(Outgoing(f"http://127.0.0.1:{closed_port()}/"))


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Make DNS return these results, one for each look-up. Returns the list of look-ups."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        addresses = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::1"]])
def test_a_name_with_a_private_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    resolving(monkeypatch, addresses)
    with pytest.raises(EgressRefused):
        fetch(Outgoing("https://rebound.example/"))


def test_the_name_is_asked_once_so_a_second_answer_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A rebinding server answers a public address first and loopback afterwards."""
    asked = resolving(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    connected: list[Any] = []

    def create_connection(address: Any, *_: Any, **__: Any) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", create_connection)
    with pytest.raises(EgressFailed):
        fetch(Outgoing("https://rebound.example/"))
    assert asked == ["rebound.example"]
    assert connected == [("93.184.216.34", 443)]


def test_a_name_that_does_not_resolve_is_a_failure() -> None:
    with pytest.raises(EgressFailed):
        fetch(Outgoing("https://nowhere.invalid/"), Limits(seconds=2))


def test_whether_the_request_was_written_is_known(loopback_allowed: None) -> None:
    """A caller must know whether a call that failed may have been done."""
    with serve(hanging) as server:
        call = Call(0.3)
        with pytest.raises(EgressFailed):
            fetch(Outgoing(f"{server.url}/a"), call=call)
        assert call.is_written
    refused = Call(2.0)
    with pytest.raises(EgressFailed):
        fetch(Outgoing(f"http://127.0.0.1:{closed_port()}/a"), call=refused)
    assert not refused.is_written
