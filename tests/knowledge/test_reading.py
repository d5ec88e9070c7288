"""Workers that read documents: those that die, come late, or meet a change."""

import threading
from typing import Any
from uuid import UUID

import pytest

from app import db
from app.knowledge import due as knowledge_due
from app.knowledge import pdf, reading, repository, storing
from app.knowledge.errors import REASONS, Unreadable
from app.models import Bot
from app.tasks import names
from app.tasks.due import FIRST
from tests.factories import ApiClient, create_bot
from tests.knowledge import pdfs
from tests.knowledge.library import (
    SHIPPING,
    add,
    has_source,
    path_of,
    rows,
    search,
    send_file,
    show,
    upload,
)

WORDS = "El envío cuesta 99 pesos."
CHUNKS = "select count(*) as count from recado.knowledge_chunks"


def hand_in(api: ApiClient, bot: Bot, raw: bytes | None = None) -> UUID:
    """Upload a PDF that no worker has read yet."""
    answer = send_file(api, path_of(bot), raw or pdfs.pdf(WORDS))
    assert answer.status_code == 201, answer.text
    return UUID(answer.json["data"]["id"])


def claim(bot: Bot, document_id: UUID) -> reading.Work | None:
    with db.tenant_session(bot.tenant_id) as session:
        return reading._claim(session, document_id)


def end_lease(bot: Bot) -> None:
    """As when the worker has died."""
    rows(
        bot.tenant_id,
        "update recado.knowledge_documents set lease_until = now() - interval '1 second'"
        " where lease_until is not null",
    )


def due(bot: Bot) -> list[tuple[Any, ...]]:
    """Return what the scheduler would enqueue for this tenant."""
    (kind,) = knowledge_due.DUE
    with db.system_session() as session:
        found = session.execute(kind.query, {"most": 10_000, "after_tenant_id": FIRST}).all()
    rings = [ring for row in found for ring in kind.rings(row)]
    return [ring for ring in rings if ring[1] == bot.tenant_id]


def chunks(bot: Bot) -> int:
    count: int = rows(bot.tenant_id, CHUNKS)[0].count
    return count


def test_a_pdf_is_read_page_by_page(signed_in: ApiClient, bot: Bot) -> None:
    made = upload(signed_in, bot, pdfs.pdf(WORDS, "", "Las devoluciones son gratis."))
    assert (made["state"], made["chunks"], made["error"]) == ("ready", 2, None)
    assert made["excerpt"] == WORDS
    assert not has_source(bot.tenant_id, made["id"])
    (found,) = search(signed_in, bot, "devolución")
    assert (found["heading"], found["title"]) == ("p. 3", "prices")


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (pdfs.encrypted("geheim", WORDS), "encrypted"),
        (pdfs.scan(), "no_text"),
        (pdfs.pdf(WORDS)[:200], "damaged"),
        (pdfs.pdf(*["x"] * 501), "too_many_pages"),
        (pdfs.flate_bomb(), "too_large"),
    ],
    ids=["a password", "a scan", "cut off", "many pages", "a bomb"],
)
def test_what_cannot_be_read_is_failed_with_a_reason(
    signed_in: ApiClient, bot: Bot, raw: bytes, code: str
) -> None:
    made = upload(signed_in, bot, raw)
    assert made["state"] == "failed"
    assert made["error"] == {"code": code, "message": REASONS[code]}
    assert (made["chunks"], made["excerpt"]) == (0, "")
    assert not has_source(bot.tenant_id, made["id"])
    assert due(bot) == []


def test_what_failed_may_be_uploaded_again(signed_in: ApiClient, bot: Bot) -> None:
    raw = pdfs.scan()
    first = upload(signed_in, bot, raw)
    second = upload(signed_in, bot, raw)
    assert first["id"] != second["id"]
    again = send_file(signed_in, path_of(bot, first["id"]), raw, method="PUT")
    assert again.json["data"]["state"] == "processing"


def test_every_reason_is_a_sentence_with_a_remedy() -> None:
    assert all(message.endswith(".") and message.count(".") >= 2 for message in REASONS.values())


def test_a_document_with_too_much_text_for_its_bot_fails(
    signed_in: ApiClient, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "MOST_OF_A_BOT", 10)
    made = upload(signed_in, bot, pdfs.pdf(WORDS))
    assert (made["state"], made["error"]["code"]) == ("failed", "limit_reached")


def test_a_long_text_file_is_read_as_it_was_written(
    signed_in: ApiClient, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.knowledge.documents.AT_ONCE", 10)
    made = upload(signed_in, bot, SHIPPING.encode("utf-16-le"), "envíos.txt")
    assert (made["state"], made["chunks"], made["characters"]) == ("ready", 3, 217)


def test_the_scheduler_finds_what_a_lost_task_left(signed_in: ApiClient, bot: Bot) -> None:
    document_id = hand_in(signed_in, bot)
    assert due(bot) == [(names.READ_DOCUMENT, bot.tenant_id, document_id)]
    reading.read(bot.tenant_id, document_id)
    assert due(bot) == []


def test_nothing_is_due_while_a_worker_reads(signed_in: ApiClient, bot: Bot) -> None:
    document_id = hand_in(signed_in, bot)
    hand_in(signed_in, bot, pdfs.pdf("otro"))
    assert claim(bot, document_id) is not None
    assert due(bot) == []
    end_lease(bot)
    assert due(bot) == [(names.READ_DOCUMENT, bot.tenant_id, document_id)]


def test_a_document_whose_worker_died_is_read_again(signed_in: ApiClient, bot: Bot) -> None:
    document_id = hand_in(signed_in, bot)
    assert claim(bot, document_id) is not None
    reading.read(bot.tenant_id, document_id)
    assert show(signed_in, bot, document_id)["state"] == "processing"
    end_lease(bot)
    reading.read(bot.tenant_id, document_id)
    assert show(signed_in, bot, document_id)["state"] == "ready"


def test_a_document_that_no_worker_survives_is_given_up(signed_in: ApiClient, bot: Bot) -> None:
    document_id = hand_in(signed_in, bot)
    for _ in range(3):
        assert claim(bot, document_id) is not None
        end_lease(bot)
    assert due(bot) != []
    reading.read(bot.tenant_id, document_id)
    made = show(signed_in, bot, document_id)
    assert (made["state"], made["error"]["code"]) == ("failed", "interrupted")
    assert not has_source(bot.tenant_id, document_id)
    assert due(bot) == []


def test_an_unexpected_error_counts_as_a_death(
    signed_in: ApiClient, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    document_id = hand_in(signed_in, bot)

    def fail(_: bytes) -> list[str]:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(pdf, "pages_of", fail)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            reading.read(bot.tenant_id, document_id)
        end_lease(bot)
    reading.read(bot.tenant_id, document_id)
    assert show(signed_in, bot, document_id)["error"]["code"] == "interrupted"


def during_reading(monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """Let this happen while the worker reads."""
    real = pdf.pages_of

    def pages_of(raw: bytes) -> list[str]:
        act()
        return real(raw)

    monkeypatch.setattr(pdf, "pages_of", pages_of)


def test_a_document_that_is_deleted_meanwhile_leaves_nothing(
    signed_in: ApiClient, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    document_id = hand_in(signed_in, bot)
    during_reading(monkeypatch, lambda: signed_in.delete(path_of(bot, document_id)))
    reading.read(bot.tenant_id, document_id)
    assert signed_in.get(path_of(bot, document_id)).status_code == 404
    assert chunks(bot) == 0


def test_a_bot_that_is_deleted_meanwhile_leaves_nothing(
    signed_in: ApiClient, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    document_id = hand_in(signed_in, bot)
    during_reading(monkeypatch, lambda: signed_in.delete(f"/bots/{bot.id}"))
    reading.read(bot.tenant_id, document_id)
    assert rows(bot.tenant_id, "select 1 from recado.knowledge_documents") == []
    assert chunks(bot) == 0


def test_what_is_replaced_meanwhile_is_not_stored(
    signed_in: ApiClient, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    document_id = hand_in(signed_in, bot)
    path = path_of(bot, document_id)
    during_reading(monkeypatch, lambda: signed_in.put(path, {"text": "Abrimos los domingos."}))
    reading.read(bot.tenant_id, document_id)
    assert show(signed_in, bot, document_id)["excerpt"] == "Abrimos los domingos."
    assert search(signed_in, bot, "envío") == []


def test_a_slow_worker_does_not_store_the_file_that_was_replaced(
    signed_in: ApiClient, bot: Bot
) -> None:
    """Both files are read in their first try."""
    document_id = hand_in(signed_in, bot)
    slow = claim(bot, document_id)
    assert slow is not None
    new = pdfs.pdf("Abrimos los domingos.")
    send_file(signed_in, path_of(bot, document_id), new, method="PUT")
    assert claim(bot, document_id) is not None
    reading._read(bot.tenant_id, slow)
    assert show(signed_in, bot, document_id)["state"] == "processing"
    assert chunks(bot) == 0


def test_a_worker_that_lost_its_lease_stores_nothing_twice(signed_in: ApiClient, bot: Bot) -> None:
    document_id = hand_in(signed_in, bot)
    first = claim(bot, document_id)
    end_lease(bot)
    second = claim(bot, document_id)
    assert first is not None
    assert second is not None
    reading._read(bot.tenant_id, second)
    reading._read(bot.tenant_id, first)
    assert chunks(bot) == 1


def test_one_document_of_a_tenant_is_read_at_a_time(
    signed_in: ApiClient, bot: Bot, sent: list[tuple[Any, ...]]
) -> None:
    first, second = hand_in(signed_in, bot), hand_in(signed_in, bot, pdfs.pdf("otro"))
    work = claim(bot, first)
    reading.read(bot.tenant_id, second)
    assert show(signed_in, bot, second)["state"] == "processing"
    assert work is not None
    reading._read(bot.tenant_id, work)
    sent.clear()
    reading.read(bot.tenant_id, second)
    assert show(signed_in, bot, second)["state"] == "ready"


def test_the_next_document_of_the_tenant_follows(
    signed_in: ApiClient, bot: Bot, sent: list[tuple[Any, ...]]
) -> None:
    first = hand_in(signed_in, bot)
    second = hand_in(signed_in, create_bot(bot.tenant_id))
    sent.clear()
    reading.read(bot.tenant_id, first)
    assert sent == [(names.READ_DOCUMENT, bot.tenant_id, second)]


def test_a_process_without_a_place_leaves_the_document(
    signed_in: ApiClient, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    document_id = hand_in(signed_in, bot)
    monkeypatch.setattr(reading, "places", threading.BoundedSemaphore(1))
    with reading._place() as is_free:
        assert is_free
        reading.read(bot.tenant_id, document_id)
        assert show(signed_in, bot, document_id)["state"] == "processing"
    reading.read(bot.tenant_id, document_id)
    assert show(signed_in, bot, document_id)["state"] == "ready"


def test_a_place_is_given_back_after_an_error(
    signed_in: ApiClient, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: bytes) -> list[str]:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(reading, "places", threading.BoundedSemaphore(1))
    monkeypatch.setattr(pdf, "pages_of", fail)
    with pytest.raises(RuntimeError):
        reading.read(bot.tenant_id, hand_in(signed_in, bot))
    with reading._place() as is_free:
        assert is_free


def test_a_document_of_another_tenant_is_not_read(
    signed_in: ApiClient, bot: Bot, outsider: ApiClient
) -> None:
    document_id = hand_in(signed_in, bot)
    reading.read(outsider.tenant_id, document_id)
    assert show(signed_in, bot, document_id)["state"] == "processing"


def test_characters_that_cannot_be_stored_are_left_out(
    signed_in: ApiClient, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf, "pages_of", lambda _: ["a\x00b \ud800 envi\u0301o\x07"])
    made = upload(signed_in, bot, pdfs.pdf("x"))
    assert (made["state"], made["excerpt"]) == ("ready", "ab  envío")


def test_nothing_is_stored_of_a_document_that_fails_in_the_middle(
    signed_in: ApiClient, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise Unreadable("limit_reached")

    monkeypatch.setattr(storing, "_add", fail)
    made = upload(signed_in, bot, pdfs.pdf(WORDS))
    assert (made["state"], made["chunks"], chunks(bot)) == ("failed", 0, 0)


def test_the_task_reads(signed_in: ApiClient, bot: Bot) -> None:
    from app.knowledge.tasks import read_document

    document_id = hand_in(signed_in, bot)
    read_document(str(bot.tenant_id), str(document_id))
    assert show(signed_in, bot, document_id)["state"] == "ready"


def test_a_thousand_chunks_are_stored_in_one_statement(signed_in: ApiClient, bot: Bot) -> None:
    """A document has thousands, and the database may be far away."""
    text = "\n\n".join(f"# Parte {n}\n\n{'palabra ' * 80}" for n in range(250))
    made = add(signed_in, bot, text)
    assert (made["state"], made["chunks"]) == ("ready", 250)
    with db.tenant_session(bot.tenant_id) as session:
        assert repository.counts(session, bot.id).chunks == 250
