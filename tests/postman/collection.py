"""The Postman collection at the root of the project, as data."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATH = Path(__file__).resolve().parents[2] / "postman_collection.json"

Item = dict[str, Any]
"""A request or a folder of the collection."""


def load() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return loaded


def save(collection: dict[str, Any]) -> None:
    text = json.dumps(collection, indent=2, ensure_ascii=False)
    PATH.write_text(f"{text}\n", encoding="utf-8")


def requests(items: list[Item]) -> Iterator[Item]:
    """Return the requests of all folders, in the order in which newman sends them."""
    for item in items:
        if "item" in item:
            yield from requests(item["item"])
        else:
            yield item


def folders(items: list[Item]) -> Iterator[Item]:
    """Return all folders, each before the folders in it."""
    for item in items:
        if "item" in item:
            yield item
            yield from folders(item["item"])
