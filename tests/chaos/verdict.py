"""Comparison of the records: each promise with its figures, and whether it was kept.

Pure functions: they are tested without any process.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from app.bots.keyword_replies import DEFAULTS
from tests.chaos.books import UNSETTLED, Oracle, Records, Row
from tests.chaos.load import GREETING, Answers

HANDED_OVER = frozenset({"accepted", "sent", "delivered", "read"})
OK, FAILED, UNKNOWN, CANCELED = "ok", "failed", "unknown", "canceled"
GREETED = next(reply for keywords, reply in DEFAULTS if GREETING in keywords)
NAMED = 5
"""How many examples of a broken promise are shown."""


@dataclass(frozen=True)
class Promise:
    """One line of the table. `broken` names the violations; it is empty when the promise was
    kept."""

    text: str
    figure: str
    broken: tuple[str, ...] = ()

    @property
    def is_kept(self) -> bool:
        return not self.broken


@dataclass
class Books:
    """All that is compared: the load's own record, Postgres', and the provider's."""

    answers: Answers
    records: Records
    oracle: Oracle
    doubtful: frozenset[str] = frozenset()
    """The numbers of businesses whose provider can never report the outcome of a message."""
    silenced: frozenset[str] = frozenset()
    """The numbers of businesses that could not answer for a time."""


def judge(books: Books) -> list[Promise]:
    return [*_durable(books), *_delivered(books), *_settled(books), *_inbound(books)]


def undisturbed(books: Books) -> list[Promise]:
    """Promises that also hold while everything that the service needs is there: a deploy is no
    outage."""
    posts = [each.what for each in books.answers.outcomes if each.what.startswith("5")]
    webhooks = [str(status) for _, status in books.oracle.webhooks if status and status >= 500]
    return [
        none("answers 5xx to senders", posts),
        none("answers 5xx to the provider", webhooks),
    ]


def fate(row: Row) -> str | None:
    """Return what the tenant is told in the end; None before the end."""
    if row.status in HANDED_OVER:
        return OK
    if row.status == CANCELED:
        # Nobody of a business cancels anything here: a bot's answer is withdrawn when a colleague
        # takes over.
        return CANCELED if row.sender == "bot" else None
    return {"failed": FAILED, "unknown": UNKNOWN}.get(row.status)


def _durable(books: Books) -> list[Promise]:
    rows = {row.id: row for row in books.records.rows if row.sender != "bot"}
    answers = books.answers
    answered = set(answers.letters)
    missing, extra = sorted(answered - set(rows)), sorted(set(rows) - answered)
    changed = [*answers.changed, *["a repeat"] * answers.repeated["other"]]
    return [
        Promise("messages answered with 202", str(len(answered)), _named(answers.refused)),
        Promise("stored", str(len(rows))),
        none("missing after a 202", missing),
        none("stored twice for one Idempotency-Key", extra),
        none("keys whose answer changed", changed),
        none("answers 500", ["500"] * answers.codes["500"]),
    ]


def _delivered(books: Books) -> list[Promise]:
    rows, processed = books.records.rows, books.oracle.processed
    fates = Counter(fate(row) for row in rows)
    counts = {row.id: len(processed.get(row.id, ())) for row in rows}
    doubled = [row for row in rows if counts[row.id] > 1]
    once = [row for row in rows if row.policy == "at_most_once"]
    lost = [row.id for row in rows if row.status in HANDED_OVER and not counts[row.id]]
    nameless = [row.id for row in rows if row.status in HANDED_OVER and not row.provider_id]
    misbound = [
        row.id
        for row in rows
        if row.provider_id and counts[row.id] and row.provider_id not in _sids(books, row.id)
    ]
    altered = [
        row.id for row in rows if any(body != row.body for _, body in processed.get(row.id, ()))
    ]
    unknown_default = [
        row.id
        for row in rows
        if row.status == UNKNOWN
        and row.policy != "at_most_once"
        and row.from_number not in books.doubtful
    ]
    ended = {FAILED, CANCELED}
    false_failures = [row.id for row in rows if row.status in ended and _arrived(books, row.id)]
    known = {row.id for row in rows}
    figures = f"{fates[OK]} ok, {fates[FAILED]} failed, {fates[UNKNOWN]} unknown, "
    figures += f"{fates[CANCELED]} canceled"
    return [
        Promise(
            "each is one of ok, failed, unknown, canceled",
            figures,
            _named([row.id for row in rows if fate(row) is None]),
        ),
        Promise("processed by the provider", str(sum(counts.values()))),
        none("lost (handed over, yet never processed)", lost),
        none("doubled", [row.id for row in doubled]),
        none(
            f"doubled of {len(once)} at_most_once",
            [row.id for row in doubled if row.policy == "at_most_once"],
        ),
        none("processed without a message of ours", sorted(set(processed) - known)),
        none("other text than was sent", altered),
        none("accepted without a provider's id", nameless),
        none("bound to another message's id", misbound),
        none("unknown though it may be sent again", unknown_default),
        none("failed or canceled, yet it arrived", false_failures),
    ]


def _settled(books: Books) -> list[Promise]:
    left = [f"{row.id} {row.status}" for row in books.records.rows if row.status in UNSETTLED]
    return [
        none("not settled in the end", left),
        none("sending for more than 2 minutes", ["sending"] * books.records.old_sending),
    ]


def _inbound(books: Books) -> list[Promise]:
    records, oracle = books.records, books.oracle
    heard = [sid for sid in oracle.inbound if oracle.heard[f"in:{sid}"]]
    states = records.inbox
    ledger = ", ".join(f"{states[each]} {each}" for each in ("applied", "ignored", "parked"))
    ended = sum(states[each] for each in ("applied", "ignored", "parked"))
    received = sum(states.values())
    gap = [f"{received - ended} neither"] if received != ended else []
    return [
        Promise(
            "people's messages: written, heard by webhook, stored",
            f"{len(oracle.inbound)}, {len(heard)}, {len(records.incoming)}",
        ),
        none(
            "missing after the repair",
            [sid for sid in oracle.inbound if not records.incoming[sid]],
        ),
        none(
            "heard (answered 2xx), not stored",
            [sid for sid in heard if not records.incoming[sid]],
        ),
        none("stored twice", [sid for sid, times in records.incoming.items() if times > 1]),
        none(
            "webhooks answered 2xx, not in the inbox",
            [key for key in oracle.heard if not records.event_keys[key]],
        ),
        Promise(
            "received = applied + ignored + parked (+ duplicates)",
            f"{received} = {ledger} (+ {records.duplicates})",
            tuple(gap),
        ),
        none("parked", records.parked),
        _replies(books),
    ]


def _replies(books: Books) -> Promise:
    """Each greeting that we stored is answered once, by phone.

    A disabled channel answers nobody.
    """
    greetings = [
        written
        for sid, written in books.oracle.inbound.items()
        if books.records.incoming[sid] and written.body.startswith(GREETING)
    ]
    asked = Counter(written.phone for written in greetings)
    given = Counter(
        row.phone for row in books.records.rows if row.sender == "bot" and row.body == GREETED
    )
    excused = {written.phone for written in greetings if written.to in books.silenced}
    wrong = [
        phone
        for phone in asked.keys() | given.keys()
        if given[phone] > asked[phone] or (given[phone] < asked[phone] and phone not in excused)
    ]
    return Promise(
        "greetings stored, keyword replies",
        f"{asked.total()}, {given.total()}",
        _named([f"{phone}: {asked[phone]} asked, {given[phone]} given" for phone in sorted(wrong)]),
    )


def _sids(books: Books, message_id: str) -> set[str]:
    return {sid for sid, _ in books.oracle.processed.get(message_id, ())}


def _arrived(books: Books, message_id: str) -> bool:
    return any(
        books.oracle.statuses.get(sid) in {"sent", "delivered", "read"}
        for sid in _sids(books, message_id)
    )


def none(text: str, found: list[str]) -> Promise:
    return Promise(text, str(len(found)), _named(found))


def _named(found: list[str]) -> tuple[str, ...]:
    return tuple(found[:NAMED])


def table(promises: list[Promise]) -> str:
    """Return the promises as one table for a terminal, the broken ones with examples."""
    width = max(len(each.text) for each in promises)
    lines = []
    for each in promises:
        mark = "kept  " if each.is_kept else "BROKEN"
        lines.append(f"  {mark}  {each.text:<{width}}  {each.figure}")
        lines += [f"{'':<12}e.g. {example}" for example in each.broken]
    return "\n".join(lines)


def counted(title: str, counts: Mapping[str, int]) -> str:
    return f"  {title}: " + (
        ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
    )
