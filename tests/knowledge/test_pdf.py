"""The text of PDFs, and of what pretends to be one."""

import contextlib
import re
import subprocess
import time
from typing import Any

import pytest

from app.knowledge import pdf
from app.knowledge.errors import REASONS, Unreadable
from tests.knowledge import pdfs


def reason(raw: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        pdf.pages_of(raw)
    return caught.value.code


def test_each_page_is_read() -> None:
    found = pdf.pages_of(pdfs.pdf("Señor: el envío\ncuesta 99 (pesos)", "página dos"))
    assert [page.strip() for page in found] == [
        "Señor: el envío\ncuesta 99 (pesos)",
        "página dos",
    ]


def test_a_password_for_changes_only_does_not_matter() -> None:
    assert [page.strip() for page in pdf.pages_of(pdfs.encrypted("", "abierto"))] == ["abierto"]


def test_a_scan_has_pages_without_text() -> None:
    assert [page.strip() for page in pdf.pages_of(pdfs.scan())] == ["", ""]


def test_a_page_that_is_damaged_does_not_hide_the_others() -> None:
    bad = pdfs.stream(b"\x00\xff" * 50, b"/Filter /FlateDecode")
    found = pdf.pages_of(pdfs.drawn(bad, pdfs.stream(pdfs.written("hola"))))
    assert [page.strip() for page in found] == ["", "hola"]


@pytest.mark.parametrize(
    ("name", "raw", "code"),
    [
        ("a password", pdfs.encrypted("geheim", "hola"), "encrypted"),
        ("cut off", pdfs.pdf("hola " * 50)[:300], "damaged"),
        ("junk", b"%PDF-1.7\n" + b"junk" * 1000, "damaged"),
        ("its mark alone", b"%PDF-", "damaged"),
        ("pages within themselves", pdfs.endless_pages(), "damaged"),
        ("too many pages", pdfs.pdf(*["x"] * 501), "too_many_pages"),
        ("a page that unpacks to half a gigabyte", pdfs.flate_bomb(), "too_large"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_what_cannot_be_read_has_its_reason(name: str, raw: bytes, code: str) -> None:
    began = time.monotonic()
    assert reason(raw) == code
    assert code in REASONS
    assert time.monotonic() - began < 20


def test_more_text_than_a_document_may_have_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "MOST_CHARACTERS", 100)
    assert reason(pdfs.pdf(*["hola " * 10] * 5)) == "too_long"


def test_a_pdf_that_needs_much_memory_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "MEMORY", 120 * 1024 * 1024)
    assert reason(pdfs.flate_bomb(30)) == "too_large"


def test_a_pdf_that_needs_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "PDF_SECONDS", 1)
    slow = pdfs.drawn(*[pdfs.stream(b"BT /F1 12 Tf " + b"[(a)] TJ\n" * 40_000)] * 40)
    assert reason(slow) == "too_slow"


def test_a_process_that_waits_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "WAIT_SECONDS", 0.01)
    assert reason(pdfs.pdf("hola")) == "too_slow"


def test_forms_that_draw_each_other_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten to the power of twelve forms: read once each, or given up."""
    monkeypatch.setattr(pdf, "PDF_SECONDS", 5)
    began = time.monotonic()
    with contextlib.suppress(Unreadable):
        pdf.pages_of(pdfs.nested_bomb())
    assert time.monotonic() - began < 20


def test_the_process_has_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the environment, with its secrets, nor our modules."""
    seen: dict[str, Any] = {}
    real = subprocess.run

    def run(command: list[str], **options: Any) -> Any:
        seen.update(options, command=command)
        return real(command, **options)

    monkeypatch.setattr(subprocess, "run", run)
    pdf.pages_of(pdfs.pdf("hola"))
    assert seen["env"] == {}
    assert seen["command"][1] == "-I"
    assert not re.search(r"^\s*(?:from|import) app", pdf.PROGRAM.read_text(), re.MULTILINE)


def test_a_process_that_is_killed_is_not_called_damaged() -> None:
    with pytest.raises(Unreadable) as caught:
        pdf._read_answer(-9, b"")
    assert caught.value.code == "too_slow"
    with pytest.raises(Unreadable) as caught:
        pdf._read_answer(1, b"")
    assert caught.value.code == "damaged"
