"""Documents of a bot, handed in and searched by HTTP."""

from io import BytesIO
from typing import Any, cast
from uuid import UUID

from sqlalchemy import text
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from app import db
from app.knowledge import reading
from app.models import Bot
from tests.factories import Answer, ApiClient

SHIPPING = """\
# Envíos

## Costos

El envío a todo el país cuesta $99 pesos. Es gratis en pedidos de $500 o más.

## Plazos

Los pedidos llegan en tres días hábiles. A las islas tardan una semana.

# Devoluciones

Aceptamos devoluciones durante treinta días, con el ticket de compra.
"""


def path_of(bot: Bot | UUID, document_id: Any = None) -> str:
    bot_id = bot.id if isinstance(bot, Bot) else bot
    path = f"/bots/{bot_id}/knowledge"
    return f"{path}/{document_id}" if document_id else path


def add(api: ApiClient, bot: Bot, words: str = SHIPPING, title: str = "Envíos") -> dict[str, Any]:
    """Add a text, and return the document."""
    answer = api.post(path_of(bot), {"title": title, "text": words})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json["data"]
    return made


def send_file(
    api: ApiClient,
    path: str,
    raw: bytes,
    name: str = "prices.pdf",
    *,
    method: str = "POST",
    key: str | None = None,
    **fields: Any,
) -> Answer:
    """Send a form with a file."""
    boundary, body = encode_multipart({"file": FileStorage(BytesIO(raw), name), **fields})
    headers = {
        "Authorization": f"Bearer {api.token}",
        "Content-Type": f"multipart/form-data; boundary={boundary}",
    }
    if key is not None:
        headers["Idempotency-Key"] = key
    answer = api.app.test_client().open(path, method=method, data=body, headers=headers)
    return cast(Answer, answer)


def upload(api: ApiClient, bot: Bot, raw: bytes, name: str = "prices.pdf") -> dict[str, Any]:
    """Upload a file, let a worker read it, and return the document."""
    answer = send_file(api, path_of(bot), raw, name)
    assert answer.status_code == 201, answer.text
    document_id = answer.json["data"]["id"]
    reading.read(bot.tenant_id, UUID(document_id))
    return show(api, bot, document_id)


def show(api: ApiClient, bot: Bot, document_id: Any) -> dict[str, Any]:
    answer = api.get(path_of(bot, document_id))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json["data"]
    return found


def search(api: ApiClient, bot: Bot, words: str) -> list[dict[str, Any]]:
    answer = api.get(f"{path_of(bot)}/search", query={"q": words})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json["data"]
    return found


def headings(api: ApiClient, bot: Bot, words: str) -> list[str]:
    return [each["heading"] for each in search(api, bot, words)]


def rows(tenant_id: UUID, statement: str, **given: Any) -> list[Any]:
    with db.tenant_session(tenant_id) as session:
        result: Any = session.execute(text(statement), given)
        return list(result) if result.returns_rows else []


def has_source(tenant_id: UUID, document_id: Any) -> bool:
    """Return whether the bytes that were handed in are still stored."""
    found = rows(
        tenant_id,
        "select source is not null from recado.knowledge_documents where id = :id",
        id=str(document_id),
    )
    return bool(found[0][0])
