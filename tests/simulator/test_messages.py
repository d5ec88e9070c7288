"""The official client can use the Messages resource as it uses the vendor's."""

from datetime import UTC, datetime, timedelta

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from simulator.demo import (
    DEMO_ACCOUNT_SID,
    DEMO_API_KEY_SECRET,
    DEMO_API_KEY_SID,
    DEMO_AUTH_TOKEN,
    DEMO_SERVICE_SID,
    OTRA_ACCOUNT_SID,
    OTRA_AUTH_TOKEN,
)
from tests.simulator.harness import MESSAGES, PERSON, SENDER, Simulator, wait_until


def test_a_created_message_has_the_whole_resource(client: Client) -> None:
    message = client.messages.create(to=PERSON, from_=SENDER, body="¡Hola desde la API!")
    assert message.sid is not None
    assert message.sid.startswith("SM")
    assert len(message.sid) == 34
    assert message.status == "queued"
    assert message.direction == "outbound-api"
    assert message.body == "¡Hola desde la API!"
    assert (message.to, message.from_) == (PERSON, SENDER)
    assert (message.num_media, message.num_segments) == ("0", "1")
    assert message.price is None
    assert message.error_code is None
    assert message.date_sent is None
    assert message.date_created is not None
    assert abs(datetime.now(UTC) - message.date_created) < timedelta(seconds=5)
    assert message.api_version == "2010-04-01"
    assert message.subresource_uris is not None
    assert message.uri is not None
    assert message.uri.endswith(f"/Messages/{message.sid}.json")


def test_the_answer_carries_the_vendor_headers(simulator: Simulator) -> None:
    answer = simulator.post(MESSAGES, {"To": PERSON, "From": SENDER, "Body": "x"})
    assert answer.status_code == 201
    assert answer.headers["Twilio-Request-Id"].startswith("RQ")
    assert answer.headers["Twilio-Concurrent-Requests"] == "1"
    assert float(answer.headers["Twilio-Request-Duration"]) >= 0


def test_a_message_is_fetched_until_it_is_read(client: Client) -> None:
    sid = client.messages.create(to=PERSON, from_=SENDER, body="x").sid
    read = wait_until(lambda: (m := client.messages(str(sid)).fetch()).status == "read" and m)
    assert read.date_sent is not None


def test_a_json_body_is_not_understood(simulator: Simulator) -> None:
    answer = requests.post(
        simulator.base + MESSAGES,
        json={"To": PERSON, "From": SENDER, "Body": "x"},
        auth=(DEMO_ACCOUNT_SID, DEMO_AUTH_TOKEN),
        timeout=5,
    )
    assert answer.json()["code"] == 21604


def test_the_list_pages_newest_first_and_stays_steady(client: Client) -> None:
    sids = [client.messages.create(to=PERSON, from_=SENDER, body=str(i)).sid for i in range(7)]
    first = client.messages.page(page_size=3)
    assert [m.sid for m in first] == sids[:-4:-1]
    client.messages.create(to=PERSON, from_=SENDER, body="late")
    second = first.next_page()
    assert second is not None
    assert [m.sid for m in second] == sids[3:0:-1]
    third = second.next_page()
    assert third is not None
    assert [m.sid for m in third] == [sids[0]]
    assert third.next_page() is None
    assert len(client.messages.list(page_size=2)) == 8
    assert len(client.messages.list(limit=5, page_size=2)) == 5


def test_the_list_filters(client: Client, simulator: Simulator) -> None:
    other = "whatsapp:+573001234567"
    client.messages.create(to=PERSON, from_=SENDER, body="one")
    client.messages.create(to=other, from_=SENDER, body="two")
    simulator.write(body="three")
    assert [m.body for m in client.messages.list(to=PERSON, from_=SENDER)] == ["one"]
    assert [m.body for m in client.messages.list(to=other)] == ["two"]
    assert [m.body for m in client.messages.list(from_=PERSON)] == ["three"]
    wait_until(lambda: all(m.date_sent for m in client.messages.list()))
    now = datetime.now(UTC)
    assert len(client.messages.list(date_sent_after=now - timedelta(minutes=1))) == 3
    assert client.messages.list(date_sent_before=now - timedelta(minutes=1)) == []
    assert len(client.messages.list(date_sent=now.date())) == 3
    assert client.messages.list(date_sent=now.date() - timedelta(days=2)) == []


def test_up_to_a_date_holds_the_whole_of_it(client: Client, simulator: Simulator) -> None:
    sent = simulator.write(body="x")["sent"]
    second = datetime.fromtimestamp(int(sent), UTC)
    assert len(client.messages.list(date_sent_before=second)) == 1
    assert client.messages.list(date_sent_before=second - timedelta(seconds=1)) == []
    assert len(client.messages.list(date_sent_before=second.date())) == 1


def redact_early(client: Client) -> int | None:
    """Redact a message right after its creation; return the error code of the refusal.

    Returns None when the message was already sent, so that it could be redacted.
    """
    sid = str(client.messages.create(to=PERSON, from_=SENDER, body="secret").sid)
    try:
        client.messages(sid).update(body="")
    except TwilioRestException as refused:
        return refused.code
    return None


def test_a_message_on_its_way_cannot_be_redacted(client: Client) -> None:
    assert 20009 in {redact_early(client) for _ in range(20)}


def test_a_message_that_is_done_can_be_redacted_and_deleted(client: Client) -> None:
    sid = str(client.messages.create(to=PERSON, from_=SENDER, body="secret").sid)
    wait_until(lambda: client.messages(sid).fetch().status == "read")
    assert client.messages(sid).update(body="").body == ""
    assert client.messages(sid).delete()
    with pytest.raises(TwilioRestException) as gone:
        client.messages(sid).fetch()
    assert (gone.value.status, gone.value.code) == (404, 20404)
    assert client.messages.list() == []


def test_feedback_is_taken(client: Client) -> None:
    sid = str(client.messages.create(to=PERSON, from_=SENDER, body="x").sid)
    assert client.messages(sid).feedback.create(outcome="confirmed").outcome == "confirmed"


def test_the_account_is_fetched(client: Client) -> None:
    assert client.api.accounts(DEMO_ACCOUNT_SID).fetch().friendly_name == "demo"


def test_an_api_key_of_the_account_is_accepted(simulator: Simulator) -> None:
    client = Client(DEMO_API_KEY_SID, DEMO_API_KEY_SECRET, DEMO_ACCOUNT_SID)
    client.api.base_url = simulator.base
    assert client.messages.create(to=PERSON, from_=SENDER, body="x").sid


@pytest.mark.parametrize("token", ["wrong", "", OTRA_AUTH_TOKEN])
def test_wrong_credentials_are_refused(simulator: Simulator, token: str) -> None:
    answer = simulator.post(MESSAGES, {"To": PERSON}, auth=(DEMO_ACCOUNT_SID, token))
    assert (answer.status_code, answer.json()["code"]) == (401, 20003)
    assert set(answer.json()) == {"code", "message", "more_info", "status"}


def test_no_credentials_are_refused(simulator: Simulator) -> None:
    answer = requests.get(simulator.base + MESSAGES, timeout=5)
    assert (answer.status_code, answer.json()["code"]) == (401, 20003)


def test_another_accounts_path_and_messages_are_not_found(
    client: Client, simulator: Simulator
) -> None:
    sid = str(client.messages.create(to=PERSON, from_=SENDER, body="x").sid)
    otra = simulator.client(OTRA_ACCOUNT_SID, OTRA_AUTH_TOKEN)
    with pytest.raises(TwilioRestException) as hidden:
        otra.messages(sid).fetch()
    assert hidden.value.code == 20404
    answer = simulator.post(MESSAGES, {"To": PERSON}, auth=(OTRA_ACCOUNT_SID, OTRA_AUTH_TOKEN))
    assert (answer.status_code, answer.json()["code"]) == (404, 20404)


def test_an_unknown_resource_is_not_found(simulator: Simulator) -> None:
    answer = simulator.post("/2010-04-01/Accounts/nothing/Here.json", {})
    assert (answer.status_code, answer.json()["code"]) == (404, 20404)


def test_a_messaging_service_accepts_and_then_picks_the_sender(client: Client) -> None:
    message = client.messages.create(to=PERSON, messaging_service_sid=DEMO_SERVICE_SID, body="x")
    assert (message.status, message.from_) == ("accepted", None)
    sid = str(message.sid)
    sent = wait_until(lambda: (m := client.messages(sid).fetch()).status == "read" and m)
    assert sent.from_ == SENDER


def test_a_scheduled_message_can_be_canceled(client: Client) -> None:
    message = client.messages.create(
        to=PERSON,
        messaging_service_sid=DEMO_SERVICE_SID,
        body="later",
        schedule_type="fixed",
        send_at=datetime.now(UTC) + timedelta(hours=1),
    )
    assert message.status == "scheduled"
    assert client.messages(str(message.sid)).update(status="canceled").status == "canceled"
    with pytest.raises(TwilioRestException):
        client.messages(str(message.sid)).update(status="canceled")


def test_a_rotated_token_fails_the_old_one(client: Client, simulator: Simulator) -> None:
    simulator.control("PUT", f"/accounts/{DEMO_ACCOUNT_SID}", {"auth_token": "new"})
    with pytest.raises(TwilioRestException) as expired:
        client.messages.create(to=PERSON, from_=SENDER, body="x")
    assert expired.value.code == 20003
    assert simulator.client(token="new").messages.list() == []
