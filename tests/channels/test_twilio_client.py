"""The result of a Twilio client for each answer, and for none at all."""

import json
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.http.response import Response

from app.channels.providers.base import (
    Accepted,
    Fault,
    NotProcessed,
    OutgoingMessage,
    ProviderUnavailable,
    Refused,
    SendOutcome,
    Uncertain,
)
from app.channels.providers.twilio.client import TwilioClient, outcome_of
from app.channels.providers.twilio.ownership import check_sender
from app.common.phone import parse_address
from app.models import Status
from simulator.demo import DEMO_ACCOUNT_SID, DEMO_API_KEY_SECRET, DEMO_API_KEY_SID
from tests.channels.conftest import WEBHOOK_URL, Control
from tests.channels.local_server import (
    Behaviour,
    answering,
    closed_port,
    hanging,
    resetting,
    serve,
)

SENDER = "+14155238886"
PHONE = parse_address("+15551234567")
CREDENTIALS = {"account_sid": f"AC{'0' * 32}", "auth_token": "t" * 32}


def a_message(content: dict[str, Any] | None = None, to: str = PHONE.value) -> OutgoingMessage:
    content = content or {"type": "text", "body": "¡Hola!"}
    return OutgoingMessage(SENDER, parse_address(to), content, "m=1")


def send_to(behave: Behaviour, seconds: float = 1.0) -> tuple[SendOutcome, list[bytes]]:
    with serve(behave) as server:
        client = TwilioClient(
            CREDENTIALS, WEBHOOK_URL, timeout_seconds=seconds, base_url=server.url
        )
        return client.send(a_message()), server.requests


def answer(status: int, body: Any = None, **headers: str) -> Response:
    text = body if isinstance(body, str) else json.dumps(body)
    return Response(status, text, {name.replace("_", "-"): v for name, v in headers.items()})


def test_a_text_is_accepted_with_its_id(twilio: TwilioClient, control: Control) -> None:
    outcome = twilio.send(a_message())
    assert isinstance(outcome, Accepted)
    assert outcome.provider_message_id.startswith("SM")
    (stored,) = control.call("GET", "/messages")["messages"]
    assert stored["body"] == "¡Hola!"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"type": "text", "body": "ñ"}, {"Body": ["ñ"]}),
        (
            {"type": "image", "body": "cap", "media": [{"url": "https://x.example/a.png"}]},
            {"Body": ["cap"], "MediaUrl": ["https://x.example/a.png"]},
        ),
        (
            {"type": "audio", "body": "", "media": [{"url": "https://x.example/a.ogg"}]},
            {"MediaUrl": ["https://x.example/a.ogg"]},
        ),
        (
            {
                "type": "template",
                "body": "",
                "template": {"id": f"HX{'1' * 32}", "variables": {"1": "Ana"}},
            },
            {"ContentSid": [f"HX{'1' * 32}"], "ContentVariables": ['{"1": "Ana"}']},
        ),
        (
            {"type": "location", "latitude": 19.4, "longitude": -99.1, "label": "Here"},
            {"Body": ["Here"], "PersistentAction": ["geo:19.4,-99.1|Here"]},
        ),
    ],
    ids=["text", "media", "media without caption", "template", "location"],
)
def test_each_kind_of_content_becomes_twilios_parameters(
    content: dict[str, Any], expected: dict[str, list[str]]
) -> None:
    with serve(answering("201 Created", b'{"sid": "x"}')) as server:
        credentials = {**CREDENTIALS, "messaging_service_sid": f"MG{'2' * 32}"}
        TwilioClient(credentials, WEBHOOK_URL, timeout_seconds=1, base_url=server.url).send(
            a_message(content)
        )
    form = parse_qs(server.requests[0].decode().rpartition("\r\n\r\n")[2])
    common = {"To", "From", "StatusCallback", "ValidityPeriod", "MessagingServiceSid"}
    assert {name: value for name, value in form.items() if name not in common} == expected
    assert form["To"] == ["whatsapp:+15551234567"]
    assert form["From"] == ["whatsapp:+14155238886"]
    assert form["StatusCallback"] == ["http://recado.test/webhook?m=1#rc=3&rp=ct,rt,5xx"]


def test_a_user_id_is_written_to_without_a_plus(twilio: TwilioClient, control: Control) -> None:
    assert isinstance(twilio.send(a_message(to="CO.13491208655302741918")), Accepted)


def test_content_that_twilio_cannot_carry_is_refused_without_a_call() -> None:
    client = TwilioClient(
        CREDENTIALS, WEBHOOK_URL, timeout_seconds=1, base_url="http://127.0.0.1:9"
    )
    outcome = client.send(a_message({"type": "reaction", "emoji": "👍"}))
    assert isinstance(outcome, Refused)
    assert outcome.error.code == "unsupported_content"


@pytest.mark.parametrize(
    ("behave", "kind"),
    [
        (answering("500 Oops", b"{}"), Uncertain),
        (answering("503 Away", b'{"code": 20503, "message": "x"}'), Uncertain),
        (answering("201 Created", b""), Uncertain),
        (answering("201 Created", b"<html>"), Uncertain),
        (answering("201 Created", b"[]"), Uncertain),
        (answering("201 Created", b'{"sid": "nonsense"}'), Uncertain),
        (answering("302 Found", b"", "Location: https://elsewhere.example/"), Uncertain),
        (answering("403 Forbidden", b"<html>proxy"), Uncertain),
        (resetting, Uncertain),
        (hanging, Uncertain),
        (lambda connection: connection.sendall(b"garbage\r\n\r\n"), Uncertain),
        (lambda connection: connection.sendall(b"HTTP/1.1 201 OK\r\nContent-Le"), Uncertain),
    ],
)
def test_when_nobody_can_say_it_is_uncertain_and_asked_once(
    behave: Behaviour, kind: type[SendOutcome]
) -> None:
    outcome, requests = send_to(behave, seconds=0.5)
    assert isinstance(outcome, kind)
    assert len(requests) == 1


def test_a_body_that_trickles_ends_with_the_deadline() -> None:
    def trickle_body(connection: Any) -> None:
        connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(200):
            connection.sendall(b" ")
            time.sleep(0.05)

    began = time.monotonic()
    outcome, _ = send_to(trickle_body, seconds=0.5)
    assert isinstance(outcome, Uncertain)
    assert time.monotonic() - began < 3


def test_a_refused_connection_was_surely_not_processed() -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    outcome = TwilioClient(CREDENTIALS, WEBHOOK_URL, timeout_seconds=1, base_url=url).send(
        a_message()
    )
    assert isinstance(outcome, NotProcessed)
    assert outcome.error.code == "provider_unreachable"


def test_a_name_that_does_not_resolve_was_surely_not_processed() -> None:
    url = "http://nowhere.invalid"
    outcome = TwilioClient(CREDENTIALS, WEBHOOK_URL, timeout_seconds=1, base_url=url).send(
        a_message()
    )
    assert isinstance(outcome, NotProcessed)


def test_a_failed_tls_handshake_was_surely_not_processed() -> None:
    """The server reads the client's hello as a request that never ends, then closes the
    connection."""

    with serve(answering("200 OK")) as server:
        url = server.url.replace("http:", "https:")
        outcome = TwilioClient(CREDENTIALS, WEBHOOK_URL, timeout_seconds=0.5, base_url=url).send(
            a_message()
        )
    assert isinstance(outcome, NotProcessed)


@pytest.mark.parametrize("header", ["7", "7.5"])
def test_429_was_not_processed_and_names_its_pause(header: str) -> None:
    outcome = outcome_of(answer(429, {"code": 20429}, Retry_After=header))
    assert isinstance(outcome, NotProcessed)
    assert (outcome.retry_after, outcome.throttled) == (float(header), True)


@pytest.mark.parametrize("header", ["", "soon", "-1", "Wed, 21 Oct 2026 07:28:00 GMT", "nan"])
def test_a_retry_after_that_is_no_number_is_no_pause(header: str) -> None:
    outcome = outcome_of(answer(429, "", Retry_After=header))
    assert isinstance(outcome, NotProcessed)
    assert outcome.retry_after is None


@pytest.mark.parametrize(
    ("status", "code", "kind", "our_code"),
    [
        (400, 21211, Refused, "invalid_recipient"),
        (400, 21610, Refused, "recipient_opted_out"),
        (400, 63016, Refused, "outside_window"),
        (400, 99999, Refused, "provider_refused"),
        (400, 21611, NotProcessed, "provider_queue_full"),
        (401, 20003, NotProcessed, "credentials_rejected"),
        (403, 20003, NotProcessed, "credentials_rejected"),
        (400, 30500, NotProcessed, "provider_error"),
        (400, 20500, Uncertain, "provider_error"),
        (500, 21211, Uncertain, "invalid_recipient"),
    ],
)
def test_a_code_decides_what_a_refusal_means(
    status: int, code: int, kind: type[Any], our_code: str
) -> None:
    outcome = outcome_of(answer(status, {"code": code, "message": "x", "status": status}))
    assert isinstance(outcome, kind)
    assert outcome.error.code == our_code
    assert outcome.error.provider_code == str(code)


def test_problem_details_are_read_like_any_refusal() -> None:
    """The library raises these as an exception that is no TwilioRestException."""
    problem = {"type": "about:blank", "title": "Bad", "status": 400, "code": 21610}
    outcome, _ = send_to(answering("400 Bad Request", json.dumps(problem).encode()))
    assert isinstance(outcome, Refused)
    assert outcome.error.code == "recipient_opted_out"


def test_rejected_credentials_pause_the_channel_and_burn_nothing(
    simulator: str, control: Control
) -> None:
    credentials = {"account_sid": DEMO_ACCOUNT_SID, "auth_token": "wrong"}
    outcome = TwilioClient(credentials, WEBHOOK_URL, timeout_seconds=5, base_url=simulator).send(
        a_message()
    )
    assert isinstance(outcome, NotProcessed)
    assert (outcome.fault, outcome.retry_after) == (Fault.CHANNEL, 60.0)


@given(st.integers(100, 599), st.text(), st.dictionaries(st.text(), st.text()))
def test_no_answer_breaks_the_reading_of_it(
    status: int, body: str, headers: dict[str, str]
) -> None:
    outcome = outcome_of(Response(status, body, headers))
    assert isinstance(outcome, Refused | NotProcessed | Uncertain)


def test_an_api_key_sends(simulator: str, control: Control) -> None:
    credentials = {
        "account_sid": DEMO_ACCOUNT_SID,
        "auth_token": "not used for sending",
        "api_key_sid": DEMO_API_KEY_SID,
        "api_key_secret": DEMO_API_KEY_SECRET,
    }
    client = TwilioClient(credentials, WEBHOOK_URL, timeout_seconds=5, base_url=simulator)
    assert isinstance(client.send(a_message()), Accepted)


def test_edge_and_region_of_the_environment_are_ignored(
    simulator: str, control: Control, demo_credentials: dict[str, str], monkeypatch: Any
) -> None:
    monkeypatch.setitem(os.environ, "TWILIO_EDGE", "dublin")
    monkeypatch.setitem(os.environ, "TWILIO_REGION", "ie1")
    client = TwilioClient(demo_credentials, WEBHOOK_URL, timeout_seconds=5, base_url=simulator)
    assert isinstance(client.send(a_message()), Accepted)


def test_sixteen_threads_each_get_their_own_answer(twilio: TwilioClient, control: Control) -> None:
    def send(number: int) -> tuple[str, str]:
        outcome = twilio.send(a_message({"type": "text", "body": f"n{number}"}))
        assert isinstance(outcome, Accepted)
        return f"n{number}", outcome.provider_message_id

    with ThreadPoolExecutor(16) as pool:
        ours = dict(pool.map(send, range(160)))
    listed = twilio.sent_messages(PHONE, SENDER)
    assert len(listed) == 160
    assert {row.body: row.provider_message_id for row in listed} == ours


def test_the_list_of_sent_messages_is_newest_first_and_only_ours(
    twilio: TwilioClient, control: Control
) -> None:
    for body in ("one", "two"):
        twilio.send(a_message({"type": "text", "body": body}))
    twilio.send(a_message(to="+573001234567"))
    control.call("POST", "/phones/+15551234567/messages", {"to": SENDER, "body": "hello"})
    listed = twilio.sent_messages(PHONE, SENDER)
    assert [row.body for row in listed] == ["two", "one"]
    assert listed[0].to == PHONE.value
    assert listed[0].status in {Status.ACCEPTED, Status.SENT, Status.DELIVERED, Status.READ}
    assert datetime.now(UTC) - listed[0].created_at < timedelta(seconds=30)


@pytest.mark.parametrize("behave", [answering("500 Oops"), resetting, answering("403 No")])
def test_a_list_that_cannot_be_had_says_so(behave: Behaviour) -> None:
    with serve(behave) as server:
        client = TwilioClient(CREDENTIALS, WEBHOOK_URL, timeout_seconds=1, base_url=server.url)
        with pytest.raises(ProviderUnavailable):
            client.sent_messages(PHONE, SENDER)


def test_verify_finds_the_sender(twilio: TwilioClient) -> None:
    found = twilio.verify(SENDER)
    assert (found.credentials_valid, found.owns_sender) == (True, True)


def test_verify_knows_a_stranger_s_number(twilio: TwilioClient) -> None:
    found = twilio.verify("+15550001111")
    assert (found.credentials_valid, found.owns_sender) == (True, False)


@pytest.mark.parametrize(
    "change",
    [
        {"auth_token": "wrong"},
        {"api_key_sid": DEMO_API_KEY_SID, "api_key_secret": "wrong"},
        {"account_sid": f"AC{'9' * 32}"},
    ],
    ids=["token", "api key", "account"],
)
def test_verify_finds_wrong_credentials(
    simulator: str, demo_credentials: dict[str, str], change: dict[str, str]
) -> None:
    credentials = {**demo_credentials, **change}
    found = TwilioClient(credentials, WEBHOOK_URL, timeout_seconds=5, base_url=simulator).verify(
        SENDER
    )
    assert found.credentials_valid is False


def test_a_server_without_a_list_of_senders_proves_no_ownership() -> None:
    account = b'{"sid": "AC", "status": "active"}'

    def behave(connection: Any) -> None:
        is_account = server.requests[-1].startswith(b"GET /2010-04-01/Accounts/")
        (answering("200 OK", account) if is_account else answering("404 No", b"{}"))(connection)

    with serve(behave) as server:
        client = TwilioClient(CREDENTIALS, WEBHOOK_URL, timeout_seconds=1, base_url=server.url)
        found = client.verify("+15550001111")
    assert (found.credentials_valid, found.owns_sender) == (True, None)


def test_the_shared_sandbox_number_is_nobody_s_and_says_so() -> None:
    found = check_sender([], f"whatsapp:{SENDER}")
    assert (found.credentials_valid, found.owns_sender) == (True, None)
    assert "sandbox" in found.detail


def test_verify_says_so_when_twilio_is_away() -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    with pytest.raises(ProviderUnavailable):
        TwilioClient(CREDENTIALS, WEBHOOK_URL, timeout_seconds=1, base_url=url).verify(SENDER)


def test_no_body_number_or_token_is_logged(
    simulator: str, control: Control, demo_credentials: dict[str, str], caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    client = TwilioClient(demo_credentials, WEBHOOK_URL, timeout_seconds=5, base_url=simulator)
    client.send(a_message({"type": "text", "body": "a secret text"}))
    client.sent_messages(PHONE, SENDER)
    for canary in ("a secret text", PHONE.value.lstrip("+"), demo_credentials["auth_token"]):
        assert canary not in caplog.text


def test_twilios_own_address_leaves_each_domain_on_its_own_host() -> None:
    credentials = {"account_sid": f"AC{'0' * 32}", "auth_token": "t" * 32}
    client = TwilioClient(
        credentials, WEBHOOK_URL, timeout_seconds=1, base_url="https://api.twilio.com/"
    )
    hosts = [each.base_url for each in (client._library.api, client._library.messaging)]
    assert hosts == ["https://api.twilio.com", "https://messaging.twilio.com"]
