"""Twilio's typing indicator: one short request, whatever becomes of it."""

import time
from typing import Any
from urllib.parse import parse_qs

import pytest
from twilio.http.response import Response

from app.channels.providers.base import SECONDS_FOR_TYPING, ProviderUnavailable
from app.channels.providers.twilio.client import TwilioClient
from tests.channels.conftest import WEBHOOK_URL
from tests.channels.local_server import Behaviour, answering, hanging, resetting, serve

CREDENTIALS = {"account_sid": f"AC{'0' * 32}", "auth_token": "t" * 32}
SID = f"SM{'1' * 32}"


def client_at(url: str) -> TwilioClient:
    return TwilioClient(CREDENTIALS, WEBHOOK_URL, timeout_seconds=30, base_url=url)


def test_it_is_one_request_about_the_message() -> None:
    with serve(answering("200 OK", b'{"success": true}')) as server:
        client_at(server.url).show_typing(SID)
    (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v2/Indicators/Typing.json ")
    assert b"Authorization: Basic " in head
    assert parse_qs(body.decode()) == {"channel": ["whatsapp"], "messageId": [SID]}


@pytest.mark.parametrize(
    "behave",
    [
        *(answering(f"{status} No", b"{}") for status in (400, 401, 404, 429, 500)),
        answering("400 No", b"<html>"),
        resetting,
    ],
)
def test_trouble_is_told_and_not_repeated(behave: Behaviour) -> None:
    with serve(behave) as server:
        with pytest.raises(ProviderUnavailable):
            client_at(server.url).show_typing(SID)
        assert len(server.requests) == 1


def test_it_takes_three_seconds_at_most() -> None:
    with serve(hanging) as server:
        began = time.monotonic()
        with pytest.raises(ProviderUnavailable):
            client_at(server.url).show_typing(SID)
        assert time.monotonic() - began < SECONDS_FOR_TYPING + 1


def test_at_twilio_it_has_a_host_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_at("")
    asked: list[str] = []

    def note(method: str, url: str, **_: Any) -> Response:
        asked.append(f"{method} {url}")
        return Response(200, "{}")

    monkeypatch.setattr(client._http, "request", note)
    client.show_typing(SID)
    assert asked == ["POST https://messaging.twilio.com/v2/Indicators/Typing.json"]
