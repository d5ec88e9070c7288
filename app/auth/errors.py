"""The ways in which a sign-in, a token or a key is refused; every code is stable."""

from app.errors import AppError, Unauthenticated


class InvalidCredentials(Unauthenticated):
    """One wording for every wrong pair: nothing tells which half was wrong, or why."""

    code = "invalid_credentials"
    message = "The username or the password is not right."


class TokenInvalid(Unauthenticated):
    code = "token_invalid"
    message = "This token is not one of ours, or it is damaged. Sign in again."


class TokenExpired(Unauthenticated):
    code = "token_expired"
    message = "This token has expired. Ask for a new one at POST /auth/refresh, or sign in again."


class TokenRevoked(Unauthenticated):
    code = "token_revoked"
    message = "This sign-in has ended. Sign in again."


class ApiKeyInvalid(Unauthenticated):
    code = "api_key_invalid"
    message = "This API key is not one of ours. Check that it was copied whole."


class ApiKeyRevoked(Unauthenticated):
    code = "api_key_revoked"
    message = "This API key was revoked. Make a new one at POST /auth/api-keys."


class ApiKeyExpired(Unauthenticated):
    code = "api_key_expired"
    message = "This API key has expired. Make a new one at POST /auth/api-keys."


class MissingCredentials(AppError):
    status = 400
    code = "missing_field"
    message = "Send both: username and password."
