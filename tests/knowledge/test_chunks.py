"""Cutting texts into chunks."""

import time

import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from app.common.wording import plain
from app.knowledge.chunks import (
    LONGEST_HEADING,
    OVERLAP,
    TARGET,
    Chunk,
    split,
    split_pages,
)

LONGEST = TARGET + OVERLAP + 2
SENTENCES = "".join(f"Esta es la frase número {n}. " for n in range(100))


def test_a_short_text_is_one_chunk() -> None:
    assert split("Hola.\n\nAdiós.") == [Chunk("", "Hola.\n\nAdiós.")]


def test_no_chunk_reaches_over_a_heading() -> None:
    text = "Antes.\n# Envíos\nGratis.\n## Plazos\nTres días.\n# Pagos\nCon tarjeta.\n"
    assert split(text) == [
        Chunk("", "Antes."),
        Chunk("Envíos", "Gratis."),
        Chunk("Envíos > Plazos", "Tres días."),
        Chunk("Pagos", "Con tarjeta."),
    ]


def test_a_level_that_is_left_out_is_no_trouble() -> None:
    text = "### Deep\nA.\n# Top\nB.\n### Deep again\nC.\n## Middle\nD.\n"
    assert [each.heading for each in split(text)] == [
        "Deep",
        "Top",
        "Top > Deep again",
        "Top > Middle",
    ]


def test_underlined_headings_are_headings() -> None:
    text = "Envíos\n======\n\nGratis.\n\nPlazos\n---\nTres días.\n\nUno\ndos\n---\ntres"
    assert split(text) == [
        Chunk("Envíos", "Gratis."),
        Chunk("Envíos > Plazos", "Tres días.\n\nUno\ndos\n---\ntres"),
    ]


def test_what_looks_like_a_heading_in_code_is_none() -> None:
    text = "# Uso\n\n```\n# comentario\n~~~\n```\n\n# Fin\n\nYa."
    assert split(text) == [Chunk("Uso", "```\n# comentario\n~~~\n```"), Chunk("Fin", "Ya.")]


@pytest.mark.parametrize("line", ["#hashtag", "####### seven", "#", "    # indented"])
def test_a_line_that_is_no_heading_is_text(line: str) -> None:
    assert [each.heading for each in split(f"{line}\nTexto.")] == [""]


def test_a_heading_without_text_is_text_itself() -> None:
    assert split("# Cerrado los lunes\n# Pagos\n## Solo efectivo\n") == [
        Chunk("Cerrado los lunes", "Cerrado los lunes"),
        Chunk("Pagos > Solo efectivo", "Solo efectivo"),
    ]


def test_headings_of_the_same_name_are_apart() -> None:
    assert split("# A\n# A\n# A\nx") == [Chunk("A", "A"), Chunk("A", "A"), Chunk("A", "x")]


@pytest.mark.parametrize("text", [f"# {'a' * 300}\nx", f"{'a' * 300}\n===\nx"])
def test_a_long_line_is_no_heading(text: str) -> None:
    (found,) = split(text)
    assert found == Chunk("", text)


def test_a_chunk_ends_with_a_paragraph_if_it_can() -> None:
    paragraphs = [f"Párrafo {n}. {'palabra ' * 40}fin." for n in range(6)]
    found = split("\n\n".join(paragraphs))
    assert all(each.text.endswith("fin.") for each in found)
    assert len(found) == 3


def test_a_long_paragraph_ends_with_a_sentence() -> None:
    found = split(SENTENCES)
    assert len(found) > 3
    assert all(each.text.endswith(".") and each.text.startswith("Esta") for each in found)


def test_chunks_of_a_section_overlap_by_a_sentence() -> None:
    first, second, *_ = split(SENTENCES)
    last = first.text.rpartition(". ")[2]
    assert second.text.startswith(last)


def test_sections_do_not_overlap() -> None:
    found = split("# A\nUna frase.\n# B\nOtra frase.")
    assert [each.text for each in found] == ["Una frase.", "Otra frase."]


def test_a_line_that_introduces_the_next_stays_with_it() -> None:
    filling = "palabra " * 95
    found = split(f"{filling}fin.\n\n¿Puedo pagar con tarjeta?\n\nSí, con todas las tarjetas.")
    assert [each.text[-4:] for each in found[:1]] == ["fin."]
    assert found[1].text == "¿Puedo pagar con tarjeta?\n\nSí, con todas las tarjetas."


def test_a_table_repeats_the_names_of_its_columns() -> None:
    rows = "\n".join(f"| producto {n} | ${n * 10} |" for n in range(100))
    found = split(f"# Precios\n\n| Producto | Precio |\n|:--|--:|\n{rows}\n")
    assert len(found) > 2
    assert all(each.text.startswith("| Producto | Precio |\n|:--|--:|\n") for each in found)
    assert all(f"producto {n} |" in "".join(each.text for each in found) for n in range(100))


def test_a_long_list_is_cut_between_its_lines() -> None:
    found = split("\n".join(f"- Sucursal {n}: calle {n}, abierta de 9 a 18" for n in range(60)))
    lines = [line for each in found for line in each.text.split("\n")]
    assert all(line.startswith("- Sucursal") and line.endswith("a 18") for line in lines)


def test_the_pages_of_a_pdf_are_named() -> None:
    assert split_pages(["Uno.", "", "Tres."]) == [Chunk("p. 1", "Uno."), Chunk("p. 3", "Tres.")]


def test_a_word_that_a_line_of_a_pdf_cuts_is_whole_again() -> None:
    assert split_pages(["La devolu-\nción es de los art-\nÍculos."]) == [
        Chunk("p. 1", "La devolución es de los art-\nÍculos.")
    ]


@pytest.mark.parametrize("text", ["", "\n\n", "   \n\t\n", "#\n"])
def test_nothing_becomes_nothing_but_what_is_there(text: str) -> None:
    assert "".join(each.text for each in split(text)).strip() in ("", "#")


@pytest.mark.parametrize(
    "text",
    [
        "x" * 1_000_000,
        "hola mundo. " * 80_000,
        "|" * 500_000,
        "# x" + " " * 500_000 + "y",
        "x\n" + "-" * 500_000,
        "x\ny\n" + "|-" * 250_000,
        "```" * 300_000,
        "a\n" * 400_000,
        "… " * 300_000,
        " " * 1_000_000 + "x",
        "#" * 500_000,
    ],
    ids=lambda text: text[:6],
)
def test_a_text_that_is_made_to_be_slow_is_not(text: str) -> None:
    began = time.process_time()
    found = split(text)
    assert time.process_time() - began < 4
    assert all(len(each.text) <= LONGEST for each in found)


MARKS = ("# Título\n", "## Otro\n", "===\n", "---\n", "| a | b |\n", "|---|---|\n", "```\n")
PIECES = st.sampled_from(("palabra ", "Frase. ", "\n", "\n\n", *MARKS, "x" * 300, "á", "-\n"))


@given(st.lists(PIECES, max_size=120).map("".join))
@budget(max_examples=200, deadline=None)
def test_no_word_is_lost_and_no_chunk_is_too_long(text: str) -> None:
    found = split(text)
    assert all(0 < len(each.text) <= LONGEST and each.text.strip() for each in found)
    words = {word for each in found for word in plain(f"{each.heading} {each.text}").split()}
    # A word that is longer than a chunk is cut.
    assert {word for word in plain(text).split() if len(word) < LONGEST_HEADING} - words == set()
