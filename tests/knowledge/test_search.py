"""The search in a bot's documents: in Spanish and English, with accents and without."""

from typing import Any

import pytest

from app.knowledge import repository, search
from app.knowledge.language import words_to_find
from app.models import Bot, Language, Tenant
from tests.factories import ApiClient, create_bot, create_document
from tests.knowledge.library import SHIPPING, add, headings, path_of, rows
from tests.knowledge.library import search as searched

ENGLISH = """\
# Shipping

We ship to every country. Orders are delivered within five working days.

# Refunds

You can return a product for thirty days. We refund the price to the card that paid for it.
"""


@pytest.mark.parametrize(
    ("words", "heading"),
    [
        ("¿Cuánto cuesta el envío?", "Envíos > Costos"),
        ("cuanto cuesta el envio", "Envíos > Costos"),
        ("CUANTO CUESTAN LOS ENVIOS", "Envíos > Costos"),
        ("¿cuándo llega mi pedido?", "Envíos > Plazos"),
        ("cuando llegan los pedidos", "Envíos > Plazos"),
        ("quiero hacer una devolucion", "Devoluciones"),
        ("devolución", "Devoluciones"),
        ("devoluciones", "Devoluciones"),
        ("cuantos dia hay para devoluciones con tickets", "Devoluciones"),
        ("tardan mucho a las islas?", "Envíos > Plazos"),
        # Composed of a letter and an accent, as some phones write it.
        ("envi\u0301o gratis", "Envíos > Costos"),
    ],
)
def test_spanish_is_found_with_and_without_accents(
    signed_in: ApiClient, bot: Bot, words: str, heading: str
) -> None:
    add(signed_in, bot)
    assert headings(signed_in, bot, words)[0] == heading


def test_a_document_without_accents_is_found_with_them(signed_in: ApiClient, bot: Bot) -> None:
    add(signed_in, bot, "El envio de informacion tarda dos dias. Las camaras son de ocasion.")
    for words in ("envíos", "información", "informaciones", "día", "cámara", "ocasiones"):
        assert len(searched(signed_in, bot, words)) == 1, words


@pytest.mark.parametrize(
    ("words", "heading"),
    [
        ("Do you ship to Peru?", "Shipping"),
        ("when will my order be delivered", "Shipping"),
        ("I want a refund", "Refunds"),
        ("returning products", "Refunds"),
    ],
)
def test_english_is_found_in_its_forms(
    signed_in: ApiClient, bot: Bot, words: str, heading: str
) -> None:
    add(signed_in, bot, ENGLISH, title="Help")
    assert headings(signed_in, bot, words)[0] == heading


def test_another_language_is_found_by_its_words_as_they_are(
    signed_in: ApiClient, bot: Bot, tenant: Tenant
) -> None:
    german = "Wir liefern die Ware innerhalb von drei Tagen nach Hause. " * 4
    add(signed_in, bot, german, title="Lieferung")
    (found,) = rows(tenant.id, "select distinct language from recado.knowledge_chunks")
    assert found.language == Language.OTHER
    assert len(searched(signed_in, bot, "innerhalb")) == 1


def test_a_short_text_has_the_language_of_its_business(
    signed_in: ApiClient, bot: Bot, tenant: Tenant
) -> None:
    add(signed_in, bot, "Pizzas grandes: 120 pesos")
    assert len(searched(signed_in, bot, "pizza grande")) == 1
    (found,) = rows(tenant.id, "select distinct language from recado.knowledge_chunks")
    assert found.language == tenant.language


@pytest.mark.parametrize("words", ["¿Y eso qué es?", "?!", "🎉", "a", "you are the", "x" * 400])
def test_words_that_say_nothing_find_nothing(signed_in: ApiClient, bot: Bot, words: str) -> None:
    add(signed_in, bot)
    answer = signed_in.get(f"{path_of(bot)}/search", query={"q": words})
    assert (answer.status_code, answer.json) == (200, {"data": [], "given": ""})


@pytest.mark.parametrize(
    "words", ["pedido & | ! ( ) : * <-> '", "\\", "%s %(a)s :words $1", "'; drop table x; --"]
)
def test_signs_of_the_search_language_are_no_commands(
    signed_in: ApiClient, bot: Bot, words: str
) -> None:
    add(signed_in, bot)
    assert signed_in.get(f"{path_of(bot)}/search", query={"q": words}).status_code == 200


@pytest.mark.parametrize("q", ["", "   ", "x" * 501, "a\x00b"])
def test_a_question_that_nobody_means_is_refused(signed_in: ApiClient, bot: Bot, q: str) -> None:
    answer = signed_in.get(f"{path_of(bot)}/search", query={"q": q})
    assert (answer.status_code, answer.json["code"]) == (422, "validation_error")


def test_a_rare_word_counts_more_than_common_ones(signed_in: ApiClient, bot: Bot) -> None:
    common = "\n".join(f"# Producto {n}\n\nEl precio de este producto es bueno." for n in range(30))
    add(signed_in, bot, f"{common}\n# Garantía\n\nEs de un año.", title="Catálogo")
    found = headings(signed_in, bot, "qué precio tiene la garantía del producto")
    assert found[0] == "Garantía"


def test_a_word_in_the_heading_counts_more_than_in_the_text(signed_in: ApiClient, bot: Bot) -> None:
    add(signed_in, bot, "# Horario\n\nDe 9 a 18.\n\n# Café\n\nTiene horario propio.", title="Casa")
    assert headings(signed_in, bot, "horario") == ["Horario", "Café"]


def test_a_document_is_found_by_its_title_also_by_a_new_one(signed_in: ApiClient, bot: Bot) -> None:
    made = add(signed_in, bot, "Margarita 120, hawaiana 140.", title="Carta de pizzas")
    assert len(searched(signed_in, bot, "pizza")) == 1
    changed = signed_in.put(path_of(bot, made["id"]), {"title": "Tarifas"})
    assert (changed.status_code, changed.json["data"]["chunks"]) == (200, 1)
    assert searched(signed_in, bot, "pizza") == []
    assert [each["title"] for each in searched(signed_in, bot, "tarifa")] == ["Tarifas"]


def test_at_most_four_passages_are_found(signed_in: ApiClient, bot: Bot) -> None:
    add(signed_in, bot, "\n\n".join(f"# Parte {n}\n\nLa garantía {n}." for n in range(9)))
    assert len(searched(signed_in, bot, "garantía")) == 4


def test_passages_far_from_the_best_are_left_out(signed_in: ApiClient, bot: Bot) -> None:
    others = "\n".join(f"# Otro {n}\n\nCompras y más compras." for n in range(20))
    add(signed_in, bot, f"# Factura\n\nPide la factura de tus compras aquí.\n{others}")
    assert headings(signed_in, bot, "factura compras") == ["Factura"]


def test_the_passages_together_are_not_too_long(bot: Bot, signed_in: ApiClient) -> None:
    long = "La garantía dura un año entero y cubre todo. " * 400
    add(signed_in, bot, long)
    found = searched(signed_in, bot, "garantía")
    assert sum(len(each["text"]) for each in found) <= search.MOST_CHARACTERS


def test_a_bot_finds_nothing_of_another_bot(
    signed_in: ApiClient, bot: Bot, outsider: ApiClient
) -> None:
    other = create_bot(bot.tenant_id)
    foreign = create_bot(outsider.tenant_id)
    create_document(other, text=SHIPPING)
    create_document(foreign, text=SHIPPING)
    assert searched(signed_in, bot, "envío") == []
    assert len(searched(signed_in, other, "envío")) > 0


def test_the_search_itself_stays_within_its_tenant(bot: Bot, outsider: ApiClient) -> None:
    """Asked below the endpoint, with the id of the other tenant's bot."""
    create_document(bot, text=SHIPPING)
    assert search.look_up(outsider.tenant_id, bot.id, ["envío"]).passages == ()
    assert search.look_up(bot.tenant_id, bot.id, ["envío"]).passages != ()


def test_words_from_before_count_half() -> None:
    assert words_to_find(["¿Y a Lima?"], ["¿Cuánto cuesta el envío?"]) == {
        "lima": 1.0,
        "cuanto": 0.5,
        "cuesta": 0.5,
        "envio": 0.5,
    }


def test_a_long_message_is_searched_by_its_first_words() -> None:
    words = words_to_find([" ".join(f"palabra{n}" for n in range(500))])
    assert list(words) == [f"palabra{n}" for n in range(24)]


def test_the_passage_shows_where_it_is_from(signed_in: ApiClient, bot: Bot) -> None:
    made = add(signed_in, bot)
    found: dict[str, Any] = searched(signed_in, bot, "cuánto tarda a las islas")[0]
    assert (found["document_id"], found["title"]) == (made["id"], "Envíos")
    assert (found["heading"], found["position"]) == ("Envíos > Plazos", 2)
    assert found["text"].startswith("Los pedidos llegan")


def test_the_stems_are_those_of_a_configuration_that_exists(bot: Bot) -> None:
    assert set(repository.CONFIGURATIONS) == set(Language)
