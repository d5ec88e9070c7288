"""Tenants, channels, keys and rows for the measurements, and what the provider received."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import psycopg2
from psycopg2.extensions import connection
from psycopg2.extras import Json, execute_values, register_uuid

from app import config
from app.auth.passwords import DEMO_PASSWORD
from app.common.ids import new_id

PASSWORD = "correct horse battery staple"  # noqa: S105 - of tenants that live for one run
PAGE = 10_000
STALLED_SECONDS = 120

register_uuid()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class BenchChannel:
    """A channel of a tenant, and the key that sends on it."""

    tenant_id: UUID
    channel_id: UUID
    number: str
    webhook_url: str
    account: str
    auth_token: str
    api_key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json"}


@dataclass(frozen=True)
class Handed:
    """A message as the provider received it: when (epoch seconds), from and to whom, its text."""

    at: float
    sender: str
    to: str
    body: str


@dataclass(frozen=True)
class Seeded:
    """A message created in the database; `provider_id` if the provider is to have accepted it."""

    message_id: UUID
    to: str
    provider_id: str | None


class World:
    """The running stack, as seen by a client, by the database's owner and by the provider."""

    def __init__(self, simulator_url: str) -> None:
        settings = config.current()
        self.web_url = settings.public_base_url
        self._database_url = settings.database_url
        self.simulator_url = simulator_url
        self._admin = ""
        self._tokens: dict[UUID, str] = {}
        self._numbers = iter(range(1_000_000, 10_000_000))
        self._people = iter(range(2_000_000, 10_000_000))

    async def tenant(self, channels: int = 1, messages_per_second: int = 80) -> list[BenchChannel]:
        """Create a tenant with so many channels of this pace, the first being its default."""
        if not self._admin:
            self._admin = await self._sign_in("admin", DEMO_PASSWORD)
        name = f"bench-{uuid4().hex[:12]}"
        owner = {"username": name, "password": PASSWORD}
        body = {"name": name, "owner": owner}
        tenant = await self._call("POST", "/tenants", body, self._admin)
        token = await self._sign_in(name, PASSWORD)
        key = await self._call("POST", "/auth/api-keys", {"name": "bench"}, token)
        tenant_id = UUID(tenant["id"])
        self._tokens[tenant_id] = token
        found = []
        for index in range(channels):
            settings = {
                "name": f"channel {index}",
                "is_default": index == 0,
                "messages_per_second": messages_per_second,
            }
            found.append(await self._channel(tenant_id, key["key"], settings))
        return found

    async def _channel(
        self, tenant_id: UUID, api_key: str, settings: dict[str, Any]
    ) -> BenchChannel:
        account, secret = f"AC{uuid4().hex}", uuid4().hex
        number = f"+1415{next(self._numbers)}"
        sender = {"number": f"whatsapp:{number}", "inbound_url": f"{self.web_url}/webhook/twilio"}
        await self.control(
            "PUT", f"accounts/{account}", {"auth_token": secret, "senders": [sender]}
        )
        body = {
            "provider": "twilio",
            "phone_number": number,
            **settings,
            "credentials": {"account_sid": account, "auth_token": secret},
        }
        made = await self._call("POST", "/channels", body, self._tokens[tenant_id])
        # The fragment holds options for the provider: it is neither sent nor signed.
        url = made["webhook_url"].partition("#")[0]
        return BenchChannel(tenant_id, UUID(made["id"]), number, url, account, secret, api_key)

    async def bot(self, place: BenchChannel, model_key: str) -> None:
        """Create a bot on the channel that waits for nothing more from the customer."""
        body = {
            "name": "bench",
            "twilio_phone_number": place.number,
            "debounce_seconds": 0,
            "model": {"api_key": model_key},
        }
        await self._call("POST", "/bots", body, self._tokens[place.tenant_id])

    async def disable(self, place: BenchChannel) -> None:
        """Call the API as the tenant."""
        path = f"/channels/{place.channel_id}"
        await self._call("PUT", path, {"status": "disabled"}, self._tokens[place.tenant_id])

    async def _sign_in(self, username: str, password: str) -> str:
        body = {"username": username, "password": password}
        pair = await self._call("POST", "/auth/login", body)
        return str(pair["access_token"])

    async def _call(self, method: str, path: str, body: Any, token: str = "") -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await _exchange(method, self.web_url + path, body, headers)

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the simulator's control API."""
        return await _exchange(method, f"{self.simulator_url}/control/{path}", body, {})

    async def provider(
        self, latency_ms: int = 0, *, callbacks: bool = True, throttled: BenchChannel | None = None
    ) -> None:
        """Set how long the provider takes for a send, whether it reports on it afterwards, and an
        account that gets only 429."""
        lost = [] if callbacks else [{"fault": "lost"}]
        refused = [{"fault": "throttle", "account": throttled.account}] if throttled else []
        plan = {"latency_ms": latency_ms, "callback": lost, "create": refused}
        await self.control("PUT", "faults", plan)

    async def misbehave(self, fault: str, places: list[BenchChannel], seconds: float = 0.0) -> None:
        """Make the provider do this to every call of these accounts, after 100 ms."""
        rules = [{"fault": fault, "account": each.account, "seconds": seconds} for each in places]
        await self.control("PUT", "faults", {"latency_ms": 100, "create": rules})

    async def throttled(self) -> int:
        """Return how many calls were answered 429 since `provider` set it."""
        plan = await self.control("GET", "faults")
        return sum(rule["fired"] for rule in plan["create"])

    async def log_end(self) -> int:
        """Return the number of the newest entry in the provider's log."""
        found = await self.control("GET", "log?limit=1&after=999999999")
        return int(found["last"])

    async def handed_over(self, after: int) -> list[Handed]:
        """Return what the provider accepted from us since entry `after` of its log, in order."""
        found: list[Handed] = []
        while True:
            path = f"log?kind=create&after={after}&limit={PAGE}"
            items = (await self.control("GET", path))["items"]
            found += [_handed(item) for item in items if item["processed"]]
            if len(items) < PAGE:
                return found
            after = items[-1]["n"]

    def new_number(self) -> str:
        """Return the number of somebody who never wrote before."""
        return f"+1556{next(self._people)}"

    def seed_people(self, place: BenchChannel, count: int) -> list[tuple[UUID, UUID, str]]:
        """Create people who wrote a moment ago; return (contact, conversation, number) of each."""
        people = [(new_id(), new_id(), self.new_number()) for _ in range(count)]
        tenant, channel = place.tenant_id, place.channel_id
        with self.database(tenant) as cursor:
            execute_values(
                cursor,
                "insert into recado.contacts (tenant_id, id, name, profile_name, attributes)"
                " values %s",
                [(tenant, contact, "", "", Json({})) for contact, _, _ in people],
                page_size=1000,
            )
            execute_values(
                cursor,
                "insert into recado.contact_aliases (tenant_id, id, contact_id, kind, value)"
                " values %s",
                [(tenant, new_id(), contact, "phone", number) for contact, _, number in people],
                page_size=1000,
            )
            execute_values(
                cursor,
                "insert into recado.conversations (tenant_id, id, channel_id, contact_id, address,"
                " status, owner, message_count, last_inbound_at) values %s",
                [
                    (tenant, conversation, channel, contact, number, "active", "nobody", 1)
                    for contact, conversation, number in people
                ],
                template="(%s, %s, %s, %s, %s, %s, %s, %s, now())",
                page_size=1000,
            )
        return people

    def seed_messages(
        self, place: BenchChannel, count: int, status: str = "queued"
    ) -> list[Seeded]:
        """Create bulk messages, each to a different person."""
        rows, seeded = [], []
        for contact, conversation, number in self.seed_people(place, count):
            content = {"type": "text", "body": "bench"}
            sid = f"SM{uuid4().hex}" if status == "accepted" else None
            message_id = new_id()
            seeded.append(Seeded(message_id, number, sid))
            ids = (place.tenant_id, message_id, place.channel_id, conversation, contact)
            tries = 1 if sid else 0
            rows.append((*ids, status, place.number, number, Json(content), sid, tries))
        with self.database(place.tenant_id) as cursor:
            execute_values(
                cursor,
                "insert into recado.messages (tenant_id, id, channel_id, conversation_id,"
                " contact_id, status, from_number, to_number, content, provider_message_id,"
                " attempts, direction, sender, type, body, policy, priority, is_test,"
                " settle_reads, due_at) values %s",
                rows,
                template="(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'outgoing', 'api', 'text',"
                " 'bench', 'default', 2, false, 0, now())",
                page_size=1000,
            )
            execute_values(
                cursor,
                "insert into recado.attempts (tenant_id, id, message_id, number, outcome,"
                " provider_message_id, finished_at) values %s",
                [
                    (place.tenant_id, new_id(), each.message_id, 1, "accepted", each.provider_id)
                    for each in seeded
                    if each.provider_id
                ],
                template="(%s, %s, %s, %s, %s, %s, now())",
                page_size=1000,
            )
        return seeded

    async def quiet(self, place: BenchChannel, *, forget: bool = False) -> None:
        """Wait until the workers have done all of it or, with `forget`, what they had begun.

        Raises RuntimeError if they stop before.
        """
        least, since = self.unfinished(place), time.monotonic()
        while least:
            if forget:
                # Each time, because a refused call puts its message back into the queue.
                self._cancel_queued(place)
            await asyncio.sleep(1.0)
            left = self.unfinished(place)
            if left < least:
                least, since = left, time.monotonic()
            elif time.monotonic() - since > STALLED_SECONDS:
                raise RuntimeError(f"{left} messages and events wait, and no worker takes them.")

    async def forget(self, places: list[BenchChannel]) -> None:
        """Drop what waits on one tenant's channels, and let the calls in progress end."""
        await self.provider()
        await self.quiet(places[0], forget=True)

    def _cancel_queued(self, place: BenchChannel) -> None:
        with self.database(place.tenant_id) as cursor:
            cursor.execute("update recado.messages set status = 'canceled' where status = 'queued'")

    def forget_received(self, place: BenchChannel) -> None:
        """Drop events that wait to be applied, so that they do not disturb the next measurement."""
        with self.database(place.tenant_id) as cursor:
            cursor.execute("delete from recado.inbox_items where state = 'received'")

    def unfinished(self, place: BenchChannel) -> int:
        """Return how many messages and events still wait for a worker."""
        with self.database(place.tenant_id) as cursor:
            cursor.execute(
                "select (select count(*) from recado.messages where status in"
                " ('queued', 'sending')) + (select count(*) from recado.inbox_items"
                " where state = 'received')"
            )
            return int(cursor.fetchone()[0])

    def analyze(self) -> None:
        """Do what autovacuum does within minutes: no installation is without statistics for long,
        and the planner makes other plans without them."""
        opened = self.connect()
        opened.autocommit = True
        with opened.cursor() as cursor:
            cursor.execute("set role recado_owner")
            cursor.execute("analyze")
        opened.close()

    def not_over(self, place: BenchChannel) -> int:
        """Return how many messages of this tenant are on their way and not read yet, and how many
        events wait.

        Raises RuntimeError if a message has failed.
        """
        with self.database(place.tenant_id) as cursor:
            cursor.execute(
                "select count(*) filter (where status <> 'read'), count(*) filter (where status"
                " in ('failed', 'unknown')), (select count(*) from recado.inbox_items where state ="
                " 'received') from recado.messages where direction = 'outgoing'"
            )
            on_their_way, failed, received = cursor.fetchone()
            if failed:
                raise RuntimeError(f"{failed} messages failed.")
            return int(on_their_way + received)

    @contextmanager
    def database(self, tenant_id: UUID) -> Iterator[Any]:
        """A cursor in one transaction of the tenant, by bare psycopg2."""
        opened = self.connect()
        try:
            with opened, opened.cursor() as cursor:
                pin(cursor, tenant_id)
                yield cursor
        finally:
            opened.close()

    def connect(self) -> connection:
        return psycopg2.connect(self._database_url)


def pin(cursor: Any, tenant_id: UUID) -> None:
    cursor.execute(
        "select set_config('role', 'recado_app', true), set_config('app.tenant_id', %s, true)",
        [str(tenant_id)],
    )


async def _exchange(method: str, url: str, body: Any, headers: dict[str, str]) -> Any:
    """Send and receive JSON. Raises RuntimeError when the answer is no success."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, json=body, headers=headers) as answer,
    ):
        text = await answer.text()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {url} answered {answer.status}: {text[:300]}")
        return await answer.json(content_type=None) if text else None


def _handed(item: dict[str, Any]) -> Handed:
    form = item["form"]
    return Handed(item["at"], form["From"], form["To"], form.get("Body", ""))


def most_in_a_second(moments: list[float]) -> int:
    """Return the most of these moments (in order) that any second holds, wherever it begins."""
    most, first = 0, 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def now() -> float:
    """Return the time by the clock of the provider's log: both run on one machine."""
    return time.time()
