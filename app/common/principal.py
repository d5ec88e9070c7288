"""The caller of a request, and the transaction that the request runs in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from flask import g
from sqlalchemy.orm import Session

from app import db
from app.common.permissions import Permission

MODE_HEADER = "Recado-Mode"
"""A signed-in person says by this header which messages a request is about: live or test."""

View = TypeVar("View", bound=Callable[..., Any])


class CallerType(StrEnum):
    USER = "user"
    API_KEY = "api_key"


@dataclass(frozen=True)
class Caller:
    """What a verified token or key says, before the database was asked.

    `session_id` is the sign-in of a user's token, and None for an API key. `is_test`: it sees and
    makes test messages, and no live ones.
    """

    type: CallerType
    tenant_id: UUID
    id: UUID
    session_id: UUID | None = None
    is_test: bool = False

    @property
    def mode(self) -> db.Mode:
        return db.Mode.TEST if self.is_test else db.Mode.LIVE

    @property
    def limit_key(self) -> str:
        return f"{self.type}:{self.tenant_id}:{self.id}"


@dataclass(frozen=True)
class Principal:
    """A caller that the database has just confirmed, with its permissions."""

    caller: Caller
    name: str
    role: str
    permissions: frozenset[Permission]

    @property
    def is_test(self) -> bool:
        return self.caller.is_test

    @property
    def id(self) -> UUID:
        return self.caller.id

    @property
    def tenant_id(self) -> UUID:
        return self.caller.tenant_id

    @property
    def is_user(self) -> bool:
        return self.caller.type is CallerType.USER

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions


def requires(permission: Permission) -> Callable[[View], View]:
    """Declare the permission that a view needs; the guard in app/blueprints.py enforces it.

    Place it right below the route, above every other decorator.
    """

    def mark(view: View) -> View:
        view.permission = permission  # type: ignore[attr-defined]
        return view

    return mark


def principal() -> Principal:
    """Return the caller of this request."""
    found: Principal = g.principal
    return found


def session() -> Session:
    """Return the transaction of this request, pinned to the caller's tenant."""
    found: Session = g.session
    return found


@contextmanager
def request_transaction(caller: Caller) -> Iterator[Session]:
    """Open the transaction of a request. It commits when the view returns, unless the view did so
    before."""
    with db.tenant_session(caller.tenant_id, caller.mode) as opened:
        g.session = opened
        try:
            yield opened
        finally:
            g.session = None


def commit_request() -> None:
    """Commit the request's work before its end, so that what follows holds no connection."""
    db.finish(g.session)
    g.session = None
