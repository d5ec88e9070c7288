"""What a model reads of a conversation."""

import pytest

from app.ai.types import Role, Said
from app.bots.history import KINDS, LONGEST_MESSAGE, Line, as_items
from app.messages.content import TYPES


def test_the_customer_is_the_user_and_everybody_else_the_assistant() -> None:
    lines = [Line(True, "text", "hola"), Line(False, "text", "¿Qué tal?")]
    assert as_items(lines, 100) == (Said(Role.USER, "hola"), Said(Role.ASSISTANT, "¿Qué tal?"))


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_opened_is_named_with_its_caption(kind: str) -> None:
    (bare,) = as_items([Line(True, kind, "")], 100)
    (captioned,) = as_items([Line(True, kind, "my receipt")], 100)
    assert bare.text == f"[The customer sent {KINDS[kind]}, which you cannot open.]"
    assert captioned.text == f"{bare.text}\nmy receipt"


def test_every_type_of_message_is_read_or_named() -> None:
    """A new type must be decided on: is it text, or something to name?"""
    read = {"text", "button_reply", "list_reply", "reaction"}
    assert set(TYPES) == read | set(KINDS)


def test_a_reaction_says_nothing() -> None:
    assert as_items([Line(True, "text", "hola"), Line(True, "reaction", "👍")], 100) == (
        Said(Role.USER, "hola"),
    )


def test_the_oldest_are_left_out_when_there_is_too_much() -> None:
    lines = [Line(True, "text", str(number) * 30) for number in range(5)]
    assert [said.text[0] for said in as_items(lines, 25)] == ["3", "4"]


def test_the_newest_stays_however_long_it_is() -> None:
    (said,) = as_items([Line(True, "text", "a"), Line(True, "text", "x" * 100_000)], 10)
    assert said.text.startswith("x" * LONGEST_MESSAGE)
    assert said.text.endswith("[The message is longer.]")


def test_nothing_is_nothing() -> None:
    assert as_items([], 100) == ()
