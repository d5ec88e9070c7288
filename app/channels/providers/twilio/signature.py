"""Verification that a webhook was signed with a channel's credentials.

Source: Twilio's webhook security page; webhook-shared-keys for the SharedKey mode.
"""

from collections.abc import Mapping
from urllib.parse import parse_qs, parse_qsl, urldefrag, urlsplit

from twilio.request_validator import (
    HMAC_SHA1,
    HMAC_SHA256,
    SIGNATURE_HEADER,
    SIGNATURE_SETTINGS_HEADER,
    RequestValidator,
    compare,
    get_signature_algorithm,
)
from werkzeug.datastructures import MultiDict

from app.channels.providers.base import Json, WebhookRequest
from app.channels.providers.twilio.credentials import (
    AUTH_TOKEN_MODE,
    SHARED_KEY_MODE,
    are_previous_accepted,
)
from app.channels.providers.twilio.retries import RETRY_FRAGMENT

MOST_PARAMETERS = 1000

ACCEPTED = {
    AUTH_TOKEN_MODE: (HMAC_SHA1, ("auth_token", "previous_auth_token")),
    SHARED_KEY_MODE: (HMAC_SHA256, ("shared_key_secret", "previous_shared_key_secret")),
}
"""For each mode, its only algorithm and the secrets that may have signed: the current one, and the
one before it for a day. The channel selects the
mode; a request that names the other algorithm is refused, otherwise a sender could choose the
weaker one."""


def is_signed(request: WebhookRequest, credentials: Json) -> bool:
    try:
        return _is_signed(request, credentials)
    except (ValueError, TypeError, KeyError, AttributeError):
        # UnicodeError is a ValueError: Twilio cannot have signed such a URL or body.
        return False


def _is_signed(request: WebhookRequest, credentials: Json) -> bool:
    signature = header(request.headers, SIGNATURE_HEADER)
    if not signature:
        return False
    algorithm, names = ACCEPTED[credentials.get("signature_mode", AUTH_TOKEN_MODE)]
    claimed = get_signature_algorithm(header(request.headers, SIGNATURE_SETTINGS_HEADER))
    if claimed.upper() != algorithm:
        return False
    url = urldefrag(request.url).url
    parameters = _parameters(request, url)
    accepted = names if are_previous_accepted(credentials) else names[:1]
    secrets = [credentials[name] for name in accepted if credentials.get(name)]
    # Twilio signs the address without its fragment; a relay may sign it as we wrote it. The first
    # match ends the search, because which secret or spelling it was is not confidential.
    return any(
        matches(RequestValidator(secret), address, parameters, signature, algorithm)
        for matches in (_is_exact, RequestValidator.validate)
        for address in (url, url + RETRY_FRAGMENT)
        for secret in secrets
    )


def _is_exact(
    validator: RequestValidator,
    url: str,
    parameters: MultiDict[str, str] | str,
    signature: str,
    algorithm: str,
) -> bool:
    """Verify a URL that was signed exactly as it is, at a third of the cost of the library's
    `validate`, which also tries it with and without its port. Not for a body that the URL's hash
    covers."""
    if isinstance(parameters, str):
        return False
    return bool(compare(validator.compute_signature(url, parameters, algorithm), signature))


def _parameters(request: WebhookRequest, url: str) -> MultiDict[str, str] | str:
    """Return the form's fields, with blanks and repeats; or the raw text, if the URL's hash covers
    it.

    A URL that carries a hash is always checked against the body; given parsed fields, the library
    would skip the hash. Raises ValueError for JSON without one.
    """
    text = request.body.decode("utf-8")
    if "bodySHA256" in url and "bodySHA256" in parse_qs(urlsplit(url).query):
        return text
    if "json" in (header(request.headers, "Content-Type") or "").lower():
        raise ValueError("JSON whose URL carries no hash of it")
    fields = parse_qsl(
        text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS
    )
    return MultiDict(fields)


def header(headers: Mapping[str, str], name: str) -> str | None:
    """Return a header by its name in any case."""
    wanted = name.lower()
    return next((value for key, value in headers.items() if key.lower() == wanted), None)
