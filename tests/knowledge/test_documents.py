"""The calls of `/bots/{bot_id}/knowledge`."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from app.common.ids import new_id
from app.common.permissions import Permission
from app.knowledge import documents, storing, uploads
from app.models import Bot, Role, Tenant
from app.tasks import names
from tests.factories import ApiClient, create_api_key, create_bot, create_document
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
from tests.knowledge.pdfs import pdf

AUDIT = "select action, changes from recado.audit_entries order by id"


def test_a_text_is_ready_at_once(signed_in: ApiClient, bot: Bot) -> None:
    made = add(signed_in, bot)
    assert made == {
        "id": made["id"],
        "title": "Envíos",
        "kind": "text",
        "state": "ready",
        "error": None,
        "size": len(SHIPPING.encode()),
        "characters": 217,
        "chunks": 3,
        "created_at": made["created_at"],
        "updated_at": made["updated_at"],
    }
    assert not has_source(bot.tenant_id, made["id"])


def test_one_document_is_shown_with_its_beginning(signed_in: ApiClient, bot: Bot) -> None:
    made = add(signed_in, bot)
    shown = show(signed_in, bot, made["id"])
    assert shown.pop("excerpt").startswith("El envío a todo el país")
    assert shown == made


@pytest.mark.parametrize(
    ("name", "kind"),
    [("Envíos.txt", "text"), ("Envíos.md", "markdown"), ("a.markdown", "markdown")],
)
def test_a_text_file_is_ready_at_once(signed_in: ApiClient, bot: Bot, name: str, kind: str) -> None:
    answer = send_file(signed_in, path_of(bot), SHIPPING.encode("utf-16"), name)
    made = answer.json["data"]
    assert (answer.status_code, made["state"], made["kind"], made["chunks"]) == (
        201,
        "ready",
        kind,
        3,
    )
    assert made["title"] == name.partition(".")[0]
    assert len(search(signed_in, bot, "devoluciones")) == 1


def test_a_form_may_give_a_title(signed_in: ApiClient, bot: Bot) -> None:
    answer = send_file(signed_in, path_of(bot), b"hola", "a.txt", title="Saludos")
    assert answer.json["data"]["title"] == "Saludos"


def test_a_pdf_is_read_by_a_worker(
    signed_in: ApiClient, bot: Bot, sent: list[tuple[Any, ...]]
) -> None:
    answer = send_file(signed_in, path_of(bot), pdf("El envío cuesta 99."))
    made = answer.json["data"]
    assert (answer.status_code, made["state"], made["chunks"]) == (201, "processing", 0)
    assert sent == [(names.READ_DOCUMENT, bot.tenant_id, UUID(made["id"]))]
    assert has_source(bot.tenant_id, made["id"])
    assert show(signed_in, bot, made["id"])["excerpt"] == ""


def test_a_long_text_is_read_by_a_worker(
    signed_in: ApiClient, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "AT_ONCE", 100)
    made = add(signed_in, bot)
    assert made["state"] == "processing"
    assert search(signed_in, bot, "envío") == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": "a"},
        {"text": "a"},
        {"title": "", "text": "a"},
        {"title": "  ", "text": "a"},
        {"title": "a", "text": "  "},
        {"title": "a", "text": "***"},
        {"title": "x" * 201, "text": "a"},
        {"title": "a", "text": "a", "kind": "pdf"},
        {"title": 1, "text": "a"},
        {"title": "a", "text": ["a"]},
        {"title": "a\x00", "text": "a"},
        {"title": "a", "text": "a\x00b"},
        {"title": "a", "text": "\ud800"},
    ],
)
def test_a_text_that_nobody_means_is_refused(signed_in: ApiClient, bot: Bot, body: Any) -> None:
    answer = signed_in.post(path_of(bot), body)
    assert (answer.status_code, answer.json["code"]) == (422, "validation_error")
    assert rows(bot.tenant_id, "select 1 from recado.knowledge_documents") == []


def test_a_form_that_nobody_means_is_refused(signed_in: ApiClient, bot: Bot) -> None:
    path = path_of(bot)
    assert send_file(signed_in, path, b"hola", "a.docx").status_code == 422
    assert send_file(signed_in, path, b"", "a.txt").status_code == 422
    assert send_file(signed_in, path, b"", "a.pdf").status_code == 422
    assert send_file(signed_in, path, b"hola", "a.txt", title=" ").status_code == 422
    assert send_file(signed_in, path, b"hola", "a.txt", other="x").status_code == 422
    without = signed_in.app.test_client().post(
        path, data={"file": "no file"}, content_type="multipart/form-data",
        headers={"Authorization": f"Bearer {signed_in.token}"},
    )  # fmt: skip
    assert without.status_code == 422
    assert rows(bot.tenant_id, "select 1 from recado.knowledge_documents") == []


def test_a_file_may_be_larger_than_other_bodies(signed_in: ApiClient, bot: Bot) -> None:
    raw = pdf("hola") + b"\n%" + b"x" * (uploads.LARGEST_FILE - 2000)
    assert len(raw) < uploads.LARGEST_FILE
    assert send_file(signed_in, path_of(bot), raw).status_code == 201


@pytest.mark.parametrize(
    ("more", "status"), [(1000, 422), (100_000, 413)], ids=["the file", "the form"]
)
def test_a_file_that_is_too_large_is_refused(
    signed_in: ApiClient, bot: Bot, more: int, status: int
) -> None:
    raw = b"%PDF-1.7\n" + b"x" * (uploads.LARGEST_FILE + more)
    answer = send_file(signed_in, path_of(bot), raw)
    assert answer.status_code == status
    assert answer.json["success"] is False


def test_json_keeps_the_limit_of_the_service(signed_in: ApiClient, bot: Bot) -> None:
    answer = signed_in.post(path_of(bot), {"title": "a", "text": "a" * 1_100_000})
    assert (answer.status_code, answer.json["code"]) == (413, "too_large")


def test_the_same_document_is_not_stored_twice(signed_in: ApiClient, bot: Bot) -> None:
    made = add(signed_in, bot)
    again = signed_in.post(path_of(bot), {"title": "Otra vez", "text": SHIPPING})
    assert (again.status_code, again.json["code"]) == (409, "document_exists")
    assert again.json["details"] == {"document_id": made["id"]}
    raw = pdf("hola")
    first = upload(signed_in, bot, raw)
    assert send_file(signed_in, path_of(bot), raw, "b.pdf").json["details"] == {
        "document_id": first["id"]
    }


def test_another_bot_may_have_the_same_document(signed_in: ApiClient, bot: Bot) -> None:
    add(signed_in, bot)
    add(signed_in, create_bot(bot.tenant_id))


def test_of_many_at_once_one_is_stored(signed_in: ApiClient, bot: Bot) -> None:
    def post(_: int) -> int:
        return signed_in.post(path_of(bot), {"title": "a", "text": SHIPPING}).status_code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(post, range(6))) == [201] + [409] * 5
    assert len(rows(bot.tenant_id, "select 1 from recado.knowledge_chunks")) == 3


def test_an_upload_may_be_repeated_with_its_key(signed_in: ApiClient, bot: Bot) -> None:
    """The mark between the parts of a form is another one each time."""
    path, raw = path_of(bot), pdf("hola")
    first = send_file(signed_in, path, raw, key="one")
    again = send_file(signed_in, path, raw, key="one")
    assert (again.status_code, again.json) == (201, first.json)
    assert again.headers["Idempotency-Replayed"] == "true"
    other = send_file(signed_in, path, pdf("adiós"), key="one")
    assert other.json["code"] == "idempotency_key_reused"
    renamed = send_file(signed_in, path, raw, key="one", title="Otro")
    assert renamed.json["code"] == "idempotency_key_reused"


def test_a_bot_has_a_greatest_number_of_documents(
    signed_in: ApiClient, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MOST_DOCUMENTS", 2)
    for number in range(2):
        add(signed_in, bot, f"Texto {number}")
    answer = signed_in.post(path_of(bot), {"title": "a", "text": "Uno más"})
    assert (answer.status_code, answer.json["code"]) == (422, "limit_reached")
    assert "at most 2 documents" in answer.json["error"]


@pytest.mark.parametrize(("limit", "most"), [("MOST_OF_A_BOT", 300), ("MOST_CHUNKS", 4)])
def test_the_texts_of_a_bot_have_a_greatest_length_together(
    signed_in: ApiClient, bot: Bot, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    monkeypatch.setattr(storing, limit, most)
    made = add(signed_in, bot)
    body = {"title": "a", "text": f"# Otra vez\n\n{SHIPPING}"}
    answer = signed_in.post(path_of(bot), body)
    assert (answer.status_code, answer.json["code"]) == (422, "limit_reached")
    assert "2,000,000 characters and 5,000 chunks" in answer.json["error"]
    assert [each["id"] for each in signed_in.get(path_of(bot)).json["data"]] == [made["id"]]
    # What a change replaces does not count.
    changed = signed_in.put(path_of(bot, made["id"]), {"text": body["text"]})
    assert changed.status_code == 200


def test_few_documents_wait_at_once(
    signed_in: ApiClient, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MOST_PROCESSING", 1)
    other = create_bot(bot.tenant_id)
    assert send_file(signed_in, path_of(bot), pdf("uno")).status_code == 201
    answer = send_file(signed_in, path_of(other), pdf("dos"))
    assert (answer.status_code, answer.json["code"]) == (422, "limit_reached")
    add(signed_in, bot, "A short text does not wait.")


def test_documents_are_listed_in_pages_newest_first(signed_in: ApiClient, bot: Bot) -> None:
    made = [add(signed_in, bot, f"Texto {number}")["id"] for number in range(3)]
    first = signed_in.get(path_of(bot), query={"limit": 2}).json
    second = signed_in.get(path_of(bot), query={"cursor": first["next_cursor"]}).json
    assert [each["id"] for each in first["data"] + second["data"]] == made[::-1]
    assert second["next_cursor"] is None
    assert "excerpt" not in first["data"][0]


def test_a_changed_text_is_found_and_the_former_is_not(signed_in: ApiClient, bot: Bot) -> None:
    made = add(signed_in, bot)
    changed = signed_in.put(path_of(bot, made["id"]), {"text": "Abrimos los domingos."})
    assert changed.status_code == 200
    assert (changed.json["data"]["chunks"], changed.json["data"]["title"]) == (1, "Envíos")
    assert search(signed_in, bot, "devoluciones") == []
    assert len(search(signed_in, bot, "domingo")) == 1


def test_a_text_becomes_a_file(signed_in: ApiClient, bot: Bot) -> None:
    made = add(signed_in, bot)
    path = path_of(bot, made["id"])
    changed = send_file(signed_in, path, pdf("hola"), method="PUT", title="Nuevo")
    data = changed.json["data"]
    assert (changed.status_code, data["kind"], data["state"]) == (200, "pdf", "processing")
    assert (data["title"], data["chunks"], data["characters"]) == ("Nuevo", 0, 0)
    # A bot never quotes what was replaced.
    assert search(signed_in, bot, "envío") == []


def test_a_change_to_the_same_text_changes_nothing(signed_in: ApiClient, bot: Bot) -> None:
    made = add(signed_in, bot)
    before = rows(bot.tenant_id, "select id from recado.knowledge_chunks order by id")
    assert signed_in.put(path_of(bot, made["id"]), {"text": SHIPPING}).status_code == 200
    assert rows(bot.tenant_id, "select id from recado.knowledge_chunks order by id") == before
    assert signed_in.put(path_of(bot, made["id"]), {}).status_code == 200


def test_a_change_to_another_documents_text_is_refused(signed_in: ApiClient, bot: Bot) -> None:
    first, second = add(signed_in, bot), add(signed_in, bot, "Otro texto.")
    answer = signed_in.put(path_of(bot, second["id"]), {"text": SHIPPING})
    assert (answer.status_code, answer.json["code"]) == (409, "document_exists")
    assert answer.json["details"] == {"document_id": first["id"]}
    assert show(signed_in, bot, second["id"])["excerpt"] == "Otro texto."


def test_a_deleted_document_is_gone_with_its_chunks(signed_in: ApiClient, bot: Bot) -> None:
    made = add(signed_in, bot)
    kept = create_document(bot, text="Abrimos los domingos.")
    assert signed_in.delete(path_of(bot, made["id"])).status_code == 204
    assert signed_in.get(path_of(bot, made["id"])).json["code"] == "document_not_found"
    assert signed_in.delete(path_of(bot, made["id"])).status_code == 404
    left = rows(bot.tenant_id, "select document_id from recado.knowledge_chunks")
    assert [row.document_id for row in left] == [kept.id]
    add(signed_in, bot)


def test_a_deleted_bot_takes_its_documents_along(signed_in: ApiClient, bot: Bot) -> None:
    add(signed_in, bot)
    assert signed_in.delete(f"/bots/{bot.id}").status_code == 204
    for table in ("knowledge_documents", "knowledge_chunks"):
        assert rows(bot.tenant_id, f"select 1 from recado.{table}") == []
    assert signed_in.get(path_of(bot)).json["code"] == "bot_not_found"


def test_each_change_is_in_the_audit_log(signed_in: ApiClient, bot: Bot) -> None:
    made = add(signed_in, bot)
    signed_in.put(path_of(bot, made["id"]), {"title": "Otro", "text": "Otro texto."})
    signed_in.delete(path_of(bot, made["id"]))
    assert [(row.action, row.changes) for row in rows(bot.tenant_id, AUDIT)][-3:] == [
        ("knowledge_document.created", {"title": "Envíos"}),
        ("knowledge_document.updated", {"fields": ["title", "content"]}),
        ("knowledge_document.deleted", {"title": "Otro"}),
    ]


@pytest.mark.parametrize("bot_id", [new_id(), None])
def test_a_document_belongs_to_the_bot_in_the_path(
    signed_in: ApiClient, bot: Bot, bot_id: Any
) -> None:
    made = add(signed_in, bot)
    path = path_of(bot_id or create_bot(bot.tenant_id).id, made["id"])
    assert signed_in.get(path).json["code"] == "document_not_found"
    assert signed_in.put(path, {"title": "a"}).json["code"] == "document_not_found"
    assert signed_in.delete(path).json["code"] == "document_not_found"
    assert show(signed_in, bot, made["id"])["title"] == "Envíos"


def test_another_tenants_document_does_not_exist_below_an_own_bot(
    outsider: ApiClient, bot: Bot, signed_in: ApiClient
) -> None:
    made = add(signed_in, bot)
    own = create_bot(outsider.tenant_id)
    for path in (path_of(own, made["id"]), path_of(bot, made["id"])):
        assert outsider.get(path).json["code"] == "document_not_found"
        assert outsider.put(path, {"text": "Mine."}).json["code"] == "document_not_found"
        assert outsider.delete(path).json["code"] == "document_not_found"
    assert outsider.post(path_of(bot), {"title": "a", "text": "b"}).json["code"] == "bot_not_found"
    assert show(signed_in, bot, made["id"])["state"] == "ready"


def test_a_reader_may_look_and_not_change(
    app: Any, sign_in: Any, bot: Bot, tenant: Tenant, signed_in: ApiClient
) -> None:
    made = add(signed_in, bot)
    key = create_api_key(tenant.id, scopes=[str(Permission.BOTS_READ)])[1]
    reader = ApiClient(app, key)
    assert reader.get(path_of(bot)).status_code == 200
    assert reader.get(path_of(bot, made["id"])).status_code == 200
    assert reader.get(f"{path_of(bot)}/search", query={"q": "envío"}).status_code == 200
    assert reader.post(path_of(bot), {"title": "a", "text": "b"}).status_code == 403
    assert send_file(reader, path_of(bot), b"hola", "a.txt").status_code == 403
    assert reader.put(path_of(bot, made["id"]), {"title": "b"}).status_code == 403
    assert reader.delete(path_of(bot, made["id"])).status_code == 403
    agent = sign_in(tenant=tenant, role=Role.AGENT)
    assert agent.post(path_of(bot), {"title": "a", "text": "b"}).status_code == 403
