"""Makes the answers of one run publishable: no secret, and little that differs from run to run."""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

BEGINNING = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
"""When every run seems to have begun."""

PLACEHOLDERS: Mapping[str, Any] = {
    "access_token": "<access token>",
    "refresh_token": "<refresh token>",
    "key": "<API key>",
    "prefix": "<prefix>",
    "secret": "<secret>",
    "uri": "otpauth://totp/<…>",
    "next_cursor": "<cursor>",
    "recovery_codes": ["<recovery code>"] * 10,
}
"""What stands in the place of a field that has a value: secrets, and random text."""

CHANNEL_KEY = re.compile(r"(?<=/webhook/)(\w+)/[\w-]{16,}")
UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
HEX = re.compile(r"\b([A-Z]{2})?[0-9a-f]{32}\b")
"""A provider's id (two letters and 32 digits), a request's id, or a proof."""
TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")


class Disguise:
    """Replaces secrets, ids, times and addresses, each value in the same way wherever it occurs.

    `public` are the ids that the collection itself names; they stay. `addresses` maps the
    addresses of this run to those that readers know.
    """

    def __init__(
        self, started: datetime, public: Collection[str], addresses: Mapping[str, str]
    ) -> None:
        self._shift = BEGINNING - started
        self._epochs = range(
            int((started - timedelta(days=1)).timestamp()),
            int((started + timedelta(days=400)).timestamp()),
        )
        self._public = public
        self._addresses = addresses
        self._numbers: defaultdict[str, dict[str, int]] = defaultdict(dict)

    def of(self, value: Any) -> Any:
        """Return a JSON value with everything in it replaced."""
        match value:
            case dict():
                return {name: self._field(name, each) for name, each in value.items()}
            case list():
                return [self.of(each) for each in value]
            case str():
                return self.of_text(value)
            case int() | float() if not isinstance(value, bool) and int(value) in self._epochs:
                return int(value + self._shift.total_seconds())
        return value

    def of_text(self, text: str) -> str:
        for ours, known in self._addresses.items():
            text = text.replace(ours, known)
        text = CHANNEL_KEY.sub(r"\1/<channel key>", text)
        text = UUID.sub(lambda found: self._uuid(found[0]), text)
        text = HEX.sub(lambda found: self._hex(found[0], found[1] or ""), text)
        return TIME.sub(lambda found: self._time(found[0]), text)

    def _field(self, name: str, value: Any) -> Any:
        return PLACEHOLDERS[name] if value and name in PLACEHOLDERS else self.of(value)

    def _uuid(self, text: str) -> str:
        if text in self._public or text.startswith("00000000-"):
            return text
        return f"01900000-0000-7000-8000-{self._number('uuid', text):012d}"

    def _hex(self, text: str, kind: str) -> str:
        if text in self._public:
            return text
        return f"{kind}{self._number(kind, text):032d}"

    def _number(self, kind: str, text: str) -> int:
        """Number the values of a kind from 1 on, in the order in which they occur."""
        known = self._numbers[kind]
        return known.setdefault(text, len(known) + 1)

    def _time(self, text: str) -> str:
        shifted = datetime.fromisoformat(text) + self._shift
        return shifted.isoformat(timespec="microseconds").replace("+00:00", "Z")


def public_ids(text: str) -> frozenset[str]:
    """Return the ids that a text names."""
    return frozenset(found[0] for each in (UUID, HEX) for found in each.finditer(text))
