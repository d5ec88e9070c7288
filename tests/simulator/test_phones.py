"""Phones: their order, what they show, when they read, and their window."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from twilio.rest import Client

from simulator.demo import README_PHONE
from tests.simulator.harness import PERSON, SENDER, Receiver, Simulator, running, wait_until

READY_MADE = [
    README_PHONE,
    "+5215512345678",
    "+573001234567",
    "+525512345679",
    "CO.13491208655302741918",
]


def _phones(simulator: Simulator) -> list[dict[str, Any]]:
    phones: list[dict[str, Any]] = simulator.control("GET", "/phones")["phones"]
    return phones


def _phone(simulator: Simulator, key: str = README_PHONE) -> dict[str, Any]:
    return next(phone for phone in _phones(simulator) if phone["key"] == key)


def _send(client: Client, body: str = "x", to: str = README_PHONE) -> str:
    return str(client.messages.create(to=f"whatsapp:{to}", from_=SENDER, body=body).sid)


def _status(client: Client, sid: str) -> str:
    return str(client.messages(sid).fetch().status)


def _events(simulator: Simulator, method: str, path: str, data: Any) -> list[dict[str, Any]]:
    """Return what an open page is told of one call, up to its first event about a phone."""
    found: list[dict[str, Any]] = []
    with requests.get(simulator.base + "/phone/events", stream=True, timeout=5) as stream:
        lines = stream.iter_lines(chunk_size=1)
        assert next(lines) == b"retry: 1000"
        simulator.control(method, path, data)
        for line in lines:
            if line.startswith(b"data: "):
                found.append(json.loads(line[6:]))
                if found[-1]["type"] == "phone":
                    break
    return found


def test_the_order_of_the_phones_is_that_of_their_addition(
    receiver: Receiver, tmp_path: Path
) -> None:
    added = ["+14155550190", "+14155550110", "+14155550150"]
    state = str(tmp_path / "state.db")
    with running(receiver, state=state) as first:
        for number in added:
            first.control("POST", "/phones", {"number": number})
        first.write(added[2], body="hola")
        first.control("PATCH", f"/phones/{added[0]}", {"name": "Ana"})
        first.control("PATCH", "/phones/+573001234567", {"name": "Luis"})
        assert [phone["key"] for phone in _phones(first)] == READY_MADE + added
    with running(receiver, state=state) as second:
        shown = _phones(second)
        assert [phone["key"] for phone in shown] == READY_MADE + added
        assert [phone["seq"] for phone in shown] == list(range(1, 9))
        assert _phone(second, "+573001234567")["name"] == "Luis"


def test_a_phone_shows_its_last_message(client: Client, simulator: Simulator) -> None:
    assert _phone(simulator)["last_message"] is None
    sid = _send(client, "from the business")
    wait_until(lambda: (_phone(simulator)["last_message"] or {}).get("sid") == sid)
    written = simulator.write(body="from the person")
    assert _phone(simulator)["last_message"]["sid"] == written["sid"]


def test_what_is_not_on_the_phone_is_not_its_last_message(
    client: Client, simulator: Simulator
) -> None:
    sid = _send(client, to="+15550063024")
    wait_until(lambda: _status(client, sid) == "undelivered")
    phones = simulator.control("GET", "/phones?all=1")["phones"]
    phone = next(each for each in phones if each["key"] == "+15550063024")
    assert (phone["last_message"], phone["unread"]) == (None, 0)


def test_a_phone_that_does_not_read_by_itself_sends_no_receipt(
    client: Client, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.control("PATCH", f"/phones/{README_PHONE}", {"auto_read": False})
    sid = str(
        client.messages.create(
            to=PERSON, from_=SENDER, body="x", status_callback=receiver.base + "/status"
        ).sid
    )
    wait_until(lambda: receiver.statuses(sid) == ["sent", "delivered"])
    time.sleep(0.4)
    assert receiver.statuses(sid) == ["sent", "delivered"]
    assert simulator.log("read") == []
    assert _phone(simulator)["unread"] == 1
    assert simulator.control("POST", f"/phones/{README_PHONE}/read", {})["read"] == [sid]
    wait_until(lambda: receiver.statuses(sid) == ["sent", "delivered", "read"])
    assert _phone(simulator)["unread"] == 0


@pytest.mark.parametrize("values", [{"auto_read": False}, {"online": False}])
def test_a_switch_counts_until_the_moment_of_reading(
    receiver: Receiver, values: dict[str, bool]
) -> None:
    with running(receiver, read_after=8.0) as simulator:
        client = simulator.client()
        sid = _send(client)
        wait_until(lambda: _status(client, sid) == "delivered")
        simulator.control("PATCH", f"/phones/{README_PHONE}", values)
        time.sleep(1.2)
        assert _status(client, sid) == "delivered"
        back = dict.fromkeys(values, True)
        simulator.control("PATCH", f"/phones/{README_PHONE}", back)
        wait_until(lambda: _status(client, sid) == "read")


def test_the_window_is_told_truly_after_each_change(simulator: Simulator) -> None:
    path = f"/phones/{README_PHONE}/window"
    for action, is_open in (("expire", False), ("open", True), ("expire", False)):
        answer = simulator.control("POST", path, {"action": action, "sender": SENDER})
        assert answer["windows"][SENDER]["open"] is is_open
        window = _phone(simulator)["windows"][SENDER]
        assert window["open"] is is_open
        assert (window["closes_at"] > time.time()) is is_open


def test_open_pages_are_told_of_the_window(simulator: Simulator) -> None:
    path = f"/phones/{README_PHONE}"
    (event,) = _events(simulator, "POST", path + "/window", {"action": "expire"})
    assert event["phone"]["windows"][SENDER]["open"] is False
    event = _events(simulator, "POST", path + "/messages", {"to": SENDER, "body": "hola"})[0]
    assert event["phone"]["windows"][SENDER]["open"] is True
