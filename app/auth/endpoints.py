"""`/auth`: signing in and out, one's own account, and API keys."""

from typing import Any
from uuid import UUID

from flask import request

from app import config
from app.auth import api_keys as keys
from app.auth import profile, schemas, second_factor, sessions
from app.auth import sign_in as signing
from app.auth.errors import (
    InvalidCredentials,
    MissingCredentials,
    NothingToConfirm,
    SecondFactorExists,
    SecondFactorRequired,
    SecondFactorWrong,
    TokenExpired,
    TokenInvalid,
    TokenRevoked,
    TooManyGuesses,
)
from app.auth.sessions import SignIn
from app.auth.sign_in import SignInRequest, TokenPair
from app.common.caps import LimitReached
from app.common.idempotency import idempotent
from app.common.pagination import Page, PageRequest
from app.common.permissions import Permission
from app.common.principal import commit_request, principal, requires, session
from app.common.schema import PageArgs
from app.errors import Unavailable, fails_with
from app.extensions import Blueprint, limiter, network_of_client
from app.models import ApiKey

sign_in = Blueprint("sign_in", __name__)
account = Blueprint("account", __name__)
api_keys = Blueprint("api_keys", __name__)


def login_limit() -> str:
    return config.current().login_rate_limit


def address_limit() -> str:
    return config.current().login_address_rate_limit


def address_and_username() -> str:
    """Return the key of the limit for guesses at one username from one address."""
    try:
        body = request.get_json(silent=True)
    except RecursionError:
        # The body parser refuses such nesting a moment later.
        body = None
    username = body.get("username") if isinstance(body, dict) else None
    return f"login:{network_of_client()}:{str(username).casefold()[:200]!a}"


def address() -> str:
    return f"login:{network_of_client()}"


@sign_in.post("/login")
@fails_with(
    MissingCredentials,
    InvalidCredentials,
    SecondFactorRequired,
    SecondFactorWrong,
    TooManyGuesses,
    Unavailable,
)
@limiter.limit(login_limit, key_func=address_and_username)
@limiter.limit(address_limit, key_func=address)
@sign_in.arguments(schemas.LoginSchema)
@sign_in.response(200, schemas.TokenPairSchema)
def login(body: dict[str, Any]) -> TokenPair:
    """Sign in with a username and a password

    Send the access token as `Authorization: Bearer …`; before it expires, exchange the refresh
    token for new ones at `POST /auth/refresh`. Every wrong pair gets the same answer. After five
    wrong ones for one username, each further one doubles a pause, in which the answer is 429.
    """
    schemas.refuse_missing(body)
    return signing.sign_in(
        SignInRequest(
            username=body["username"],
            password=body["password"],
            code=body["code"],
            remote_address=request.remote_addr or "",
            network=network_of_client(),
            user_agent=request.user_agent.string,
        )
    )


@sign_in.post("/refresh")
@fails_with(TokenInvalid, TokenExpired, TokenRevoked, Unavailable)
@limiter.limit(address_limit, key_func=address)
@sign_in.arguments(schemas.RefreshSchema)
@sign_in.response(200, schemas.TokenPairSchema)
def refresh_sign_in(body: dict[str, Any]) -> TokenPair:
    """Exchange a refresh token for new tokens

    A refresh token can be exchanged once. If the answer was lost, repeat the call within some
    seconds and you get the same new tokens. A later repeat, or one after the new token was used,
    ends the whole sign-in, because the token may have been stolen. No sign-in lasts longer than
    `SIGN_IN_MAX_SECONDS` (90 days).
    """
    return signing.refresh_pair(body["refresh_token"], network_of_client())


@account.post("/logout")
@requires(Permission.ACCOUNT)
@account.response(204)
def logout() -> None:
    """Sign out

    Ends this sign-in: its tokens are refused at once.
    """
    signing.sign_out(session(), principal())


@account.get("/me")
@requires(Permission.PROFILE)
@account.response(200, schemas.MeSchema)
def read_me() -> profile.Profile:
    """Show who is calling

    A person or an API key, with its permissions.
    """
    return profile.read_profile(session(), principal())


@account.post("/change-password")
@requires(Permission.ACCOUNT)
@fails_with(TooManyGuesses)
@account.arguments(schemas.ChangePasswordSchema)
@account.response(204)
def change_password(body: dict[str, Any]) -> None:
    """Change your password

    All your other sign-ins end.
    """
    commit_request()
    signing.change_password(principal(), body["current_password"], body["new_password"])


@account.get("/sessions")
@requires(Permission.ACCOUNT)
@account.arguments(PageArgs, location="query")
@account.response(200, schemas.SignInPage)
def list_sign_ins(page: dict[str, Any]) -> Page[SignIn]:
    """List your sign-ins

    Newest first.
    """
    return sessions.list_own(session(), principal(), PageRequest(**page))


@account.delete("/sessions/<uuid:session_id>")
@requires(Permission.ACCOUNT)
@account.response(204)
def end_sign_in(session_id: UUID) -> None:
    """End one of your sign-ins

    Its tokens are refused at once.
    """
    sessions.end_own(session(), principal(), session_id)


@account.delete("/sessions")
@requires(Permission.ACCOUNT)
@account.response(204)
def end_other_sign_ins() -> None:
    """End all your other sign-ins

    This one stays.
    """
    sessions.end_others(session(), principal())


@account.post("/second-factor")
@requires(Permission.ACCOUNT)
@fails_with(SecondFactorExists, TooManyGuesses)
@account.arguments(schemas.OwnPasswordSchema)
@account.response(200, schemas.EnrolmentSchema)
def begin_second_factor(body: dict[str, Any]) -> second_factor.Enrolment:
    """Begin a second factor

    Answers the secret for an authenticator app. Show `uri` as a QR code, or type `secret` into the
    app, then send the first code to `POST /auth/second-factor/confirm`. Until then nothing changes.
    """
    commit_request()
    return second_factor.start(principal(), body["current_password"])


@account.post("/second-factor/confirm")
@requires(Permission.ACCOUNT)
@fails_with(SecondFactorWrong, NothingToConfirm, TooManyGuesses)
@account.arguments(schemas.CodeSchema)
@account.response(200, schemas.RecoveryCodesSchema)
def confirm_second_factor(body: dict[str, Any]) -> dict[str, Any]:
    """Switch the second factor on

    From now on signing in needs `code` too. The answer contains ten recovery codes, only this once:
    each signs you in once without the app.
    """
    commit_request()
    return {"recovery_codes": second_factor.confirm(principal(), body["code"])}


@account.post("/second-factor/remove")
@requires(Permission.ACCOUNT)
@fails_with(SecondFactorWrong, TooManyGuesses)
@account.arguments(schemas.RemoveSecondFactorSchema)
@account.response(204)
def remove_second_factor(body: dict[str, Any]) -> None:
    """Switch the second factor off"""
    commit_request()
    second_factor.remove(principal(), body["current_password"], body["code"])


@api_keys.get("")
@requires(Permission.API_KEYS_READ)
@api_keys.arguments(PageArgs, location="query")
@api_keys.response(200, schemas.ApiKeyPage)
def list_api_keys(page: dict[str, Any]) -> Page[ApiKey]:
    """List API keys

    The active ones, newest first.
    """
    return keys.list_api_keys(session(), PageRequest(**page))


@api_keys.post("")
@requires(Permission.API_KEYS_WRITE)
@fails_with(LimitReached)
@idempotent
@api_keys.arguments(schemas.NewApiKeySchema)
@api_keys.response(201, schemas.CreatedApiKeySchema)
def create_api_key(body: dict[str, Any]) -> keys.CreatedKey:
    """Create an API key

    The answer contains the key itself, only this once. The key has at most your own permissions,
    and can never create keys, people or tenants.
    """
    return keys.create_api_key(session(), principal(), keys.NewKey(**body))


@api_keys.delete("/<uuid:key_id>")
@requires(Permission.API_KEYS_WRITE)
@api_keys.response(204)
def revoke_api_key(key_id: UUID) -> None:
    """Revoke an API key

    It is refused from the next request on.
    """
    keys.revoke_api_key(session(), principal(), key_id)
