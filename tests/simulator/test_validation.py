"""Requests that the vendor refuses at creation are refused with the vendor's error code."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from simulator.demo import DEMO_SERVICE_SID
from tests.simulator.harness import MESSAGES, PERSON, SENDER, Simulator, dumps

REMINDER = f"HX{1:032x}"
OTRAS = "whatsapp:+14155550199"
TOO_MANY = dumps({str(number): "x" for number in range(101)})


def _in(minutes: float) -> datetime:
    return datetime.now(UTC) + timedelta(minutes=minutes)


CASES: list[tuple[int, dict[str, Any]]] = [
    (21604, {"to": ""}),
    (21603, {"from_": ""}),
    (21619, {}),
    (21619, {"body": ""}),
    (21617, {"body": "x" * 1601}),
    (21211, {"to": "whatsapp:5551234", "body": "x"}),
    (21211, {"to": "whatsapp:+0123456789", "body": "x"}),
    (21211, {"to": "whatsapp:co.lower", "body": "x"}),
    (21606, {"to": "+15551234567", "from_": "+14155238886", "body": "x"}),
    (63007, {"from_": "whatsapp:+14155550000", "body": "x"}),
    (63007, {"from_": OTRAS, "body": "x"}),
    (21910, {"from_": "+14155238886", "body": "x"}),
    (21910, {"to": "+15551234567", "body": "x"}),
    (63031, {"to": SENDER, "body": "x"}),
    (21655, {"content_sid": "HX" + "f" * 32}),
    (21655, {"content_sid": "nonsense"}),
    (21656, {"content_sid": REMINDER, "content_variables": "not json"}),
    (21656, {"content_sid": REMINDER, "content_variables": "[1]"}),
    (21656, {"content_sid": REMINDER, "content_variables": dumps({"1": None})}),
    (21656, {"content_sid": REMINDER, "content_variables": dumps({"1": ""})}),
    (21656, {"content_sid": REMINDER, "content_variables": dumps({"1": {"a": 1}})}),
    (21656, {"content_sid": REMINDER, "content_variables": dumps({"k" * 17: "x"})}),
    (21656, {"content_sid": REMINDER, "content_variables": dumps({"1": "x" * 1601})}),
    (92002, {"content_sid": REMINDER, "content_variables": TOO_MANY}),
    (21623, {"media_url": ["http://127.0.0.1/x.png"] * 11}),
    (21620, {"media_url": ["file:///etc/passwd"]}),
    (21609, {"body": "x", "status_callback": "nonsense"}),
    (21609, {"body": "x", "status_callback": "https://example.com/?name=ñ"}),
    (21609, {"body": "x", "status_callback": "http://under_score.example/x"}),
    (21609, {"body": "x", "status_callback": "https://example.com/" + "x" * 4000}),
    (21645, {"body": "x", "persistent_action": ["geo:here"]}),
    (21701, {"from_": "", "messaging_service_sid": "MG" + "f" * 32, "body": "x"}),
    (21712, {"from_": OTRAS, "messaging_service_sid": DEMO_SERVICE_SID, "body": "x"}),
    (35118, {"body": "x", "schedule_type": "fixed", "send_at": _in(60)}),
    (35111, {"body": "x", "messaging_service_sid": DEMO_SERVICE_SID, "schedule_type": "fixed"}),
    (35126, {"body": "x", "messaging_service_sid": DEMO_SERVICE_SID, "send_at": _in(60)}),
    (20001, {"body": "x", "validity_period": 0}),
    (20001, {"body": "x", "validity_period": 36001}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "values"), CASES)
def test_each_mistake_has_its_code(client: Client, code: int, values: dict[str, Any]) -> None:
    with pytest.raises(TwilioRestException) as refused:
        client.messages.create(**{"to": PERSON, "from_": SENDER, **values})
    assert (refused.value.status, refused.value.code) == (400, code)
    assert client.messages.list() == []


@pytest.mark.parametrize("minutes", [1, 60 * 24 * 36])
def test_a_schedule_outside_its_range_is_refused(client: Client, minutes: float) -> None:
    with pytest.raises(TwilioRestException) as refused:
        client.messages.create(
            to=PERSON,
            messaging_service_sid=DEMO_SERVICE_SID,
            body="x",
            schedule_type="fixed",
            send_at=_in(minutes),
        )
    assert refused.value.code == 35114


def test_variables_given_as_an_object_are_refused(simulator: Simulator) -> None:
    """`requests` turns a dict, given instead of a JSON string, into repeated keys."""
    form = {
        "To": PERSON,
        "From": SENDER,
        "ContentSid": REMINDER,
        "ContentVariables": {"1": "Ana", "2": "lunes"},
    }
    answer = simulator.post(MESSAGES, form)
    assert (answer.status_code, answer.json()["code"]) == (400, 92007)


@pytest.mark.parametrize(
    "values",
    [
        {"body": "x" * 1600},
        {"body": "x", "validity_period": 36000},
        {"to": "whatsapp:CO.13491208655302741918", "body": "to a user id"},
        {"body": "Zócalo", "persistent_action": ["geo:19.4326,-99.1332|Zócalo"]},
        {"body": "x", "status_callback": "http://localhost:1/x?id=1#rc=0"},
    ],
)
def test_what_is_just_allowed_is_accepted(client: Client, values: dict[str, Any]) -> None:
    assert client.messages.create(**{"to": PERSON, "from_": SENDER, **values}).sid
