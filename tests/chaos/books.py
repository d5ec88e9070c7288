"""The three records of one run: what we answered, what Postgres holds, what the provider
processed."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import psycopg2

from tests.chaos.outside import Outside

UNSETTLED = ("queued", "sending", "uncertain")


@dataclass(frozen=True)
class Row:
    """An outgoing message in Postgres. `sends`: attempts that may have arrived."""

    id: str
    status: str
    policy: str
    sender: str
    phone: str
    body: str
    provider_id: str | None
    error: str | None
    from_number: str = ""
    sends: int = 0


@dataclass
class Records:
    """The contents of Postgres.

    `incoming`: provider id → phone; `inbox`: state → items; `people`: address → contact.
    """

    rows: list[Row] = field(default_factory=list)
    incoming: Counter[str] = field(default_factory=Counter)
    inbox: Counter[str] = field(default_factory=Counter)
    event_keys: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    parked: list[str] = field(default_factory=list)
    old_sending: int = 0
    people: dict[str, str] = field(default_factory=dict)


class Written(NamedTuple):
    """A message that a person wrote, and to which of our numbers."""

    phone: str
    body: str
    to: str = ""


@dataclass
class Oracle:
    """The provider's log. `processed`: our message id → (SID, body) per create.

    `heard`: event keys of webhooks that we answered with 2xx. `inbound`: SID → what somebody wrote.
    `handed`: our message id → Unix time of its first create. `webhooks`: Unix time of each attempt
    and the status that we answered, None for no answer.
    """

    processed: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    strangers: int = 0
    heard: Counter[str] = field(default_factory=Counter)
    inbound: dict[str, Written] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    handed: dict[str, float] = field(default_factory=dict)
    webhooks: list[tuple[float, int | None]] = field(default_factory=list)


@dataclass(frozen=True)
class TurnRow:
    """A turn in Postgres, by the time it began."""

    id: str
    conversation_id: str
    state: str
    outcome: str | None
    error: str
    message_ids: list[str]
    reply_id: str | None
    tokens: int = 0


@dataclass(frozen=True)
class Said:
    """A message of the bot. `created` is Unix time."""

    id: str
    conversation_id: str
    created: float


@dataclass
class Talk:
    """The conversations of the proof. `people`: conversation → phone; `owners`: conversation →
    owner; `heard`: conversation → ids of what the customer wrote, in the order in which it was
    stored."""

    people: Mapping[str, str] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    heard: Mapping[str, Sequence[str]] = field(default_factory=dict)
    turns: Sequence[TurnRow] = ()
    said: Sequence[Said] = ()


class Spending(NamedTuple):
    """The tokens that are spent and reserved in a period, of the tenant, of all its bots, or for
    all its contacts."""

    scope: str
    period: str
    starts_on: str
    spent: int
    reserved: int


@dataclass(frozen=True)
class Ledger:
    """What a bot with a budget has cost, in tokens.

    `limit` is that of a month, `billed` what its model has charged. `highest`: the most that was
    spent and reserved at one moment. `holds`: turns that have something reserved.
    """

    limit: int
    billed: int
    counters: Sequence[Spending]
    highest: int
    holds: int


def unsettled(admin_url: str) -> Counter[str]:
    """Return how much is unfinished: outgoing messages by status, and inbox items to apply.

    One statement sees one moment: an item that becomes a reply between two statements would be in
    neither.
    """
    statement = (
        "select status, count(*) from recado.messages where status in %s group by status"
        " union all"
        " select 'inbox', count(*) from recado.inbox_items where state = 'received'"
        " having count(*) > 0"
        " union all"
        " select 'turn', count(*) from recado.turns where state in ('armed', 'running')"
        " having count(*) > 0"
    )
    return Counter({str(at): int(count) for at, count in _select(admin_url, statement, UNSETTLED)})


def ready_to_go(admin_url: str) -> frozenset[str]:
    """Return the ids of queued messages that are due and need nothing but a worker."""
    statement = (
        "select m.id::text from recado.messages m"
        " join recado.channels c on c.tenant_id = m.tenant_id and c.id = m.channel_id"
        " join recado.tenants t on t.tenant_id = m.tenant_id"
        " where m.status = 'queued' and m.due_at <= now()"
        " and (m.retry_at is null or m.retry_at <= now())"
        " and c.status = 'active' and t.status = 'active'"
        " and (c.paused_until is null or c.paused_until <= now())"
        " and not exists (select from recado.messages o where"
        " o.conversation_id = m.conversation_id and o.status in ('sending', 'uncertain'))"
    )
    return frozenset(each for (each,) in _select(admin_url, statement))


def unrepaired(admin_url: str) -> int:
    """Return the channels whose comparison with the provider's list is due or in progress."""
    statement = "select count(*) from recado.channels where repair_at <= now() + interval '5 min'"
    return int(_select(admin_url, statement)[0][0])


def read_records(admin_url: str) -> Records:
    records = Records()
    columns = (
        "id::text, status, policy, sender, to_number, body, provider_message_id, error::text,"
        " from_number, (select count(*) from recado.attempts a where a.message_id = m.id"
        " and a.outcome in ('started', 'uncertain', 'accepted'))"
    )
    records.rows = [
        Row(*each)
        for each in _select(
            admin_url, f"select {columns} from recado.messages m where direction = 'outgoing'"
        )
    ]
    records.incoming = Counter(
        each
        for (each,) in _select(
            admin_url,
            "select provider_message_id from recado.messages where direction = 'incoming'",
        )
    )
    for key, state, duplicates, reason in _select(
        admin_url, "select event_key, state, duplicates, reason from recado.inbox_items"
    ):
        records.inbox[state] += 1
        records.event_keys[key] += 1
        records.duplicates += duplicates
        if state == "parked":
            records.parked.append(f"{key}: {reason}")
    addresses = "select value, contact_id::text from recado.contact_aliases"
    records.people = dict(_select(admin_url, addresses))
    records.old_sending = _select(
        admin_url,
        "select count(*) from recado.messages"
        " where status = 'sending' and lease_until < now() - interval '75 seconds'",
    )[0][0]
    return records


def read_oracle(outside: Outside) -> Oracle:
    oracle = Oracle()
    for entry in outside.log("create"):
        if entry["processed"]:
            message_id = _message_of(entry["form"].get("StatusCallback", ""))
            oracle.strangers += message_id is None
            if message_id is not None:
                oracle.handed.setdefault(message_id, entry["at"])
                oracle.processed[message_id].append((entry["sid"], entry["form"]["Body"]))
    for entry in outside.log("webhook"):
        _add_webhook(oracle, entry)
    oracle.statuses = outside.statuses()
    return oracle


def read_talk(admin_url: str, tenant_id: str) -> Talk:
    """Return the conversations of a tenant with a bot."""
    conversations = _select(
        admin_url,
        "select id::text, address, owner from recado.conversations where tenant_id = %s",
        tenant_id,
    )
    heard: dict[str, list[str]] = {each: [] for each, _, _ in conversations}
    said = []
    for message_id, conversation_id, sender, created in _select(
        admin_url,
        "select id::text, conversation_id::text, sender, extract(epoch from created_at)::float"
        " from recado.messages where tenant_id = %s order by id",
        tenant_id,
    ):
        if sender == "bot":
            said.append(Said(message_id, conversation_id, created))
        elif sender == "contact":
            heard[conversation_id].append(message_id)
    turns = _select(
        admin_url,
        "select id::text, conversation_id::text, state, outcome, error, message_ids,"
        " reply_id::text, coalesce((usage->>'input')::int + (usage->>'output')::int, 0)"
        " from recado.turns where tenant_id = %s order by started_at nulls last",
        tenant_id,
    )
    return Talk(
        people={each: address for each, address, _ in conversations},
        owners={each: owner for each, _, owner in conversations},
        heard=heard,
        turns=[TurnRow(*row) for row in turns],
        said=said,
    )


def read_counters(admin_url: str, tenant_id: str) -> list[Spending]:
    return [
        Spending(*row)
        for row in _select(
            admin_url,
            "select scope, period, starts_on::text, sum(tokens)::int, sum(reserved_tokens)::int"
            " from recado.bot_spend where tenant_id = %s group by scope, period, starts_on",
            tenant_id,
        )
    ]


def spent_and_reserved(admin_url: str, tenant_id: str) -> int:
    """Return the tokens of the tenant's bots in the month in which there are most."""
    statement = (
        "select coalesce(max(tokens + reserved_tokens), 0) from recado.bot_spend"
        " where tenant_id = %s and scope = 'tenant' and period = 'month'"
    )
    return int(_select(admin_url, statement, tenant_id)[0][0])


def turns_with_holds(admin_url: str, tenant_id: str) -> int:
    statement = "select count(*) from recado.turns where tenant_id = %s and hold is not null"
    return int(_select(admin_url, statement, tenant_id)[0][0])


def _add_webhook(oracle: Oracle, entry: dict[str, Any]) -> None:
    oracle.webhooks.append((entry["at"], entry["http_status"]))
    is_inbound = entry["purpose"] == "inbound"
    key = f"in:{entry['sid']}" if is_inbound else f"st:{entry['sid']}:{entry['status']}"
    if is_inbound:
        given = entry["params"]
        phone, to = (given[name].removeprefix("whatsapp:") for name in ("From", "To"))
        oracle.inbound[entry["sid"]] = Written(phone, given["Body"], to)
    if entry["http_status"] is not None and 200 <= entry["http_status"] < 300:
        oracle.heard[key] += 1


def _message_of(status_callback: str) -> str | None:
    values = parse_qs(urlsplit(status_callback).query).get("message")
    return values[0] if values else None


def _select(url: str, statement: str, *values: Iterable[str] | str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall()
    finally:
        connection.close()
