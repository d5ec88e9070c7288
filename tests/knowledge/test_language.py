"""The words of a text as the search knows them."""

import pytest

from app.knowledge.language import language_of, searchable
from app.models import Language

SPANISH = (
    "El envío a todo el país cuesta cien pesos y los pedidos llegan en tres días hábiles, o en"
)
ENGLISH = "We ship to every country, and the orders that you make are delivered within five days of"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (f"{SPANISH} una semana.", Language.SPANISH),
        (f"{SPANISH.upper()} UNA SEMANA", Language.SPANISH),
        (f"{ENGLISH} payment.", Language.ENGLISH),
        ("Wir liefern die Ware innerhalb von drei Tagen nach Hause. " * 3, Language.OTHER),
        ("margarita 120 hawaiana 140 " * 10, Language.OTHER),
        ("Pizza 120", Language.ENGLISH),
        ("", Language.ENGLISH),
    ],
)
def test_the_language_is_told_by_its_small_words(text: str, language: Language) -> None:
    assert language_of(text, Language.ENGLISH) is language


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("información", "informaciones"),
        ("informacion", "información"),
        ("ocasión", "ocasiones"),
        ("DÍAS", "dia"),
        ("envi\u0301o", "envío"),
    ],
)
def test_forms_of_a_spanish_word_are_the_same(one: str, other: str) -> None:
    assert searchable(one, Language.SPANISH) == searchable(other, Language.SPANISH)


def test_english_words_stay_as_they_are() -> None:
    assert searchable("Two decisions, one version", Language.ENGLISH) == "two decisions one version"
