from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.common.pagination import Page, PageRequest, fetch_page
from app.models import KeywordReply


def enabled(session: Session) -> Sequence[KeywordReply]:
    query = select(KeywordReply).where(KeywordReply.is_enabled).order_by(KeywordReply.id)
    return session.scalars(query).all()


def get(session: Session, tenant_id: UUID, reply_id: UUID) -> KeywordReply | None:
    return session.get(KeywordReply, (tenant_id, reply_id))


def list_page(session: Session, page: PageRequest) -> Page[KeywordReply]:
    return fetch_page(session, select(KeywordReply), (KeywordReply.id,), page)
