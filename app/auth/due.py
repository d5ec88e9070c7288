"""Retention of sign-ins and their tokens: they are removed a while after they ended."""

from typing import Any

from app.auth import service
from app.common.retention import Expiring


def _kept() -> dict[str, Any]:
    return {"sign_ins_kept": service.EXPIRED_SESSIONS_KEPT}


EXPIRING = Expiring(
    {
        "user_sessions": "expires_at < now() - :sign_ins_kept",
        "refresh_tokens": "expires_at < now() - :sign_ins_kept",
    },
    service.forget_expired,
    _kept,
)
