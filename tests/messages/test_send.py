"""The answers of the send endpoints, and what each request writes to the database."""

import json
from typing import Any
from uuid import UUID

import pytest

from app import db
from app.common.ids import new_id
from app.messages import repository, sending_repository
from app.models import Channel, Message, Priority, Role, Tenant
from tests.common.census import row_counts
from tests.conftest import SignIn
from tests.factories import (
    ApiClient,
    create_api_key,
    create_channel,
    create_contact,
    create_conversation,
)

TEMPLATE = f"HX{3:032d}"
TEXT = {"to_number": "+15551234567", "body": "¡Hola!"}
SENDS = {
    "/api/send": TEXT,
    "/api/send-message": {"phone": "+15551234567", "message": "¡Hola!", "use_queue": True},
}


@pytest.fixture
def channel(tenant: Tenant) -> Channel:
    return create_channel(tenant.id, is_default=True)


def sent(client: ApiClient, path: str = "/api/send", **body: Any) -> Message:
    """Return the row that this request created."""
    answer = client.post(path, body)
    assert answer.status_code == 202, answer.json
    return stored(client.tenant_id, answer.json["message_id"])


def stored(tenant_id: UUID, message_id: str) -> Message:
    with db.tenant_session(tenant_id) as session:
        found = repository.get(session, tenant_id, UUID(message_id))
        assert found is not None
        return found


def refusal(client: ApiClient, body: Any, path: str = "/api/send") -> tuple[int, str]:
    """Return status and error code of a refused send, which must write no rows."""
    before = row_counts(client.tenant_id)
    answer = client.post(path, body)
    assert row_counts(client.tenant_id) == before
    return answer.status_code, answer.json["code"]


@pytest.mark.parametrize("path", SENDS)
def test_a_queued_send_answers_202_with_the_id_of_a_durable_row(
    signed_in: ApiClient, channel: Channel, path: str
) -> None:
    answer = signed_in.post(path, SENDS[path])
    assert answer.status_code == 202
    message = stored(signed_in.tenant_id, answer.json["message_id"])
    assert answer.json == {
        "success": True,
        "message_id": str(message.id),
        "message_sid": None,
        "status": "queued",
    }
    assert (message.body, message.to_number, message.from_number, message.sender) == (
        "¡Hola!",
        "+15551234567",
        channel.phone_number,
        "user",
    )


@pytest.mark.parametrize(
    ("spelling", "address"),
    [
        ("whatsapp:+15551234567", "+15551234567"),
        ("+15551234567", "+15551234567"),
        ("15551234567", "+15551234567"),
        ("+52 1 55 1234 5678", "+5215512345678"),
        ("US.13491208655302741918", "US.13491208655302741918"),
        ("whatsapp:US.13491208655302741918", "US.13491208655302741918"),
    ],
)
def test_every_spelling_of_an_address_is_answered_in_one_form(
    signed_in: ApiClient, channel: Channel, spelling: str, address: str
) -> None:
    assert sent(signed_in, to_number=spelling, body="x").to_number == address


def test_every_spelling_of_a_number_is_one_contact_with_one_conversation(
    signed_in: ApiClient, channel: Channel
) -> None:
    spellings = ["whatsapp:+15551234567", "+15551234567", "15551234567"]
    rows = [sent(signed_in, to_number=each, body="x") for each in spellings]
    assert len({(row.contact_id, row.conversation_id) for row in rows}) == 1


def test_a_media_url_becomes_a_message_of_its_kind_with_the_body_as_caption(
    signed_in: ApiClient, channel: Channel
) -> None:
    url = "https://example.com/photo.png?size=large"
    message = sent(signed_in, to_number="+15551234567", media_url=url, body="Look")
    assert (message.type, message.body) == ("image", "Look")
    assert message.content["media"] == [{"url": url, "mime_type": "image/png"}]


@pytest.mark.parametrize("variables", [{"1": "Ana", "2": 7}, json.dumps({"1": "Ana", "2": 7})])
def test_template_variables_come_as_an_object_or_as_its_json_text(
    signed_in: ApiClient, channel: Channel, variables: Any
) -> None:
    body = {"to_number": "+15551234567", "content_sid": TEMPLATE, "content_variables": variables}
    message = sent(signed_in, **body)
    assert message.type == "template"
    assert message.content["template"]["variables"] == {"1": "Ana", "2": "7"}


@pytest.mark.parametrize("name", ["account_sid", "auth_token"])
def test_credentials_in_a_body_are_refused_and_kept_nowhere(
    signed_in: ApiClient, channel: Channel, name: str
) -> None:
    body = {
        "to_number": "+15551234567",
        "content_sid": TEMPLATE,
        "content_variables": {"1": "A-1", "2": "on its way"},
        name: "a secret of somebody",
    }
    assert refusal(signed_in, body, "/send_whatsapp") == (422, "credentials_in_body")


def test_from_number_chooses_the_channel(signed_in: ApiClient, channel: Channel) -> None:
    other = create_channel(signed_in.tenant_id)
    message = sent(signed_in, from_number=f"whatsapp:{other.phone_number}", **TEXT)
    assert (message.channel_id, message.from_number) == (other.id, other.phone_number)


def test_a_number_that_is_no_channel_of_ours_is_an_unknown_sender(
    signed_in: ApiClient, outsider: ApiClient, channel: Channel
) -> None:
    theirs = create_channel(outsider.tenant_id).phone_number
    body = {**TEXT, "from_number": theirs}
    assert refusal(signed_in, body) == (422, "unknown_sender")


def test_without_a_channel_there_is_nothing_to_send_from(signed_in: ApiClient) -> None:
    assert refusal(signed_in, TEXT) == (422, "no_channel")


def test_a_disabled_channel_sends_nothing(signed_in: ApiClient) -> None:
    create_channel(signed_in.tenant_id, is_default=True, status="disabled")
    assert refusal(signed_in, TEXT) == (422, "channel_disabled")


def test_an_answer_goes_where_the_customer_wrote_from(
    signed_in: ApiClient, channel: Channel
) -> None:
    conversation = create_conversation(signed_in.tenant_id, address="US.13491208655302741918")
    message = sent(signed_in, conversation_id=str(conversation.id), body="Here")
    assert message.conversation_id == conversation.id
    assert message.channel_id == conversation.channel_id
    assert message.to_number == "US.13491208655302741918"


def test_a_number_beside_a_conversation_must_be_one_of_its_contacts(
    signed_in: ApiClient, channel: Channel
) -> None:
    contact = create_contact(signed_in.tenant_id, address="+15551234567")
    conversation = create_conversation(signed_in.tenant_id, channel=channel, contact=contact)
    inside = {"conversation_id": str(conversation.id), "body": "x"}
    assert refusal(signed_in, {**inside, "to_number": "+15557654321"}) == (422, "validation_error")
    assert sent(signed_in, **inside, to_number="+15551234567").to_number == "+15551234567"


def test_a_sender_beside_a_conversation_must_be_its_channel(
    signed_in: ApiClient, channel: Channel
) -> None:
    conversation = create_conversation(signed_in.tenant_id, channel=channel)
    other = create_channel(signed_in.tenant_id)
    inside = {"conversation_id": str(conversation.id), "body": "x"}
    wrong = {**inside, "from_number": other.phone_number}
    assert refusal(signed_in, wrong) == (422, "validation_error")
    assert sent(signed_in, **inside, from_number=channel.phone_number).channel_id == channel.id


def test_a_conversation_of_another_tenant_is_none(
    signed_in: ApiClient, outsider: ApiClient, channel: Channel
) -> None:
    theirs = create_conversation(outsider.tenant_id)
    for conversation_id in (theirs.id, new_id()):
        body = {"conversation_id": str(conversation_id), "body": "x"}
        assert refusal(signed_in, body) == (404, "conversation_not_found")


def test_an_answer_inside_the_window_goes_first_unless_told_otherwise(
    signed_in: ApiClient, channel: Channel
) -> None:
    assert sent(signed_in, **TEXT).priority == Priority.NOTICE
    assert sent(signed_in, **TEXT, priority="bulk").priority == Priority.BULK
    with db.tenant_session(signed_in.tenant_id) as session:
        conversation = create_conversation(signed_in.tenant_id, channel=channel)
        session.merge(conversation).last_inbound_at = conversation.created_at
    answer = {"conversation_id": str(conversation.id), "body": "x"}
    assert sent(signed_in, **answer).priority == Priority.REPLY
    assert sent(signed_in, **answer, priority="notice").priority == Priority.NOTICE


def test_the_policy_is_kept(signed_in: ApiClient, channel: Channel) -> None:
    assert sent(signed_in, **TEXT).policy == "default"
    assert sent(signed_in, **TEXT, policy="at_most_once").policy == "at_most_once"


@pytest.mark.parametrize(
    "times",
    [
        {"send_at": "2020-01-01T00:00:00Z"},
        {"send_at": "2036-01-01T00:00:00Z"},
        {"send_at": "2026-12-01T10:00:00"},
        {"send_at": "tomorrow"},
        {"send_at": 1796000000},
        {"valid_until": "2020-01-01T00:00:00Z"},
        {"valid_until": "2036-01-01T00:00:00Z"},
        {"valid_until": "9999-12-31T23:59:59-12:00"},
        {"send_at": "2027-03-01T10:00:00Z", "valid_until": "2027-03-01T09:00:00Z"},
    ],
)
def test_a_time_that_makes_no_sense_is_refused(
    signed_in: ApiClient, channel: Channel, times: dict[str, Any]
) -> None:
    assert refusal(signed_in, {**TEXT, **times}) == (422, "validation_error")


def test_a_scheduled_message_is_due_at_its_time(signed_in: ApiClient, channel: Channel) -> None:
    moments = {"send_at": "2027-03-01T10:00:00-06:00", "valid_until": "2027-03-02T10:00:00Z"}
    message = sent(signed_in, **TEXT, **moments)
    assert message.due_at is not None
    assert message.due_at.isoformat() == "2027-03-01T16:00:00+00:00"
    shown = signed_in.get(f"/api/messages/{message.id}").json
    assert shown["scheduled_for"] == "2027-03-01T16:00:00Z"


def shut(channel: Channel) -> str:
    """Create a conversation whose window is closed; return its id."""
    conversation = create_conversation(channel.tenant_id, channel=channel)
    with db.tenant_session(channel.tenant_id) as session:
        session.merge(conversation).window_closed_at = conversation.created_at
    return str(conversation.id)


def test_outside_the_window_text_is_refused_with_the_remedy(
    signed_in: ApiClient, channel: Channel
) -> None:
    body = {"conversation_id": shut(channel), "body": "x"}
    assert refusal(signed_in, body) == (422, "outside_window")


def test_outside_the_window_the_fallback_goes_instead(
    signed_in: ApiClient, channel: Channel
) -> None:
    fallback = {"content_sid": TEMPLATE, "content_variables": '{"1": "A-1", "2": "today"}'}
    message = sent(signed_in, conversation_id=shut(channel), body="x", fallback=fallback)
    assert (message.type, message.content["template"]["id"]) == ("template", TEMPLATE)


def test_a_bad_fallback_is_named_as_the_fallback(signed_in: ApiClient, channel: Channel) -> None:
    answer = signed_in.post("/api/send", {**TEXT, "fallback": {"content_sid": "HX1"}})
    assert answer.status_code == 422
    assert list(answer.json["details"]["fields"]) == ["fallback.content_sid"]


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.OWNER, 202), (Role.ADMIN, 202), (Role.AGENT, 202), (Role.VIEWER, 403)],
)
@pytest.mark.parametrize("path", SENDS)
def test_who_may_send(
    sign_in: SignIn, channel: Channel, role: Role, status: int, path: str
) -> None:
    assert sign_in(role).post(path, SENDS[path]).status_code == status


def test_a_key_needs_the_scope_to_send(signed_in: ApiClient, channel: Channel) -> None:
    reader = create_api_key(signed_in.tenant_id, scopes=["messages:read"])[1]
    sender = create_api_key(signed_in.tenant_id, scopes=["messages:send"])[1]
    app = signed_in.app
    refused = ApiClient(app, reader).post("/api/send", TEXT)
    assert (refused.status_code, refused.json["code"]) == (403, "permission_denied")
    taken = ApiClient(app, sender).post("/api/send", TEXT)
    assert taken.status_code == 202
    assert stored(signed_in.tenant_id, taken.json["message_id"]).sender == "api"
    assert ApiClient(app, sender).get("/api/messages").status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"to_number": "+15551234567"},
        {"body": "to nobody"},
        {"to_number": "+15551234567", "body": ""},
        {"to_number": "+15551234567", "body": " \n "},
        {"to_number": "+15551234567", "body": "x" * 1601},
        {"to_number": "+15551234567", "body": None},
        {"to_number": 15551234567, "body": "x"},
        {"to_number": "not a number", "body": "x"},
        {"to_number": "+1", "body": "x"},
        {**TEXT, "unheard_of": 1},
        {**TEXT, "use_queue": "false"},
        {**TEXT, "use_queue": None},
        {**TEXT, "use_queue": 0},
        {**TEXT, "policy": "hope"},
        {**TEXT, "priority": "first"},
        {**TEXT, "content_sid": TEMPLATE},
        {**TEXT, "content_variables": {"1": "x"}},
        {**TEXT, "media_url": "ftp://example.com/a.png"},
        {**TEXT, "media_url": "https://127.0.0.1/a.png"},
        {**TEXT, "media_url": "not a url"},
        {**TEXT, "conversation_id": "seven"},
        {**TEXT, "fallback": {"content_sid": "HX1"}},
        {**TEXT, "fallback": {"body": "x"}},
        {"to_number": "+15551234567", "content_sid": "HX1"},
    ],
)
def test_a_body_that_makes_no_message_is_refused_whole(
    signed_in: ApiClient, channel: Channel, body: dict[str, Any]
) -> None:
    assert refusal(signed_in, body) == (422, "validation_error")


@pytest.mark.parametrize("message", ["", "   ", "\n", None, 7, "x" * 1601])
def test_send_message_refuses_what_is_no_text(
    signed_in: ApiClient, channel: Channel, message: Any
) -> None:
    body = {"phone": "+15551234567", "message": message, "use_queue": True}
    assert refusal(signed_in, body, "/api/send-message") == (422, "validation_error")


def test_a_conversation_takes_so_many_queued_messages_and_then_says_what_to_do(
    signed_in: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_channel(signed_in.tenant_id, is_default=True)
    body = {"to_number": "+15551234567", "body": "x"}
    monkeypatch.setattr(sending_repository, "MOST_QUEUED", 3)
    for number in range(3):
        assert signed_in.post("/api/send", {**body, "body": f"number {number}"}).status_code == 202
    refused = signed_in.post("/api/send", {**body, "body": "one too many"})
    assert (refused.status_code, refused.json["code"]) == (429, "conversation_queue_full")
    assert refused.json["details"] == {"queued": 3}
    assert "Retry-After" in refused.headers
    assert signed_in.post("/api/send", {**body, "to_number": "+15550100399"}).status_code == 202
    first = signed_in.get("/api/messages").json["messages"][-1]
    in_thread = signed_in.post(
        "/api/send", {"conversation_id": first["conversation_id"], "body": "x"}
    )
    assert in_thread.json["code"] == "conversation_queue_full"
    assert signed_in.post(f"/api/messages/{first['id']}/cancel").status_code == 200
    assert signed_in.post("/api/send", body).status_code == 202
