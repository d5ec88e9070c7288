"""A bot finds what its documents mean, and not only the words of the question."""

import time
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from app import config, db
from app.bots import embedding, playground, quoting
from app.bots.history import Line
from app.common.slots import places
from app.config import Settings
from app.knowledge import meaning
from tests.bots.bodies import make, path_of
from tests.bots.meaning import (
    ANSWER,
    OTHER,
    QUESTION,
    embed_all,
    embedded,
    found,
    is_due,
    learned,
    nearest,
    teach,
    vectors,
    without_extension,
)
from tests.bots.spending import counted, dollars
from tests.bots.studio import MODEL_KEY, Studio, bot_id, saying
from tests.bots.test_knowledge import quotations, quoted
from tests.bots.turning import rows
from tests.factories import ApiClient

NO_ONE_WAITS = 3.5
"""Seconds that a search takes at most, with the 2 that it waits for an embedding."""


def statements(studio: Studio) -> list[str]:
    """Return the statements of one search."""
    seen: list[str] = []

    def note(*args: Any) -> None:
        seen.append(args[2])

    engine = db.Database.engine
    assert engine is not None
    event.listen(engine, "before_cursor_execute", note)
    try:
        lines = [Line(True, "text", QUESTION)]
        quoting.look_up(studio.api.tenant_id, bot_id(studio), lines)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return seen


def test_a_passage_without_a_word_of_the_question_is_found(studio: Studio) -> None:
    teach(studio.api, studio.bot, OTHER)
    teach(studio.api, studio.bot, ANSWER)
    assert found(studio) == []
    studio.change(searches_by_meaning=True)
    embed_all(studio.api.tenant_id)
    assert found(studio) == [ANSWER]


def test_a_turn_quotes_it_and_names_its_source(studio: Studio) -> None:
    learned(studio, OTHER, ANSWER)
    studio.script(saying("El lunes.", endpoint="responses"))
    assert studio.ask(QUESTION) == ["El lunes."]
    body = next(each for each in studio.asked() if "instructions" in each)
    assert [each["text"] for each in quoted(body)] == [ANSWER]
    assert [each["title"] for each in studio.turn().sources] == ["Aviso 1"]


def test_a_try_gives_what_the_search_shows(studio: Studio) -> None:
    learned(studio, OTHER, ANSWER)
    studio.script(saying("El lunes.", endpoint="responses"))
    studio.api.post(f"{path_of(studio.bot)}/reply", {"message": QUESTION})
    shown = studio.api.get(f"{path_of(studio.bot)}/knowledge/search", query={"q": QUESTION}).json
    body = next(each for each in studio.asked() if "instructions" in each)
    assert quotations(body) == [shown["given"]]


def test_what_both_searches_find_comes_first(studio: Studio) -> None:
    by_both = "Tu paquete llega mañana."
    learned(studio, ANSWER, by_both, OTHER)
    assert found(studio)[0] == by_both
    assert ANSWER in found(studio)


def test_chunks_without_an_embedding_are_found_by_their_words(studio: Studio) -> None:
    learned(studio, ANSWER)
    late = "Un paquete con regalo lleva un moño."
    teach(studio.api, studio.bot, late)
    assert sorted(found(studio)) == sorted([ANSWER, late])
    assert late not in vectors(studio)


def test_what_is_not_near_is_not_given(studio: Studio) -> None:
    learned(studio, OTHER)
    assert found(studio) == []


def test_a_bot_without_the_switch_makes_no_call_and_no_query_more(studio: Studio) -> None:
    teach(studio.api, studio.bot, ANSWER)
    embed_all(studio.api.tenant_id)
    studio.script(saying("No sé."))
    studio.ask(QUESTION)
    assert embedded(studio) == []
    # The transaction's own statement, and the search by words.
    assert len(statements(studio)) == 2
    assert vectors(studio) == {}


def test_nothing_is_asked_where_nothing_can_be_compared(studio: Studio) -> None:
    learned(studio)
    found(studio)
    assert embedded(studio) == []


def test_small_talk_is_not_embedded(studio: Studio) -> None:
    learned(studio, ANSWER)
    before = len(embedded(studio))
    found(studio, "y de eso?")
    assert len(embedded(studio)) == before


def test_a_long_question_is_cut(studio: Studio) -> None:
    learned(studio, ANSWER)
    found(studio, "paquete " * 60)
    lines = [Line(True, "text", "paquete " * 600)]
    with db.tenant_session(studio.api.tenant_id) as session:
        by_meaning = playground.meaning_for(session, bot_id(studio))
    quoting.look_up(studio.api.tenant_id, bot_id(studio), lines, by_meaning)
    (question,) = embedded(studio)[-1]
    assert len(question) <= meaning.LONGEST_QUESTION


def test_a_short_question_is_embedded_with_the_one_before() -> None:
    assert meaning.question_of(["¿Y a Lima?"], ["¿Cuánto cuesta?"]) == "¿Cuánto cuesta?\n¿Y a Lima?"
    long = "¿Cuánto cuesta enviar un paquete grande a Lima?"
    assert meaning.question_of([long], ["Hola"]) == long


def test_another_bot_and_another_tenant_find_nothing_of_it(
    studio: Studio, outsider: ApiClient
) -> None:
    learned(studio, ANSWER)
    second = make(studio.api, searches_by_meaning=True)
    assert found(studio, bot=second) == []
    theirs = make(outsider, searches_by_meaning=True)
    vector = (1.0,) * embedding.model().dimensions
    key = embedding.model().key
    tenant_id = studio.api.tenant_id
    assert nearest(tenant_id, bot_id(studio), vector, key) == [ANSWER]
    assert nearest(tenant_id, UUID(second["id"]), vector, key) == []
    for bot in (bot_id(studio), UUID(theirs["id"])):
        assert nearest(outsider.tenant_id, bot, vector, key) == []
    assert nearest(tenant_id, bot_id(studio), vector, "another/512") == []


@pytest.mark.parametrize(
    "fault",
    [
        {"do": "hang"},
        {"do": "cut"},
        {"do": "fail_500"},
        {"do": "malformed"},
        {"do": "no_quota"},
        {"do": "rate_limit", "retry_after": 60},
        {"do": "error", "status": 400, "code": "invalid_value"},
        {"do": "error", "status": 404, "code": "model_not_found"},
    ],
    ids=lambda fault: fault.get("code", fault["do"]),
)
def test_when_embeddings_fail_the_words_are_searched(studio: Studio, fault: dict[str, Any]) -> None:
    learned(studio, ANSWER, "Un paquete pesa poco.")
    studio.script({"endpoint": "embeddings", **fault}, saying("Poco."))
    began = time.monotonic()
    assert found(studio) == ["Un paquete pesa poco."]
    assert time.monotonic() - began < NO_ONE_WAITS
    assert studio.ask(QUESTION) == ["Poco."]
    assert not studio.turn().error


def test_a_server_that_is_away_is_soon_not_asked_any_more(studio: Studio) -> None:
    learned(studio, ANSWER)
    studio.script({"endpoint": "embeddings", "do": "fail_500"})
    for _ in range(8):
        found(studio)
    # One request made the vectors, and five failed.
    assert len(embedded(studio)) == 6
    # The model itself answers as before.
    studio.script(saying("El lunes.", endpoint="responses"))
    assert studio.ask(QUESTION) == ["El lunes."]


def test_a_refused_key_is_told_once(studio: Studio) -> None:
    learned(studio, ANSWER)
    studio.script({"endpoint": "embeddings", "do": "no_quota"})
    for _ in range(3):
        found(studio)
    query = "select data from recado.events where type = 'bot.model_failed'"
    told = rows(studio.conversation, query)
    assert [each.data["model"] for each in told] == ["text-embedding-3-small"]


def test_a_full_budget_ends_embeddings_and_not_the_search(studio: Studio) -> None:
    learned(studio, ANSWER, "Un paquete pesa poco.")
    before = len(embedded(studio))
    studio.change(budget={"tokens_per_day": 1})
    assert found(studio) == ["Un paquete pesa poco."]
    assert len(embedded(studio)) == before


def test_an_embedding_counts_in_the_budgets_of_bot_and_business(studio: Studio) -> None:
    learned(studio, ANSWER)
    spent, price = counted(studio.api.tenant_id)[0], dollars(studio.api.tenant_id)
    assert spent > 0
    assert price == spent * embedding.model().input / 1_000_000
    found(studio)
    assert counted(studio.api.tenant_id)[0] > spent
    assert counted(studio.api.tenant_id) == counted(studio.api.tenant_id, "bot")
    assert counted(studio.api.tenant_id)[1] == 0


def test_without_the_extension_words_are_searched_and_the_owner_is_told(
    studio: Studio, settings: Settings
) -> None:
    learned(studio, ANSWER, "Un paquete pesa poco.")
    before = len(embedded(studio))
    with without_extension(settings):
        assert found(studio) == ["Un paquete pesa poco."]
        (warning,) = studio.api.get(path_of(studio.bot)).json["warnings"]
        assert "no pgvector" in warning
        vector = (1.0,) * embedding.model().dimensions
        assert nearest(studio.api.tenant_id, bot_id(studio), vector, embedding.model().key) == []
    assert len(embedded(studio)) == before
    assert studio.api.get(path_of(studio.bot)).json["warnings"] == []
    assert ANSWER in found(studio)


def test_another_server_gets_no_document(studio: Studio) -> None:
    host = config.current().allowed_private_hosts[0]
    own = {"base_url": f"http://{host}/openai/v1", "api_key": MODEL_KEY}
    studio.change(searches_by_meaning=True, model=own, openai_model="m")
    teach(studio.api, studio.bot, ANSWER)
    embed_all(studio.api.tenant_id)
    assert found(studio) == []
    assert embedded(studio) == []
    (warning,) = studio.api.get(path_of(studio.bot)).json["warnings"]
    assert "made by OpenAI only" in warning


def test_the_switch_is_no_version(studio: Studio) -> None:
    studio.change(searches_by_meaning=True)
    shown = studio.api.get(path_of(studio.bot)).json["data"]
    assert (shown["searches_by_meaning"], shown["version"]) == (True, 1)
    studio.change(searches_by_meaning=False)
    assert studio.api.get(path_of(studio.bot)).json["data"]["searches_by_meaning"] is False


def test_the_search_path_is_the_usual_one_afterwards(studio: Studio) -> None:
    learned(studio, ANSWER)
    found(studio)
    for _ in range(config.current().database_pool_size):
        with db.tenant_session(studio.api.tenant_id) as session:
            path = session.connection().exec_driver_sql("show search_path").scalar()
        assert "extensions" not in str(path)


def test_a_request_that_finds_no_place_to_wait_searches_by_words(studio: Studio) -> None:
    learned(studio, ANSWER, "Un paquete pesa poco.")
    before = len(embedded(studio))
    tenant_id = studio.api.tenant_id
    while places.take(tenant_id):
        pass
    try:
        assert found(studio) == ["Un paquete pesa poco."]
    finally:
        while places._taken[tenant_id]:
            places.give_back(tenant_id)
    assert len(embedded(studio)) == before


def test_a_key_that_cannot_be_read_stops_no_search(studio: Studio) -> None:
    studio.simulator.control("PUT", "/openai/keys/sk-of-this-bot", {})
    studio.change(model={"api_key": "sk-of-this-bot"})
    learned(studio, ANSWER, "Un paquete pesa poco.")
    rows(studio.conversation, "update recado.bots set model_key = '\\x00', embedded_by = null")
    assert found(studio) == ["Un paquete pesa poco."]
    embed_all(studio.api.tenant_id)
    assert not is_due(studio.api.tenant_id)


def test_half_a_character_stops_no_search(studio: Studio) -> None:
    learned(studio, ANSWER)
    answer = studio.api.post(f"{path_of(studio.bot)}/reply", {"message": "mi paquete \ud800"})
    assert answer.status_code in {200, 422}
