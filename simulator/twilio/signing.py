"""How the vendor signs its webhooks (security page; twilio-python's RequestValidator)."""

import base64
import hmac
from collections.abc import Sequence
from typing import Final

from simulator.records import Account

SIGNATURE: Final = "X-Twilio-Signature"
SETTINGS: Final = "X-Twilio-Webhooks-Signature-Settings"

Parameters = Sequence[tuple[str, str]]


def sign(secret: str, url: str, parameters: Parameters, digest: str = "sha1") -> str:
    """Return the Base64 of the HMAC over the URL (query included, fragment not) and the sorted
    parameters."""
    text = url + "".join(name + value for name, value in sorted(set(parameters)))
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), digest)).decode()


def signature_headers(account: Account, url: str, parameters: Parameters) -> dict[str, str]:
    """Return the headers for one webhook: the auth token and SHA-1, or the account's SharedKey and
    SHA-256."""
    key = account.shared_key
    if key is None:
        return {SIGNATURE: sign(account.auth_token, url, parameters)}
    return {
        SIGNATURE: sign(key.secret, url, parameters, "sha256"),
        SETTINGS: f"key={key.id},algorithm=HMAC_SHA256",
    }
