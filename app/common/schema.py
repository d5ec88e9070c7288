"""The base class of every request and response schema, and fields that several features share."""

import difflib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, pre_load, validate

from app.common import clock, pagination
from app.common.phone import heard_address, parse_address, parse_phone

UNSTORABLE = "Contains a character that cannot be stored (NUL or half of a surrogate pair)."
DEEPEST = 32


fields.DateTime.SERIALIZATION_FUNCS["iso"] = clock.in_utc


class BaseSchema(Schema):
    """Refuses unknown fields, and text that Postgres cannot store, at any depth.

    Times are answered in UTC with a trailing Z.
    """

    class Meta:
        unknown = RAISE

    def handle_error(self, error: ValidationError, *_: Any, **__: Any) -> None:
        """Say of an unknown field which known one has a similar name."""
        messages = error.messages
        if not isinstance(messages, dict):
            return
        known = [field.data_key or name for name, field in self.load_fields.items()]
        for name, reasons in messages.items():
            close = difflib.get_close_matches(str(name), known, n=1)
            if reasons == [self.error_messages["unknown"]] and close:
                messages[name] = [f"Unknown field. Did you mean {close[0]}?"]

    @pre_load
    def refuse_unstorable_text(self, data: Any, **_: Any) -> Any:
        bad = dict(find_unstorable(data))
        if bad:
            raise ValidationError(bad)
        return data


def find_unstorable(data: Any, path: str = "", depth: int = 0) -> list[tuple[str, list[str]]]:
    """Return `[(path, [reason])]` for each text in `data` that holds NUL or a lone surrogate."""
    if depth > DEEPEST:
        return [(path, [f"Nested more than {DEEPEST} levels deep."])]
    if isinstance(data, str):
        return [] if is_storable(data) else [(path or "_schema", [UNSTORABLE])]
    found: list[tuple[str, list[str]]] = []
    if isinstance(data, Mapping):
        # A query string is a Mapping, but not a dict.
        for key, value in data.items():
            name = str(key) if is_storable(str(key)) else "?"
            inner = f"{path}.{name}" if path else name
            if name == "?":
                found.append((inner, [UNSTORABLE]))
            found += find_unstorable(value, inner, depth + 1)
    elif isinstance(data, list | tuple):
        for index, value in enumerate(data):
            found += find_unstorable(value, f"{path}.{index}" if path else str(index), depth + 1)
    return found


def is_storable(text: str) -> bool:
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Flag(fields.Boolean):
    """`true` or `false` in JSON. Refuses texts and numbers, even 0 and 1."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class AddressField(fields.String):
    """A phone number with its country code, or a WhatsApp user id; loads to `Address`."""

    read = staticmethod(parse_address)

    def __init__(self, **kwargs: Any) -> None:
        metadata = {"format": "phone", "example": "+15551234567", **kwargs.pop("metadata", {})}
        super().__init__(metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return self.read(text)
        except ValueError as error:
            raise ValidationError(str(error)) from error


class KnownAddressField(AddressField):
    """An address to search for: any address that a provider may have sent us."""

    read = staticmethod(heard_address)


class PhoneField(fields.String):
    """A phone number with its country code; loads to E.164."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {"format": "phone", **kwargs.pop("metadata", {})}
        super().__init__(metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return parse_phone(text)
        except ValueError as error:
            raise ValidationError(str(error)) from error


class MomentField(fields.AwareDateTime):
    """A moment with its time zone, used as a filter; loads to UTC.

    A moment before 1970 loads as 1970, and one after the year 9998 as the end of that year.
    """

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return clock.within_reach(super()._deserialize(value, attr, data, **kwargs))


def text_field(longest: int, *, shortest: int = 0, **kwargs: Any) -> fields.String:
    """A string with a minimum and maximum length in characters."""
    return fields.String(validate=validate.Length(min=shortest, max=longest), **kwargs)


def words_field(longest: int, **kwargs: Any) -> fields.String:
    """A string for people to read: not empty, and not only spaces."""
    return fields.String(validate=[validate.Length(min=1, max=longest), not_blank], **kwargs)


def not_blank(text: str) -> None:
    """Validate that the text is not only spaces. Raises ValidationError."""
    if not text.strip():
        raise ValidationError("Must hold more than spaces.")


def choice(values: Iterable[StrEnum], **kwargs: Any) -> fields.String:
    """A string that is one of an enumeration's values, or of some of them."""
    return fields.String(validate=validate.OneOf([str(each) for each in values]), **kwargs)


class PageArgs(BaseSchema):
    """The query `?limit=&cursor=` of every list."""

    limit = fields.Integer(
        load_default=pagination.DEFAULT_LIMIT,
        validate=validate.Range(min=1, max=pagination.LARGEST_LIMIT),
        metadata={"description": "Rows of one page."},
    )
    cursor = fields.String(
        load_default=None,
        validate=[
            validate.Length(max=600),
            validate.Regexp("^[A-Za-z0-9_-]*$", error=pagination.NOT_OURS),
        ],
        metadata={"description": "`next_cursor` of the page before."},
    )


class PageSchema(BaseSchema):
    """One page of a list. A subclass adds `items`: a list of what the page holds."""

    next_cursor = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Pass it as `cursor` to get the next page; null on the last."},
    )


class ErrorSchema(Schema):
    """The body of every error response."""

    success = fields.Boolean(required=True, metadata={"enum": [False]})
    error = fields.String(
        required=True, metadata={"description": "One sentence that a person can act on."}
    )
    code = fields.String(required=True, metadata={"description": "Stable, in snake_case."})
    details = fields.Dict(required=True)
    request_id = fields.String(required=True, allow_none=True)
