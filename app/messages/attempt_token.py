"""The token of an attempt: it names the message and the attempt of a receipt, and proves that we
made it.

`message=<id>&attempt=<number>&proof=<32 hex digits>`. A provider returns it with each receipt, in
the query of a URL or in a field of its own; other parameters in it are ignored.
"""

import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from app import config

MOST_WORDS = 20


@dataclass(frozen=True)
class AttemptRef:
    message_id: UUID
    attempt: int


def make(tenant_id: UUID, ref: AttemptRef) -> str:
    proof = _proof(config.current().secret_key, tenant_id, ref)
    return urlencode({"message": ref.message_id, "attempt": ref.attempt, "proof": proof})


def read(tenant_id: UUID, token: str) -> AttemptRef | None:
    """Return the attempt that the token names, or None if we did not sign it."""
    try:
        words = dict(parse_qsl(token, max_num_fields=MOST_WORDS))
        ref = AttemptRef(UUID(words["message"]), int(words["attempt"]))
        given = words["proof"].encode("ascii")
    except (KeyError, ValueError):
        return None
    settings = config.current()
    keys = filter(None, (settings.secret_key, settings.secret_key_previous))
    proofs = (_proof(key, tenant_id, ref).encode() for key in keys)
    return ref if any(hmac.compare_digest(given, proof) for proof in proofs) else None


def _proof(secret_key: str, tenant_id: UUID, ref: AttemptRef) -> str:
    key = hashlib.sha256(b"recado callback|" + secret_key.encode()).digest()
    text = f"{tenant_id}|{ref.message_id}|{ref.attempt}".encode()
    return hmac.new(key, text, hashlib.sha256).hexdigest()[:32]
