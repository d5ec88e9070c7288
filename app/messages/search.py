"""Search in texts: which runs of messages may hold them, and the blocks that say so.

A block (migrations/search.py) knows the words of a run of messages. Messages newer than the newest
block are read as they stand, and so are those older than the oldest one. A task that each search
rings writes the blocks: a tenant that never searches has none, and to send costs no more.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, bindparam, delete, select, text, tuple_
from sqlalchemy.orm import Session

from app import db
from app.common.ids import new_id
from app.common.pagination import SortKey
from app.models import Message, SearchBlock

PIECE = re.compile(r"[^\x00-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]{3,}")
"""A word, or the part of one, that blocks can be asked for: no space or punctuation of ASCII."""

LOWEST: SortKey = (datetime.min.replace(tzinfo=UTC), UUID(int=0))
HIGHEST: SortKey = (datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1))

BLOCKS_AT_ONCE = 15
"""How many blocks one page reads: 3,000 messages."""

MESSAGES_IN_BLOCK = 200
LONGEST_TEXT = 40_000
"""Bytes of text in one block, unless it is one message; the database's functions know it, too."""

SETTLED_AFTER = timedelta(minutes=5)
"""How old a message is before a block holds it. Those that are stored with an earlier time, and all
whose transaction began so long ago, would else be overlooked: the trigger takes care of them from
one minute on, and no transaction lasts four."""


@dataclass(frozen=True)
class Span:
    """The messages from one sort key to another, both included."""

    since: SortKey
    until: SortKey

    def conditions(self) -> list[ColumnElement[bool]]:
        key = tuple_(Message.at, Message.id)
        # A bound that bounds nothing would have the planner expect fewer rows.
        lower = [key >= self.since] if self.since > LOWEST else []
        return [*lower, key <= self.until] if self.until < HIGHEST else lower


@dataclass(frozen=True)
class Found:
    """Disjoint spans, newest first, and where the search goes on below them."""

    spans: Sequence[Span]
    more_below: SortKey | None


def pieces(wanted: str) -> list[str]:
    """What of a text can be looked up; none when it is too short or all punctuation."""
    return PIECE.findall(wanted)


_MATCHING = text("""
    select since_at, since_id, until_at, until_id
    from recado.matching_blocks(:pieces, :since, :before_at, :before_id, :most)
""").bindparams(bindparam("pieces", type_=ARRAY(Text())))
_NEWEST = (
    select(SearchBlock.until_at, SearchBlock.until_id)
    .where(SearchBlock.is_late.is_(False))
    .order_by(SearchBlock.until_at.desc(), SearchBlock.until_id.desc())
    .limit(1)
)
_OLDEST = (
    select(SearchBlock.since_at, SearchBlock.since_id)
    .where(SearchBlock.is_late.is_(False))
    .order_by(SearchBlock.until_at, SearchBlock.until_id)
    .limit(1)
)


def spans(
    session: Session, wanted: Sequence[str], since: datetime | None, before: SortKey
) -> Found:
    """Where messages may hold all of these pieces, looking down from `before`."""
    newest, oldest = session.execute(_NEWEST).first(), session.execute(_OLDEST).first()
    if newest is None or oldest is None:
        return Found([Span(LOWEST, HIGHEST)], None)
    given = {
        "pieces": list(wanted),
        "since": since or LOWEST[0],
        "before_at": before[0],
        "before_id": before[1],
        "most": BLOCKS_AT_ONCE + 1,
    }
    hits = [
        Span((row.since_at, row.since_id), (row.until_at, row.until_id))
        for row in session.execute(_MATCHING, given)
    ]
    taken = hits[:BLOCKS_AT_ONCE]
    spans = [Span(tuple(newest), HIGHEST), *taken]
    if len(hits) > BLOCKS_AT_ONCE:
        return Found(disjoint(spans), min(each.since for each in taken))
    return Found(disjoint([*spans, Span(LOWEST, tuple(oldest))]), None)


def disjoint(spans: Sequence[Span]) -> list[Span]:
    """The same messages, each in one span only; newest first."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda each: each.until, reverse=True):
        if found and span.until >= found[-1].since:
            found[-1] = Span(min(found[-1].since, span.since), found[-1].until)
        else:
            found.append(span)
    return found


_ONLY_WRITER = text(
    "select pg_try_advisory_xact_lock(hashtextextended('search|' || cast(:tenant_id as text), 0))"
)
_WRITE_BLOCK = text("""
    with next as (
        select greatest(created_at, due_at) as at, id, body from recado.messages
        where (greatest(created_at, due_at), id) > (:newest_at, :newest_id)
            and greatest(created_at, due_at) < now() - :settled_after
        order by greatest(created_at, due_at), id limit :messages
    ), counted as (
        select *, row_number() over sorted as n, sum(octet_length(body) + 1) over sorted as bytes
        from next window sorted as (order by at, id)
    ), taken as (
        select * from counted where n = 1 or bytes <= :longest
    )
    insert into recado.search_blocks
        (tenant_id, id, since_at, since_id, until_at, until_id, is_late, words)
    select :tenant_id, :id,
        (array_agg(at order by n))[1], (array_agg(id order by n))[1],
        (array_agg(at order by n desc))[1], (array_agg(id order by n desc))[1], false,
        recado.search_words(:tenant_id, string_agg(body, ' '))
    from taken
    having (select count(*) from next) = :messages or (select max(bytes) from counted) > :longest
    returning id
""")


def write_block(session: Session) -> bool:
    """Write the next block, if there are messages for one; whether there may be more."""
    tenant_id = db.tenant_of(session)
    if not session.scalar(_ONLY_WRITER, {"tenant_id": tenant_id}):
        return False
    newest_at, newest_id = session.execute(_NEWEST).first() or LOWEST
    given = {
        "tenant_id": tenant_id,
        "id": new_id(),
        # Given as values: a subquery in their place would not be looked up in the index.
        "newest_at": newest_at,
        "newest_id": newest_id,
        "settled_after": SETTLED_AFTER,
        "messages": MESSAGES_IN_BLOCK,
        "longest": LONGEST_TEXT,
    }
    return session.scalar(_WRITE_BLOCK, given) is not None


def forget_blocks(session: Session, before: datetime) -> None:
    """Remove the blocks that begin before this moment: their messages are going."""
    session.execute(
        delete(SearchBlock)
        .where(SearchBlock.since_at < before)
        .execution_options(synchronize_session=False)
    )
