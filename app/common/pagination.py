"""Pages: `?limit=` and an opaque `cursor` that holds the sort key of the last row of the page
before."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select, tuple_, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from app.common import clock
from app.errors import InvalidInput

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 100
MOST_READ = 4_000
"""The most rows that are read for one page to find those that match, about 10 ms of work."""

NOT_OURS = "This cursor is not one of ours: pass next_cursor of the page before, unchanged."

Row = TypeVar("Row")
SortKey = tuple[Any, ...]
Conditions = Callable[[Any], Sequence[ColumnElement[bool]]]
"""The filters of a list, given the entity that they apply to."""


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
    """Return one page of `query`, ordered by `sort` (the last column must be unique in the tenant).

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
    return Page(rows, encode_cursor(_sort_key(rows[-1], sort), sort))


def fetch_wanted(
    session: Session,
    runs: Sequence[Select[Row]],
    sort: Sequence[InstrumentedAttribute[Any]],
    request: PageRequest,
    wanted: Conditions,
    *,
    more_below: SortKey | None = None,
) -> Page[Row]:
    """Return one page of the rows of all `runs` that match `wanted`, in descending order.

    Each run is a query of the same entity whose order an index provides; runs do not overlap. At
    most MOST_READ rows of each run are read, so a page may hold fewer rows than `limit`, or none,
    and still have a next page. `more_below` is the sort key down to which the runs reach; the next
    page continues there. Raises InvalidInput for a cursor that we did not make.
    """
    if request.cursor:
        last = decode_cursor(request.cursor, sort)
        runs = [run.where(tuple_(*sort) < last) for run in runs]
    runs = [run.order_by(*(column.desc() for column in sort)) for run in runs]
    found = _in_order([run.limit(MOST_READ) for run in runs])
    row = aliased(runs[0].column_descriptions[0]["entity"], found, adapt_on_names=True)
    conditions = wanted(row)
    order = [getattr(row, column.key).desc() for column in sort]
    query = select(row).where(*conditions).order_by(*order).limit(request.limit + 1)
    rows = session.scalars(query).all()
    if len(rows) > request.limit:
        rows = rows[: request.limit]
        return Page(rows, encode_cursor(_sort_key(rows[-1], sort), sort))
    read_to = _last_read(session, runs, sort) if conditions else None
    ends = [each for each in (read_to, more_below) if each is not None]
    if not ends:
        return Page(rows, None)
    end = max(ends)
    return Page([each for each in rows if _sort_key(each, sort) >= end], encode_cursor(end, sort))


def _in_order(queries: Sequence[Select[Any]]) -> Any:
    return (union_all(*queries) if len(queries) > 1 else queries[0]).subquery()


def _last_read(
    session: Session, runs: Sequence[Select[Any]], sort: Sequence[InstrumentedAttribute[Any]]
) -> SortKey | None:
    """Return the sort key where reading stopped in a run longer than MOST_READ, or None if no run
    is.

    If several runs are longer, this is the first stop: the other runs are read again from there.
    """
    last = [run.with_only_columns(*sort).offset(MOST_READ - 1).limit(1) for run in runs]
    keys = [tuple(row) for row in session.execute(select(_in_order(last)))]
    return max(keys, default=None)


def _sort_key(row: Any, sort: Sequence[InstrumentedAttribute[Any]]) -> SortKey:
    return tuple(getattr(row, column.key) for column in sort)


def encode_cursor(key: SortKey, sort: Sequence[InstrumentedAttribute[Any]]) -> str:
    """Encode the sort key as text, with the name of its list."""
    plain = [value.isoformat() if isinstance(value, datetime) else str(value) for value in key]
    named = json.dumps([_name(sort), *plain])
    return base64.urlsafe_b64encode(named.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, sort: Sequence[InstrumentedAttribute[Any]]) -> SortKey:
    """Raises InvalidInput for a cursor that we did not make, or made for another list."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        name, *values = json.loads(base64.b64decode(padded.encode(), altchars=b"-_", validate=True))
        if name != _name(sort):
            raise ValueError("the cursor of another list")
        return tuple(
            _read(str(value), column.type.python_type)
            for value, column in zip(values, sort, strict=True)
        )
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise InvalidInput({"cursor": [NOT_OURS]}) from error


def _name(sort: Sequence[InstrumentedAttribute[Any]]) -> str:
    return str(sort[0].class_.__tablename__)


def _read(text: str, python_type: type) -> Any:
    if python_type is datetime:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("a moment without its zone")
        return clock.within_reach(moment)
    return UUID(text) if python_type is UUID else python_type(text)
