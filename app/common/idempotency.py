"""`Idempotency-Key`: the same key and body get the first response again, for 24 hours.

The key is claimed in the transaction of the work, so both are committed together; of two
simultaneous requests the second waits in Postgres until the first has committed. Work that needs
transactions of its own commits the key first, without a response; a retry then repeats the work
under the same id, so the work must tolerate that. Responses are encrypted, because some hold a
secret that is shown only once.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any
from uuid import UUID

import structlog
from flask import Response, g, make_response, request
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import db
from app.common import vault
from app.common.ids import new_id
from app.common.principal import commit_request, principal, session
from app.common.retention import Expiring, delete_some
from app.errors import AppError, InvalidInput, Unprocessable
from app.models import IdempotencyKey

log = structlog.get_logger(__name__)

KEPT = timedelta(hours=24)
LONGEST_KEY = 255


class IdempotencyKeyReused(Unprocessable):
    code = "idempotency_key_reused"
    message = "This Idempotency-Key was used for another request. Use a new key for a new request."


def idempotent(view: Callable[..., Any]) -> Callable[..., Any]:
    """Honor `Idempotency-Key` on a view that creates something."""

    @wraps(view)
    def once(*args: Any, **kwargs: Any) -> Any:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return view(*args, **kwargs)
        row_id, replay = claim(session(), check_key(key), fingerprint())
        if replay is not None:
            return replay
        g.idempotency_row = row_id
        try:
            response = make_response(view(*args, **kwargs))
        except AppError:
            _release(row_id)
            raise
        keep_answer(response)
        return response

    once.is_idempotent = True  # type: ignore[attr-defined]
    return once


def check_key(key: str) -> str:
    """Raises InvalidInput."""
    if not 1 <= len(key) <= LONGEST_KEY or not key.isprintable():
        reason = f"1 to {LONGEST_KEY} printable characters."
        raise InvalidInput({"Idempotency-Key": [reason]})
    return key


def fingerprint() -> str:
    """Hash what identifies a request: the caller, the address and the body (JSON in any
    spelling)."""
    body = request.get_data(cache=True)
    if request.mimetype == "multipart/form-data":
        body = _parts()
    with contextlib.suppress(ValueError, RecursionError):
        body = json.dumps(json.loads(body), sort_keys=True).encode()
    whole = f"{principal().id} {request.method} {request.path.rstrip('/')}".encode() + b"\n" + body
    return hashlib.sha256(whole).hexdigest()


def _parts() -> bytes:
    """Return what a form holds. Between its parts a client puts another mark each time."""
    parts = [[name, text] for name, text in request.form.items(multi=True)]
    for name, file in request.files.items(multi=True):
        digest = hashlib.sha256(file.read()).hexdigest()
        file.seek(0)
        parts.append([name, file.filename or "", digest])
    return json.dumps(parts).encode()


_NEW = insert(IdempotencyKey).values(expires_at=func.now() + KEPT)
_CLAIM = _NEW.on_conflict_do_update(
    index_elements=["tenant_id", "key"],
    set_={
        "id": _NEW.excluded.id,
        "fingerprint": _NEW.excluded.fingerprint,
        "expires_at": _NEW.excluded.expires_at,
        "status_code": None,
        "answer": None,
    },
    where=IdempotencyKey.expires_at < func.now(),
).returning(IdempotencyKey.id)
"""Claims a key that is new or has expired; returns no row for one that is in use."""


def claim(tenant: Session, key: str, print_: str) -> tuple[UUID, Response | None]:
    """Claim a key; return the row's id, and the response to replay if there is one.

    If an earlier request with this key did not finish, the id is that of the earlier one. Raises
    IdempotencyKeyReused.
    """
    row_id = new_id()
    given = {"id": row_id, "key": key, "fingerprint": print_}
    if tenant.scalar(_CLAIM, given) is not None:
        return row_id, None
    row = tenant.scalars(select(IdempotencyKey).where(IdempotencyKey.key == key)).one()
    if row.fingerprint != print_:
        raise IdempotencyKeyReused
    return row.id, _replay(tenant, row)


def commit_claim() -> UUID | None:
    """Commit the request before its work, which runs in transactions of its own.

    Returns an id that is the same in each retry of the request, or None if it has no key.
    """
    commit_request()
    row_id: UUID | None = g.get("idempotency_row")
    return row_id


def _release(row_id: UUID) -> None:
    """Forget a key that was committed before its work failed: failures are not kept."""
    if g.session is None:
        unanswered = IdempotencyKey.id == row_id, IdempotencyKey.answer.is_(None)
        with db.tenant_session(principal().tenant_id) as later:
            later.execute(delete(IdempotencyKey).where(*unanswered))


def forget_expired(tenant: Session, most: int) -> int:
    """Remove up to `most` expired keys; return how many were removed."""
    return delete_some(tenant, IdempotencyKey, IdempotencyKey.expires_at < func.now(), most=most)


EXPIRING = Expiring({"idempotency_keys": "expires_at < now()"}, forget_expired)


def commit_with(response: Response) -> None:
    """Commit the request early. Until it ends, a retry gets `response`."""
    keep_answer(response)
    commit_request()


def keep_answer(response: Response) -> None:
    """Store the response, in this request's transaction or, after its commit, in a new one.

    After the commit, a failure to store it does not fail the request: a retry gets the response
    that the request was committed with.
    """
    row_id = g.get("idempotency_row")
    if row_id is None:
        return
    if g.session is not None:
        _store(session(), row_id, response)
        return
    try:
        with db.tenant_session(principal().tenant_id) as later:
            _store(later, row_id, response)
    except db.UNAVAILABLE as error:
        log.warning("answer_not_kept", error=type(error).__name__)


def _store(tenant: Session, row_id: UUID, response: Response) -> None:
    sealed = vault.seal(tenant, "idempotency_keys", "answer", row_id, response.get_data())
    tenant.execute(
        update(IdempotencyKey)
        .where(IdempotencyKey.id == row_id)
        .values(status_code=response.status_code, answer=sealed)
    )


def _replay(tenant: Session, row: IdempotencyKey) -> Response | None:
    if row.answer is None or row.status_code is None:
        return None
    body = vault.unseal(tenant, "idempotency_keys", "answer", row.id, row.answer)
    response = Response(body, row.status_code, mimetype="application/json")
    response.headers["Idempotency-Replayed"] = "true"
    return response
