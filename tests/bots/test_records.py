"""What people read of a bot's turns: GET /api/whatsapp/conversations/{id}/turns."""

from decimal import Decimal
from typing import Any

from app.bots import due as bots_due
from app.common.ids import new_id
from app.db import tenant_session
from app.models import Bot, Conversation, Role, Tenant
from tests.bots.studio import Studio, calling, saying
from tests.bots.turning import hear, rows
from tests.conftest import SignIn
from tests.factories import ApiClient, create_conversation, create_turn


def path_of(conversation: Conversation) -> str:
    return f"/api/whatsapp/conversations/{conversation.id}/turns"


def read(api: ApiClient, conversation: Conversation, **query: Any) -> dict[str, Any]:
    answer = api.get(path_of(conversation), query=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


def test_a_turn_tells_what_was_read_called_and_said(studio: Studio) -> None:
    studio.script(
        calling("find_order", {"number": "1042"}),
        calling("find_order", "no JSON"),
        saying("Está en camino."),
    )
    studio.ask("¿Dónde está mi pedido 1042?")
    ((incoming,), (reply,)) = rows(
        studio.conversation, "select id from recado.messages order by created_at"
    )
    (turn,) = read(studio.api, studio.conversation)["items"]
    assert turn["state"] == "finished"
    assert (turn["outcome"], turn["error"]) == ("answered", None)
    assert (turn["bot_id"], turn["version"], turn["model"]) == (studio.bot["id"], 1, "gpt-6-luna")
    assert turn["message_ids"] == [str(incoming)]
    assert turn["reply_id"] == str(reply)
    first, second = turn["calls"]
    assert (first["name"], first["arguments"], first["state"]) == (
        "find_order",
        {"number": "1042"},
        "done",
    )
    assert "TR-88231" in first["result"]
    assert (second["arguments"], second["state"]) == (None, "bad_arguments")
    assert set(turn["usage"]) == {
        "input_tokens",
        "cached_tokens",
        "output_tokens",
        "reasoning_tokens",
    }
    assert turn["cost"] > 0
    assert turn["milliseconds"] > 0
    assert turn["armed_at"] <= turn["started_at"] <= turn["finished_at"]


def test_a_turn_that_waits_tells_what_it_is_to_answer(
    conversation: Conversation, bot: Bot, signed_in: ApiClient
) -> None:
    message = hear(conversation)
    (turn,) = read(signed_in, conversation)["items"]
    assert turn["state"] == "armed"
    assert turn["bot_id"] == str(bot.id)
    assert (turn["calls"], turn["sources"]) == ([], [])
    assert turn["message_ids"] == [str(message.id)]
    known = {"id", "state", "bot_id", "armed_at", "calls", "sources", "message_ids"}
    unknown = set(turn) - known
    assert {turn[name] for name in unknown} == {None}


def test_turns_come_in_pages_newest_first(
    conversation: Conversation, bot: Bot, signed_in: ApiClient
) -> None:
    made = [str(create_turn(bot, conversation).id) for _ in range(5)]
    other = create_conversation(bot.tenant_id)
    create_turn(bot, other)
    found, cursor = [], None
    while True:
        page = read(signed_in, conversation, limit=2, **({"cursor": cursor} if cursor else {}))
        found += [turn["id"] for turn in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == made[::-1]


def test_a_turn_outlives_its_bot(
    conversation: Conversation, bot: Bot, signed_in: ApiClient
) -> None:
    create_turn(bot, conversation, model="m", cost=Decimal("0.00012345"))
    assert signed_in.delete(f"/bots/{bot.id}").status_code == 204
    (turn,) = read(signed_in, conversation)["items"]
    assert (turn["bot_id"], turn["cost"]) == (None, 0.00012345)


def test_whoever_reads_messages_reads_turns(
    conversation: Conversation, sign_in: SignIn, with_api_key: ApiClient, nobody: ApiClient
) -> None:
    assert sign_in(Role.VIEWER).get(path_of(conversation)).status_code == 200
    assert with_api_key.get(path_of(conversation)).status_code == 200
    assert nobody.get(path_of(conversation)).status_code == 401


def test_there_is_no_such_conversation(signed_in: ApiClient) -> None:
    answer = signed_in.get(f"/api/whatsapp/conversations/{new_id()}/turns")
    assert (answer.status_code, answer.json["code"]) == (404, "conversation_not_found")


def test_old_turns_are_forgotten(conversation: Conversation, bot: Bot, tenant: Tenant) -> None:
    create_turn(bot, conversation)
    create_turn(bot, conversation)
    hear(conversation)
    statement = (
        "update recado.turns set finished_at = now() - interval '91 days'"
        " where id = (select min(id::text)::uuid from recado.turns)"
    )
    rows(conversation, statement)
    with tenant_session(tenant.id) as session:
        bots_due.EXPIRING.forget(session, 10)
    states = rows(conversation, "select state from recado.turns order by id")
    assert [state for (state,) in states] == ["finished", "armed"]
