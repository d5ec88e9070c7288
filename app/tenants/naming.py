"""The rules for usernames and time zones."""

from zoneinfo import available_timezones


def is_username(text: str) -> bool:
    return 3 <= len(text) <= 64 and text.isprintable() and " " not in text


def is_timezone(name: str) -> bool:
    """Return whether it is an IANA time zone such as America/Mexico_City."""
    return name in available_timezones()
