"""Live callers see and change live messages only, and test callers test messages only.

The calls are those of tests/isolation_cases.py: here the "other tenant" is the tenant's own data of
the other mode.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from app import db
from app.common.ids import new_id
from app.common.permissions import SCOPES
from app.models import Conversation, Message, Tenant
from tests.conftest import SignIn
from tests.factories import (
    ApiClient,
    create_api_key,
    create_channel,
    create_conversation,
    create_message,
)
from tests.isolation_cases import (
    CANARY,
    CASES,
    Estate,
    Foreign,
    Own,
    build_estate,
    conversation_id,
    message_id,
)
from tests.test_isolation import attempt, comparable

OF_MODES = [
    pytest.param(call, case, id=f"{call} {case.field or case.query or ''}".strip())
    for call, cases in CASES.items()
    for case in cases
    if isinstance(case, Foreign)
    and (
        "conversation_id" in call
        or "message_id" in call
        or case.pick in (conversation_id, message_id)
    )
]
LISTS = [
    pytest.param(call, case, id=f"{call} {case.query}")
    for call, cases in CASES.items()
    for case in cases
    if isinstance(case, Own) and call in {"GET /api/messages", "GET /api/whatsapp/conversations"}
]
MODES = ("live", "test")


@pytest.fixture
def estate(tenant: Tenant) -> Estate:
    return build_estate(tenant.id)


def in_mode(estate: Estate, mode: str) -> Estate:
    """Return the estate with a conversation and messages of this mode."""
    is_test = mode == "test"
    thread: Conversation = estate.conversation
    if is_test:
        thread = create_conversation(
            estate.tenant_id, channel=estate.channel, contact_id=thread.contact_id, is_test=True
        )
    rows: list[Message] = [
        create_message(
            estate.tenant_id, conversation=thread, body=CANARY, is_test=is_test, **fields
        )
        for fields in ({}, {"status": "unknown", "due_at": None})
    ]
    return replace(estate, conversation=thread, message=rows[0], unknown_message=rows[1])


def key_of(app: Flask, tenant: Tenant, mode: str) -> ApiClient:
    scopes = [str(scope) for scope in SCOPES]
    return ApiClient(app, create_api_key(tenant.id, mode=mode, scopes=scopes)[1])


def other(mode: str) -> str:
    return "live" if mode == "test" else "test"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("call", "case"), OF_MODES)
def test_a_row_of_the_other_mode_is_as_if_it_did_not_exist(
    app: Flask, tenant: Tenant, estate: Estate, mode: str, call: str, case: Foreign
) -> None:
    foreign, stranger = case.pick(in_mode(estate, other(mode))), new_id()
    client = key_of(app, tenant, mode)
    before = everything(tenant.id)
    answers = [attempt(client, call, case, value) for value in (foreign, stranger)]
    found, unknown = (
        comparable(answer, value)
        for answer, value in zip(answers, (foreign, stranger), strict=True)
    )
    assert found == unknown
    assert everything(tenant.id) == before


def everything(tenant_id: UUID) -> list[Any]:
    with db.tenant_session(tenant_id) as session:
        messages = session.execute(text("select id, status from recado.messages order by id"))
        threads = session.execute(
            text("select id, status, owner, message_count from recado.conversations order by id")
        )
        return [*messages.all(), *threads.all()]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("call", "case"), LISTS)
def test_a_list_holds_one_mode_only(
    app: Flask, tenant: Tenant, estate: Estate, mode: str, call: str, case: Own
) -> None:
    mine, theirs = (in_mode(estate, each) for each in (mode, other(mode)))
    client = key_of(app, tenant, mode)
    shown = client.get(call.split(" ")[1], query=case.query).text
    assert str(mine.conversation.id) in shown
    assert str(theirs.conversation.id) not in shown
    assert str(theirs.message.id) not in shown


def test_a_test_message_opens_a_conversation_of_its_own(app: Flask, tenant: Tenant) -> None:
    create_channel(tenant.id, is_default=True)
    live, test = (key_of(app, tenant, mode) for mode in MODES)
    for client in (live, test, test):
        body = {"to_number": "+15551234567", "body": "hola"}
        assert client.post("/api/send", body).status_code == 202
    shown = [
        [
            (each["is_test"], each["message_count"])
            for each in client.get("/api/whatsapp/conversations").json["items"]
            if each["contact"]["phone"] == "+15551234567"
        ]
        for client in (live, test)
    ]
    assert shown == [[(False, 1)], [(True, 2)]]
    contacts = {
        each["contact"]["id"]
        for client in (live, test)
        for each in client.get("/api/whatsapp/conversations").json["items"]
        if each["contact"]["phone"] == "+15551234567"
    }
    assert len(contacts) == 1, "the person is the same"


def test_a_person_sees_live_data_and_by_a_header_test_data(
    sign_in: SignIn, app: Flask, tenant: Tenant
) -> None:
    create_channel(tenant.id, is_default=True)
    key_of(app, tenant, "test").post("/api/send", {"to_number": "+15551234567", "body": "trial"})
    person = sign_in()
    texts = {
        mode: [
            each["body"]
            for each in person.get(
                "/api/messages", headers={"Recado-Mode": mode} if mode else {}
            ).json["messages"]
        ]
        for mode in ("", "live", "test", " TEST ")
    }
    assert texts["test"] == texts[" TEST "] == ["trial"]
    assert texts["live"] == texts[""]
    assert texts[""] == []


def test_what_a_person_sends_in_test_mode_is_a_test(sign_in: SignIn, tenant: Tenant) -> None:
    create_channel(tenant.id, is_default=True)
    body = {"to_number": "+15551234567", "body": "trial"}
    sent = sign_in().post("/api/send", body, headers={"Recado-Mode": "test"}).json
    with db.tenant_session(tenant.id) as session:
        row = session.get(Message, (tenant.id, UUID(sent["message_id"])))
        assert row is not None
        assert row.is_test


@pytest.mark.parametrize("mode", MODES)
def test_a_key_cannot_leave_its_mode(app: Flask, tenant: Tenant, mode: str) -> None:
    client = key_of(app, tenant, mode)
    same = client.get("/api/messages", headers={"Recado-Mode": mode})
    refused = client.get("/api/messages", headers={"Recado-Mode": other(mode)})
    assert same.status_code == 200
    assert (refused.status_code, refused.json["code"]) == (403, "wrong_mode")


@pytest.mark.parametrize("value", ["", " ", "production", "testing", "live,test", "x" * 5000])
def test_an_unknown_mode_is_refused(sign_in: SignIn, value: str) -> None:
    answer = sign_in().get("/api/messages", headers={"Recado-Mode": value})
    assert (answer.status_code, answer.json["code"]) == (403, "wrong_mode")


def test_test_messages_use_up_no_quota(app: Flask, sign_in: SignIn, tenant: Tenant) -> None:
    create_channel(tenant.id, is_default=True)
    with db.tenant_session(tenant.id) as session:
        session.execute(text("update recado.tenants set daily_message_quota = 3"))
        session.execute(text("delete from recado.messages"))
    body = {"to_number": "+15551234567", "body": "hola"}
    live, test = (key_of(app, tenant, mode) for mode in MODES)
    assert [test.post("/api/send", body).status_code for _ in range(5)] == [202] * 5
    assert [live.post("/api/send", body).status_code for _ in range(4)] == [202, 202, 202, 429]


@pytest.fixture
def as_live(tenant: Tenant) -> Iterator[Any]:
    with db.tenant_session(tenant.id, db.Mode.LIVE) as session:
        yield session


def test_the_database_refuses_a_row_of_the_other_mode(as_live: Any, estate: Estate) -> None:
    statement = text("update recado.messages set is_test = true")
    with pytest.raises(Exception, match="row-level security"):
        as_live.execute(statement)
