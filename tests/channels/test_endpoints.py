"""`/channels`: what a tenant can do with its channels, and what nobody can see."""

import json
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from app import config, db
from app.channels import secrets
from app.common import clock
from app.models import AuditEntry, Channel, Role, Status
from simulator.demo import DEMO_ACCOUNT_SID, DEMO_AUTH_TOKEN, DEMO_SENDER
from tests.channels.local_server import closed_port
from tests.factories import (
    ApiClient,
    create_conversation,
    create_message,
)

CANARY = "canary0123456789abcdef0123456789"


def a_channel(**changes: Any) -> dict[str, Any]:
    body = {
        "name": "Main",
        "provider": "twilio",
        "phone_number": "+15550001234",
        "credentials": {"account_sid": f"AC{'1' * 32}", "auth_token": CANARY},
    }
    return {**body, **changes}


def credentials_of(client: ApiClient, channel_id: str) -> dict[str, str]:
    with db.tenant_session(client.tenant_id) as session:
        channel = session.scalars(select(Channel).where(Channel.id == channel_id)).one()
        return secrets.unseal(session, channel)


def change(client: ApiClient, channel_id: str, **body: Any) -> dict[str, Any]:
    answer = client.put(f"/channels/{channel_id}", body)
    assert answer.status_code == 200, answer.json
    found: dict[str, Any] = answer.json
    return found


def create(client: ApiClient, **changes: Any) -> dict[str, Any]:
    answer = client.post("/channels", a_channel(**changes))
    assert answer.status_code == 201, answer.json
    found: dict[str, Any] = answer.json
    return found


def test_a_channel_is_answered_with_hints_and_the_url_to_paste(signed_in: ApiClient) -> None:
    made = create(signed_in)
    assert made["credentials"] == {"account_sid": "…1111", "auth_token": "…6789"}
    assert made["webhook_url"].startswith("http://recado.test/webhook/twilio/")
    assert made["webhook_url"].endswith("#rc=3&rp=ct,rt,5xx")
    assert made["is_default"] is True
    assert made["messages_per_second"] == 80
    read = signed_in.get(f"/channels/{made['id']}").json
    assert read == made
    assert signed_in.get("/channels").json == {"items": [made], "next_cursor": None}


def test_a_secret_is_never_in_an_answer_a_log_or_the_audit(
    signed_in: ApiClient, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    answers = [signed_in.post("/channels", a_channel(), idempotency_key=str(uuid4()))]
    channel = f"/channels/{answers[0].json['id']}"
    answers += [
        signed_in.get(channel),
        signed_in.get("/channels"),
        signed_in.put(channel, {"credentials": {"auth_token": f"{CANARY}2"}}),
        signed_in.put(channel, {"credentials": {"api_key_sid": CANARY}}),
        signed_in.post("/channels", a_channel()),
        signed_in.post("/channels", a_channel(credentials={"auth_token": f"{CANARY} bad"})),
        signed_in.delete(channel),
    ]
    with db.tenant_session(signed_in.tenant_id) as session:
        rows = session.scalars(select(AuditEntry)).all()
        audit = json.dumps([[row.action, row.changes] for row in rows])
    assert "credentials.auth_token" in audit
    seen = (
        "".join(answer.text for answer in answers)
        + audit
        + caplog.text
        + "".join(capfd.readouterr())
    )
    assert CANARY not in seen
    assert CANARY[:8] not in seen


def test_a_secret_is_sealed_in_the_row(signed_in: ApiClient) -> None:
    made = create(signed_in)
    with db.tenant_session(signed_in.tenant_id) as session:
        row = session.scalars(select(Channel).where(Channel.id == made["id"])).one()
        assert CANARY.encode() not in row.credentials
    assert credentials_of(signed_in, made["id"])["auth_token"] == CANARY


def test_a_short_secret_gets_no_hint(signed_in: ApiClient) -> None:
    made = create(signed_in, credentials={"account_sid": f"AC{'1' * 32}", "auth_token": "1234567"})
    assert made["credentials"]["auth_token"] == "…"


def test_a_new_token_keeps_the_old_one_valid_for_webhooks(signed_in: ApiClient) -> None:
    made = create(signed_in)
    change(signed_in, made["id"], credentials={"auth_token": "the-new-token"})
    stored = credentials_of(signed_in, made["id"])
    assert stored["auth_token"] == "the-new-token"
    assert stored["previous_auth_token"] == CANARY
    assert stored["account_sid"] == f"AC{'1' * 32}"
    change(signed_in, made["id"], credentials={"auth_token": "the-new-token"})
    assert credentials_of(signed_in, made["id"])["previous_auth_token"] == CANARY
    until = datetime.fromisoformat(stored["previous_until"])
    assert timedelta(hours=23) < until - clock.now() <= timedelta(hours=24)
    change(signed_in, made["id"], credentials={"previous_auth_token": None})
    kept = credentials_of(signed_in, made["id"])
    assert not {"previous_auth_token", "previous_until"} & set(kept)


def test_nobody_prolongs_the_life_of_an_old_token(signed_in: ApiClient) -> None:
    made = create(signed_in)
    body = {"credentials": {"previous_until": "2999-01-01T00:00:00Z"}}
    answer = signed_in.put(f"/channels/{made['id']}", body)
    assert (answer.status_code, answer.json["code"]) == (422, "validation_error")
    assert "for a day" in answer.json["error"]


def test_another_account_s_token_is_not_kept_as_previous(signed_in: ApiClient) -> None:
    made = create(signed_in)
    moved = {"account_sid": f"AC{'2' * 32}", "auth_token": "the-new-token"}
    change(signed_in, made["id"], credentials=moved)
    assert credentials_of(signed_in, made["id"]) == moved


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"phone_number": "12"}, "phone_number"),
        ({"messages_per_second": 0}, "messages_per_second"),
        ({"status": "asleep"}, "status"),
        ({"surprise": 1}, "surprise"),
        ({"credentials": {"auth_token": "x"}}, "credentials.account_sid"),
        ({"credentials": {"account_sid": "AC1", "auth_token": "x"}}, "credentials.account_sid"),
        (
            {"credentials": {"account_sid": f"AC{'1' * 32}", "auth_token": "x", "pin": "1"}},
            "credentials.pin",
        ),
        (
            {
                "credentials": {
                    "account_sid": f"AC{'1' * 32}",
                    "auth_token": "x",
                    "signature_mode": "shared_key",
                }
            },
            "credentials.shared_key_secret",
        ),
        (
            {
                "credentials": {
                    "account_sid": f"AC{'1' * 32}",
                    "auth_token": "x",
                    "api_key_sid": f"SK{'1' * 32}",
                }
            },
            "credentials.api_key_secret",
        ),
    ],
)
def test_a_wrong_field_is_named(signed_in: ApiClient, changes: dict[str, Any], field: str) -> None:
    answer = signed_in.post("/channels", a_channel(**changes))
    assert answer.status_code == 422
    assert list(answer.json["details"]["fields"]) == [field]


@pytest.mark.parametrize("provider", ["meta", "smoke"])
def test_a_provider_without_an_adapter_is_refused_in_plain_words(
    signed_in: ApiClient, provider: str
) -> None:
    answer = signed_in.post("/channels", a_channel(provider=provider))
    assert (answer.status_code, answer.json["code"]) == (422, "provider_not_offered")


def test_the_same_sender_twice_in_a_tenant_is_a_conflict(signed_in: ApiClient) -> None:
    create(signed_in)
    answer = signed_in.post("/channels", a_channel())
    assert (answer.status_code, answer.json["code"]) == (409, "channel_exists")


def test_two_tenants_may_register_the_same_sender(
    signed_in: ApiClient, outsider: ApiClient
) -> None:
    ours, theirs = create(signed_in), create(outsider)
    assert ours["id"] != theirs["id"]
    assert ours["webhook_url"] != theirs["webhook_url"]


def test_exactly_one_channel_is_the_default(signed_in: ApiClient) -> None:
    first = create(signed_in)
    second = create(signed_in, phone_number="+15550001235")
    assert second["is_default"] is False
    third = create(signed_in, phone_number="+15550001236", is_default=True)
    change(signed_in, second["id"], is_default=True)
    listed = signed_in.get("/channels").json["items"]
    assert {each["id"]: each["is_default"] for each in listed} == {
        first["id"]: False,
        second["id"]: True,
        third["id"]: False,
    }
    answer = signed_in.put(f"/channels/{second['id']}", {"is_default": False})
    assert list(answer.json["details"]["fields"]) == ["is_default"]


def test_provider_and_number_stay(signed_in: ApiClient) -> None:
    made = create(signed_in)
    same = change(signed_in, made["id"], phone_number="+15550001234", name="New name")
    assert same["name"] == "New name"
    answer = signed_in.put(f"/channels/{made['id']}", {"phone_number": "+15550009999"})
    assert list(answer.json["details"]["fields"]) == ["phone_number"]


def test_an_unused_channel_is_deleted_and_the_oldest_takes_its_place(
    signed_in: ApiClient,
) -> None:
    first = create(signed_in)
    second = create(signed_in, phone_number="+15550001235")
    assert signed_in.delete(f"/channels/{first['id']}").status_code == 204
    assert signed_in.get(f"/channels/{first['id']}").status_code == 404
    assert signed_in.get(f"/channels/{second['id']}").json["is_default"] is True


def test_a_channel_with_history_is_disabled_and_forgets_its_credentials(
    signed_in: ApiClient,
) -> None:
    made = create(signed_in)
    with db.tenant_session(signed_in.tenant_id) as session:
        channel = session.scalars(select(Channel).where(Channel.id == made["id"])).one()
    create_conversation(signed_in.tenant_id, channel=channel)
    assert signed_in.delete(f"/channels/{made['id']}").status_code == 204
    left = signed_in.get(f"/channels/{made['id']}").json
    assert (left["status"], left["credentials"], left["is_default"]) == ("disabled", {}, False)
    assert credentials_of(signed_in, made["id"]) == {}
    refused = signed_in.put(f"/channels/{made['id']}", {"status": "active"})
    assert list(refused.json["details"]["fields"]) == ["credentials"]
    assert signed_in.post(f"/channels/{made['id']}/verify").status_code == 422
    again = change(signed_in, made["id"], status="active", credentials=a_channel()["credentials"])
    assert again["status"] == "active"


@pytest.mark.parametrize("status", [Status.QUEUED, Status.SENDING, Status.UNCERTAIN])
def test_a_channel_with_messages_on_their_way_is_not_deleted(
    signed_in: ApiClient, status: Status
) -> None:
    made = create(signed_in)
    with db.tenant_session(signed_in.tenant_id) as session:
        channel = session.scalars(select(Channel).where(Channel.id == made["id"])).one()
    conversation = create_conversation(signed_in.tenant_id, channel=channel)
    create_message(signed_in.tenant_id, conversation=conversation, status=status)
    answer = signed_in.delete(f"/channels/{made['id']}")
    assert (answer.status_code, answer.json["code"]) == (409, "channel_busy")


def test_another_tenant_s_channel_does_not_exist(signed_in: ApiClient, outsider: ApiClient) -> None:
    channel = f"/channels/{create(signed_in)['id']}"
    nothing = f"/channels/{uuid4()}"
    for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/verify")):
        body = {"name": "x"} if method == "PUT" else None
        answers = [outsider.request(method, place + path, body) for place in (channel, nothing)]
        assert [answer.status_code for answer in answers] == [404, 404]
        theirs, none = ({**answer.json, "request_id": ""} for answer in answers)
        assert theirs == none
    assert signed_in.get(channel).status_code == 200


@pytest.mark.parametrize(("role", "expected"), [(Role.ADMIN, 201), (Role.AGENT, 403)])
def test_only_those_who_may_add_channels(sign_in: Any, role: Role, expected: int) -> None:
    client = sign_in(role)
    assert client.post("/channels", a_channel()).status_code == expected
    assert client.get("/channels").status_code == 200


def test_a_repeat_with_the_same_key_makes_one_channel(signed_in: ApiClient) -> None:
    key = str(uuid4())
    answers = [signed_in.post("/channels", a_channel(), idempotency_key=key).json for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(signed_in.get("/channels").json["items"]) == 1


def demo_channel(**credentials: str) -> dict[str, Any]:
    demo = {"account_sid": DEMO_ACCOUNT_SID, "auth_token": DEMO_AUTH_TOKEN, **credentials}
    return a_channel(phone_number=DEMO_SENDER, credentials=demo)


def test_verify_asks_the_provider_and_keeps_the_answer(
    at_simulator: None, signed_in: ApiClient
) -> None:
    made = signed_in.post("/channels", demo_channel()).json
    answer = signed_in.post(f"/channels/{made['id']}/verify")
    assert answer.status_code == 200
    assert answer.json["verified"] is True
    assert answer.json["owns_sender"] is True
    assert answer.json["checked_at"]
    assert signed_in.get(f"/channels/{made['id']}").json["verified_at"] is not None


def test_verify_says_what_is_wrong(at_simulator: None, signed_in: ApiClient) -> None:
    made = signed_in.post("/channels", demo_channel(auth_token="wrong-token")).json
    answer = signed_in.post(f"/channels/{made['id']}/verify").json
    assert (answer["verified"], answer["credentials_valid"]) == (False, False)
    assert "auth token" in answer["detail"]


def test_verify_is_unavailable_while_the_provider_is_away(
    app: Any, settings: Any, signed_in: ApiClient
) -> None:
    made = create(signed_in)
    config.use(replace(settings, twilio_api_base_url=f"http://127.0.0.1:{closed_port()}"))
    try:
        answer = signed_in.post(f"/channels/{made['id']}/verify")
    finally:
        config.use(settings)
    assert (answer.status_code, answer.json["code"]) == (503, "provider_unavailable")
    assert answer.headers["Retry-After"]
