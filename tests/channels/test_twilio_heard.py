"""Twilio's list of incoming messages, a page at a time, and what it leaves out of each."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from app.channels.providers.base import HeardMessage, HeardPage, Listing, ProviderUnavailable
from app.channels.providers.twilio import client as client_module
from app.channels.providers.twilio.client import TwilioClient
from app.channels.providers.twilio.parser import event_key, parse
from simulator.demo import DEMO_ACCOUNT_SID
from tests.channels.conftest import WEBHOOK_URL, Control
from tests.channels.local_server import Behaviour, answering, resetting, serve
from tests.channels.test_twilio_client import CREDENTIALS, SENDER, a_message


def incoming(since: datetime, page: str | None = None) -> Listing:
    return Listing(SENDER, since, page=page)


def a_minute_ago() -> datetime:
    return datetime.now(UTC) - timedelta(minutes=1)


def test_heard_messages_read_like_their_webhooks(twilio: TwilioClient, control: Control) -> None:
    path = "/phones/+15551234567/messages"
    control.call("POST", path, {"to": SENDER, "body": "first & second\n"})
    control.call("POST", path, {"to": SENDER, "kind": "image", "body": "look"})
    twilio.send(a_message())
    picture, words = twilio.heard_messages(incoming(a_minute_ago())).messages
    assert (words.is_whole, picture.is_whole) == (True, False)
    whole = twilio.complete(picture)
    assert whole.is_whole
    text, image = parse(words.raw), parse(whole.raw)
    assert (text.type, text.body) == ("text", "first & second\n")  # type: ignore[union-attr]
    assert image.type == "image"  # type: ignore[union-attr]
    media = image.content["media"]  # type: ignore[union-attr]
    assert media[0]["mime_type"].startswith("image/")
    assert f"/{picture.provider_message_id}/Media/ME" in media[0]["url"]
    assert dict(parse_qsl(words.raw))["AccountSid"] == DEMO_ACCOUNT_SID
    assert event_key(picture.raw) == event_key(whole.raw)


def test_heard_messages_come_in_pages(
    twilio: TwilioClient, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "PAGE_SIZE", 2)
    for number in range(5):
        body = {"to": SENDER, "body": str(number)}
        control.call("POST", "/phones/+15551234567/messages", body)
    since, heard, page = a_minute_ago(), [], None
    for _ in range(3):
        found = twilio.heard_messages(incoming(since, page))
        heard += [dict(parse_qsl(each.raw))["Body"] for each in found.messages]
        page = found.next_page
        control.call("POST", "/phones/+15551234567/messages", {"to": SENDER, "body": "new"})
    assert (heard, page) == (["4", "3", "2", "1", "0"], None)


def test_only_the_span_that_was_asked_for_is_heard(twilio: TwilioClient, control: Control) -> None:
    control.call("POST", "/phones/+15551234567/messages", {"to": SENDER, "body": "now"})
    now = datetime.now(UTC)
    later = incoming(now + timedelta(seconds=5))
    assert twilio.heard_messages(later) == HeardPage([])
    earlier = Listing(SENDER, now - timedelta(hours=1), until=now - timedelta(minutes=1))
    assert twilio.heard_messages(earlier) == HeardPage([])


def test_a_page_of_another_account_is_not_asked_for(twilio: TwilioClient) -> None:
    for page in (f"/2010-04-01/Accounts/AC{'1' * 32}/Messages.json?Page=1", "https://x.example/"):
        with pytest.raises(ProviderUnavailable):
            twilio.heard_messages(incoming(a_minute_ago(), page))


def test_a_page_that_leads_to_itself_or_elsewhere_is_no_page() -> None:
    ours = f"/2010-04-01/Accounts/{CREDENTIALS['account_sid']}/Messages.json?Page=1"
    for next_page in (ours, "/2010-04-01/Accounts.json", 7):
        body = json.dumps({"messages": [], "next_page_uri": next_page}).encode()
        with serve(answering("200 OK", body)) as server:
            client = TwilioClient(CREDENTIALS, WEBHOOK_URL, timeout_seconds=1, base_url=server.url)
            with pytest.raises(ProviderUnavailable):
                client.heard_messages(incoming(a_minute_ago(), ours))


def listed_row(**changes: Any) -> dict[str, Any]:
    return {
        "sid": f"SM{'a' * 32}",
        "account_sid": CREDENTIALS["account_sid"],
        "direction": "inbound",
        "from": "whatsapp:+15551234567",
        "to": f"whatsapp:{SENDER}",
        "body": "hello",
        "num_media": "0",
        "date_created": "Fri, 20 Nov 2026 10:00:00 +0000",
        **changes,
    }


@pytest.mark.parametrize(
    "odd",
    [
        listed_row(date_created=None),
        listed_row(date_created=7),
        listed_row(date_created="Fri, 99 Nov 2026 10:00:00 +0000"),
        listed_row(direction=None),
        listed_row(direction="sideways"),
        listed_row(sid=None),
        None,
        "text",
        {},
    ],
)
def test_a_row_that_cannot_be_read_does_not_hide_the_others(odd: Any) -> None:
    body = json.dumps({"messages": [listed_row(), odd, listed_row()]}).encode()
    with serve(answering("200 OK", body)) as server:
        client = TwilioClient(CREDENTIALS, WEBHOOK_URL, timeout_seconds=1, base_url=server.url)
        found = client.heard_messages(incoming(a_minute_ago()))
    assert (len(found.messages), found.unreadable) == (2, 1)


def test_a_message_without_its_first_date_has_another() -> None:
    row = listed_row(date_created=None, date_sent="Fri, 20 Nov 2026 10:00:01 +0000")
    with serve(answering("200 OK", json.dumps({"messages": [row]}).encode())) as server:
        client = TwilioClient(CREDENTIALS, WEBHOOK_URL, timeout_seconds=1, base_url=server.url)
        (message,) = client.heard_messages(incoming(a_minute_ago())).messages
    assert message.created_at == datetime(2026, 11, 20, 10, 0, 1, tzinfo=UTC)


def test_media_that_were_deleted_are_done_without() -> None:
    row = listed_row(num_media="1", body="look")
    with serve(answering("200 OK", json.dumps({"messages": [row]}).encode())) as server:
        client = TwilioClient(CREDENTIALS, WEBHOOK_URL, timeout_seconds=1, base_url=server.url)
        (message,) = client.heard_messages(incoming(a_minute_ago())).messages
    with serve(answering("404 Not Found", b'{"code": 20404, "message": "gone"}')) as server:
        client = TwilioClient(CREDENTIALS, WEBHOOK_URL, timeout_seconds=1, base_url=server.url)
        whole = client.complete(message)
    assert (message.is_whole, whole.is_whole) == (False, True)
    found = parse(whole.raw)
    assert (found.type, found.body) == ("text", "look")  # type: ignore[union-attr]


@pytest.mark.parametrize("behave", [answering("500 Oops"), resetting, answering("403 No")])
def test_what_cannot_be_had_says_so(behave: Behaviour) -> None:
    heard = HeardMessage("MM1", "in:MM1", "MessageSid=MM1\n", a_minute_ago(), is_whole=False)
    with serve(behave) as server:
        client = TwilioClient(CREDENTIALS, WEBHOOK_URL, timeout_seconds=1, base_url=server.url)
        with pytest.raises(ProviderUnavailable):
            client.heard_messages(incoming(a_minute_ago()))
        with pytest.raises(ProviderUnavailable):
            client.complete(heard)
