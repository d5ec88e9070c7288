"""The errors of sign-ins, tokens and keys. Every code is stable."""

from app.errors import AppError, Conflict, Unauthenticated


class InvalidCredentials(Unauthenticated):
    """The same answer for every wrong pair: it does not tell which half was wrong, or why."""

    code = "invalid_credentials"
    message = "The username or the password is wrong."


class TokenInvalid(Unauthenticated):
    code = "token_invalid"
    message = "This token is not valid. Sign in again."


class TokenExpired(Unauthenticated):
    code = "token_expired"
    message = "This token has expired. Get a new one at POST /auth/refresh, or sign in again."


class TokenRevoked(Unauthenticated):
    code = "token_revoked"
    message = "This sign-in has ended. Sign in again."


class ApiKeyInvalid(Unauthenticated):
    code = "api_key_invalid"
    message = "This API key is not valid. Check that you copied all of it."


class ApiKeyRevoked(Unauthenticated):
    code = "api_key_revoked"
    message = "This API key was revoked. Create a new one at POST /auth/api-keys."


class ApiKeyExpired(Unauthenticated):
    code = "api_key_expired"
    message = "This API key has expired. Create a new one at POST /auth/api-keys."


class MissingCredentials(AppError):
    status = 400
    code = "missing_field"
    message = "Send both: username and password."


class SecondFactorRequired(Unauthenticated):
    code = "second_factor_required"
    message = (
        "This account has a second factor. Send `code` too: the six digits of the authenticator "
        "app, or a recovery code."
    )


class SecondFactorWrong(Unauthenticated):
    code = "second_factor_wrong"
    message = "This code is not valid, or was used already. Wait for the next one."


class TooManyGuesses(AppError):
    status = 429
    code = "too_many_guesses"
    message = (
        "There were too many wrong guesses. Wait for the seconds in Retry-After, then try again."
    )


class SecondFactorExists(Conflict):
    code = "second_factor_exists"
    message = (
        "You have a second factor already. Remove it first at POST /auth/second-factor/remove."
    )


class NothingToConfirm(Conflict):
    code = "nothing_to_confirm"
    message = "There is nothing to confirm: begin at POST /auth/second-factor."


class HasApiKeys(Conflict):
    code = "has_api_keys"
    message = (
        "This member created API keys that are in use: see details.api_keys. Repeat with "
        "revoke_api_keys=true to revoke them too, or =false to keep them."
    )
