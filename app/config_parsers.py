"""Parsers of settings: each takes the text of a variable, and raises ValueError with a remedy."""

import base64
import binascii
from collections.abc import Callable
from urllib.parse import quote, urlsplit

import limits

POSTGRES_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg2")
REDIS_SCHEMES = ("redis", "rediss", "unix")
LONGEST_KEPT_DAYS = 36_500


def whole_number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"this must be a whole number, not {text!r}.")
    return int(text)


def positive_number(text: str) -> int:
    number = whole_number(text)
    if number == 0:
        raise ValueError("must be 1 or more.")
    return number


def days(text: str) -> int:
    number = whole_number(text)
    if number > LONGEST_KEPT_DAYS:
        raise ValueError(f"at most {LONGEST_KEPT_DAYS} days; 0 keeps forever.")
    return number


def flag(text: str) -> bool:
    return text.lower() not in {"0", "false", "no", "off"}


def one_of(*words: str) -> Callable[[str], str]:
    """Return a parser that accepts these words in any case."""

    def parse(text: str) -> str:
        for word in words:
            if text.lower() == word.lower():
                return word
        raise ValueError(f"this must be one of {', '.join(words)}, not {text!r}.")

    return parse


def rate(text: str) -> str:
    """Check a rate limit such as `10 per minute`."""
    try:
        limits.parse_many(text)
    except ValueError as error:
        raise ValueError(f"this must be a rate such as '10 per minute', not {text!r}.") from error
    return text


def server_url(what: str, *schemes: str) -> Callable[[str], str]:
    """Return a parser of the URL of a server. Its errors do not repeat the URL's password."""

    def parse(text: str) -> str:
        scheme, separator, _ = text.partition("://")
        if not separator or scheme not in schemes:
            raise ValueError(f"this must be the URL of {what} and begin with {schemes[0]}://.")
        try:
            parts = urlsplit(text)
            _ = parts.port
        except ValueError as error:
            raise ValueError(
                "this is not a valid URL: the port must be a number, and a password with special "
                "characters must be percent-encoded (%40 for @, %2F for /)."
            ) from error
        if not parts.hostname and scheme != "unix":
            raise ValueError(f"this names no host: {schemes[0]}://user:password@host:port/…")
        return text

    return parse


def with_password(url: str, password: str) -> str:
    """Return the URL with this password, unless it has one. The password may hold any character."""
    parts = urlsplit(url)
    if parts.password is not None:
        return url
    user, _, server = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}:{quote(password, safe='')}@{server}").geturl()


def web_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"this must be a URL that begins with https://, not {text!r}.")
    return text.rstrip("/")


def names(text: str) -> tuple[str, ...]:
    """Parse `a, b` to ("a", "b")."""
    return tuple(filter(None, (piece.strip() for piece in text.split(","))))


def origins(text: str) -> tuple[str, ...]:
    """Parse the origins of web pages, as browsers write them."""
    found = names(text)
    for origin in found:
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"} or f"{parts.scheme}://{parts.netloc}" != origin:
            raise ValueError(f"{origin!r} is no origin: write https://app.example.com.")
    return found


def public_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(
            "this must be the public URL of the service, e.g. https://recado.example.com."
        )
    return text.rstrip("/")


def key_ring(text: str) -> dict[str, bytes]:
    """Parse `id:base64,id:base64` to key id → 32 bytes, the primary key first."""
    ring: dict[str, bytes] = {}
    for entry in names(text):
        key_id, _, encoded = entry.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise ValueError(f"the key {key_id!r} is not base64.") from error
        if not 1 <= len(key_id) <= 32 or len(key) != 32:
            raise ValueError("each entry must be id:<base64 of 32 bytes>, separated by commas.")
        if key_id in ring:
            raise ValueError(f"the key id {key_id!r} appears twice.")
        ring[key_id] = key
    return ring


postgres_url = server_url("a Postgres", *POSTGRES_SCHEMES)
redis_url = server_url("a Redis", *REDIS_SCHEMES)
