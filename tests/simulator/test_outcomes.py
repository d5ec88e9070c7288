"""The outcome of a message: scripted numbers, the window, and phones that are off."""

import time

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from simulator.outcomes import outcome_for, table
from tests.simulator.harness import PERSON, SENDER, Receiver, Simulator, wait_until

STRANGER = "+14155550142"


def _send(client: Client, receiver: Receiver, number: str, **values: str) -> str:
    url = receiver.base + "/status"
    values = values or {"body": "x"}
    message = client.messages.create(
        to="whatsapp:" + number, from_=SENDER, status_callback=url, **values
    )
    return str(message.sid)


@pytest.mark.parametrize(
    ("number", "ends", "code"),
    [
        ("+15550063016", ["failed"], 63016),
        ("+15550063015", ["failed"], 63015),
        ("+15550063024", ["sent", "undelivered"], 63024),
        ("+15550063003", ["sent", "undelivered"], 63003),
        ("+15550063018", ["sent", "undelivered"], 63018),
        ("+15550030008", ["sent", "undelivered"], 30008),
    ],
)
def test_numbers_with_a_code_fail_with_it(
    client: Client, receiver: Receiver, number: str, ends: list[str], code: int
) -> None:
    sid = _send(client, receiver, number)
    wait_until(lambda: receiver.statuses(sid) == ends)
    form = receiver.seen[-1].form
    assert form["ErrorCode"] == str(code)
    assert form["ChannelStatusMessage"]
    fetched = client.messages(sid).fetch()
    assert (fetched.status, fetched.error_code) == (ends[-1], code)


@pytest.mark.parametrize(
    ("number", "ends"),
    [
        ("+15550100001", ["sent", "delivered"]),
        ("+15550100002", ["sent", "delivered", "read"]),
        ("+15550100003", ["sent"]),
        ("+15550100005", []),
        ("+15550100006", ["sent", "sent", "delivered", "delivered", "read", "read"]),
        ("+15550100007", ["delivered", "sent", "read"]),
    ],
)
def test_behaviours_play_out(
    client: Client, simulator: Simulator, receiver: Receiver, number: str, ends: list[str]
) -> None:
    sid = _send(client, receiver, number)
    last = "read" if number > "+15550100004" else (ends or ["read"])[-1]
    wait_until(lambda: client.messages(sid).fetch().status == last)
    wait_until(lambda: len(receiver.statuses(sid)) >= len(ends))
    time.sleep(0.25)
    assert receiver.statuses(sid) == ends


def test_the_slow_number_is_slow(client: Client, receiver: Receiver) -> None:
    sid = _send(client, receiver, "+15550100004")
    wait_until(lambda: receiver.statuses(sid) == ["sent"])
    time.sleep(0.3)
    assert receiver.statuses(sid) == ["sent"]


def test_the_early_number_calls_back_before_the_answer(client: Client, receiver: Receiver) -> None:
    sid = _send(client, receiver, "+15550100008")
    assert receiver.statuses(sid) == ["sent"]
    wait_until(lambda: receiver.statuses(sid) == ["sent", "delivered", "read"])


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        ("+15550020429", 429, 20429),
        ("+15550020500", 500, 20500),
        ("+15550021610", 400, 21610),
        ("+15550021211", 400, 21211),
        ("+15550020003", 401, 20003),
    ],
)
def test_numbers_refused_at_create(client: Client, number: str, status: int, code: int) -> None:
    with pytest.raises(TwilioRestException) as refused:
        client.messages.create(to="whatsapp:" + number, from_=SENDER, body="x")
    assert (refused.value.status, refused.value.code) == (status, code)
    assert client.messages.list() == []


def test_every_listed_number_has_a_script() -> None:
    assert len(table()) >= 20
    assert all(row["text"] and row["text_es"] for row in table())
    assert outcome_for("+15551234567") is None


def test_a_stranger_gets_templates_only(client: Client, receiver: Receiver) -> None:
    free = _send(client, receiver, STRANGER)
    wait_until(lambda: receiver.statuses(free) == ["failed"])
    assert receiver.seen[0].form["ErrorCode"] == "63016"
    template = _send(client, receiver, STRANGER, content_sid=f"HX{3:032x}")
    wait_until(lambda: receiver.statuses(template) == ["sent", "delivered"])


def test_writing_opens_the_window_and_time_closes_it(
    client: Client, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.write(STRANGER, body="hola")
    sid = _send(client, receiver, STRANGER)
    wait_until(lambda: receiver.statuses(sid) == ["sent", "delivered"])
    path = f"/phones/{STRANGER}/window"
    simulator.control("POST", path, {"last_inbound": time.time() - 24 * 3600 + 60})
    still = _send(client, receiver, STRANGER)
    wait_until(lambda: receiver.statuses(still) == ["sent", "delivered"])
    simulator.control("POST", path, {"action": "expire", "sender": SENDER})
    late = _send(client, receiver, STRANGER)
    wait_until(lambda: receiver.statuses(late) == ["failed"])
    simulator.control("POST", path, {"action": "open"})
    again = _send(client, receiver, STRANGER)
    wait_until(lambda: receiver.statuses(again) == ["sent", "delivered"])


def test_the_window_is_per_sender(client: Client, simulator: Simulator) -> None:
    simulator.write(STRANGER, body="hola", to="+14155550199")
    sid = str(client.messages.create(to="whatsapp:" + STRANGER, from_=SENDER, body="x").sid)
    wait_until(lambda: client.messages(sid).fetch().error_code == 63016)


def test_a_phone_that_is_off_gets_its_messages_later(
    client: Client, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.control("PATCH", "/phones/+15551234567", {"online": False})
    sid = _send(client, receiver, "+15551234567")
    wait_until(lambda: receiver.statuses(sid) == ["sent"])
    time.sleep(0.1)
    assert receiver.statuses(sid) == ["sent"]
    simulator.control("PATCH", "/phones/+15551234567", {"online": True})
    wait_until(lambda: receiver.statuses(sid) == ["sent", "delivered", "read"])


def test_a_phone_reads_when_the_person_looks(
    client: Client, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.control("PATCH", "/phones/+15551234567", {"auto_read": False})
    sid = _send(client, receiver, "+15551234567")
    wait_until(lambda: receiver.statuses(sid) == ["sent", "delivered"])
    time.sleep(0.25)
    assert client.messages(sid).fetch().status == "delivered"
    read = simulator.control("POST", "/phones/+15551234567/read", {"sender": SENDER})
    assert read == {"read": [sid]}
    wait_until(lambda: receiver.statuses(sid) == ["sent", "delivered", "read"])


def test_a_message_to_a_user_id_arrives(client: Client, receiver: Receiver) -> None:
    sid = _send(client, receiver, "CO.13491208655302741918")
    wait_until(lambda: receiver.statuses(sid) == ["sent", "delivered", "read"])
    assert receiver.seen[-1].form["ExternalUserId"] == "whatsapp:CO.13491208655302741918"


def test_a_number_with_a_user_id_is_reached_by_both(client: Client, simulator: Simulator) -> None:
    for address in ("+525512345679", "MX.20418893377105562031"):
        client.messages.create(to="whatsapp:" + address, from_=SENDER, body=address)
    chat = simulator.control("GET", "/phones/+525512345679/messages")["messages"]
    assert [m["to"] for m in chat] == [
        "whatsapp:+525512345679",
        "whatsapp:MX.20418893377105562031",
    ]
    assert PERSON not in {m["to"] for m in chat}
