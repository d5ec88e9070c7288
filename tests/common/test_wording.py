"""When two texts have the same words."""

import pytest

from app.common.wording import says_the_same, storable


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("¡Hola, Ana! 👋", "hola ana"),
        ("*Hola*", "HÓLA"),
        ("👍", " 👍 "),
    ],
)
def test_case_accents_and_punctuation_make_no_other_text(one: str, other: str) -> None:
    assert says_the_same(one, other)
    assert says_the_same(other, one)


@pytest.mark.parametrize(
    ("one", "other"), [("hola", "hola ana"), ("👍", "👎"), ("👍", ""), ("a", "")]
)
def test_other_words_or_signs_do(one: str, other: str) -> None:
    assert not says_the_same(one, other)
    assert not says_the_same(other, one)


def test_what_postgres_cannot_store_is_left_out() -> None:
    assert storable("a\x00b\ud800c \udfff👋 ñ\n") == "abc 👋 ñ\n"
