"""Workers make the embeddings of documents: all of them, once, and however often they die."""

from dataclasses import replace

import pytest

from app.ai import catalogue
from app.bots import embedding, embedding_documents
from app.config import Settings
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
    let_time_pass,
    teach,
    vectors,
    waits,
    without_extension,
)
from tests.bots.spending import counted
from tests.bots.studio import Studio
from tests.factories import ApiClient

KEY = "text-embedding-3-small/512"
SECTIONS = "\n\n".join(f"# Sección {number}\n\nTexto {number}." for number in range(100))


def test_documents_of_a_bot_that_begins_to_search_by_meaning(studio: Studio) -> None:
    teach(studio.api, studio.bot, ANSWER)
    teach(studio.api, studio.bot, OTHER)
    assert not is_due(studio.api.tenant_id)
    studio.change(searches_by_meaning=True)
    assert is_due(studio.api.tenant_id)
    embedding_documents.run(studio.api.tenant_id)
    assert vectors(studio) == {ANSWER: KEY, OTHER: KEY}
    assert not is_due(studio.api.tenant_id)
    assert waits(studio).embedded_by == KEY


def test_a_new_document_is_searched_by_words_at_once(studio: Studio) -> None:
    learned(studio, OTHER)
    assert not is_due(studio.api.tenant_id)
    teach(studio.api, studio.bot, ANSWER)
    assert found(studio, "compras") == [ANSWER]
    assert is_due(studio.api.tenant_id)
    embed_all(studio.api.tenant_id)
    assert found(studio) == [ANSWER]
    # Only the new one was embedded.
    assert [len(texts) for texts in embedded(studio)[:1]] == [1]


def test_title_and_heading_are_embedded_too(studio: Studio) -> None:
    learned(studio, "# Plazos\n\nEl lunes.")
    assert embedded(studio)[0] == ["Aviso 0\nPlazos\nEl lunes."]


def test_many_chunks_are_embedded_in_several_calls(studio: Studio) -> None:
    studio.change(searches_by_meaning=True)
    teach(studio.api, studio.bot, SECTIONS)
    before = waits(studio).updated_at
    embedding_documents.run(studio.api.tenant_id)
    assert [len(texts) for texts in embedded(studio)] == [64, 36]
    assert len(vectors(studio)) == 100
    assert waits(studio).updated_at == before


def test_a_call_has_a_limited_size(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_documents, "MOST_BYTES", 100)
    learned(studio, SECTIONS)
    assert len(vectors(studio)) == 100
    assert all(sum(len(text.encode()) for text in texts) <= 100 for texts in embedded(studio))


def test_what_a_dead_worker_had_is_done_after_its_lease(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.change(searches_by_meaning=True)
    teach(studio.api, studio.bot, ANSWER)

    def die(_: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(embedding_documents, "faultpoint", die)
        with pytest.raises(KeyboardInterrupt):
            embedding_documents.step(studio.api.tenant_id)
    assert not is_due(studio.api.tenant_id)
    assert embedding_documents.step(studio.api.tenant_id) is False
    assert 80 < waits(studio).seconds <= 90
    let_time_pass(studio)
    assert is_due(studio.api.tenant_id)
    embed_all(studio.api.tenant_id)
    assert vectors(studio) == {ANSWER: KEY}
    assert counted(studio.api.tenant_id)[1] == 0


def test_a_server_that_is_away_is_asked_again_later_and_later(studio: Studio) -> None:
    studio.script({"endpoint": "embeddings", "do": "fail_500"})
    studio.change(searches_by_meaning=True)
    teach(studio.api, studio.bot, ANSWER)
    pauses = []
    for _ in range(10):
        embed_all(studio.api.tenant_id)
        assert not is_due(studio.api.tenant_id)
        pauses.append(round(waits(studio).seconds, -1))
        let_time_pass(studio)
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    # Then the breaker is open.
    assert len(embedded(studio)) == 5
    # A new document is no reason to hurry.
    embed_all(studio.api.tenant_id)
    teach(studio.api, studio.bot, OTHER)
    assert not is_due(studio.api.tenant_id)


def test_what_waited_for_a_key_is_tried_at_once_with_another(studio: Studio) -> None:
    studio.script({"endpoint": "embeddings", "do": "no_quota"})
    studio.change(searches_by_meaning=True)
    teach(studio.api, studio.bot, ANSWER)
    embed_all(studio.api.tenant_id)
    assert 590 < waits(studio).seconds <= 600
    studio.simulator.control("PUT", "/openai/keys/sk-of-this-bot", {})
    studio.change(model={"api_key": "sk-of-this-bot"})
    studio.script()
    embed_all(studio.api.tenant_id)
    assert vectors(studio) == {ANSWER: KEY}


def test_a_full_budget_waits_for_another(studio: Studio) -> None:
    studio.change(searches_by_meaning=True, budget={"tokens_per_day": 1})
    teach(studio.api, studio.bot, ANSWER)
    embed_all(studio.api.tenant_id)
    assert embedded(studio) == []
    assert 3590 < waits(studio).seconds <= 3600
    studio.change(budget={"tokens_per_day": None})
    embed_all(studio.api.tenant_id)
    assert vectors(studio) == {ANSWER: KEY}


def test_a_text_that_is_refused_does_not_hold_up_the_others(studio: Studio) -> None:
    bad = "Texto 50."
    refuse = {"endpoint": "embeddings", "contains": bad, "do": "error", "code": "invalid_value"}
    studio.script(refuse)
    studio.change(searches_by_meaning=True)
    teach(studio.api, studio.bot, SECTIONS)
    while waits(studio).embedded_by is None:
        embed_all(studio.api.tenant_id)
        let_time_pass(studio)
    assert len(vectors(studio)) == 99
    assert len(embedded(studio)) < 30
    assert waits(studio).embedded_by == KEY
    assert found(studio, "texto 50")[0] == bad


def test_a_server_that_refuses_all_is_asked_rarely(studio: Studio) -> None:
    refuse = {"endpoint": "embeddings", "do": "error", "code": "invalid_value"}
    studio.script(refuse)
    studio.change(searches_by_meaning=True)
    teach(studio.api, studio.bot, SECTIONS)
    pauses = []
    for _ in range(9):
        embed_all(studio.api.tenant_id)
        pauses.append(round(waits(studio).seconds))
        let_time_pass(studio)
    assert pauses == [1, 1, 1, 240, 480, 960, 1920, 3600, 3600]


def test_another_model_makes_all_embeddings_anew(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned(studio, ANSWER)
    before = catalogue.catalogue()
    other = replace(before.embedding, dimensions=256)
    with monkeypatch.context() as patched:
        patched.setattr(catalogue, "catalogue", lambda: replace(before, embedding=other))
        for module in ("app.bots.due", "app.knowledge.meaning"):
            patched.setattr(f"{module}.catalogue", catalogue.catalogue)
        assert is_due(studio.api.tenant_id)
        # Vectors of two models are never compared.
        assert found(studio) == []
        embed_all(studio.api.tenant_id)
        assert vectors(studio) == {ANSWER: "text-embedding-3-small/256"}
        assert found(studio) == [ANSWER]
    assert is_due(studio.api.tenant_id)


def test_a_changed_document_is_embedded_anew(studio: Studio) -> None:
    studio.change(searches_by_meaning=True)
    made = teach(studio.api, studio.bot, ANSWER)
    embed_all(studio.api.tenant_id)
    path = f"{path_of(studio.bot)}/knowledge/{made['id']}"
    studio.api.put(path, {"text": OTHER})
    assert vectors(studio) == {}
    embed_all(studio.api.tenant_id)
    assert vectors(studio) == {OTHER: KEY}
    studio.api.put(path, {"title": "Gatos"})
    embed_all(studio.api.tenant_id)
    assert embedded(studio)[-1] == [f"Gatos\n{OTHER}"]
    assert studio.api.delete(path).status_code == 204
    assert vectors(studio) == {}


def test_a_document_that_is_deleted_meanwhile_leaves_nothing(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.change(searches_by_meaning=True)
    made = teach(studio.api, studio.bot, ANSWER)

    def delete(_: str) -> None:
        studio.api.delete(f"{path_of(studio.bot)}/knowledge/{made['id']}")

    monkeypatch.setattr(embedding_documents, "faultpoint", delete)
    embed_all(studio.api.tenant_id)
    assert vectors(studio) == {}
    assert waits(studio).embedded_by == KEY


def test_without_the_extension_nothing_is_embedded(studio: Studio, settings: Settings) -> None:
    studio.change(searches_by_meaning=True)
    teach(studio.api, studio.bot, ANSWER)
    with without_extension(settings):
        embed_all(studio.api.tenant_id)
        assert embedded(studio) == []
        assert not is_due(studio.api.tenant_id)
    let_time_pass(studio)
    embed_all(studio.api.tenant_id)
    assert vectors(studio) == {ANSWER: KEY}


def test_one_bot_that_waits_does_not_hold_up_another(studio: Studio) -> None:
    host_of_others = {"base_url": "https://llm.example.com/v1", "api_key": "k"}
    other = make(studio.api, model=host_of_others, openai_model="m", searches_by_meaning=True)
    teach(studio.api, other, OTHER)
    studio.change(searches_by_meaning=True)
    teach(studio.api, studio.bot, ANSWER)
    embedding_documents.run(studio.api.tenant_id)
    assert vectors(studio) == {ANSWER: KEY}


def test_a_tenant_has_one_task_and_a_process_two_places(
    studio: Studio, outsider: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned(studio)
    for bot in (studio.bot, make(studio.api, searches_by_meaning=True)):
        teach(studio.api, bot, ANSWER)
    assert is_due(studio.api.tenant_id)
    assert not is_due(outsider.tenant_id)
    with embedding_documents.places, embedding_documents.places:
        embedding_documents.run(studio.api.tenant_id)
    assert embedded(studio) == []
    embedding_documents.run(studio.api.tenant_id)
    assert len(embedded(studio)) == 2
    assert embedding.model().key == KEY


def test_a_bot_without_the_switch_keeps_what_it_had(studio: Studio) -> None:
    learned(studio, ANSWER)
    studio.change(searches_by_meaning=False)
    assert found(studio, QUESTION) == []
    teach(studio.api, studio.bot, OTHER)
    assert not is_due(studio.api.tenant_id)
    calls = len(embedded(studio))
    studio.change(searches_by_meaning=True)
    embed_all(studio.api.tenant_id)
    assert [len(texts) for texts in embedded(studio)[calls:]] == [1]


def test_the_task_is_run_by_its_name(studio: Studio) -> None:
    from app.bots.tasks import embed_documents

    studio.change(searches_by_meaning=True)
    teach(studio.api, studio.bot, ANSWER)
    embed_documents(str(studio.api.tenant_id))
    assert vectors(studio) == {ANSWER: KEY}
