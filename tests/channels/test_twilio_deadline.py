"""One deadline for a whole call: if it passes before anything is written, nothing was sent."""

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from app.channels.providers.base import (
    Accepted,
    NotProcessed,
    OutgoingMessage,
    ProviderUnavailable,
    SendOutcome,
    Uncertain,
)
from app.channels.providers.twilio import transport
from app.channels.providers.twilio.client import TwilioClient
from app.common.phone import parse_address
from tests.channels.conftest import WEBHOOK_URL
from tests.channels.local_server import answering, deaf, serve, trickling

SECONDS = 0.5
SLACK = 0.4
NAME = "provider.test"
PERSON = parse_address("+15551234567")
CREATED = answering("201 Created", b'{"sid": "SM' + b"0" * 32 + b'"}')
CREDENTIALS = {"account_sid": f"AC{'0' * 32}", "auth_token": "t" * 32}


def client_at(port: int, scheme: str = "http") -> TwilioClient:
    url = f"{scheme}://{NAME}:{port}"
    return TwilioClient(CREDENTIALS, WEBHOOK_URL, timeout_seconds=SECONDS, base_url=url)


def send(client: TwilioClient) -> tuple[SendOutcome, float]:
    """Return the outcome, and the seconds it took."""
    message = OutgoingMessage("+14155238886", PERSON, {"type": "text", "body": "x"}, "m=1")
    began = time.monotonic()
    return client.send(message), time.monotonic() - began


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the result of a look-up of the name, and its delay: `resolve("127.0.0.1", after=1.0)`."""
    asked = socket.getaddrinfo

    def to(*addresses: str, after: float = 0.0) -> None:
        def look_up(host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
            if host != NAME:
                return asked(host, port, *args, **kwargs)
            time.sleep(after)
            return [each for a in addresses for each in asked(a, port, type=socket.SOCK_STREAM)]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)

    return to


def test_a_name_that_resolves_in_time_is_called(resolve: Callable[..., None]) -> None:
    resolve("127.0.0.1")
    with serve(CREATED) as server:
        outcome, _ = send(client_at(server.port))
    assert isinstance(outcome, Accepted)


def test_after_a_slow_resolver_nothing_is_written(resolve: Callable[..., None]) -> None:
    resolve("127.0.0.1", after=SECONDS + 0.1)
    with serve(CREATED) as server:
        outcome, _ = send(client_at(server.port))
        assert server.requests == []
    assert isinstance(outcome, NotProcessed)


def test_dead_addresses_share_the_deadline(resolve: Callable[..., None]) -> None:
    dead = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
    resolve(*dead)
    with deaf(*dead) as port:
        outcome, seconds = send(client_at(port))
    assert isinstance(outcome, NotProcessed)
    assert seconds < SECONDS + SLACK


def test_a_dead_address_does_not_hide_the_next_one(
    resolve: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "CONNECT_SECONDS", 0.1)
    resolve("127.0.0.2", "127.0.0.1")
    with serve(CREATED) as server, deaf("127.0.0.2", port=server.port):
        outcome, _ = send(client_at(server.port))
    assert isinstance(outcome, Accepted)


def test_a_handshake_that_never_ends_ends_with_the_deadline(resolve: Callable[..., None]) -> None:
    resolve("127.0.0.1")
    with serve(trickling) as server:
        outcome, seconds = send(client_at(server.port, "https"))
    assert isinstance(outcome, NotProcessed)
    assert seconds < SECONDS + SLACK


def test_a_head_that_trickles_ends_with_the_deadline(resolve: Callable[..., None]) -> None:
    resolve("127.0.0.1")
    with serve(trickling) as server:
        outcome, seconds = send(client_at(server.port))
        assert len(server.requests) == 1
    assert isinstance(outcome, Uncertain)
    assert seconds < SECONDS + SLACK


def test_the_time_of_one_call_is_not_taken_from_the_next(resolve: Callable[..., None]) -> None:
    resolve("127.0.0.1")
    with serve(CREATED) as server:
        client = client_at(server.port)
        send(client)
        time.sleep(SECONDS)
        outcome, _ = send(client)
    assert isinstance(outcome, Accepted)


def test_a_list_that_trickles_ends_with_the_deadline(resolve: Callable[..., None]) -> None:
    resolve("127.0.0.1")
    with serve(trickling) as server:
        began = time.monotonic()
        with pytest.raises(ProviderUnavailable):
            client_at(server.port).sent_messages(PERSON, "+14155238886")
    assert time.monotonic() - began < SECONDS + SLACK
