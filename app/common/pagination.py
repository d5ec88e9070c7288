"""Pages: `?limit=` and an opaque `cursor` that holds the sort key of the last row seen."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.errors import InvalidInput

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 100

Row = TypeVar("Row")


@dataclass(frozen=True)
class Page(Generic[Row]):
    items: Sequence[Row]
    next_cursor: str | None


@dataclass(frozen=True)
class PageRequest:
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None


def fetch_page(
    session: Session,
    query: Select[Row],
    sort: Sequence[InstrumentedAttribute[Any]],
    request: PageRequest,
    *,
    descending: bool = True,
) -> Page[Row]:
    """One page of `query`, ordered by `sort` (the last column must be unique in the tenant).

    Raises InvalidInput for a cursor that we did not make.
    """
    key = tuple_(*sort)
    if request.cursor:
        last = decode_cursor(request.cursor, sort)
        query = query.where(key < last if descending else key > last)
    order = [column.desc() if descending else column.asc() for column in sort]
    rows = session.scalars(query.order_by(*order).limit(request.limit + 1)).all()
    if len(rows) <= request.limit:
        return Page(rows, None)
    rows = rows[: request.limit]
    return Page(rows, encode_cursor([getattr(rows[-1], column.key) for column in sort]))


def encode_cursor(values: Sequence[Any]) -> str:
    plain = [value.isoformat() if isinstance(value, datetime) else str(value) for value in values]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, sort: Sequence[InstrumentedAttribute[Any]]) -> tuple[Any, ...]:
    """Raises InvalidInput."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        values = json.loads(base64.b64decode(padded.encode(), altchars=b"-_", validate=True))
        return tuple(
            _read(str(value), column.type.python_type)
            for value, column in zip(values, sort, strict=True)
        )
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        reason = "This cursor is not one of ours: pass next_cursor of the page before, unchanged."
        raise InvalidInput({"cursor": [reason]}) from error


def _read(text: str, python_type: type) -> Any:
    if python_type is datetime:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("a moment without its zone")
        return moment
    return UUID(text) if python_type is UUID else python_type(text)
