"""How many rows of a kind a tenant may have."""

from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from app.errors import AppError


class LimitReached(AppError):
    """422: the tenant has as many rows of a kind as it may."""

    status = 422
    code = "limit_reached"
    message = "A business has as many of these as it may. Remove one that is not needed."


def refuse_more(
    session: Session, model: type[Any], most: int, name: str, *conditions: ColumnElement[bool]
) -> None:
    """Raise LimitReached when the tenant of this transaction has `most` rows that match.

    Simultaneous requests may go slightly above the limit, which does no harm.
    """
    rows = select(model.tenant_id).where(*conditions).limit(most).subquery()
    if (session.scalar(select(func.count()).select_from(rows)) or 0) >= most:
        raise LimitReached(f"A business has at most {most} {name}. Remove one that is not needed.")
