"""`Idempotency-Key`: the same key and body get the same answer and one row."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app import db
from app.models import Role, Tenant
from app.tasks import ring
from tests.common.census import row_counts
from tests.conftest import SignIn
from tests.factories import ApiClient, create_channel, create_tenant

TEXT = {"to_number": "+15551234567", "body": "¡Hola!"}


@pytest.fixture(autouse=True)
def channel(tenant: Tenant) -> None:
    create_channel(tenant.id, is_default=True)


def rows(client: ApiClient, table: str) -> int:
    return row_counts(client.tenant_id)[client.tenant_id, table]


def send(client: ApiClient, key: str, **changes: Any) -> Any:
    return client.post("/api/send", {**TEXT, **changes}, idempotency_key=key)


def test_a_repeat_gets_the_first_answer_and_makes_nothing(signed_in: ApiClient) -> None:
    first, again = send(signed_in, "k"), send(signed_in, "k")
    assert (again.status_code, again.json) == (202, first.json)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert rows(signed_in, "messages") == 1


def test_the_order_of_fields_and_a_slash_do_not_make_another_request(signed_in: ApiClient) -> None:
    first = send(signed_in, "k")
    turned = dict(reversed(TEXT.items()))
    again = signed_in.post("/api/send/", turned, idempotency_key="k")
    assert again.json == first.json


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/send", {**TEXT, "body": "Another"}),
        ("/api/send", {**TEXT, "priority": "bulk"}),
        ("/api/send-message", {"phone": "+15551234567", "message": "x", "use_queue": True}),
        ("/api/keyword-replies", {"keywords": ["hola"], "reply": "x"}),
    ],
)
def test_a_key_is_for_one_request(signed_in: ApiClient, path: str, body: Any) -> None:
    send(signed_in, "k")
    before = row_counts(signed_in.tenant_id)
    answer = signed_in.post(path, body, idempotency_key="k")
    assert (answer.status_code, answer.json["code"]) == (422, "idempotency_key_reused")
    assert row_counts(signed_in.tenant_id) == before


def test_a_colleague_cannot_use_my_key(signed_in: ApiClient, sign_in: SignIn) -> None:
    send(signed_in, "k")
    assert send(sign_in(Role.ADMIN), "k").json["code"] == "idempotency_key_reused"


def test_fifty_simultaneous_posts_of_one_key_are_one_message(signed_in: ApiClient) -> None:
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: send(signed_in, "k"), range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json["message_id"] for answer in answers}) == 1
    assert rows(signed_in, "messages") == rows(signed_in, "idempotency_keys") == 1


def test_two_tenants_may_use_the_same_key(signed_in: ApiClient, sign_in: SignIn) -> None:
    other = create_tenant()
    create_channel(other.id, is_default=True)
    first, second = send(signed_in, "k"), send(sign_in(tenant=other), "k")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json["message_id"] != second.json["message_id"]


def test_a_failure_is_not_kept(signed_in: ApiClient) -> None:
    assert send(signed_in, "k", from_number="+15550001111").status_code == 422
    assert rows(signed_in, "idempotency_keys") == 0
    assert send(signed_in, "k").status_code == 202


def test_a_key_is_forgotten_after_a_day(signed_in: ApiClient) -> None:
    first = send(signed_in, "k")
    late = text("update recado.idempotency_keys set expires_at = now() - :past")
    with db.tenant_session(signed_in.tenant_id) as session:
        session.execute(late, {"past": timedelta(seconds=1)})
    assert send(signed_in, "k").json["message_id"] != first.json["message_id"]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "a\x7fb"])
def test_a_key_is_short_and_printable(signed_in: ApiClient, key: str) -> None:
    answer = send(signed_in, key)
    assert (answer.status_code, answer.json["code"]) == (422, "validation_error")
    assert rows(signed_in, "messages") == 0


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}", b"\xff", b"", b"{", b'"\\ud800"']
)
def test_no_body_breaks_a_request_with_a_key(signed_in: ApiClient, body: bytes) -> None:
    headers = {
        "Authorization": f"Bearer {signed_in.token}",
        "Content-Type": "application/json",
        "Idempotency-Key": "k",
    }
    answer = signed_in.app.test_client().post("/api/send", data=body, headers=headers)
    assert answer.status_code in {400, 422}
    assert rows(signed_in, "idempotency_keys") == 0


def test_a_process_that_dies_after_the_commit_sends_no_second_message(
    signed_in: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(ring, "send", die)
        with pytest.raises(Killed):
            send(signed_in, "k")
    again = send(signed_in, "k")
    assert again.status_code == 202
    assert again.headers["Idempotency-Replayed"] == "true"
    assert rows(signed_in, "messages") == 1
