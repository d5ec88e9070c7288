"""Queries about bots whose documents wait for embeddings.

Statements are written out, because none of them is a change by a person, which `updated_at` tells.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select, text
from sqlalchemy.orm import Session

from app import db
from app.models import Bot


def _is_due(model: str) -> ColumnElement[bool]:
    return and_(
        Bot.searches_by_meaning,
        Bot.embedded_by.is_distinct_from(model),
        or_(Bot.embed_at.is_(None), Bot.embed_at <= func.now()),
    )


def lock_due(session: Session, model: str) -> Bot | None:
    """Lock the bot of the tenant that has waited longest for embeddings by this model."""
    query = (
        select(Bot)
        .where(_is_due(model))
        .order_by(Bot.embed_at.nulls_first(), Bot.id)
        .limit(1)
        .with_for_update(key_share=True, skip_locked=True)
    )
    return session.scalars(query).one_or_none()


def has_due(session: Session, model: str) -> bool:
    return session.scalar(select(Bot.id).where(_is_due(model)).limit(1)) is not None


_WAIT = text("""
    update recado.bots set embed_at = now() + :time, embed_tries = embed_tries + :failures
    where tenant_id = :tenant_id and id = :bot_id
""")


def wait(session: Session, bot_id: UUID, time: timedelta, failures: int) -> None:
    """Begin nothing for this bot within this time, after so many more failures."""
    given = {"tenant_id": db.tenant_of(session), "bot_id": bot_id}
    session.execute(_WAIT, {**given, "time": time, "failures": failures})


_SUCCEED = text("""
    update recado.bots
    set embed_at = null, embed_tries = 0, embedded_by = coalesce(:model, embedded_by)
    where tenant_id = :tenant_id and id = :bot_id
""")


def succeed(session: Session, bot_id: UUID, model: str | None = None) -> None:
    """Note a success; with `model`, that nothing waits for it any more."""
    given = {"tenant_id": db.tenant_of(session), "bot_id": bot_id, "model": model}
    session.execute(_SUCCEED, given)
