"""Automatic replies are limited: so many an hour, none to our own words, until a person steps
in."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, text

from app import db
from app.bots.keyword_replies import create_default_replies
from app.common import clock
from app.config import Settings
from app.conversations import auto_replies
from app.inbox import apply
from app.models import Channel, Conversation, KeywordReply, Tenant
from tests.factories import (
    ApiClient,
    create_api_key,
    create_channel,
    create_contact,
    create_conversation,
    create_tenant,
    save,
)
from tests.reads import analyze, rows_read
from tests.webhook.twilio_posts import inbound, tell
from tests.world import settings_changed

PATH = "/api/whatsapp/conversations"
MOST = 6
REPLY = "Soon somebody of us will write to you."
numbers = count()


@pytest.fixture
def channel(tenant: Tenant) -> Channel:
    save(tenant.id, KeywordReply(keywords=["hola"], reply=REPLY))
    return create_channel(tenant.id, is_default=True)


def rows(tenant: Tenant, statement: str) -> list[Any]:
    with db.tenant_session(tenant.id) as session:
        result: Any = session.execute(text(statement))
        return list(result) if result.returns_rows else []


def hear(app: Flask, channel: Channel, body: str, **changes: str) -> int:
    """A customer writes `body`; return how many replies were sent until now."""
    form = inbound(channel, f"SM{next(numbers)}", Body=body, **changes)
    assert tell(app, channel, form).status_code == 200
    apply.apply_due(channel.tenant_id)
    return replies(channel)


def replies(channel: Channel) -> int:
    with db.tenant_session(channel.tenant_id) as session:
        query = "select count(*) from recado.messages where sender = 'bot'"
        found: int = session.scalar(text(query)) or 0
        return found


def pauses(tenant: Tenant) -> list[Any]:
    """Return the pauses that the tenant was told of."""
    where = "type = 'conversation.auto_replies_paused'"
    return [row.data for row in rows(tenant, f"select data from recado.events where {where}")]


def shown(client: ApiClient) -> dict[str, Any]:
    (found,) = client.get(PATH).json["items"]
    return dict(found)


def test_an_autoresponder_is_answered_so_often_and_then_no_more(
    app: Flask, tenant: Tenant, channel: Channel, signed_in: ApiClient
) -> None:
    for number in range(MOST):
        assert hear(app, channel, f"Hola, I am away ({number})") == number + 1
    assert shown(signed_in)["auto_replies_paused_until"] is None
    for number in range(3):
        assert hear(app, channel, f"Hola, still away ({number})") == MOST
    found = shown(signed_in)
    until = datetime.fromisoformat(found["auto_replies_paused_until"])
    assert timedelta(minutes=59) < until - datetime.now(UTC) <= timedelta(minutes=60, seconds=5)
    (told,) = pauses(tenant)
    assert told["conversation_id"] == found["id"]
    assert datetime.fromisoformat(told["until"]) == until


def test_the_count_is_exact_when_many_are_applied_at_once(
    app: Flask, tenant: Tenant, channel: Channel
) -> None:
    for number in range(3 * MOST):
        tell(app, channel, inbound(channel, f"SM{number}", Body=f"Hola {number}"))
    ids = [row.id for row in rows(tenant, "select id from recado.inbox_items")]

    def apply_one(item_id: UUID) -> None:
        with db.tenant_session(tenant.id) as session:
            apply.apply_item(session, item_id)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(apply_one, ids))
    assert (replies(channel), len(pauses(tenant))) == (MOST, 1)


def test_what_one_conversation_has_used_up_another_has_not(app: Flask, channel: Channel) -> None:
    with settings_changed(auto_replies_per_hour=1):
        assert hear(app, channel, "Hola 1") == 1
        assert hear(app, channel, "Hola 2") == 1
        assert hear(app, channel, "Hola", From="whatsapp:+15557654321", WaId="15557654321") == 2


def talk(app: Flask, here: Channel, there: Channel) -> int:
    """Deliver what each business sends to the other until nobody sends; return how many."""
    brought = 0
    moved = True
    while moved and brought < 100:
        moved = False
        for sender, receiver in ((here, there), (there, here)):
            with db.tenant_session(sender.tenant_id) as session:
                query = "update recado.messages set status = 'sent' where status = 'queued'"
                bodies = list(session.scalars(text(f"{query} returning body")))
            for body in bodies:
                number = sender.phone_number
                sides = {"From": f"whatsapp:{number}", "WaId": number.removeprefix("+")}
                hear(app, receiver, body, **sides)
                brought, moved = brought + 1, True
    return brought


def two_businesses(*replies: str | None) -> list[Channel]:
    """One business for each reply to `hola`; None means the default replies."""
    made = []
    for reply in replies:
        tenant = create_tenant()
        with db.tenant_session(tenant.id) as session:
            if reply is None:
                create_default_replies(session)
            else:
                session.add(KeywordReply(keywords=["hola"], reply=reply))
        made.append(create_channel(tenant.id, is_default=True))
    return made


def begin(app: Flask, here: Channel, there: Channel) -> None:
    client = ApiClient(app, create_api_key(here.tenant_id)[1])
    body = {"to_number": there.phone_number, "body": "Hola, ¿venden pan?"}
    assert client.post("/api/send", body).status_code == 202


def test_two_businesses_with_the_first_replies_do_not_greet_for_ever(app: Flask) -> None:
    here, there = two_businesses(None, None)
    begin(app, here, there)
    assert talk(app, here, there) == 2


def test_two_businesses_whose_replies_ask_for_replies_stop(app: Flask) -> None:
    here, there = two_businesses("Hola, somos el pan.", "Hola, somos la leche.")
    begin(app, here, there)
    assert talk(app, here, there) <= 2 * MOST + 1


def test_a_text_of_ours_that_comes_back_is_not_answered(
    app: Flask, tenant: Tenant, channel: Channel, signed_in: ApiClient
) -> None:
    sent = {"to_number": "+15551234567", "body": "¡Hola, Ana! Su pedido salió."}
    assert signed_in.post("/api/send", sent).status_code == 202
    assert hear(app, channel, "hola ana  su pedido salió") == 0
    assert hear(app, channel, "Hola, gracias") == 1
    assert pauses(tenant) == []


def test_a_reply_of_ours_that_somebody_else_sends_is_not_answered(
    app: Flask, tenant: Tenant, channel: Channel
) -> None:
    save(tenant.id, KeywordReply(keywords=["soon"], reply="x"))
    assert hear(app, channel, REPLY.upper()) == 0


def test_a_greeting_is_answered_though_the_reply_has_the_same_words(
    app: Flask, tenant: Tenant, channel: Channel
) -> None:
    save(tenant.id, KeywordReply(keywords=["buenas"], reply="¡Buenas!"))
    assert hear(app, channel, "buenas") == 1


FILL = text("""
    insert into recado.messages
        (tenant_id, id, channel_id, conversation_id, contact_id, direction, status, sender,
         from_number, to_number, type, body, content, policy, priority, is_test, attempts,
         settle_reads, created_at)
    select tenant_id, gen_random_uuid(), channel_id, id, contact_id, 'incoming', 'received',
        'contact', '+15550009999', '+14155238886', 'text', 'old', '{}', 'default', 2, false, 0, 0,
        now() - n * interval '2 hours'
    from recado.conversations, generate_series(1, 2000) n
""")


def test_a_long_conversation_makes_the_decision_no_dearer(
    app: Flask, tenant: Tenant, channel: Channel, settings: Settings
) -> None:
    assert hear(app, channel, "Hola") == 1
    with db.tenant_session(tenant.id) as session:
        session.execute(FILL)
    analyze(settings)
    with db.tenant_session(tenant.id) as session:
        thread = session.scalars(select(Conversation)).one()
        look = partial(auto_replies.may_reply, session, thread.id, "Hola again", [])
        assert rows_read(session, "messages", look) <= 20


def pause(app: Flask, channel: Channel) -> None:
    for number in range(MOST + 1):
        hear(app, channel, f"Hola {number}")


def test_the_pause_ends_by_itself_after_an_hour(
    app: Flask, tenant: Tenant, channel: Channel, signed_in: ApiClient
) -> None:
    pause(app, channel)
    an_hour = "interval '1 hour'"
    moved = f"created_at = created_at - {an_hour}, due_at = due_at - {an_hour}"
    rows(tenant, f"update recado.messages set {moved}")
    moved = f"auto_replies_paused_until = auto_replies_paused_until - {an_hour}"
    rows(tenant, f"update recado.conversations set {moved}")
    assert shown(signed_in)["auto_replies_paused_until"] is None
    assert hear(app, channel, "Hola") == MOST + 1


def test_a_person_who_writes_ends_the_pause_and_a_machine_does_not(
    app: Flask, tenant: Tenant, channel: Channel, signed_in: ApiClient
) -> None:
    pause(app, channel)
    answer = {"conversation_id": shown(signed_in)["id"], "body": "Here I am."}
    machine = ApiClient(app, create_api_key(tenant.id)[1])
    assert machine.post("/api/send", answer).status_code == 202
    assert hear(app, channel, "Hola") == MOST
    assert signed_in.post("/api/send", answer).status_code == 202
    assert shown(signed_in)["auto_replies_paused_until"] is None
    for number in range(MOST):
        assert hear(app, channel, f"Hola again {number}") == MOST + number + 1
    assert hear(app, channel, "Hola") == 2 * MOST
    assert len(pauses(tenant)) == 2


def test_reopening_ends_the_pause_and_leaves_a_trace(
    app: Flask, tenant: Tenant, channel: Channel, signed_in: ApiClient
) -> None:
    pause(app, channel)
    path = f"{PATH}/{shown(signed_in)['id']}/reopen"
    opened = [signed_in.post(path).json for _ in range(2)]
    assert [each["auto_replies_paused_until"] for each in opened] == [None, None]
    (audited,) = rows(
        tenant, "select action from recado.audit_entries where action like 'conversation%'"
    )
    assert audited.action == "conversation.auto_replies_resumed"
    assert hear(app, channel, "Hola") == MOST + 1


def test_joined_threads_stay_paused(app: Flask, tenant: Tenant, channel: Channel) -> None:
    user_id = "US.13491208655302741918"
    other = create_contact(tenant.id, address=user_id, kind="user_id")
    until = clock.now() + timedelta(hours=1)
    create_conversation(tenant.id, channel=channel, contact=other, auto_replies_paused_until=until)
    hear(app, channel, "¿Qué tal?")
    assert hear(app, channel, "Hola", ExternalUserId=user_id) == 0
