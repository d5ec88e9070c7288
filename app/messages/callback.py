"""The proof in a status-callback URL: which message and attempt a provider's receipt is for."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from app import config


@dataclass(frozen=True)
class AttemptRef:
    message_id: UUID
    attempt: int


def query_for(tenant_id: UUID, ref: AttemptRef) -> str:
    proof = _proof(config.current().secret_key, tenant_id, ref)
    return urlencode({"message": ref.message_id, "attempt": ref.attempt, "proof": proof})


def read(tenant_id: UUID, query: Mapping[str, str]) -> AttemptRef | None:
    """The attempt that the query names, or None when it names none that we signed."""
    try:
        ref = AttemptRef(UUID(query["message"]), int(query["attempt"]))
        given = query["proof"].encode("ascii")
    except (KeyError, ValueError):
        return None
    settings = config.current()
    keys = filter(None, (settings.secret_key, settings.secret_key_previous))
    proofs = [_proof(key, tenant_id, ref).encode() for key in keys]
    return ref if any(hmac.compare_digest(given, proof) for proof in proofs) else None


def _proof(secret_key: str, tenant_id: UUID, ref: AttemptRef) -> str:
    key = hashlib.sha256(b"recado callback|" + secret_key.encode()).digest()
    text = f"{tenant_id}|{ref.message_id}|{ref.attempt}".encode()
    return hmac.new(key, text, hashlib.sha256).hexdigest()[:32]
