"""Templates and rich messages: the Content API, approval, rendering; and the senders."""

import json
from typing import Any

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client
from twilio.rest.content.v1.content import ContentList

from simulator.demo import DEMO_ACCOUNT_SID, DEMO_AUTH_TOKEN
from tests.simulator.harness import PERSON, SENDER, Simulator, wait_until

STRANGER = "whatsapp:+14155550142"


def _hx(number: int) -> str:
    return f"HX{number:032x}"


def _outcome(client: Client, **values: Any) -> tuple[str, int | None]:
    sid = str(client.messages.create(**{"from_": SENDER, **values}).sid)
    ends = ("failed", "undelivered", "delivered", "read")
    found = wait_until(lambda: (m := client.messages(sid).fetch()).status in ends and m)
    return found.status, found.error_code


def _content(client: Client, types: dict[str, Any]) -> str:
    answer = requests.post(
        client.content.base_url + "/v1/Content",
        json={"friendly_name": "test", "language": "en", "types": types},
        auth=(DEMO_ACCOUNT_SID, DEMO_AUTH_TOKEN),
        timeout=5,
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["sid"])


def test_a_template_is_rendered_with_its_variables(client: Client) -> None:
    variables = json.dumps({"1": "Luis", "2": "martes"})
    message = client.messages.create(
        to=PERSON, from_=SENDER, content_sid=_hx(1), content_variables=variables
    )
    assert message.body is not None
    assert message.body.startswith("Hola Luis, te recordamos tu cita del martes.")


def test_samples_fill_what_is_not_given(client: Client) -> None:
    message = client.messages.create(to=PERSON, from_=SENDER, content_sid=_hx(4))
    assert message.body == "Your order 1001 has a new state: on its way. Thank you."


@pytest.mark.parametrize(
    ("number", "to", "expected"),
    [
        (3, STRANGER, ("delivered", None)),
        (6, STRANGER, ("failed", 63040)),
        (7, STRANGER, ("failed", 63041)),
        (8, STRANGER, ("failed", 63016)),
        (9, STRANGER, ("failed", 63016)),
        (8, PERSON, ("delivered", None)),
        (9, PERSON, ("delivered", None)),
    ],
)
def test_outside_the_window_only_approved_templates_arrive(
    client: Client, simulator: Simulator, number: int, to: str, expected: tuple[str, int | None]
) -> None:
    simulator.control("PATCH", "/phones/+15551234567", {"auto_read": False})
    assert _outcome(client, to=to, content_sid=_hx(number)) == expected


def test_a_line_break_in_a_template_variable_fails(client: Client) -> None:
    variables = json.dumps({"1": "a\nb", "2": "x"})
    found = _outcome(client, to=PERSON, content_sid=_hx(3), content_variables=variables)
    assert found == ("failed", 63013)


def test_a_variable_without_value_or_sample_fails(client: Client) -> None:
    sid = _content(client, {"twilio/text": {"body": "Hello {{1}} there"}})
    assert _outcome(client, to=PERSON, content_sid=sid) == ("failed", 63028)


def test_what_needs_approval_fails_even_inside_the_window(client: Client) -> None:
    card = {"title": "t", "body": "b", "media": "http://x/y.png", "actions": []}
    sid = _content(client, {"twilio/carousel": {"body": "x", "cards": [card]}})
    assert _outcome(client, to=PERSON, content_sid=sid) == ("failed", 63005)
    actions = [{"type": "QUICK_REPLY", "title": str(i), "id": str(i)} for i in range(4)]
    sid = _content(client, {"twilio/quick-reply": {"body": "x", "actions": actions}})
    assert _outcome(client, to=PERSON, content_sid=sid) == ("failed", 63005)


def test_content_is_created_fetched_and_deleted_by_the_client(client: Client) -> None:
    request = ContentList.ContentCreateRequest(
        {
            "friendly_name": "hello",
            "language": "es",
            "variables": {"1": "Ana"},
            "types": ContentList.Types(
                {"twilio/text": ContentList.TwilioText({"body": "Hola {{1}}, bienvenida."})}
            ),
        }
    )
    made = client.content.v1.contents.create(request)
    sid = str(made.sid)
    found = client.content.v1.contents(sid).fetch()
    assert (found.friendly_name, found.language, found.variables) == ("hello", "es", {"1": "Ana"})
    assert found.types == {"twilio/text": {"body": "Hola {{1}}, bienvenida."}}
    assert client.content.v1.contents(sid).delete()
    with pytest.raises(TwilioRestException) as gone:
        client.content.v1.contents(sid).fetch()
    assert gone.value.code == 20404


def test_approval_is_asked_for_and_given(client: Client, simulator: Simulator) -> None:
    sid = _content(client, {"twilio/text": {"body": "Hello there"}})
    answer = requests.post(
        f"{simulator.base}/v1/Content/{sid}/ApprovalRequests/whatsapp",
        json={"name": "hello_there", "category": "UTILITY"},
        auth=(DEMO_ACCOUNT_SID, DEMO_AUTH_TOKEN),
        timeout=5,
    )
    assert (answer.status_code, answer.json()["status"]) == (201, "received")
    fetch = client.content.v1.contents(sid).approval_fetch()

    def status() -> Any:
        whatsapp = fetch.fetch().whatsapp
        return whatsapp and whatsapp["status"]

    assert wait_until(lambda: status() == "approved")
    simulator.control("PUT", f"/contents/{sid}", {"status": "paused"})
    assert status() == "paused"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"language": "es"},
        {"language": "es", "types": {"twilio/text": {}}},
        {"language": "es", "types": {"twilio/none": {"body": "x"}}},
        {
            "language": "es",
            "types": {"twilio/quick-reply": {"body": "x", "actions": [{"title": "x" * 21}]}},
        },
        {
            "language": "es",
            "types": {"twilio/list-picker": {"body": "x", "button": "y", "items": [{}] * 11}},
        },
    ],
)
def test_invalid_content_is_refused(simulator: Simulator, body: dict[str, Any]) -> None:
    answer = requests.post(
        simulator.base + "/v1/Content",
        json=body,
        auth=(DEMO_ACCOUNT_SID, DEMO_AUTH_TOKEN),
        timeout=5,
    )
    assert answer.status_code == 400


def test_the_lists_page_and_filter(client: Client) -> None:
    assert len(client.content.v1.contents.list(page_size=2)) == 9
    approvals = client.content.v1.content_and_approvals.list()
    status = {c.sid: c.approval_requests["status"] for c in approvals if c.approval_requests}
    assert (status[_hx(1)], status[_hx(6)], status[_hx(7)]) == ("approved", "rejected", "paused")
    spanish = client.content.v2.contents.list(language=["es"])
    assert {c.language for c in spanish} == {"es"}
    approved = client.content.v2.content_and_approvals.list(
        channel_eligibility=["whatsapp:approved"], page_size=1
    )
    assert len(approved) == 5


def test_the_senders_are_listed_and_fetched(client: Client) -> None:
    (sender,) = client.messaging.v2.channels_senders.list(channel="whatsapp")
    assert (sender.sender_id, sender.status) == (SENDER, "ONLINE")
    found = client.messaging.v2.channels_senders(str(sender.sid)).fetch()
    assert found.sender_id == SENDER
