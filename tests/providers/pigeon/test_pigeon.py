"""Pigeon fulfills the contract of providers, and each business gets its events from the shared
webhook."""

import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask

from app.channels import cache
from app.channels import service as channels
from app.channels.providers import registry
from app.channels.providers.base import Json
from app.common.ids import new_id
from app.inbox import apply
from app.models import Tenant
from app.webhook import receive
from tests.conftest import SignIn
from tests.factories import create_channel, create_tenant
from tests.providers.contract import ProviderContract
from tests.providers.outside import Fate, ProviderChannel, Receipt, Written
from tests.providers.pigeon.provider import SIGNATURE, STATUSES, PigeonProvider, signature
from tests.webhook.twilio_posts import Signed, ledger

PEOPLE = {fate: f"+155501000{number:02}" for number, fate in enumerate(Fate, start=20)}
FATES = {number: fate for fate, number in PEOPLE.items()}
ANSWERS = {
    Fate.REFUSED: 422,
    Fate.NOT_NOW: 429,
    Fate.BAD_CREDENTIALS: 401,
    Fate.PROCESSED_WITHOUT_ANSWER: 500,
    Fate.LOST_WITHOUT_ANSWER: 500,
}
PROCESSED = {Fate.ACCEPTED, Fate.PROCESSED_WITHOUT_ANSWER}
WORDS = {status: word for word, status in STATUSES.items()}


class Loft(ThreadingHTTPServer):
    """Pigeon's API; it records the attempts that it processed."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Letters)
        self.processed: list[str] = []


class Letters(BaseHTTPRequestHandler):
    server: Loft

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fate = FATES[told["to"]]
        if fate in PROCESSED:
            self.server.processed.append(told["ref"])
        body = json.dumps({"letter": f"P{new_id().hex}"}).encode()
        self.send_response(ANSWERS.get(fate, 201))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the tests read `processed` instead."""


class PigeonOutside:
    provider = "pigeon"

    def __init__(self, loft: Loft) -> None:
        self._loft = loft
        self.name = f"loft-{new_id().hex[:8]}"
        self.phone_number = f"+1417{new_id().int % 10_000_000:07d}"
        self.credentials: Json = {
            "loft": self.name,
            "url": f"http://127.0.0.1:{loft.server_port}",
            "secret": new_id().hex,
            "verify_token": new_id().hex,
        }

    def person(self, fate: Fate) -> str:
        return PEOPLE[fate]

    def processed(self) -> Sequence[str]:
        return self._loft.processed

    def event(self, fact: Receipt | Written) -> dict[str, Any]:
        told = {"loft": self.name, "sender": self.phone_number, "letter": fact.provider_message_id}
        if isinstance(fact, Written):
            return {**told, "kind": "letter", "person": fact.person, "text": fact.body}
        person = PEOPLE[Fate.ACCEPTED]
        word = WORDS[fact.status]
        return {**told, "kind": "status", "person": person, "status": word, "ref": fact.token}

    def sign(self, webhook_path: str, events: Sequence[dict[str, Any]]) -> Signed:
        body = json.dumps({"events": events}, ensure_ascii=False).encode()
        return Signed(webhook_path, body, {SIGNATURE: signature(body, self.credentials)})

    def tell(self, webhook_path: str, facts: Sequence[Receipt | Written]) -> Sequence[Signed]:
        return [self.sign(webhook_path, [self.event(fact) for fact in facts])]

    def handshake(self, webhook_path: str, *, is_right: bool) -> str | None:
        token = self.credentials["verify_token"] if is_right else "wrong"
        return f"{webhook_path}?{urlencode({'token': token, 'challenge': '42'})}"


@contextmanager
def loft() -> Iterator[Loft]:
    server = Loft()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = PigeonProvider()
    monkeypatch.setitem(registry.PROVIDERS, provider.name, provider)


class TestPigeon(ProviderContract):
    @pytest.fixture
    def outside(self, app: Flask) -> Iterator[PigeonOutside]:
        with loft() as server:
            yield PigeonOutside(server)

    def test_one_webhook_tells_several_businesses(
        self, app: Flask, place: ProviderChannel, outside: PigeonOutside
    ) -> None:
        """The businesses share an app and its secret; each gets only its own sender's events."""
        neighbour, number = create_tenant(), f"+1418{new_id().int % 10_000_000:07d}"
        create_channel(
            neighbour.id,
            provider="pigeon",
            account=outside.name,
            phone_number=number,
            credentials=outside.credentials,
        )
        mine = outside.event(Written("P1", PEOPLE[Fate.ACCEPTED], "for the one"))
        theirs = {**outside.event(Written("P2", "+15550100099", "for the other")), "sender": number}
        nobody_s = {**mine, "sender": "+14180000000", "letter": "P3"}
        hook = outside.sign(place.webhook_path, [mine, theirs, nobody_s])
        assert hook.send(app).status_code == 200
        for tenant in (place.tenant, neighbour):
            apply.apply_due(tenant.id)
            assert ledger(tenant.id) == {"applied": 1, "duplicates": 0}
        assert place.heard() == ["for the one"]
        cache.forget_all()

    def test_a_forger_who_names_thousands_of_senders_costs_a_few_look_ups(
        self,
        app: Flask,
        place: ProviderChannel,
        outside: PigeonOutside,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        asked: list[str] = []
        resolve = channels.resolve_webhook

        def counted(*args: Any, **options: Any) -> Any:
            asked.append(args[2])
            return resolve(*args, **options)

        monkeypatch.setattr(channels, "resolve_webhook", counted)
        event = outside.event(Written("P1", PEOPLE[Fate.ACCEPTED], "hi"))
        many = [{**event, "sender": f"+1419{number:07d}"} for number in range(2_000)]
        hook = replace(outside.sign(place.webhook_path, many), headers={SIGNATURE: "0" * 64})
        assert hook.send(app).status_code == 403
        assert len(set(asked)) == receive.MOST_STRANGERS

    def test_thousands_of_events_twice_at_once_are_all_stored(
        self, app: Flask, place: ProviderChannel, outside: PigeonOutside
    ) -> None:
        """The second request has the reverse order: no event is lost or duplicated, and there is
        no deadlock."""
        events = [
            outside.event(Written(f"P{number}", PEOPLE[Fate.ACCEPTED], "hi"))
            for number in range(5_000)
        ]
        hooks = [outside.sign(place.webhook_path, each) for each in (events, events[::-1])]
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda hook: hook.send(app).status_code, hooks))
        assert answers == [200, 200]
        assert ledger(place.tenant.id) == {"received": 5_000, "duplicates": 5_000}

    def test_a_secret_opens_no_other_business(
        self,
        app: Flask,
        place: ProviderChannel,
        outside: PigeonOutside,
        tenant: Tenant,
        sign_in: SignIn,
    ) -> None:
        """A webhook that is signed with one's own secret names another business's sender."""
        victim, number = create_tenant(), f"+1418{new_id().int % 10_000_000:07d}"
        credentials = {**outside.credentials, "secret": new_id().hex}
        create_channel(
            victim.id,
            provider="pigeon",
            account=outside.name,
            phone_number=number,
            credentials=credentials,
        )
        mine = outside.event(Written("P1", PEOPLE[Fate.ACCEPTED], "mine"))
        forged = {**outside.event(Written("P2", "+15550100099", "forged")), "sender": number}
        assert outside.sign(place.webhook_path, [forged]).send(app).status_code == 403
        assert outside.sign(place.webhook_path, [mine, forged]).send(app).status_code == 200
        apply.apply_due(victim.id)
        assert ledger(victim.id) == {"duplicates": 0}
        cache.forget_all()
