"""Checks the fields of a request body as the vendor does, each with its own error."""

from collections.abc import Callable, Mapping
from typing import Any

from simulator.openai.catalogue import EFFORTS, Model
from simulator.openai.errors import (
    ApiError,
    bad_request,
    listed,
    missing,
    unknown,
    unsupported,
    wrong_type,
    wrong_value,
)

Check = Callable[[str, Any], None]
"""Raises ApiError for a wrong value of the named parameter."""

Body = dict[str, Any]


def anything(_: str, __: Any) -> None:
    """Accept every value: the field is checked elsewhere, or means nothing to the simulator."""


def boolean(param: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise wrong_type(param, "a boolean", value)


def text(longest: int | None = None) -> Check:
    def check(param: str, value: Any) -> None:
        if not isinstance(value, str):
            raise wrong_type(param, "a string", value)
        if longest is not None and len(value) > longest:
            message = (
                f"Invalid '{param}': string too long. Expected a string with maximum length "
                f"{longest}, but got a string with length {len(value)} instead."
            )
            raise bad_request(message, "string_above_max_length", param)

    return check


def whole(least: int, most: int | None = None) -> Check:
    def check(param: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(param, "an integer", value)
        _within(param, value, least, most, "integer")

    return check


def decimal(least: float, most: float) -> Check:
    def check(param: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong_type(param, "a decimal", value)
        _within(param, value, least, most, "decimal")

    return check


def _within(param: str, value: float, least: float, most: float | None, kind: str) -> None:
    if value < least:
        side, sign, bound = "below", ">=", least
    elif most is not None and value > most:
        side, sign, bound = "above", "<=", most
    else:
        return
    extreme = "minimum" if side == "below" else "maximum"
    message = (
        f"Invalid '{param}': {kind} {side} {extreme} value. "
        f"Expected a value {sign} {bound}, but got {value} instead."
    )
    raise bad_request(message, f"{kind}_{side}_{extreme[:3]}_value", param)


def one_of(*allowed: str) -> Check:
    def check(param: str, value: Any) -> None:
        if value not in allowed:
            raise wrong_value(param, value, allowed)

    return check


def fields(known: Mapping[str, Check]) -> Check:
    """Check an object that has only these fields."""

    def check(param: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise wrong_type(param, "an object", value)
        check_fields(value, known, f"{param}.")

    return check


def check_fields(body: Body, known: Mapping[str, Check], prefix: str = "") -> None:
    """Raises ApiError for an unknown field or a wrong value; null counts as absent."""
    for name, value in body.items():
        check = known.get(name)
        if check is None:
            raise unknown(prefix + name)
        if value is not None:
            check(prefix + name, value)


def metadata(param: str, value: Any) -> None:
    """At most 16 pairs, keys of 64 and values of 512 characters."""
    if not isinstance(value, dict):
        raise wrong_type(param, "an object", value)
    if len(value) > 16:
        message = f"Invalid '{param}': too many properties. Expected an object with at most 16."
        raise bad_request(message, "object_above_max_properties", param)
    for key, item in value.items():
        text(64)(f"{param}.{key[:20]}", key)
        text(512)(f"{param}.{key[:20]}", item)


def effort_of(model: Model, asked: Any, param: str) -> str:
    """Return the effort with which the model answers. Raises ApiError if it does not take it."""
    if asked is None:
        return model.default_effort
    if not model.efforts:
        raise unsupported(param)
    if asked not in EFFORTS:
        raise wrong_value(param, asked, EFFORTS)
    if asked not in model.efforts:
        message = (
            f"Unsupported value: '{asked}' is not supported with the '{model.name}' model. "
            f"Supported values are: {listed(model.efforts)}."
        )
        raise bad_request(message, "unsupported_value", param)
    return str(asked)


def check_sampling(body: Body, model: Model, effort: str) -> None:
    """Refuse temperature, top_p and log probabilities of a model that reasons."""
    for name in ("temperature", "top_p", "top_logprobs", "logprobs"):
        value = body.get(name)
        if value is None or (value is False and name == "logprobs"):
            continue
        if not model.samples:
            raise unsupported(name)
        if effort != "none" and not (name in ("temperature", "top_p") and value == 1):
            raise _only_the_default(name, value)


def _only_the_default(name: str, value: Any) -> ApiError:
    if name in ("top_logprobs", "logprobs"):
        return unsupported(name)
    message = (
        f"Unsupported value: '{name}' does not support {value} with this model. "
        "Only the default (1) value is supported."
    )
    return bad_request(message, "unsupported_value", name)


def require(body: Body, name: str, prefix: str = "") -> Any:
    if body.get(name) is None:
        raise missing(prefix + name)
    return body[name]
