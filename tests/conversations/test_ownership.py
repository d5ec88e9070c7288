"""Who answers a conversation: taking over, assigning, releasing, and being left idle."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from app import db
from app.common.ids import new_id
from app.common.permissions import Permission
from app.conversations import ownership
from app.conversations.tasks import return_idle
from app.inbox import apply
from app.models import Channel, Conversation, KeywordReply, Role, Tenant, User, UserStatus
from app.tasks import due
from app.tasks.clean_up import OVER
from tests.conftest import SignIn
from tests.factories import (
    ApiClient,
    create_api_key,
    create_channel,
    create_contact,
    create_conversation,
    create_tenant,
    create_user,
    save,
)
from tests.webhook.twilio_posts import inbound, tell
from tests.world import settings_changed

PATH = "/api/whatsapp/conversations"


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(due, "send", lambda *call: calls.append(call))
    return calls


@pytest.fixture
def conversation(tenant: Tenant) -> Conversation:
    return create_conversation(tenant.id)


def rows(tenant_id: UUID, statement: str) -> list[Any]:
    with db.tenant_session(tenant_id) as session:
        result: Any = session.execute(text(statement))
        return list(result) if result.returns_rows else []


def changes(tenant_id: UUID) -> list[tuple[str, str, str]]:
    """Return (previous owner, owner, reason) of each event."""
    found = rows(
        tenant_id,
        "select data from recado.events where type = 'conversation.owner_changed' order by id",
    )
    return [(each["previous_owner"], each["owner"], each["reason"]) for (each,) in found]


def audited(tenant_id: UUID) -> list[str]:
    found = rows(tenant_id, "select action from recado.audit_entries order by id")
    return [action for (action,) in found if action.startswith("conversation.")]


def post(client: ApiClient, conversation: Conversation, verb: str, **body: Any) -> Any:
    return client.post(f"{PATH}/{conversation.id}/{verb}", body)


def taken(client: ApiClient, conversation: Conversation, verb: str, **body: Any) -> Any:
    answer = post(client, conversation, verb, **body)
    assert answer.status_code == 200, answer.json
    return answer.json


def test_a_member_takes_a_conversation_over_and_releases_it(
    signed_in: ApiClient, conversation: Conversation
) -> None:
    shown = taken(signed_in, conversation, "take-over", reason="A complaint")
    assert (shown["owner"], shown["owner_reason"]) == ("human", "A complaint")
    assert shown["assigned_to"] == {
        "id": str(signed_in.user.id),
        "username": signed_in.user.username,
        "name": signed_in.user.name,
    }
    assert shown["owner_since"] is not None
    shown = taken(signed_in, conversation, "release", reason="Solved")
    assert (shown["owner"], shown["assigned_to"]) == ("nobody", None)
    assert changes(signed_in.tenant_id) == [
        ("nobody", "human", "A complaint"),
        ("human", "nobody", "Solved"),
    ]
    assert audited(signed_in.tenant_id) == ["conversation.taken_over", "conversation.released"]


def test_doing_it_again_changes_nothing(signed_in: ApiClient, conversation: Conversation) -> None:
    first = taken(signed_in, conversation, "take-over", reason="first")
    assert taken(signed_in, conversation, "take-over", reason="second") == first
    taken(signed_in, conversation, "release")
    taken(signed_in, conversation, "release", reason="again")
    assert len(changes(signed_in.tenant_id)) == 2


def test_an_api_key_takes_over_for_nobody_in_particular(
    app: Flask, tenant: Tenant, conversation: Conversation
) -> None:
    _, key = create_api_key(tenant.id, scopes=[str(Permission.CONVERSATIONS_WRITE)])
    client = ApiClient(app, key)
    shown = taken(client, conversation, "take-over", reason="A refund was asked for")
    assert (shown["owner"], shown["assigned_to"]) == ("human", None)
    assert taken(client, conversation, "release")["owner"] == "nobody"


def test_a_colleague_takes_it_from_a_colleague(
    signed_in: ApiClient, sign_in: SignIn, conversation: Conversation
) -> None:
    taken(signed_in, conversation, "take-over")
    colleague = sign_in(role=Role.AGENT)
    shown = taken(colleague, conversation, "take-over")
    assert shown["assigned_to"]["id"] == str(colleague.user.id)
    assert audited(signed_in.tenant_id) == ["conversation.taken_over", "conversation.assigned"]


def test_a_conversation_is_assigned_to_a_member_and_to_the_team(
    signed_in: ApiClient, conversation: Conversation
) -> None:
    agent = create_user(signed_in.tenant_id, role=Role.AGENT, name="Agent")
    shown = taken(signed_in, conversation, "assign", user_id=str(agent.id))
    assert (shown["owner"], shown["assigned_to"]["name"]) == ("human", "Agent")
    found = signed_in.get(PATH, query={"assigned_to": str(agent.id)}).json["items"]
    assert [each["id"] for each in found] == [str(conversation.id)]
    assert signed_in.get(PATH, query={"assigned_to": str(new_id())}).json["items"] == []
    shown = taken(signed_in, conversation, "assign", user_id=None)
    assert (shown["owner"], shown["assigned_to"]) == ("human", None)


def test_nobody_else_is_a_member(signed_in: ApiClient, conversation: Conversation) -> None:
    disabled = create_user(signed_in.tenant_id, status=UserStatus.DISABLED)
    stranger = create_user(create_tenant().id)
    for user_id in (disabled.id, stranger.id, new_id()):
        answer = post(signed_in, conversation, "assign", user_id=str(user_id))
        assert answer.status_code == 422
        assert "active member" in answer.json["details"]["fields"]["user_id"][0]
    assert changes(signed_in.tenant_id) == []


@pytest.mark.parametrize("verb", ["take-over", "assign", "release"])
@pytest.mark.parametrize(
    "body",
    [
        {"reason": 5, "user_id": None},
        {"reason": "x" * 501, "user_id": None},
        {"reason": "a\x00b", "user_id": None},
        {"user_id": "not an id", "resaon": ""},
        [],
    ],
)
def test_a_bad_body_is_refused(
    signed_in: ApiClient, conversation: Conversation, verb: str, body: Any
) -> None:
    answer = signed_in.post(f"{PATH}/{conversation.id}/{verb}", body)
    assert answer.status_code == 422
    assert changes(signed_in.tenant_id) == []


def test_a_viewer_may_not(sign_in: SignIn, tenant: Tenant, conversation: Conversation) -> None:
    viewer = sign_in(role=Role.VIEWER)
    for verb in ("take-over", "release"):
        assert post(viewer, conversation, verb).status_code == 403


def test_closing_ends_it_and_reopening_does_not_bring_it_back(
    signed_in: ApiClient, conversation: Conversation
) -> None:
    taken(signed_in, conversation, "take-over")
    closed = signed_in.post(f"{PATH}/{conversation.id}/close").json
    assert (closed["owner"], closed["owner_reason"]) == ("nobody", "closed")
    assert signed_in.post(f"{PATH}/{conversation.id}/reopen").json["owner"] == "nobody"


def test_a_closed_conversation_that_was_taken_over_is_closed_again(
    signed_in: ApiClient, conversation: Conversation
) -> None:
    signed_in.post(f"{PATH}/{conversation.id}/close")
    taken(signed_in, conversation, "take-over")
    assert signed_in.post(f"{PATH}/{conversation.id}/close").json["owner"] == "nobody"


def test_nothing_answers_automatically_meanwhile(app: Flask, signed_in: ApiClient) -> None:
    tenant_id = signed_in.tenant_id
    save(tenant_id, KeywordReply(keywords=["hola"], reply="Soon somebody will write to you."))
    channel = create_channel(tenant_id, is_default=True)
    hear_and_apply(app, channel, "SM1")
    (row,) = rows(tenant_id, "select id from recado.conversations")
    path = f"{PATH}/{row.id}"
    signed_in.post(f"{path}/take-over", {})
    hear_and_apply(app, channel, "SM2")
    assert sent(tenant_id) == 1
    signed_in.post(f"{path}/release", {})
    hear_and_apply(app, channel, "SM3")
    assert sent(tenant_id) == 2


def hear_and_apply(app: Flask, channel: Channel, sid: str) -> None:
    assert tell(app, channel, inbound(channel, sid, Body="hola")).status_code == 200
    apply.apply_due(channel.tenant_id)


def sent(tenant_id: UUID) -> int:
    (row,) = rows(tenant_id, "select count(*) from recado.messages where sender = 'bot'")
    return int(row[0])


def test_taking_over_ends_a_pause_of_automatic_replies(
    signed_in: ApiClient, conversation: Conversation
) -> None:
    rows(
        signed_in.tenant_id,
        "update recado.conversations set auto_replies_paused_until = now() + interval '1 hour'",
    )
    assert taken(signed_in, conversation, "take-over")["auto_replies_paused_until"] is None


def grow_old(tenant_id: UUID, conversation: Conversation, column: str) -> None:
    rows(
        tenant_id,
        f"update recado.conversations set {column} = now() - interval '25 hours'"
        f" where id = '{conversation.id}'",
    )


def test_a_conversation_that_nobody_writes_in_is_released(
    signed_in: ApiClient, conversation: Conversation
) -> None:
    taken(signed_in, conversation, "take-over")
    for column in ("last_message_at", "owner_since"):
        return_idle(str(signed_in.tenant_id))
        assert len(changes(signed_in.tenant_id)) == 1, "released too early"
        grow_old(signed_in.tenant_id, conversation, column)
    return_idle(str(signed_in.tenant_id))
    assert changes(signed_in.tenant_id)[1:] == [("human", "nobody", "idle")]
    return_idle(str(signed_in.tenant_id))
    assert len(changes(signed_in.tenant_id)) == 2


def test_the_clean_up_finds_idle_conversations_of_all_tenants(
    signed_in: ApiClient, conversation: Conversation, rung: list[tuple[Any, ...]]
) -> None:
    taken(signed_in, conversation, "take-over")
    for column in ("last_message_at", "owner_since"):
        due.ring_all([kind for kind in OVER if kind.name == "idle"])
        assert (return_idle.name, str(signed_in.tenant_id)) not in told(rung)
        grow_old(signed_in.tenant_id, conversation, column)
    due.ring_all([kind for kind in OVER if kind.name == "idle"])
    assert (return_idle.name, str(signed_in.tenant_id)) in told(rung)


def told(rung: list[tuple[Any, ...]]) -> set[tuple[str, ...]]:
    return {tuple(map(str, each)) for each in rung}


def test_many_idle_conversations_are_released_a_hundred_at_a_time(tenant: Tenant) -> None:
    channel = create_channel(tenant.id)
    with settings_changed(human_idle_hours=1):
        for _ in range(3):
            contact = create_contact(tenant.id)
            create_conversation(tenant.id, channel=channel, contact=contact, owner="human")
        rows(
            tenant.id,
            "update recado.conversations set owner_since = now() - interval '2 hours',"
            " last_message_at = now() - interval '2 hours'",
        )
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(ownership, "MOST_AT_ONCE", 2)
            return_idle(str(tenant.id))
    assert len(changes(tenant.id)) == 3


def test_simultaneous_changes_are_made_one_after_the_other(
    app: Flask, sign_in: SignIn, tenant: Tenant, conversation: Conversation
) -> None:
    """Each change has a fence of its own, and no one else's event."""
    people: list[User] = [create_user(tenant.id, role=Role.AGENT) for _ in range(4)]
    clients = [sign_in(user=person) for person in people]
    verbs = ("take-over", "release", "take-over", "release")
    with ThreadPoolExecutor(8) as pool:
        calls = [
            pool.submit(partial(post, client, conversation, verb))
            for client in clients
            for verb in verbs
        ]
        assert {call.result().status_code for call in calls} == {200}
    (row,) = rows(tenant.id, "select owner_fence, owner from recado.conversations")
    found = changes(tenant.id)
    assert row.owner_fence == len(found)
    assert [previous for previous, _, _ in found[1:]] == [owner for _, owner, _ in found[:-1]]
    assert found[-1][1] == row.owner


def test_a_member_who_is_removed_leaves_the_conversation_to_the_team(
    signed_in: ApiClient, conversation: Conversation
) -> None:
    agent = create_user(signed_in.tenant_id, role=Role.AGENT)
    taken(signed_in, conversation, "assign", user_id=str(agent.id))
    assert signed_in.delete(f"/tenants/me/users/{agent.id}").status_code == 204
    shown = signed_in.get(f"{PATH}/{conversation.id}").json
    assert (shown["owner"], shown["assigned_to"]) == ("human", None)
