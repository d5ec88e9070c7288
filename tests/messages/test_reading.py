"""Lists, single messages and timelines, each for its own tenant only."""

from typing import Any

import pytest
from flask import Flask

from app.common.ids import new_id
from app.models import Channel, Conversation, Role, Tenant
from tests.conftest import SignIn
from tests.factories import (
    ApiClient,
    create_api_key,
    create_channel,
    create_contact,
    create_conversation,
    create_message,
)
from tests.world import World


@pytest.fixture
def thread(tenant: Tenant) -> Conversation:
    channel: Channel = create_channel(tenant.id)
    contact = create_contact(tenant.id, address="+525512345678")
    return create_conversation(tenant.id, channel=channel, contact=contact)


def texts(client: ApiClient, **query: Any) -> list[str]:
    answer = client.get("/api/messages", query=query)
    assert answer.status_code == 200, answer.json
    return [each["body"] for each in answer.json["messages"]]


def test_a_message_is_shown_with_every_field_of_the_contract(
    signed_in: ApiClient, thread: Conversation
) -> None:
    message = create_message(signed_in.tenant_id, conversation=thread)
    shown = signed_in.get(f"/api/messages/{message.id}").json
    promised = {
        "id", "message_sid", "conversation_id", "direction", "from_number", "to_number", "type",
        "body", "media", "status", "error", "sender", "created_at", "sent_at", "delivered_at",
        "read_at",
    }  # fmt: skip
    assert promised <= set(shown)
    assert (shown["direction"], shown["to_number"]) == ("outgoing", "+525512345678")


def test_the_list_is_newest_first(signed_in: ApiClient, thread: Conversation) -> None:
    for number in range(3):
        create_message(signed_in.tenant_id, conversation=thread, body=f"{number}")
    assert texts(signed_in) == ["2", "1", "0"]


def test_each_filter_finds_its_messages(signed_in: ApiClient, thread: Conversation) -> None:
    tenant_id = signed_in.tenant_id
    heard = {"direction": "incoming", "status": "received", "due_at": None}
    create_message(tenant_id, conversation=thread, body="a", **heard)
    create_message(tenant_id, conversation=thread, body="b", status="read", due_at=None)
    create_message(tenant_id, body="c", to_number="US.1234567")
    assert texts(signed_in, direction="incoming") == ["a"]
    assert texts(signed_in, status="read") == ["b"]
    assert texts(signed_in, conversation_id=thread.id) == ["b", "a"]
    assert texts(signed_in, conversation_id=new_id()) == []
    assert texts(signed_in, phone="525512345678") == ["b", "a"]
    assert texts(signed_in, phone="whatsapp:US.1234567") == ["c"]
    assert texts(signed_in, direction="outgoing", status="queued", phone="US.1234567") == ["c"]


def test_since_is_included_and_until_is_not(signed_in: ApiClient, thread: Conversation) -> None:
    for hour in (10, 11, 12):
        created = f"2026-03-01T{hour}:00:00+00:00"
        create_message(signed_in.tenant_id, conversation=thread, body=f"{hour}", created_at=created)
    assert texts(signed_in, since="2026-03-01T11:00:00Z") == ["12", "11"]
    assert texts(signed_in, until="2026-03-01T11:00:00Z") == ["10"]
    window = {"since": "2026-03-01T05:00:00-06:00", "until": "2026-03-01T06:00:00-06:00"}
    assert texts(signed_in, **window) == ["11"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("100%", ["is 100% sure"]),
        ("a_b", ["a_b"]),
        ("%", ["is 100% sure"]),
        ("_", ["a_b"]),
        ("\\", ["back\\slash"]),
        ("100% SURE", ["is 100% sure"]),
        ("Ñandú 🎉", ["el Ñandú 🎉"]),
        ("'; drop table recado.messages; --", []),
    ],
)
def test_a_search_takes_every_character_as_it_stands(
    signed_in: ApiClient, thread: Conversation, wanted: str, found: list[str]
) -> None:
    for body in ("is 100% sure", "is 100 sure", "a_b", "axb", "back\\slash", "el Ñandú 🎉"):
        create_message(signed_in.tenant_id, conversation=thread, body=body)
    assert texts(signed_in, q=wanted) == found


def walk(client: ApiClient, path: str, name: str, between: Any = None) -> list[str]:
    """Return every id of a list, page by page."""
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 3}
    while True:
        page = client.get(path, query=query).json
        assert len(page[name]) <= 3
        seen += [each["id"] for each in page[name]]
        if page["next_cursor"] is None:
            return seen
        query["cursor"] = page["next_cursor"]
        if between is not None:
            between()


def test_pages_have_no_gap_and_no_repeat_while_messages_come(
    signed_in: ApiClient, thread: Conversation
) -> None:
    def one_more() -> str:
        return str(create_message(signed_in.tenant_id, conversation=thread).id)

    there = [one_more() for _ in range(10)]
    assert walk(signed_in, "/api/messages", "messages", one_more) == there[::-1]


def test_a_history_is_oldest_first_and_meets_what_came_meanwhile(
    signed_in: ApiClient, thread: Conversation
) -> None:
    there: list[str] = []

    def one_more() -> None:
        if len(there) < 12:
            there.append(str(create_message(signed_in.tenant_id, conversation=thread).id))

    for _ in range(7):
        one_more()
    create_message(signed_in.tenant_id)
    path = f"/api/whatsapp/conversations/{thread.id}/history"
    assert walk(signed_in, path, "items", one_more) == there


def test_the_last_page_may_be_full(signed_in: ApiClient, thread: Conversation) -> None:
    for _ in range(3):
        create_message(signed_in.tenant_id, conversation=thread)
    page = signed_in.get("/api/messages", query={"limit": 3}).json
    assert (len(page["messages"]), page["next_cursor"]) == (3, None)


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0}, {"limit": -1}, {"limit": 101}, {"limit": "abc"}, {"limit": "9" * 5000},
        {"limit": ""}, {"limit": 1.5}, {"cursor": "garbage"}, {"cursor": "!!"}, {"cursor": "e30"},
        {"cursor": "bnVsbA"}, {"cursor": "WzFd"}, {"cursor": "ñ"}, {"cursor": "x" * 601},
        {"cursor": "WyJcdWQ4MDAiXQ"}, {"cursor": "WyIyMDI2Il0"}, {"status": "lost"},
        {"direction": "sideways"}, {"phone": "abc"}, {"since": "yesterday"},
        {"since": "2026-01-01T00:00:00"}, {"until": "99999-01-01T00:00:00Z"}, {"q": ""},
        {"q": "a\x00"}, {"q": "x" * 201}, {"conversation_id": "7"}, {"unheard_of": 1},
    ],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_refused(
    signed_in: ApiClient, query: dict[str, Any]
) -> None:
    answer = signed_in.get("/api/messages", query=query)
    assert (answer.status_code, answer.json["code"]) == (422, "validation_error")
    assert list(answer.json["details"]["fields"]) == list(query)


@pytest.mark.parametrize(
    "query",
    [
        {"since": "0001-01-01T00:00:00+14:00"},
        {"until": "9999-12-31T23:59:59-12:00"},
        {"since": "2027-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
    ],
)
def test_the_ends_of_time_are_no_error(signed_in: ApiClient, query: dict[str, Any]) -> None:
    assert texts(signed_in, **query) == []


def test_the_cursor_of_another_kind_of_list_is_refused(
    signed_in: ApiClient, thread: Conversation
) -> None:
    create_conversation(signed_in.tenant_id)
    page = signed_in.get("/api/whatsapp/conversations", query={"limit": 1}).json
    answer = signed_in.get("/api/messages", query={"cursor": page["next_cursor"]})
    assert answer.status_code == 422


def test_a_timeline_tells_each_step_in_order(world: World) -> None:
    message_id = world.send()
    world.deliver()
    world.wait_for(message_id, "read")
    found = world.owner.get(f"/api/messages/{message_id}/timeline").json
    steps = [each["step"] for each in found["steps"]]
    assert steps[0] == "queued"
    assert {"attempt started", "attempt accepted by the provider", "read"} <= set(steps)
    assert steps.index("attempt started") < steps.index("read")
    assert [each["at"] for each in found["steps"]] == sorted(each["at"] for each in found["steps"])
    assert found["message"]["status"] == "read"


def test_a_timeline_names_cause_and_remedy_of_a_refusal(world: World) -> None:
    message_id = world.send(to_number="+15550021610")
    world.deliver()
    steps = world.owner.get(f"/api/messages/{message_id}/timeline").json["steps"]
    failed = next(each for each in steps if each["step"] == "failed")
    assert failed["error"]["provider_code"] == "21610"
    assert failed["error"]["cause"]
    assert failed["error"]["remedy"]
    refused = next(each for each in steps if each["step"] == "attempt refused by the provider")
    assert refused["attempt"] == 1


def test_an_outsider_finds_nothing_of_ours(
    signed_in: ApiClient, outsider: ApiClient, thread: Conversation
) -> None:
    message = create_message(signed_in.tenant_id, conversation=thread, status="unknown")
    ours, unknown = f"/api/messages/{message.id}", f"/api/messages/{new_id()}"
    calls: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("GET", "/timeline", None),
        ("POST", "/cancel", None),
        ("POST", "/settle", {"outcome": "arrived"}),
    ]
    for method, tail, body in calls:
        answers = [outsider.request(method, path + tail, body) for path in (ours, unknown)]
        assert [answer.status_code for answer in answers] == [404, 404]
        plain = [{**answer.json, "request_id": None} for answer in answers]
        assert plain[0] == plain[1]
    assert texts(outsider) == []
    assert texts(outsider, conversation_id=thread.id) == []
    assert outsider.get(f"/api/whatsapp/conversations/{thread.id}/history").status_code == 404
    assert signed_in.get(ours).json["status"] == "unknown"


def test_a_viewer_reads_but_settles_nothing(
    sign_in: SignIn, signed_in: ApiClient, thread: Conversation
) -> None:
    message = create_message(signed_in.tenant_id, conversation=thread, status="unknown")
    viewer, path = sign_in(Role.VIEWER), f"/api/messages/{message.id}"
    assert viewer.get(path).status_code == 200
    assert viewer.post(f"{path}/cancel").status_code == 403
    assert viewer.post(f"{path}/settle", {"outcome": "arrived"}).status_code == 403


@pytest.mark.parametrize("status", ["uncertain", "unknown"])
@pytest.mark.parametrize(
    ("outcome", "ends"),
    [("arrived", "delivered"), ("did_not_arrive", "failed"), ("send_again", "queued")],
)
def test_a_person_may_settle_what_nobody_else_can_say(
    signed_in: ApiClient, thread: Conversation, status: str, outcome: str, ends: str
) -> None:
    message = create_message(signed_in.tenant_id, conversation=thread, status=status)
    path = f"/api/messages/{message.id}/settle"
    settled = signed_in.post(path, {"outcome": outcome}).json
    assert settled["status"] == ends
    assert (settled["error"] or {}).get("code") == ("settled_by_hand" if ends == "failed" else None)
    again = signed_in.post(path, {"outcome": outcome})
    assert (again.status_code, again.json["code"]) == (409, "cannot_settle")
    assert again.json["details"] == {"status": ends}


def test_an_outcome_that_nobody_knows_settles_nothing(
    signed_in: ApiClient, thread: Conversation
) -> None:
    message = create_message(signed_in.tenant_id, conversation=thread, status="unknown")
    path = f"/api/messages/{message.id}/settle"
    assert signed_in.post(path, {"outcome": "lost"}).status_code == 422


@pytest.mark.parametrize("status", ["accepted", "read", "failed", "queued", "sending"])
def test_what_is_known_cannot_be_settled(
    signed_in: ApiClient, thread: Conversation, status: str
) -> None:
    message = create_message(signed_in.tenant_id, conversation=thread, status=status)
    answer = signed_in.post(f"/api/messages/{message.id}/settle", {"outcome": "arrived"})
    assert (answer.status_code, answer.json["code"]) == (409, "cannot_settle")


@pytest.mark.parametrize("status", ["sending", "uncertain", "unknown", "delivered"])
def test_what_has_left_cannot_be_canceled_and_the_answer_says_why(
    signed_in: ApiClient, thread: Conversation, status: str
) -> None:
    message = create_message(signed_in.tenant_id, conversation=thread, status=status)
    answer = signed_in.post(f"/api/messages/{message.id}/cancel")
    assert (answer.status_code, answer.json["code"]) == (409, "cannot_cancel")
    assert ("/settle" in answer.json["error"]) == (status in {"uncertain", "unknown"})


@pytest.mark.parametrize("is_test", [True, False])
def test_a_key_finds_no_message_of_the_other_kind(
    app: Flask, tenant: Tenant, thread: Conversation, is_test: bool
) -> None:
    live, test = (ApiClient(app, create_api_key(tenant.id, mode=m)[1]) for m in ("live", "test"))
    mine, other = (test, live) if is_test else (live, test)
    calls: list[tuple[str, str, Any]] = [
        ("unknown", "settle", {"outcome": "arrived"}),
        ("queued", "cancel", None),
    ]
    for status, verb, body in calls:
        message = create_message(tenant.id, conversation=thread, status=status, is_test=is_test)
        answers = [
            other.post(f"/api/messages/{each}/{verb}", body) for each in (message.id, new_id())
        ]
        assert [each.status_code for each in answers] == [404, 404]
        assert len({each.json["error"] for each in answers}) == 1
        assert mine.post(f"/api/messages/{message.id}/{verb}", body).status_code == 200
