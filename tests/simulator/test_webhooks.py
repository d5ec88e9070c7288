"""The official validator accepts the simulator's webhooks."""

import pytest
from twilio.request_validator import (
    SIGNATURE_HEADER,
    SIGNATURE_SETTINGS_HEADER,
    RequestValidator,
    get_signature_algorithm,
)
from twilio.rest import Client

from simulator.demo import DEMO_ACCOUNT_SID, DEMO_AUTH_TOKEN
from simulator.twilio.signing import sign
from simulator.twilio.webhooks import Overrides
from tests.simulator.harness import PERSON, SENDER, Received, Receiver, Simulator, wait_until


def _valid(receiver: Receiver, seen: Received, token: str = DEMO_AUTH_TOKEN) -> bool:
    algorithm = get_signature_algorithm(seen.headers.get(SIGNATURE_SETTINGS_HEADER))
    validator = RequestValidator(token)
    url, signature = receiver.base + seen.path, seen.headers[SIGNATURE_HEADER]
    return bool(validator.validate(url, seen.form, signature, algorithm))


def test_the_official_vector_is_reproduced() -> None:
    parameters = [
        ("To", "+18005551212"),
        ("CallSid", "CA1234567890ABCDE"),
        ("Digits", "1234"),
        ("From", "+12349013030"),
        ("Caller", "+12349013030"),
    ]
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert sign("12345", url, parameters) == "0/KCTR6DLpKmkAf8muzZqo1nDgQ="


def test_status_callbacks_are_signed_and_complete(client: Client, receiver: Receiver) -> None:
    url = receiver.base + "/status?id=n-1%2F2&b=%20x#rc=2"
    sid = client.messages.create(to=PERSON, from_=SENDER, body="x", status_callback=url).sid
    wait_until(lambda: receiver.statuses(sid) == ["sent", "delivered", "read"])
    for seen in receiver.seen:
        assert seen.path == "/status?id=n-1%2F2&b=%20x"
        assert _valid(receiver, seen)
        assert not _valid(receiver, seen, "another token")
        assert seen.headers["I-Twilio-Idempotency-Token"]
        form = seen.form
        assert form["MessageSid"] == form["SmsSid"] == sid
        assert form["MessageStatus"] == form["SmsStatus"]
        assert (form["From"], form["To"]) == (SENDER, PERSON)
        assert form["AccountSid"] == DEMO_ACCOUNT_SID
        assert (form["ChannelPrefix"], form["ApiVersion"]) == ("whatsapp", "2010-04-01")
        assert form["ChannelInstallSid"].startswith("XE")
    assert [s.form.get("EventType") for s in receiver.seen] == [None, "DELIVERED", "READ"]


def test_inbound_webhooks_are_signed(simulator: Simulator, receiver: Receiver) -> None:
    simulator.write(body="  ¡Hola! 👋 & = +  ")
    (seen,) = receiver.inbound()
    assert seen.form["Body"] == "  ¡Hola! 👋 & = +  "
    assert _valid(receiver, seen)


def test_the_shared_key_mode_signs_with_sha256(simulator: Simulator, receiver: Receiver) -> None:
    key = {"id": "webhooks_sharedkey_1", "secret": "shared secret"}
    simulator.control("PUT", f"/accounts/{DEMO_ACCOUNT_SID}", {"shared_key": key})
    simulator.write(body="hola")
    (seen,) = receiver.inbound()
    settings = seen.headers[SIGNATURE_SETTINGS_HEADER]
    assert settings == "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"
    assert _valid(receiver, seen, "shared secret")
    assert not _valid(receiver, seen, DEMO_AUTH_TOKEN)


def test_the_senders_status_url_is_used_when_the_message_has_none(
    client: Client, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.control("PUT", f"/senders/{SENDER}", {"status_url": receiver.base + "/default"})
    client.messages.create(to=PERSON, from_=SENDER, body="x")
    wait_until(lambda: len(receiver.statuses()) == 3)
    assert {seen.path for seen in receiver.seen} == {"/default"}


def test_a_5xx_is_not_retried_unless_the_fragment_says_so(
    simulator: Simulator, receiver: Receiver
) -> None:
    receiver.answers = [(500, "text/plain", "")]
    message = simulator.write(body="lost")
    assert message["webhook_status"] == 500
    assert len(receiver.inbound()) == 1
    assert simulator.log("error")[0]["code"] == 11200
    simulator.control("PUT", f"/senders/{SENDER}", {"inbound_url": receiver.url + "#rc=2&rp=5xx"})
    receiver.clear()
    receiver.answers = [(500, "text/plain", ""), (503, "text/plain", "")]
    assert simulator.write(body="kept")["webhook_status"] == 204
    first, second, third = receiver.inbound()
    tokens = {seen.headers["I-Twilio-Idempotency-Token"] for seen in (first, second, third)}
    assert len(tokens) == 1
    assert first.form == third.form


def test_a_refused_connection_is_retried_once(simulator: Simulator) -> None:
    simulator.control("PUT", f"/senders/{SENDER}", {"inbound_url": "http://127.0.0.1:9/x"})
    simulator.write(body="nobody there")
    attempts = simulator.log("webhook")
    assert [(a["attempt"], a["failure"]) for a in attempts] == [(1, "ct"), (2, "ct")]


def test_the_fallback_is_called_after_a_failure(simulator: Simulator, receiver: Receiver) -> None:
    fallback = receiver.base + "/fallback"
    simulator.control("PUT", f"/senders/{SENDER}", {"fallback_url": fallback})
    receiver.answers = [(500, "text/plain", "")]
    simulator.write(body="x")
    first, second = receiver.seen
    assert (first.path, second.path) == ("/hook", "/fallback")
    assert second.form["ErrorCode"] == "11200"
    assert _valid(receiver, second)


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("", (1, {"ct"}, 15000)),
        ("rc=9&rp=4xx,rt&rt=1", (5, {"4xx", "rt"}, 100)),
        ("rc=x&rt=99999", (1, {"ct"}, 15000)),
    ],
)
def test_fragments_are_kept_in_their_ranges(
    fragment: str, expected: tuple[int, set[str], int]
) -> None:
    found = Overrides.parse(fragment)
    assert (found.retries, set(found.retry_on), found.read_ms) == expected


def test_twiml_replies_reach_the_person(simulator: Simulator, receiver: Receiver) -> None:
    text = (
        "<Response><Message>plain</Message>"
        '<Message statusCallback="/status"><Body>a &amp; b</Body></Message></Response>'
    )
    receiver.answers = [(200, "text/xml", text)]
    simulator.write(body="hola")
    wait_until(lambda: receiver.statuses() == ["sent", "delivered", "read"])
    chat = simulator.control("GET", "/phones/+15551234567/messages")["messages"]
    assert [m["body"] for m in chat] == ["hola", "plain", "a & b"]
    assert chat[1]["direction"] == "outbound-reply"


def test_an_empty_response_sends_nothing(simulator: Simulator, receiver: Receiver) -> None:
    receiver.answers = [(200, "text/xml", "<Response/>")]
    simulator.write(body="hola")
    assert len(simulator.control("GET", "/messages")["messages"]) == 1
    assert simulator.log("error") == []


def test_a_redirect_asks_again(simulator: Simulator, receiver: Receiver) -> None:
    redirect = "<Response><Redirect>/next</Redirect></Response>"
    receiver.answers = [
        (200, "text/xml", redirect),
        (200, "text/xml", "<Response><Message>second</Message></Response>"),
    ]
    simulator.write(body="hola")
    assert [seen.path for seen in receiver.seen] == ["/hook", "/next"]
    assert _valid(receiver, receiver.seen[1])
    chat = simulator.control("GET", "/phones/+15551234567/messages")["messages"]
    assert chat[-1]["body"] == "second"


@pytest.mark.parametrize(
    ("kind", "text", "code"),
    [
        ("text/xml", "<Response>", 12100),
        ("text/xml", "<!DOCTYPE x [<!ENTITY a 'b'>]><Response/>", 12100),
        ("text/xml", "<Other/>", 12100),
        ("application/json", '{"ok": true}', 12300),
    ],
)
def test_a_bad_answer_is_logged(
    simulator: Simulator, receiver: Receiver, kind: str, text: str, code: int
) -> None:
    receiver.answers = [(200, kind, text)]
    simulator.write(body="hola")
    assert [entry["code"] for entry in simulator.log("error")] == [code]
