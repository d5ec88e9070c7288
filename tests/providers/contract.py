"""The contract of providers: one test suite, which runs for each of them.

A provider supplies an `Outside`, with which the suite controls the provider's side. The suite uses
our own API, webhooks and workers, and no names of a provider.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from app import config, db
from app.channels import cache
from app.channels.providers.base import (
    Accepted,
    Ignored,
    InboundMessage,
    Json,
    Provider,
    StatusReceipt,
    WebhookRequest,
)
from app.channels.providers.registry import provider_of
from app.delivery import claims, outcomes
from app.delivery.pacing import Plan
from app.inbox import read_requests, repair
from app.models import Status, Tenant
from tests.ai.model_server import answer, model_server
from tests.ai.model_server import message as spoken
from tests.common.census import row_counts
from tests.factories import ApiClient
from tests.providers.outside import Fate, Outside, ProviderChannel, Receipt, Written
from tests.webhook.twilio_posts import Signed, ledger
from tests.world import settings_changed

REPORTED = (Status.SENT, Status.DELIVERED, Status.READ)
ORDERS = list(itertools.permutations(REPORTED))


class ProviderContract:
    """Base class of a provider's tests; the subclass supplies the fixture `outside`."""

    @pytest.fixture
    def place(
        self, app: Flask, tenant: Tenant, signed_in: ApiClient, outside: Outside
    ) -> Iterator[ProviderChannel]:
        made = signed_in.post(
            "/channels",
            {
                "provider": outside.provider,
                "phone_number": outside.phone_number,
                "credentials": outside.credentials,
            },
        )
        assert made.status_code == 201, made.json
        path = "/" + made.json["webhook_url"].partition("#")[0].split("/", 3)[3]
        yield ProviderChannel(app, tenant, signed_in, outside, UUID(made.json["id"]), path)
        cache.forget_all()

    # Sending

    def test_a_send_is_accepted_under_the_provider_s_id(self, place: ProviderChannel) -> None:
        message_id = place.send()
        place.deliver()
        message = place.message(message_id)
        assert message.status == Status.ACCEPTED
        assert message.provider_message_id
        assert list(place.outside.processed()) == [place.token(message_id)]

    def test_a_refused_send_fails_with_cause_and_remedy(self, place: ProviderChannel) -> None:
        message_id = place.send(Fate.REFUSED)
        place.deliver()
        message = place.message(message_id)
        assert message.status == Status.FAILED
        assert message.error is not None
        assert message.error["cause"]
        assert message.error["remedy"]
        assert message.error["provider_code"]

    @pytest.mark.parametrize("fate", [Fate.NOT_NOW, Fate.BAD_CREDENTIALS])
    def test_trouble_of_the_channel_costs_a_message_nothing(
        self, place: ProviderChannel, fate: Fate
    ) -> None:
        message_id = place.send(fate)
        place.deliver()
        assert place.message(message_id).status == Status.QUEUED
        trouble = place.owner.get(f"/channels/{place.channel_id}").json["trouble"]
        assert trouble["cause"]
        assert trouble["remedy"]
        outcomes = place.sql("select outcome from recado.attempts")
        assert [row.outcome for row in outcomes] == ["paused"]
        assert list(place.outside.processed()) == []

    def test_a_send_without_an_answer_is_not_repeated(self, place: ProviderChannel) -> None:
        message_id = place.send(Fate.PROCESSED_WITHOUT_ANSWER)
        place.deliver()
        assert place.message(message_id).status == Status.UNCERTAIN
        place.settle()
        place.deliver()
        assert list(place.outside.processed()) == [place.token(message_id)]
        message = place.message(message_id)
        if self._capabilities(place).lists_sent:
            assert message.status in {Status.ACCEPTED, *REPORTED}
        else:
            assert message.status == Status.UNKNOWN
            assert message.error is not None
            assert message.error["code"] == "no_list"

    def test_the_conversation_goes_on_after_a_send_without_an_answer(
        self, place: ProviderChannel
    ) -> None:
        first = place.send(Fate.LOST_WITHOUT_ANSWER, "first")
        second = place.send(Fate.LOST_WITHOUT_ANSWER, "second")
        place.deliver()
        assert place.message(second).status == Status.QUEUED
        for _ in range(3):
            place.settle()
        assert place.message(first).status in {Status.QUEUED, Status.UNKNOWN}
        if place.message(first).status == Status.UNKNOWN:
            place.deliver()
            assert place.message(second).attempts == 1

    def test_what_it_cannot_send_is_refused_in_words(
        self, place: ProviderChannel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        provider = provider_of(place.outside.provider)
        poor = replace(provider.capabilities, kinds=frozenset({"location"}))
        monkeypatch.setattr(provider, "capabilities", poor)
        body = {"to_number": place.outside.person(Fate.ACCEPTED), "body": "x"}
        answer = place.owner.post("/api/send", body)
        assert (answer.status_code, answer.json["code"]) == (422, "unsupported_content")

    # Receipts

    @pytest.mark.parametrize("order", ORDERS, ids="-".join)
    @pytest.mark.parametrize("is_named", [True, False], ids=["with token", "without"])
    def test_receipts_may_come_in_any_order(
        self, place: ProviderChannel, order: tuple[Status, ...], is_named: bool
    ) -> None:
        message_id = place.send()
        place.deliver()
        for status in order:
            place.tell(place.receipt(message_id, status, is_named=is_named))
        place.apply()
        message = place.message(message_id)
        assert message.status == Status.READ
        assert None not in {message.sent_at, message.delivered_at, message.read_at}
        assert ledger(place.tenant.id) == {"applied": len(order), "duplicates": 0}

    def test_a_receipt_may_come_before_the_send_was_answered(self, place: ProviderChannel) -> None:
        message_id = place.send()
        (claim,) = claims.take(place.tenant.id, Plan({message_id: 0.0}, {}))
        place.tell(place.receipt(message_id, Status.DELIVERED))
        place.apply()
        message = place.message(message_id)
        assert message.status == Status.DELIVERED
        accepted = Accepted(str(message.provider_message_id))
        outcomes.record(place.tenant.id, place.channel_id, [(claim, accepted)])
        assert place.message(message_id).status == Status.DELIVERED

    def test_a_reported_failure_names_its_cause(self, place: ProviderChannel) -> None:
        message_id = place.send()
        place.deliver()
        place.tell(place.receipt(message_id, Status.FAILED))
        place.apply()
        message = place.message(message_id)
        assert message.status == Status.FAILED
        assert message.error is not None
        assert message.error["cause"]

    def test_a_receipt_of_nobody_s_message_is_ignored_with_a_reason(
        self, place: ProviderChannel
    ) -> None:
        place.tell(Receipt("SM404", "", Status.DELIVERED))
        place.apply()
        (row,) = place.sql("select state, reason from recado.inbox_items")
        assert row.state == "ignored"
        assert row.reason

    # Incoming messages

    def test_what_a_person_writes_becomes_a_message(self, place: ProviderChannel) -> None:
        person = place.outside.person(Fate.ACCEPTED)
        answers = place.tell(Written("SM1", person, "¡Qué tal! 👋"))
        assert {answer.status_code for answer in answers} <= {200, 204}
        place.apply()
        assert place.heard() == ["¡Qué tal! 👋"]
        (thread,) = place.owner.get("/api/whatsapp/conversations").json["items"]
        assert thread["contact"]["phone"] == person

    def test_a_bot_answers_it_once(self, place: ProviderChannel) -> None:
        person = place.outside.person(Fate.ACCEPTED)
        with model_server(("200 OK", answer(spoken("Sí, hasta las 18.")))) as model:
            with settings_changed(openai_base_url=f"{model.url}/v1", openai_api_key="sk-1"):
                place.add_bot(debounce_seconds=0, shows_disclosure=False)
                for _ in range(2):
                    place.tell(Written("SM1", person, "¿Abren hoy?"))
                    place.apply()
                    place.run_turns()
            assert len(model.requests) == 1
        place.deliver()
        (reply,) = place.sql("select id, body, status from recado.messages where sender = 'bot'")
        assert (reply.body, reply.status) == ("Sí, hasta las 18.", "accepted")
        assert list(place.outside.processed()) == [place.token(reply.id)]

    def test_many_facts_at_once_are_all_kept(self, place: ProviderChannel) -> None:
        message_id = place.send()
        place.deliver()
        person = place.outside.person(Fate.ACCEPTED)
        facts = [Written(f"SM{number}", person, f"line {number}") for number in range(10)]
        place.tell(*facts, place.receipt(message_id, Status.DELIVERED))
        place.apply()
        assert place.heard() == [f"line {number}" for number in range(10)]
        assert place.message(message_id).status == Status.DELIVERED

    def test_a_repeat_is_counted_and_changes_nothing(self, place: ProviderChannel) -> None:
        written = Written("SM1", place.outside.person(Fate.ACCEPTED), "once")
        for _ in range(3):
            place.tell(written)
        place.apply()
        place.tell(written)
        place.apply()
        assert place.heard() == ["once"]
        assert ledger(place.tenant.id) == {"applied": 1, "duplicates": 3}

    # Verification

    def test_a_forged_webhook_changes_nothing(self, place: ProviderChannel) -> None:
        person = place.outside.person(Fate.ACCEPTED)
        (hook,) = place.outside.tell(place.webhook_path, [Written("SM1", person, "mine")])
        before = row_counts(place.tenant.id)
        forged = replace(hook, body=hook.body.replace(b"mine", b"evil"))
        assert forged.body != hook.body
        for each in (forged, replace(hook, headers={}), replace(hook, body=b"\xff\x00")):
            assert each.send(place.app).status_code in {400, 403}
        assert forged.send(place.app).status_code == 403
        assert row_counts(place.tenant.id) == before

    def test_the_secret_of_another_tenant_signs_nothing_for_this_one(
        self, place: ProviderChannel, outside: Outside
    ) -> None:
        provider = provider_of(outside.provider)
        person = outside.person(Fate.ACCEPTED)
        (hook,) = outside.tell(place.webhook_path, [Written("SM1", person, "mine")])
        url = f"{_public_base()}{hook.path}"
        request = WebhookRequest(url, url.partition("?")[2], hook.body, hook.headers)
        assert provider.is_signed(request, provider.read_credentials(outside.credentials, {}))
        secrets = {
            name: "0" * 32 if isinstance(value, str) and len(value) >= 16 else value
            for name, value in outside.credentials.items()
            if name != provider_account_field(provider, outside.credentials)
        }
        assert not provider.is_signed(request, {**outside.credentials, **secrets})

    def test_the_handshake(self, place: ProviderChannel) -> None:
        right = place.outside.handshake(place.webhook_path, is_right=True)
        if right is None:
            assert place.app.test_client().get(place.webhook_path).status_code == 405
            return
        answer = place.app.test_client().get(right)
        assert (answer.status_code, answer.text, answer.mimetype) == (200, "42", "text/plain")
        wrong = place.outside.handshake(place.webhook_path, is_right=False)
        assert wrong is not None
        refused = place.app.test_client().get(wrong)
        assert refused.status_code == 403
        assert refused.json is not None
        assert refused.json["code"] == "handshake_refused"

    # Texts

    def test_a_raw_event_reads_back_as_it_was_told(self, place: ProviderChannel) -> None:
        provider = provider_of(place.outside.provider)
        person = place.outside.person(Fate.ACCEPTED)
        token = "message=1&attempt=2&proof=3"
        facts = (Written("SM1", person, "hi"), Receipt("SM2", token, Status.READ))
        events = [
            event
            for hook in place.outside.tell(place.webhook_path, facts)
            for event in provider.read(_request(hook)).events
        ]
        written, receipt = (provider.parse(event.raw) for event in events)
        assert isinstance(written, InboundMessage)
        assert (written.provider_message_id, written.body) == ("SM1", "hi")
        assert written.aliases[0].value == person
        assert isinstance(receipt, StatusReceipt)
        assert (receipt.provider_message_id, receipt.status) == ("SM2", Status.READ)
        assert receipt.token == token
        assert {event.phone_number for event in events} == {place.outside.phone_number}
        assert len({event.key for event in events}) == len(events)

    def test_no_body_breaks_the_reading(self, outside: Outside) -> None:
        provider = provider_of(outside.provider)

        @given(body=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
        def read(body: bytes) -> None:
            request = WebhookRequest("http://recado.test/webhook/x", "", body, {})
            assert provider.is_signed(request, outside.credentials) is False
            for raw in raws_of(provider, request):
                try:
                    found = provider.parse(raw)
                except ValueError:
                    continue
                assert isinstance(found, InboundMessage | StatusReceipt | Ignored)

        read()

    def test_without_a_list_of_incoming_messages_it_is_not_read(
        self, place: ProviderChannel
    ) -> None:
        if self._capabilities(place).lists_heard:
            return
        with db.tenant_session(place.tenant.id) as session:
            read_requests.request_for_tenant(session)
        place.sql("update recado.channels set repair_at = now()")
        repair.read_page(place.tenant.id, place.channel_id)
        (row,) = place.sql("select repair_tries, repair_at > now() as rests from recado.channels")
        assert (row.repair_tries, row.rests) == (0, True)

    @staticmethod
    def _capabilities(place: ProviderChannel) -> Any:
        return provider_of(place.outside.provider).capabilities


def raws_of(provider: Provider, request: WebhookRequest) -> list[str]:
    """Return the raw events of a request, or an empty list if the provider cannot read it."""
    try:
        return [event.raw for event in provider.read(request).events]
    except ValueError:
        return []


def provider_account_field(provider: Provider, credentials: Json) -> str:
    """Return the name of the credential that identifies the account."""
    account = provider.account_of(credentials)
    return next(name for name, value in credentials.items() if value == account)


def _public_base() -> str:
    return config.current().public_base_url


def _request(hook: Signed) -> WebhookRequest:
    url = f"{_public_base()}{hook.path}"
    return WebhookRequest(url, url.partition("?")[2], hook.body, hook.headers)
