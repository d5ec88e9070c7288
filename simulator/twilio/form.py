"""The form of a request or webhook: repeated keys allowed, blanks kept."""

from collections.abc import Iterable
from urllib.parse import parse_qsl

from aiohttp import web


class Form:
    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self.values: dict[str, list[str]] = {}
        for name, value in pairs:
            self.values.setdefault(name, []).append(value)

    def all(self, name: str) -> list[str]:
        return self.values.get(name, [])

    def get(self, name: str) -> str | None:
        found = self.values.get(name)
        return found[0] if found else None

    def text(self, name: str) -> str:
        return self.get(name) or ""

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def to_json(self) -> dict[str, str | list[str]]:
        return {k: v[0] if len(v) == 1 else v for k, v in self.values.items()}


async def read_form(request: web.Request) -> Form:
    """Read form encoding only, as the vendor does; a JSON body is a form without fields."""
    raw = await request.read()
    if request.content_type != "application/x-www-form-urlencoded":
        return Form(())
    return Form(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
