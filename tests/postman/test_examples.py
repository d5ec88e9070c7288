"""The tool that refreshes the saved examples hides secrets and leaves what did not change."""

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.postman import examples
from tests.postman.disguise import Disguise, public_ids

STARTED = datetime(2031, 7, 9, 8, 30, tzinfo=UTC)
MESSAGE = "01a218f4-95e1-71ff-b43f-a7f1b324ce31"
SID = "SM6d3e86a9565db07656d28ed3e6ea849d"
ACCOUNT = "AC0000000000000000000000000000de30"


@pytest.fixture
def disguise() -> Disguise:
    addresses = {"http://127.0.0.1:40001": "http://127.0.0.1:8000"}
    return Disguise(STARTED, public_ids(f"the account {ACCOUNT}"), addresses)


def report(body: Any, *, code: int = 200, seconds: int = 0) -> dict[str, Any]:
    """Return a newman report of one request, which is answered so."""
    began = (STARTED + timedelta(seconds=seconds)).timestamp() * 1000
    response = {
        "code": code,
        "header": [{"key": "Content-Type", "value": "application/json"}],
        "stream": {"type": "Buffer", "data": list(json.dumps(body).encode())},
    }
    return {
        "environment": {
            "values": [
                {"key": "base_url", "value": "http://127.0.0.1:40001"},
                {"key": "simulator_url", "value": "http://127.0.0.1:40002"},
            ]
        },
        "run": {
            "timings": {"started": began},
            "executions": [{"item": {"name": "Show"}, "response": response}],
        },
    }


def given() -> dict[str, Any]:
    request = {"description": "Shows it.", "method": "GET", "url": {"raw": "{{base_url}}/x"}}
    return {
        "variable": [
            {"key": "base_url", "value": "http://127.0.0.1:8000"},
            {"key": "simulator_url", "value": "http://127.0.0.1:8001"},
        ],
        "item": [{"name": "1 Folder", "item": [{"name": "Show", "request": request}]}],
    }


@pytest.mark.parametrize(
    "name", ["access_token", "refresh_token", "key", "secret", "uri", "recovery_codes"]
)
def test_a_secret_is_hidden(disguise: Disguise, name: str) -> None:
    shown = disguise.of({"items": [{name: "c2VjcmV0", "name": "Shop"}]})
    assert "c2VjcmV0" not in json.dumps(shown)
    assert shown["items"][0]["name"] == "Shop"


def test_the_key_of_a_channel_is_hidden(disguise: Disguise) -> None:
    url = "http://127.0.0.1:40001/webhook/twilio/XNKfuSonKHBKCZRHJGNhaejgHjoAt43d#rc=3"
    assert disguise.of(url) == "http://127.0.0.1:8000/webhook/twilio/<channel key>#rc=3"


def test_an_id_is_the_same_wherever_it_occurs(disguise: Disguise) -> None:
    other = MESSAGE.replace("01a2", "01a3")
    shown = disguise.of([MESSAGE, other, f"see {MESSAGE}"])
    assert shown[0] != shown[1]
    assert shown[2] == f"see {shown[0]}"


def test_a_provider_id_keeps_its_kind(disguise: Disguise) -> None:
    assert disguise.of(f"st:{SID}:read") == f"st:SM{1:032d}:read"


def test_what_the_collection_names_stays(disguise: Disguise) -> None:
    assert disguise.of(ACCOUNT) == ACCOUNT


def test_times_keep_their_distance(disguise: Disguise) -> None:
    assert disguise.of("2031-07-10T08:30:01.500000Z") == "2026-01-06T15:00:01.500000Z"
    assert disguise.of(STARTED.timestamp() + 2.5) == 1767625202
    assert disguise.of({"count": 12, "is_test": True}) == {"count": 12, "is_test": True}


def test_an_example_is_written() -> None:
    collection = given()
    assert examples.refresh(collection, report({"id": MESSAGE}, code=404)) == 1
    (saved,) = collection["item"][0]["item"][0]["response"]
    assert (saved["name"], saved["code"], saved["status"]) == ("404 Not Found", 404, "Not Found")
    assert saved["originalRequest"] == {"method": "GET", "url": {"raw": "{{base_url}}/x"}}
    assert json.loads(saved["body"]) == {"id": f"01900000-0000-7000-8000-{1:012d}"}


def test_an_example_stays_if_only_its_times_differ() -> None:
    collection = given()
    examples.refresh(collection, report({"at": "2031-07-09T08:30:01Z", "latency_ms": 1.5}))
    before = deepcopy(collection)
    again = report({"at": "2031-07-09T08:30:03Z", "latency_ms": 2.5}, seconds=1)
    assert examples.refresh(collection, again) == 0
    assert collection == before


def test_an_example_changes_with_its_answer_or_its_request() -> None:
    collection = given()
    examples.refresh(collection, report({"status": "queued"}))
    assert examples.refresh(collection, report({"status": "sent"})) == 1
    collection["item"][0]["item"][0]["request"]["method"] = "POST"
    assert examples.refresh(collection, report({"status": "sent"})) == 1


def test_long_lists_are_shortened() -> None:
    answer = {"items": [{"id": number} for number in range(9)], "scopes": list("abcdefgh")}
    shown = examples.shortened(answer)
    assert len(shown["items"]) == examples.LONGEST_LIST
    assert shown["scopes"] == answer["scopes"]


def test_metrics_are_shortened() -> None:
    text = (
        '# HELP b Two.\n# TYPE b histogram\nb_bucket{le="1"} 2.0\nb_sum 1.0\n'
        '# HELP a One.\n# TYPE a counter\na{x="3"} 1.0\na{x="1"} 1.0\na{x="2"} 1.0\n'
    )
    assert examples.brief(text).splitlines() == [
        *("# HELP a One.", "# TYPE a counter", 'a{x="1"} 1.0', 'a{x="2"} 1.0'),
        *("# HELP b Two.", "# TYPE b histogram", "b_sum 1.0"),
    ]
