"""The guard of callers: reads the caller from the request, confirms it, and opens its
transaction."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Flask, Response, g, make_response, request

from app.auth import service
from app.common.permissions import WITHOUT_SECOND_FACTOR, Permission
from app.common.principal import Principal, request_transaction
from app.errors import Forbidden, PermissionDenied, Unauthenticated, WrongMode

View = Callable[..., Any]


def identify() -> None:
    """Find the caller by a verified signature or key, before the rate limit. A failure is kept in
    `g`."""
    g.caller, g.refusal = None, None
    try:
        g.caller = service.caller_of_request()
    except (Unauthenticated, WrongMode) as refusal:
        g.refusal = refusal


def caller_only(view: View) -> View:
    """Guard a view of Guard.CALLER: it runs in one transaction of the caller's tenant.

    The session's revocation and the caller's role are read in that same transaction, so both take
    effect at once.
    """
    permission: Permission = view.permission  # type: ignore[attr-defined]

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Response:
        if g.caller is None:
            raise g.refusal or Unauthenticated()
        # Read before the transaction opens, so that a slow client holds no connection.
        request.get_data(cache=True)
        with request_transaction(g.caller) as session:
            g.principal = service.confirm(session, g.caller)
            if not g.principal.may(permission):
                raise refusal(g.principal, permission)
            return make_response(view(*args, **kwargs))

    return guarded


def refusal(principal: Principal, permission: Permission) -> Forbidden:
    """Return why this caller lacks the permission."""
    if principal.permissions == WITHOUT_SECOND_FACTOR:
        return Forbidden(
            "This installation wants a second factor of platform administrators. Set one up at "
            "POST /auth/second-factor.",
            code="second_factor_missing",
        )
    return PermissionDenied(
        f"This needs the permission {permission}, which your role or key lacks."
    )


def init_app(app: Flask) -> None:
    app.before_request(identify)
