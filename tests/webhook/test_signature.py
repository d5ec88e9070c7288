"""A forged webhook changes nothing: 403, the same text each time, and no row."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.channels import cache
from app.models import Channel, Tenant
from app.webhook import budgets
from tests.common.census import row_counts
from tests.factories import TWILIO_AUTH_TOKEN, create_channel, create_tenant
from tests.webhook.twilio_posts import (
    SIGNATURE,
    SIGNATURE_SETTINGS,
    Signed,
    inbound,
    ledger,
    receipt,
    sign,
    tell,
)
from tests.world import settings_changed

OTHER_TOKEN = "fedcba9876543210fedcba9876543210"
SHARED_KEY = {
    "auth_token": TWILIO_AUTH_TOKEN,
    "signature_mode": "shared_key",
    "shared_key_id": "webhooks_sharedkey_1",
    "shared_key_secret": "a shared secret of the account",
    "previous_shared_key_secret": "the shared secret before",
    "previous_until": "2999-01-01T00:00:00+00:00",
}


@pytest.fixture
def channel(tenant: Tenant) -> Channel:
    return create_channel(tenant.id)


def shared_key_channel(tenant: Tenant) -> Channel:
    account = "AC" + "5" * 32
    credentials = {"account_sid": account, **SHARED_KEY}
    return create_channel(tenant.id, account=account, credentials=credentials)


def own_path(channel: Channel) -> str:
    return f"/webhook/twilio/{channel.key}"


def told(answer: TestResponse) -> dict[str, Any]:
    assert answer.json is not None
    return answer.json


def forgery_changes_nothing(app: Flask, request: Signed, *tenants: Tenant) -> None:
    ids = [tenant.id for tenant in tenants]
    before = row_counts(*ids)
    answer = request.send(app)
    assert (answer.status_code, told(answer)["code"]) == (403, "bad_signature")
    assert row_counts(*ids) == before


@pytest.mark.parametrize("path", ["/webhook/twilio", "/webhook/whatsapp", "own"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_what_twilios_library_signed_is_taken_at_every_address(
    app: Flask, tenant: Tenant, channel: Channel, path: str, slash: str
) -> None:
    path = own_path(channel) if path == "own" else path
    assert sign(path + slash, inbound(channel)).send(app).status_code == 200
    assert ledger(tenant.id) == {"received": 1, "duplicates": 0}


def drop_signature(request: Signed) -> Signed:
    kept = {name: text for name, text in request.headers.items() if name != SIGNATURE}
    return replace(request, headers=kept)


def with_signature(signature: str) -> Callable[[Signed], Signed]:
    return lambda request: replace(request, headers={**request.headers, SIGNATURE: signature})


def with_body(change: Callable[[bytes], bytes]) -> Callable[[Signed], Signed]:
    return lambda request: replace(request, body=change(request.body))


TAMPERINGS: dict[str, Callable[[Signed], Signed]] = {
    "no signature": drop_signature,
    "an empty signature": with_signature(""),
    "a wrong signature": with_signature("AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    "a signature that is no base64": with_signature("ñ \x7f"),
    "another field": with_body(lambda body: body.replace(b"tal", b"mal")),
    "one field more": with_body(lambda body: body + b"&Extra=1"),
    "one field less": with_body(lambda body: body.replace(b"&NumMedia=0", b"")),
    "a field twice": with_body(lambda body: body + b"&Body=x"),
    "another sender": with_body(lambda body: body.replace(b"15551234567", b"15557654321")),
    "no body": with_body(lambda _: b""),
    "a body that is no form": with_body(lambda _: b'{"Body": "x"}'),
    "a body that is no text": with_body(lambda _: b"\xff\xfe\x00"),
    "another query": lambda request: replace(request, path=f"{request.path}?a=1"),
    "another path": lambda request: replace(request, path=f"{request.path}/"),
    "json": lambda request: replace(
        request, headers={**request.headers, "Content-Type": "application/json"}
    ),
    "an algorithm that nobody knows": lambda request: replace(
        request, headers={**request.headers, SIGNATURE_SETTINGS: "key=a,algorithm=NONE"}
    ),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_an_altered_request_is_refused(
    app: Flask, tenant: Tenant, channel: Channel, tampering: str
) -> None:
    altered = TAMPERINGS[tampering](sign(own_path(channel), inbound(channel)))
    forgery_changes_nothing(app, altered, tenant)


@pytest.mark.parametrize(
    "base",
    [
        "https://recado.test",
        "http://recado.example",
        "http://recado.test:8443",
        "http://user@recado.test",
        "http://recado.test/prefix",
    ],
)
def test_a_signature_for_another_address_is_refused(
    app: Flask, tenant: Tenant, channel: Channel, base: str
) -> None:
    request = sign(own_path(channel), inbound(channel), base=base)
    forgery_changes_nothing(app, request, tenant)


def test_the_public_address_counts_and_no_header_of_the_request(
    app: Flask, tenant: Tenant, channel: Channel
) -> None:
    with settings_changed(public_base_url="https://recado.example:8443"):
        request = sign(own_path(channel), inbound(channel))
        misled = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
        answer = replace(request, headers={**request.headers, **misled}).send(app)
        assert answer.status_code == 200
        plain = sign(own_path(channel), inbound(channel), base="http://recado.example:8443")
        forgery_changes_nothing(app, plain, tenant)
        without_port = sign(own_path(channel), inbound(channel), base="https://recado.example")
        honest = without_port.send(app).status_code
        # The official validator also accepts the URL without its port; both are this service.
        assert honest == 200


def test_a_changed_query_is_refused(app: Flask, tenant: Tenant, channel: Channel) -> None:
    request = sign(f"{own_path(channel)}?message=1&attempt=1", inbound(channel))
    for path in ("?message=2&attempt=1", "?attempt=1&message=1", "?message=1", ""):
        forgery_changes_nothing(app, replace(request, path=own_path(channel) + path), tenant)
    assert request.send(app).status_code == 200


def test_an_escaped_query_counts_as_it_was_sent(
    app: Flask, tenant: Tenant, channel: Channel
) -> None:
    request = sign(f"{own_path(channel)}?a=%C3%B1%20b+c&d", inbound(channel))
    assert request.send(app).status_code == 200


def test_another_tenants_token_signs_nothing_here(
    app: Flask, tenant: Tenant, channel: Channel
) -> None:
    other = create_tenant()
    account = "AC" + "7" * 32
    credentials = {"account_sid": account, "auth_token": OTHER_TOKEN}
    theirs = create_channel(other.id, account=account, credentials=credentials)
    for path in (own_path(channel), "/webhook/twilio"):
        request = sign(path, inbound(channel), secret=OTHER_TOKEN)
        forgery_changes_nothing(app, request, tenant, other)
    stranger = sign(own_path(theirs), inbound(channel))
    forgery_changes_nothing(app, stranger, tenant, other)


def test_a_number_that_two_tenants_claim_belongs_to_the_one_whose_token_signed(
    app: Flask, tenant: Tenant, channel: Channel
) -> None:
    other = create_tenant()
    claimed = {"account": channel.account, "phone_number": channel.phone_number}
    credentials = {"account_sid": channel.account, "auth_token": OTHER_TOKEN}
    create_channel(other.id, credentials=credentials, **claimed)
    assert sign("/webhook/twilio", inbound(channel)).send(app).status_code == 200
    assert ledger(tenant.id) == {"received": 1, "duplicates": 0}
    assert ledger(other.id) == {"duplicates": 0}


def test_the_token_before_is_taken_while_a_token_is_changed(app: Flask, tenant: Tenant) -> None:
    account = "AC" + "8" * 32
    credentials = {
        "account_sid": account,
        "auth_token": TWILIO_AUTH_TOKEN,
        "previous_auth_token": OTHER_TOKEN,
        "previous_until": "2999-01-01T00:00:00+00:00",
    }
    channel = create_channel(tenant.id, account=account, credentials=credentials)
    for number, secret in enumerate([TWILIO_AUTH_TOKEN, OTHER_TOKEN]):
        request = sign(own_path(channel), inbound(channel, f"SM{number}"), secret=secret)
        assert request.send(app).status_code == 200
    assert ledger(tenant.id) == {"received": 2, "duplicates": 0}


def test_shared_key_signatures_are_taken_where_the_channel_says_so(
    app: Flask, tenant: Tenant
) -> None:
    channel = shared_key_channel(tenant)
    secrets = [SHARED_KEY["shared_key_secret"], SHARED_KEY["previous_shared_key_secret"]]
    for number, secret in enumerate(secrets):
        form = inbound(channel, f"SM{number}")
        request = sign(own_path(channel), form, secret=secret, shared_key=True)
        assert request.send(app).status_code == 200


def test_a_shared_key_channel_refuses_the_weaker_algorithm(app: Flask, tenant: Tenant) -> None:
    channel = shared_key_channel(tenant)
    for secret in (TWILIO_AUTH_TOKEN, SHARED_KEY["shared_key_secret"]):
        request = sign(own_path(channel), inbound(channel), secret=secret)
        forgery_changes_nothing(app, request, tenant)


def test_an_auth_token_channel_refuses_the_other_algorithm(
    app: Flask, tenant: Tenant, channel: Channel
) -> None:
    request = sign(own_path(channel), inbound(channel), shared_key=True)
    forgery_changes_nothing(app, request, tenant)


def test_an_unknown_key_or_sender_is_told_nothing_more_than_a_forger(
    app: Flask, tenant: Tenant, channel: Channel
) -> None:
    known = told(with_signature("no")(sign(own_path(channel), inbound(channel))).send(app))
    unknown = sign("/webhook/twilio/no-such-key", inbound(channel)).send(app)
    nobody = sign("/webhook/twilio", inbound(channel, To="whatsapp:+15550000000")).send(app)
    nul = sign("/webhook/twilio/a%00b", inbound(channel)).send(app)
    for answer in (unknown, nobody, nul):
        assert answer.status_code == 403
        assert {**told(answer), "request_id": None} == {**known, "request_id": None}


def test_a_huge_webhook_is_refused_unread(app: Flask, tenant: Tenant, channel: Channel) -> None:
    before = row_counts(tenant.id)
    request = sign(own_path(channel), inbound(channel, Body="x" * 2_000_000))
    assert request.send(app).status_code == 413
    assert row_counts(tenant.id) == before


def test_a_disabled_channel_still_hears_but_a_forgotten_one_does_not(
    app: Flask, tenant: Tenant
) -> None:
    disabled = create_channel(tenant.id, status="disabled")
    assert tell(app, disabled, receipt(disabled, "SM1", "delivered")).status_code == 204
    gone = create_channel(tenant.id, status="disabled", credentials={"account_sid": "AC1"})
    forgery_changes_nothing(app, sign(own_path(gone), inbound(gone)), tenant)


def test_a_signed_body_that_postgres_cannot_keep_is_refused(
    app: Flask, tenant: Tenant, channel: Channel
) -> None:
    form = {**inbound(channel), "Body": "a\x00b"}
    request = sign(own_path(channel), form)
    raw = replace(request, body=urlencode(form).encode().replace(b"%00", b"\x00"))
    before = row_counts(tenant.id)
    answer = raw.send(app)
    assert (answer.status_code, told(answer)["code"]) == (400, "unreadable_webhook")
    assert row_counts(tenant.id) == before


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_webhook_is_a_post(app: Flask, channel: Channel, method: str) -> None:
    answer = app.test_client().open(own_path(channel), method=method)
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def test_strangers_cost_few_look_ups(
    app: Flask, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some unknown channels of one network, only those in memory are looked for: the
    provider's genuine webhooks go on."""
    monkeypatch.setattr(budgets, "strangers", budgets.Budget(3))
    assert sign(own_path(channel), inbound(channel, "SM0")).send(app).status_code == 200
    asked: list[str] = []
    resolve = cache._resolve

    def counted(*args: Any) -> Any:
        asked.append(str(args))
        return resolve(*args)

    monkeypatch.setattr(cache, "_resolve", counted)
    for number in range(10):
        request = sign(f"/webhook/twilio/nobody{number}", inbound(channel))
        assert request.send(app).status_code == 403
    assert len(asked) == 3
    assert sign(own_path(channel), inbound(channel, "SM1")).send(app).status_code == 200


def test_one_channel_does_not_fill_the_inbox(
    app: Flask, tenant: Tenant, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budgets, "events", budgets.Budget(2))
    answers = [
        sign(own_path(channel), inbound(channel, f"SM{number}")).send(app) for number in range(3)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 503]
    assert told(answers[2])["code"] == "overloaded"
    assert int(answers[2].headers["Retry-After"]) > 0
    assert ledger(tenant.id) == {"received": 2, "duplicates": 0}
    other = create_channel(tenant.id)
    assert sign(own_path(other), inbound(other)).send(app).status_code == 200


def test_a_budget_counts_by_the_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    budget = budgets.Budget(2)
    assert [budget.spend("a"), budget.spend("a"), budget.spend("a"), budget.spend("b")] == [
        *(True, True, False, True)
    ]
    now += budgets.WINDOW_SECONDS
    assert budget.spend("a", 2)
    assert budget.is_spent("a")
