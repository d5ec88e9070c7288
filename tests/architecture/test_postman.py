"""The Postman collection calls every endpoint, and tests each answer. `make postman` runs it."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from flask import Flask

from app.blueprints import TABLE, Kind
from app.openapi import path_of
from tests.architecture.source import ROOT

VARIABLE = re.compile(r"\{\{?[^{}]*\}?\}")


def collection() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(
        (ROOT / "postman_collection.json").read_text(encoding="utf-8")
    )
    return loaded


def requests(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Return the requests of all folders, in the order in which newman makes them."""
    for item in items:
        if "item" in item:
            yield from requests(item["item"])
        else:
            yield item


def called(items: list[dict[str, Any]]) -> set[str]:
    """Return `GET /channels/{}` of each request to our own service."""
    return {
        f"{item['request']['method']} {VARIABLE.sub('{}', '/' + '/'.join(url['path']))}"
        for item in requests(items)
        if (url := item["request"]["url"])["host"] == ["{{base_url}}"]
    }


def routes(app: Flask) -> set[str]:
    names = {entry.blueprint.name for entry in TABLE if entry.kind is Kind.API}
    return {
        f"{method} {VARIABLE.sub('{}', path_of(rule))}"
        for rule in app.url_map.iter_rules()
        if rule.endpoint.rpartition(".")[0] in names
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def untested(items: list[dict[str, Any]]) -> list[str]:
    return [
        item["name"]
        for item in requests(items)
        if not any(
            event["listen"] == "test" and "pm.test(" in "".join(event["script"]["exec"])
            for event in item.get("event", [])
        )
    ]


def undeclared(loaded: dict[str, Any]) -> set[str]:
    """Return the variables that a request uses but nothing defines."""
    text = json.dumps(loaded)
    used = set(re.findall(r"\{\{(\w+)\}\}", text))
    given = {variable["key"] for variable in loaded["variable"]}
    return used - given - set(re.findall(r'collectionVariables\.set\(\\"(\w+)\\"', text))


def test_it_is_a_collection_of_version_2_1() -> None:
    assert collection()["info"]["schema"].endswith("/v2.1.0/collection.json")


def test_it_calls_every_endpoint_and_no_other(app: Flask) -> None:
    assert called(collection()["item"]) == routes(app)


def test_a_missing_endpoint_is_noticed(app: Flask) -> None:
    without_folder = collection()["item"][1:]
    assert routes(app) - called(without_folder) != set()


def test_every_request_is_tested() -> None:
    assert untested(collection()["item"]) == []


def test_a_request_without_a_test_is_noticed() -> None:
    assert untested([{"item": [{"name": "planted", "event": []}]}]) == ["planted"]


def test_names_are_unique() -> None:
    names = Counter(item["name"] for item in requests(collection()["item"]))
    assert [name for name, count in names.items() if count > 1] == []


def test_every_variable_has_a_value() -> None:
    assert undeclared(collection()) == set()


def test_the_first_variables_are_those_that_a_reader_changes() -> None:
    keys = [variable["key"] for variable in collection()["variable"]]
    assert {"base_url", "username", "password", "token", "simulator_url"} <= set(keys)
