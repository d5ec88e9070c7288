"""HTTP Basic authentication: account SID and auth token, or an API key of the account."""

import base64
import binascii
import hmac

from aiohttp import web

from simulator.records import Account
from simulator.runtime import RUNTIME
from simulator.twilio.errors import Refusal, not_found
from simulator.world import World

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="Twilio API"'}


def unauthorized() -> Refusal:
    return Refusal(401, 20003, "Authenticate", _CHALLENGE)


def _credentials(request: web.Request) -> tuple[str, str]:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise unauthorized()
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise unauthorized() from None
    return user, password


def _owner(world: World, user: str, password: str) -> Account:
    account = world.accounts.get(user)
    if account is not None:
        secret: str | None = account.auth_token
    else:
        account = next((a for a in world.accounts.values() if user in a.api_keys), None)
        secret = account.api_keys[user] if account else None
    if account is None or secret is None:
        raise unauthorized()
    if not hmac.compare_digest(secret.encode(), password.encode()):
        raise unauthorized()
    return account


def authenticate(request: web.Request) -> Account:
    """Return the calling account. Raises Refusal 401/20003, or 404/20404 for another account's
    path."""
    world = request.app[RUNTIME].world
    account = _owner(world, *_credentials(request))
    wanted = request.match_info.get("account")
    if wanted is not None and wanted != account.sid:
        raise not_found(request)
    return account
