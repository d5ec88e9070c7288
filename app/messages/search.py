"""Search in texts: which runs of messages may match, and the blocks that index them.

A block (migrations/search.py) lists the words of a run of messages. Messages newer than the newest
block, and older than the oldest one, are read directly. Each search enqueues a task that writes the
blocks, so a tenant that never searches has none, and sending costs the same.
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
"""A word, or part of one, that blocks can be searched for: no space and no ASCII punctuation."""

LOWEST: SortKey = (datetime.min.replace(tzinfo=UTC), UUID(int=0))
HIGHEST: SortKey = (datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1))

BLOCKS_AT_ONCE = 15
"""Blocks that one page reads: 3,000 messages."""

MESSAGES_IN_BLOCK = 200
LONGEST_TEXT = 40_000
"""Bytes of text in one block, unless it is a single message. The database's functions have the same
number."""

SETTLED_AFTER = timedelta(minutes=5)
"""The age of a message before a block includes it. Otherwise messages stored with an earlier time,
or in a long transaction, would be missed: the trigger handles them from one minute on, and no
transaction lasts four."""


@dataclass(frozen=True)
class Span:
    """The messages from one sort key to another, both included."""

    since: SortKey
    until: SortKey

    def conditions(self) -> list[ColumnElement[bool]]:
        key = tuple_(Message.at, Message.id)
        # An unlimited bound would make the planner expect fewer rows.
        lower = [key >= self.since] if self.since > LOWEST else []
        return [*lower, key <= self.until] if self.until < HIGHEST else lower


@dataclass(frozen=True)
class Found:
    """Disjoint spans, newest first, and where the search continues below them."""

    spans: Sequence[Span]
    more_below: SortKey | None


def pieces(wanted: str) -> list[str]:
    """Return the parts of a text that can be looked up; none when it is too short or all
    punctuation."""
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
    """Return the spans whose messages may contain all of these pieces, looking down from
    `before`."""
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
    """Return the same messages, each in one span only; newest first."""
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
    """Write the next block, if there are messages for one; return whether there may be more."""
    tenant_id = db.tenant_of(session)
    if not session.scalar(_ONLY_WRITER, {"tenant_id": tenant_id}):
        return False
    newest_at, newest_id = session.execute(_NEWEST).first() or LOWEST
    given = {
        "tenant_id": tenant_id,
        "id": new_id(),
        # Given as values: a subquery here would not use the index.
        "newest_at": newest_at,
        "newest_id": newest_id,
        "settled_after": SETTLED_AFTER,
        "messages": MESSAGES_IN_BLOCK,
        "longest": LONGEST_TEXT,
    }
    return session.scalar(_WRITE_BLOCK, given) is not None


def forget_blocks(session: Session, before: datetime) -> None:
    """Remove the blocks that begin before this time, whose messages are about to be removed."""
    session.execute(
        delete(SearchBlock)
        .where(SearchBlock.since_at < before)
        .execution_options(synchronize_session=False)
    )
