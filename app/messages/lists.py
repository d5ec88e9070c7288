"""The list of messages: which index serves which filter, and how much is read for a page.

One filter that has an index (a conversation, a person, a status, a text) chooses the runs of
messages that are read, newest first; the other filters are applied to those. A time range limits
each run.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import Session

from app import db
from app.common.pagination import (
    Page,
    PageRequest,
    SortKey,
    decode_cursor,
    fetch_page,
    fetch_wanted,
)
from app.common.phone import Address
from app.messages import search
from app.messages.status import IN_FLIGHT
from app.models import ContactAlias, Conversation, Direction, Message, Status

SORT = (Message.at, Message.id)


@dataclass(frozen=True)
class MessageFilter:
    """The filters of `GET /api/messages`; None means no filter."""

    conversation_id: UUID | None = None
    direction: str | None = None
    status: str | None = None
    phone: Address | None = None
    since: datetime | None = None
    until: datetime | None = None
    q: str | None = None


@dataclass(frozen=True)
class Source:
    """Runs of messages to read, and the filters that are still to be applied to them."""

    runs: Sequence[Select[Message]]
    rest: MessageFilter
    more_below: SortKey | None = None


def history_page(session: Session, conversation_id: UUID, page: PageRequest) -> Page[Message]:
    """Return one page of the messages of a conversation, oldest first."""
    query = _messages(session).where(Message.conversation_id == conversation_id)
    return fetch_page(session, query, SORT, page, descending=False)


def list_page(session: Session, wanted: MessageFilter, page: PageRequest) -> Page[Message]:
    """Return one page, newest first. Raises InvalidInput for a cursor that we did not make."""
    source = _source(session, wanted, page)
    runs = [_within(run, wanted) for run in source.runs]
    conditions = partial(_conditions, source.rest)
    return fetch_wanted(session, runs, SORT, page, conditions, more_below=source.more_below)


def _source(session: Session, wanted: MessageFilter, page: PageRequest) -> Source:
    everything = _messages(session)
    if wanted.conversation_id is not None:
        run = everything.where(Message.conversation_id == wanted.conversation_id)
        return Source([run], replace(wanted, conversation_id=None))
    threads = _threads_of(session, wanted.phone) if wanted.phone else ()
    if threads:
        # A contact may have several addresses, so the address itself is still to be compared.
        runs = [everything.where(Message.conversation_id == each) for each in threads]
        return Source(runs, wanted)
    if wanted.status in IN_FLIGHT:
        return Source([everything.where(Message.status.in_(IN_FLIGHT))], wanted)
    if wanted.status is not None and wanted.status != Status.QUEUED:
        run = everything.where(Message.status == wanted.status)
        return Source([run], replace(wanted, status=None))
    pieces = search.pieces(wanted.q or "")
    if pieces:
        before = decode_cursor(page.cursor, SORT) if page.cursor else search.HIGHEST
        found = search.spans(session, pieces, wanted.since, before)
        runs = [everything.where(*span.conditions()) for span in found.spans]
        return Source(runs, wanted, found.more_below)
    if wanted.direction == Direction.INCOMING and wanted.q is None:
        run = everything.where(Message.status == Status.RECEIVED)
        return Source([run], replace(wanted, direction=None))
    return Source([everything], wanted)


def _messages(session: Session) -> Select[Message]:
    """Select all messages of the tenant. The row-level policy restricts them too, but the planner
    learns its value only after choosing a plan, and would choose badly for a tenant that is larger
    than most."""
    return select(Message).where(Message.tenant_id == db.tenant_of(session))


def _threads_of(session: Session, address: Address) -> Sequence[UUID]:
    """Return the conversations of the contact with this address; none when it is unknown."""
    query = (
        select(Conversation.id)
        .join(
            ContactAlias,
            (ContactAlias.tenant_id == Conversation.tenant_id)
            & (ContactAlias.contact_id == Conversation.contact_id),
        )
        .where(ContactAlias.kind == address.kind, ContactAlias.value == address.value)
    )
    return session.scalars(query).all()


def _within(run: Select[Message], wanted: MessageFilter) -> Select[Message]:
    if wanted.since is not None:
        run = run.where(Message.at >= wanted.since)
    if wanted.until is not None:
        run = run.where(Message.at < wanted.until)
    return run


def _conditions(wanted: MessageFilter, row: Any) -> list[ColumnElement[bool]]:
    """Return the filters that a run does not fulfill by itself."""
    found = []
    if wanted.direction is not None:
        found.append(row.direction == wanted.direction)
    if wanted.status is not None:
        found.append(row.status == wanted.status)
    if wanted.phone is not None:
        number = wanted.phone.value
        found.append(or_(row.from_number == number, row.to_number == number))
    if wanted.q is not None:
        found.append(row.body.icontains(wanted.q, autoescape=True))
    return found
