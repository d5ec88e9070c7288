"""What was said in a conversation before the messages that its bot reads, in short.

A row without a text says that what was said until then is forgotten.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app import db
from app.common.ids import new_id
from app.models import Summary

_KEEP = text("""
    insert into recado.summaries as s (tenant_id, id, conversation_id, text, until)
    select c.tenant_id, :id, c.id, :text, :until from recado.conversations c
    where c.tenant_id = :tenant_id and c.id = :conversation_id for key share
    on conflict (tenant_id, conversation_id) do update
        set text = excluded.text, until = excluded.until where s.until = :former
    returning id
""")
_JOIN = text("""
    insert into recado.summaries as s (tenant_id, id, conversation_id, text, until)
    select tenant_id, :id, :to_id, text, until from recado.summaries
    where tenant_id = :tenant_id and conversation_id = :from_id
    on conflict (tenant_id, conversation_id) do update
        set text = concat_ws(E'\\n', nullif(s.text, ''), nullif(excluded.text, '')),
            until = greatest(s.until, excluded.until)
""")
_FORGET = text("""
    insert into recado.summaries (tenant_id, id, conversation_id, text, until)
    select :tenant_id, gone.id, gone.conversation_id, '', clock_timestamp()
    from unnest(cast(:ids as uuid[]), cast(:conversation_ids as uuid[]))
        as gone (id, conversation_id)
    on conflict (tenant_id, conversation_id) do update
        set text = excluded.text, until = excluded.until
""")


def find(session: Session, conversation_ids: Sequence[UUID]) -> dict[UUID, Summary]:
    query = select(Summary).where(Summary.conversation_id.in_(conversation_ids))
    return {row.conversation_id: row for row in session.scalars(query)}


def keep(
    session: Session, conversation_id: UUID, summary: str, until: datetime, former: datetime | None
) -> bool:
    """Store a summary of everything until then; return whether it was stored.

    `former` is the `until` of the summary that it continues. It is not stored if there is another
    one meanwhile, or the conversation is gone.
    """
    given: dict[str, Any] = {
        "tenant_id": db.tenant_of(session),
        "id": new_id(),
        "conversation_id": conversation_id,
        "text": summary,
        "until": until,
        "former": former,
    }
    return session.scalar(_KEEP, given) is not None


def join(session: Session, from_id: UUID, to_id: UUID) -> None:
    """Add the summary of a conversation to that of the one into which it is merged."""
    given = {
        "tenant_id": db.tenant_of(session),
        "id": new_id(),
        "from_id": from_id,
        "to_id": to_id,
    }
    session.execute(_JOIN, given)


def forget(session: Session, conversation_ids: Sequence[UUID]) -> None:
    """Remove the summaries, and have none made of what was said so far."""
    given = {
        "tenant_id": db.tenant_of(session),
        "ids": [str(new_id()) for _ in conversation_ids],
        "conversation_ids": [str(each) for each in conversation_ids],
    }
    session.execute(_FORGET, given)
