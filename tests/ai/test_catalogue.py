"""Which model answers for a name, and what it costs."""

from datetime import date
from decimal import Decimal

import pytest

from app.ai.catalogue import UnknownModel, Usage, catalogue, cost

TODAY = date(2026, 11, 26)


def test_a_current_model_answers_for_itself() -> None:
    found = catalogue().resolve("gpt-6-luna", TODAY)
    assert (found.name, found.warning) == ("gpt-6-luna", None)


@pytest.mark.parametrize(
    ("name", "successor"),
    [
        ("gpt-3.5-turbo", "gpt-5.6-terra"),
        ("gpt-4", "gpt-5.6-sol"),
        ("gpt-4-turbo", "gpt-5.6-sol"),
        ("o4-mini", "gpt-5.6-terra"),
        ("gpt-4.1-nano", "gpt-5.6-luna"),
        ("gpt-4o-mini", "gpt-6-luna"),
    ],
)
def test_a_name_that_is_gone_is_answered_by_its_successor(name: str, successor: str) -> None:
    found = catalogue().resolve(name, TODAY)
    assert found.name == successor
    assert found.warning is not None
    assert name in found.warning
    assert successor in found.warning


def test_a_model_is_used_until_its_last_day() -> None:
    before = catalogue().resolve("gpt-5.4-nano", date(2027, 3, 31))
    after = catalogue().resolve("gpt-5.4-nano", date(2027, 4, 1))
    assert before.name == "gpt-5.4-nano"
    assert "2027-04-01" in str(before.warning)
    assert after.name == "gpt-6-luna"


@pytest.mark.parametrize("name", ["", "gpt-7", "GPT-6-LUNA", "gpt-6-luna ", "x" * 5000])
def test_a_name_that_never_was_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(UnknownModel, match="gpt-6-luna, gpt-6-sol") as refused:
        catalogue().resolve(name, TODAY)
    assert len(str(refused.value)) < 400


def test_the_table_holds_together() -> None:
    """The default exists, and each successor leads to a model that has a price."""
    known = catalogue()
    assert known.default in known.models
    for name in known.shutdowns:
        assert known.resolve(name, date(2100, 1, 1)).name in known.models
    for model in known.models.values():
        assert model.takes_temperature == ("none" in model.efforts)


def test_what_a_support_turn_costs() -> None:
    """OpenAI's example: 1,500 tokens in, 1,100 of them cached, and 150 out cost $0.000126."""
    luna = catalogue().models["gpt-6-luna"]
    assert cost(luna.price, Usage(input=1500, cached=1100, output=150)) == Decimal("0.000126")


def test_reasoning_is_part_of_the_output() -> None:
    luna = catalogue().models["gpt-6-luna"]
    assert cost(luna.price, Usage(output=100, reasoning=90)) == cost(luna.price, Usage(output=100))
