"""Finding out the text of a file."""

import codecs
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInput
from app.knowledge import uploads
from app.knowledge.uploads import decode, from_file, from_text, tidy, title_of
from app.models import DocumentKind
from tests.knowledge.pdfs import pdf

WORDS = "Señor Muñoz: el envío cuesta 99 € y la garantía dura un año."


@pytest.mark.parametrize(
    "raw",
    [
        WORDS.encode(),
        WORDS.encode("utf-8-sig"),
        WORDS.encode("utf-16"),
        WORDS.encode("utf-16-le"),
        WORDS.encode("utf-16-be"),
        codecs.BOM_UTF16_BE + WORDS.encode("utf-16-be"),
        WORDS.encode("utf-32"),
        WORDS.encode("cp1252"),
    ],
    ids=[
        *("utf-8", "utf-8 marked", "utf-16 marked", "utf-16-le", "utf-16-be"),
        *("utf-16-be marked", "utf-32", "windows-1252"),
    ],
)
def test_a_text_is_read_in_the_encodings_that_programs_write(raw: bytes) -> None:
    assert from_file("a.txt", raw).text == WORDS


def test_latin_1_is_read_as_windows_1252() -> None:
    words = WORDS.replace("€", "pesos")
    assert from_file("a.txt", words.encode("latin-1")).text == words


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00" * 100,
        b"text\x00with a NUL",
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4,
        b"PK\x03\x04" + bytes(range(256)) * 4,
        codecs.BOM_UTF16_LE + b"\x00\xd8" * 10,
        b"\x81\x8d\x8f\x90\x9d",
    ],
    ids=["zeros", "nul", "png", "zip", "half a pair", "no windows-1252"],
)
def test_what_is_no_text_is_refused(raw: bytes) -> None:
    assert decode(raw) is None
    with pytest.raises(InvalidInput, match="no text in UTF-8"):
        from_file("a.txt", raw)


@given(st.binary(max_size=300))
def test_whatever_comes_is_text_that_can_be_stored_or_refused(raw: bytes) -> None:
    text = decode(raw)
    if text is not None:
        clean = tidy(text)
        clean.encode()
        assert "\x00" not in clean


def test_controls_and_halves_of_pairs_are_removed() -> None:
    assert tidy("\ufeffa\x00b\x07c\ud800d\te\nf\x0cg") == "abcd\te\nf\x0cg"


def test_letters_are_composed() -> None:
    assert tidy("envi\u0301o") == "envío"


@pytest.mark.parametrize("text", ["", "  \n ", "***", "\ufeff", "🎉"])
def test_a_text_without_letters_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="no text in it"):
        from_text(text)
    with pytest.raises(InvalidInput, match="no text in it"):
        from_file("a.txt", text.encode())


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.txt", "text"), ("A.TXT", "text"), ("a.b.md", "markdown"), ("a.markdown", "markdown")],
)
def test_the_name_says_the_kind(name: str, kind: str) -> None:
    assert from_file(name, b"hola").kind == kind


@pytest.mark.parametrize("name", ["", "a", "a.docx", "a.html", ".txt", "pdf", "a.txt.exe"])
def test_other_files_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"\.txt, \.md or \.pdf"):
        from_file(name, b"hola")


def test_a_pdf_is_not_read_at_once() -> None:
    found = from_file("a.PDF", pdf("hola"))
    assert (found.kind, found.text) == (DocumentKind.PDF, None)


def test_a_name_that_lies_is_noticed() -> None:
    with pytest.raises(InvalidInput, match="This is no PDF"):
        from_file("a.pdf", b"hola")
    with pytest.raises(InvalidInput, match="This is a PDF"):
        from_file("a.txt", pdf("hola"))


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "LARGEST_FILE", 1024**2)
    with pytest.raises(InvalidInput, match="At most 1 MB"):
        from_file("a.txt", b"a" * (1024**2 + 1))


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(InvalidInput, match="more than 1,000,000 characters"):
        from_text("a" * 1_000_001)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("Precios 2026.pdf", "Precios 2026"),
        ("../../etc/passwd.txt", "passwd"),
        (r"C:\Users\Ana\Mis precios.md", "Mis precios"),
        ("a\x00b\x1f.txt", "ab"),
        ("x" * 500 + ".txt", "x" * 200),
    ],
)
def test_a_title_is_made_from_the_name(name: str, title: str) -> None:
    assert title_of(name) == title


def test_every_kind_of_file_is_named_in_the_refusal() -> None:
    shown = {Path(f"x{suffix}").suffix for suffix in uploads.KINDS}
    assert shown == {".txt", ".md", ".markdown", ".pdf"}
