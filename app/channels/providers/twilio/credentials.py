"""The credentials of a Twilio channel, and the rotation of its tokens."""

from datetime import datetime, timedelta
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from app.channels.providers.base import Json
from app.common import clock
from app.common.schema import BaseSchema

AUTH_TOKEN_MODE = "auth_token"  # noqa: S105 - the name of a mode
SHARED_KEY_MODE = "shared_key"
MODES = (AUTH_TOKEN_MODE, SHARED_KEY_MODE)

ROTATED = {
    "auth_token": "previous_auth_token",
    "shared_key_secret": "previous_shared_key_secret",
}
"""For each secret that signs webhooks, the field in which the previous one stays valid."""

UNTIL = "previous_until"
PREVIOUS_SECONDS = 24 * 3600
"""For so long a previous secret is accepted."""


HELP = (
    "account_sid and auth_token, and where you have them api_key_sid and api_key_secret (used for "
    "sending), signature_mode (auth_token or shared_key), shared_key_id, shared_key_secret, "
    "messaging_service_sid."
)


def sid_field(prefix: str, **kwargs: Any) -> fields.String:
    problem = f"Must be {prefix} and 32 hexadecimal digits, as the Twilio console shows it."
    pattern = validate.Regexp(rf"{prefix}[0-9a-fA-F]{{32}}\Z", error=problem)
    return fields.String(validate=pattern, **kwargs)


def secret_field(**kwargs: Any) -> fields.String:
    problem = "1 to 200 printable characters without spaces."
    return fields.String(validate=validate.Regexp(r"[!-~]{1,200}\Z", error=problem), **kwargs)


class TwilioCredentials(BaseSchema):
    account_sid = sid_field("AC", required=True)
    auth_token = secret_field(required=True)
    previous_auth_token = secret_field()
    api_key_sid = sid_field("SK")
    api_key_secret = secret_field()
    signature_mode = fields.String(validate=validate.OneOf(MODES))
    shared_key_id = secret_field()
    shared_key_secret = secret_field()
    previous_shared_key_secret = secret_field()
    messaging_service_sid = sid_field("MG")
    previous_until = fields.String()
    """Until when previous secrets are accepted (ISO 8601, UTC); we set it."""

    @validates_schema
    def check_pairs(self, data: Json, **_: Any) -> None:
        if ("api_key_sid" in data) != ("api_key_secret" in data):
            missing = "api_key_secret" if "api_key_sid" in data else "api_key_sid"
            raise ValidationError("An API key is its SID and its secret: give both.", missing)
        if data.get("signature_mode") == SHARED_KEY_MODE and "shared_key_secret" not in data:
            raise ValidationError(
                "Webhooks signed with a shared key need its secret.", "shared_key_secret"
            )


def read(given: Json, present: Json) -> Json:
    """Return `given` merged over the channel's credentials; null removes a field.

    A replaced signing secret stays valid for a day as the previous one, unless the account changed
    or the caller sets the previous one. Raises marshmallow's ValidationError.
    """
    if UNTIL in given:
        raise ValidationError("Recado sets it: a previous secret is accepted for a day.", UNTIL)
    kept = {name: value for name, value in present.items() if name not in given}
    merged = {**kept, **{name: value for name, value in given.items() if value is not None}}
    same_account = merged.get("account_sid") == present.get("account_sid")
    for current, previous in ROTATED.items():
        old = present.get(current)
        if not same_account and previous not in given:
            merged.pop(previous, None)
        elif old and merged.get(current) not in (None, old) and previous not in given:
            merged[previous] = old
    _date_previous(merged, present)
    loaded: Json = TwilioCredentials().load(merged)
    return loaded


def are_previous_accepted(credentials: Json) -> bool:
    """Return whether webhooks may still be signed with the previous secrets."""
    until = credentials.get(UNTIL)
    return until is not None and clock.now() < datetime.fromisoformat(until)


def _date_previous(merged: Json, present: Json) -> None:
    """Note until when the previous secrets are accepted, if there are new ones."""
    names = ROTATED.values()
    if not any(name in merged for name in names):
        merged.pop(UNTIL, None)
    elif any(merged.get(name) != present.get(name) for name in names):
        end = clock.now() + timedelta(seconds=PREVIOUS_SECONDS)
        merged[UNTIL] = end.isoformat(timespec="seconds")
