"""Fields of a bot besides its model: when it answers, what it says by itself, who takes over."""

from typing import Any

import pytest

from app.bots.definition import DISCLOSURE, FALLBACK, HANDOVER, HANDOVER_KEYWORDS, OUT_OF_HOURS
from tests.bots.bodies import make, path_of, post, reasons
from tests.factories import ApiClient

ALL: dict[str, Any] = {
    "debounce_seconds": 0,
    "keeps_summary": True,
    "shows_typing": False,
    "shows_disclosure": False,
    "disclosure": {"es": "Soy un robot."},
    "escalation": {"kind": "phone", "value": "+15551234567"},
    "handover_keywords": ["ayuda", "hablar con alguien"],
    "handover_text": {"es": "Ya vamos.", "en": "On our way."},
    "fallback_text": {"en": "Sorry."},
    "keyword_replies_first": False,
    "business_hours": {
        "timezone": "America/Lima",
        "spans": [{"day": 4, "opens": "20:00", "closes": "24:00"}],
    },
    "out_of_hours_text": {"es": "Cerrado."},
    "split_messages": True,
    "longest_answer": 300,
}


def test_each_has_a_default(signed_in: ApiClient) -> None:
    bot = make(signed_in)
    assert {name: bot[name] for name in ALL} == {
        "debounce_seconds": 4,
        "keeps_summary": False,
        "shows_typing": True,
        "shows_disclosure": True,
        "disclosure": DISCLOSURE,
        "escalation": {"kind": "people", "value": ""},
        "handover_keywords": list(HANDOVER_KEYWORDS),
        "handover_text": HANDOVER,
        "fallback_text": FALLBACK,
        "keyword_replies_first": True,
        "business_hours": None,
        "out_of_hours_text": OUT_OF_HOURS,
        "split_messages": False,
        "longest_answer": 700,
    }
    assert bot["is_enabled"] is True


def test_each_can_be_set_and_is_kept_by_other_changes(signed_in: ApiClient) -> None:
    bot = make(signed_in, **ALL)
    assert {name: bot[name] for name in ALL} == ALL
    changed = signed_in.put(path_of(bot), {"instructions": "Be brief."}).json["data"]
    assert {name: changed[name] for name in ALL} == ALL
    stored = signed_in.get(f"{path_of(bot)}/versions/1").json["data"]
    assert {name: stored[name] for name in ALL} == ALL


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_change_of_one_makes_a_version(signed_in: ApiClient, name: str) -> None:
    bot = make(signed_in)
    changed = signed_in.put(path_of(bot), {name: ALL[name]})
    assert changed.status_code == 200, changed.text
    assert changed.json["data"]["version"] == 2
    assert changed.json["data"][name] == ALL[name]
    back = signed_in.post(f"{path_of(bot)}/versions/1/activate")
    assert back.json["data"][name] == bot[name]


def test_the_hours_can_be_removed(signed_in: ApiClient) -> None:
    bot = make(signed_in, business_hours=ALL["business_hours"])
    changed = signed_in.put(path_of(bot), {"business_hours": None})
    assert changed.json["data"]["business_hours"] is None


def test_a_bot_is_switched_off_and_on_without_a_version(signed_in: ApiClient) -> None:
    bot = make(signed_in, is_enabled=False)
    assert bot["is_enabled"] is False
    changed = signed_in.put(path_of(bot), {"is_enabled": True}).json["data"]
    assert (changed["is_enabled"], changed["version"]) == (True, 1)
    kept = signed_in.put(path_of(bot), {"name": "Sales"}).json["data"]
    assert kept["is_enabled"] is True


def hours(**span: Any) -> dict[str, Any]:
    return {
        "timezone": "UTC",
        "spans": [{"day": 0, "opens": "09:00", "closes": "18:00", **span}],
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("is_enabled", 1),
        ("is_enabled", None),
        ("debounce_seconds", -1),
        ("debounce_seconds", 16),
        ("debounce_seconds", "4"),
        ("debounce_seconds", 1.5),
        ("keeps_summary", "no"),
        ("shows_typing", "no"),
        ("shows_disclosure", "no"),
        ("disclosure", {}),
        ("disclosure", {"es": "  "}),
        ("disclosure", {"fr": "Bonjour"}),
        ("disclosure", "Soy un robot."),
        ("fallback_text", {"es": "x" * 1001}),
        ("handover_text", None),
        ("escalation", {"kind": "people", "value": "+15551234567"}),
        ("escalation", {"kind": "phone"}),
        ("escalation", {"kind": "phone", "value": "call us"}),
        ("escalation", {"kind": "email", "value": "shop.example.com"}),
        ("escalation", {"kind": "email", "value": "a@b.com\nevil@b.com"}),
        ("escalation", {"kind": "url", "value": "javascript:alert(1)"}),
        ("escalation", {"kind": "url", "value": "https://10.0.0.1/"}),
        ("escalation", {"kind": "fax", "value": "1"}),
        ("escalation", {"value": "+15551234567"}),
        ("handover_keywords", []),
        ("handover_keywords", ["?!"]),
        ("handover_keywords", ["x" * 51]),
        ("handover_keywords", ["a"] * 51),
        ("keyword_replies_first", 0),
        ("business_hours", {"timezone": "Lima", "spans": hours()["spans"]}),
        ("business_hours", {"timezone": "UTC", "spans": []}),
        ("business_hours", {"timezone": "UTC", "spans": hours()["spans"] * 51}),
        ("business_hours", {"spans": hours()["spans"]}),
        ("business_hours", hours(day=7)),
        ("business_hours", hours(opens="9:00")),
        ("business_hours", hours(opens="24:00")),
        ("business_hours", hours(closes="24:01")),
        ("business_hours", hours(closes="09:00")),
        ("business_hours", hours(closes="18:00\n")),
        ("business_hours", hours(holiday=True)),
        ("out_of_hours_text", {"es": "a\x00"}),
        ("split_messages", "yes"),
        ("longest_answer", 99),
        ("longest_answer", 1501),
    ],
)
def test_a_wrong_value_is_refused(signed_in: ApiClient, name: str, value: Any) -> None:
    answer = post(signed_in, **{name: value})
    assert {path.partition(".")[0] for path in reasons(answer)} == {name}


@pytest.mark.parametrize(
    "escalation",
    [
        {"kind": "people", "value": ""},
        {"kind": "phone", "value": "+525512345678"},
        {"kind": "email", "value": "help@shop.example.com"},
        {"kind": "url", "value": "https://shop.example.com/help"},
    ],
)
def test_the_ways_to_a_person(signed_in: ApiClient, escalation: dict[str, Any]) -> None:
    assert make(signed_in, escalation=escalation)["escalation"] == escalation
