"""Importing operations of an OpenAPI document into a bot."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urljoin
from uuid import UUID

from sqlalchemy.orm import Session

from app import db
from app.bots import bots_repository as repository
from app.bots import checks, manage, openapi_import, playground
from app.bots.definition import Definition, Json
from app.bots.manage import BotDetails
from app.bots.openapi_import import Catalogue, Imported, NotOpenApi, Operation
from app.common.egress import EgressFailed, EgressRefused, Limits, Outgoing, check_url, fetch
from app.common.principal import Principal
from app.common.schema import find_unstorable
from app.errors import InvalidInput

LARGEST_DOCUMENT = 2 * 1024 * 1024
SECONDS = 10.0


@dataclass(frozen=True)
class ImportResult:
    """`operations` are all of the document, or the chosen ones; `imported` are the functions that
    were made. `base_url` is the document's own server, which is only shown."""

    bot: BotDetails
    operations: tuple[Operation, ...]
    imported: tuple[str, ...]
    base_url: str | None
    warnings: tuple[str, ...]


def run(actor: Principal, bot_id: UUID, data: Json) -> ImportResult:
    """Read a document and, unless it is a dry run, make functions of the chosen operations.

    `data` is as ImportArgs loads it. Opens transactions of its own: none is open while the document
    is fetched and read. Raises BotNotFound, InvalidInput, TooManyTries.
    """
    with db.tenant_session(actor.tenant_id, actor.caller.mode) as session:
        manage.find_bot(session, bot_id)
    document = data["document"] if data["url"] is None else _fetched(actor, data["url"])
    found = _read(document, data)
    chosen = [] if data["operations"] is None else _chosen(found, data["operations"])
    with db.tenant_session(actor.tenant_id, actor.caller.mode) as session:
        bot, replaced = _store(session, actor, (bot_id, data), chosen)
    base_url, of_server = _base_url(found.server, data["url"])
    told = [warning for each in chosen for warning in each.warnings]
    if found.has_more:
        told.append(f"Only the first {openapi_import.MOST_OPERATIONS} operations are read.")
    return ImportResult(
        bot=bot,
        operations=found.operations,
        imported=() if data["dry_run"] else tuple(each.tool.name for each in chosen),
        base_url=base_url,
        warnings=tuple(dict.fromkeys([*told, *replaced, *of_server, *bot.warnings])),
    )


def _fetched(actor: Principal, url: str) -> Json:
    """Raises InvalidInput, TooManyTries."""
    with playground.place(actor.tenant_id):
        try:
            headers = {"Accept": "application/json"}
            answer = fetch(Outgoing(url, headers=headers), Limits(SECONDS, LARGEST_DOCUMENT))
        except (EgressRefused, EgressFailed) as error:
            raise _wrong("url", str(error)) from error
    if answer.status != 200:
        raise _wrong("url", f"The server answered {answer.status}, not with a document.")
    return _parsed(answer.body)


def _parsed(text: bytes) -> Json:
    """Raises InvalidInput."""
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _wrong("url", "The answer is not JSON. YAML cannot be read.") from error
    if not isinstance(document, dict):
        raise _wrong("url", "The answer is no JSON object.")
    if bad := find_unstorable(document):
        raise _wrong("url", f"{bad[0][0][:200]}: {bad[0][1][0]}")
    return document


def _read(document: Json, data: Json) -> Catalogue:
    """Raises InvalidInput."""
    chosen = data["operations"]
    try:
        return openapi_import.read(document, None if chosen is None else frozenset(chosen))
    except NotOpenApi as error:
        raise _wrong("document" if data["url"] is None else "url", str(error)) from error


def _chosen(found: Catalogue, names: Sequence[str]) -> list[Imported]:
    """Raises InvalidInput for an operation that is not there, or that cannot be imported."""
    # Of two operations with the same id, only the first can be imported.
    by_id = {each.operation_id: each for each in reversed(found.operations)}
    made, problems = [], {}
    for place, name in enumerate(names):
        operation = by_id.get(name)
        if operation is not None and operation.imported is not None:
            made.append(operation.imported)
            continue
        reason = "The document has no such operation." if operation is None else operation.reason
        problems[f"operations.{place}"] = [str(reason)]
    if problems:
        raise InvalidInput(problems)
    return made


def _store(
    session: Session, actor: Principal, asked: tuple[UUID, Json], chosen: Sequence[Imported]
) -> tuple[BotDetails, list[str]]:
    """Return the bot, and which of its functions are replaced. Raises BotNotFound, InvalidInput."""
    bot_id, data = asked
    # The functions must not change between being read and being written.
    repository.lock_tenant(session)
    bot = manage.find_bot(session, bot_id)
    details = manage.describe(session, bot)
    merged, replaced = merge(details.definition, chosen)
    if not chosen:
        return details, replaced
    if data["dry_run"]:
        manage.check(bot, merged)
        return details, replaced
    servers = {} if data["base_url"] is None else {"actions": {"base_url": data["base_url"]}}
    definition = {"tools": merged.tools, "actions": merged.actions}
    changes = {"servers": servers, "definition": definition}
    return manage.change(session, actor, bot_id, changes), replaced


def merge(former: Definition, chosen: Sequence[Imported]) -> tuple[Definition, list[str]]:
    """Return the definition with these functions, and a sentence for each that they replace.

    A function of the same name is replaced with its action; the others stay. Raises InvalidInput.
    """
    tools = {tool.name: tool for tool in former.tools}
    actions = {action.name: action for action in former.actions}
    replaced = [
        f"{each.tool.name}: replaces the function of this name."
        for each in chosen
        if each.tool.name in tools
        and (tools[each.tool.name], actions.get(each.tool.name)) != (each.tool, each.action)
    ]
    tools |= {each.tool.name: each.tool for each in chosen}
    actions |= {each.action.name: each.action for each in chosen}
    if len(tools) > checks.MOST_TOOLS:
        reason = f"The bot would have {len(tools)} functions; it may have {checks.MOST_TOOLS}."
        raise InvalidInput({"operations": [reason]})
    made = replace(former, tools=tuple(tools.values()), actions=tuple(actions.values()))
    return made, replaced


def _base_url(server: str | None, url: str | None) -> tuple[str | None, list[str]]:
    """Return the server of the document as a base URL, or None with a warning."""
    if server is None:
        return None, []
    try:
        found = check_url(server if url is None else urljoin(url, server)).rstrip("/")
    except ValueError as error:
        return None, [f"The server of the document cannot be used as base_url: {error}"]
    return (None, []) if "?" in found or "#" in found else (found, [])


def _wrong(field: str, reason: str) -> InvalidInput:
    return InvalidInput({field: [reason]})
