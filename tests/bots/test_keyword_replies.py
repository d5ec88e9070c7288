"""Which message gets which keyword reply, and the API that manages them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import db
from app.bots import keyword_replies, repository
from app.bots.keyword_replies import DEFAULTS, matching
from app.common.ids import new_id
from app.common.wording import normalise
from app.models import KeywordReply, Role, Tenant
from tests.common.census import row_counts
from tests.conftest import SignIn
from tests.factories import ApiClient

PATH = "/api/keyword-replies"
HELLO = {"keywords": ["hola"], "reply": "¡Hola!"}


def reply(*keywords: str) -> KeywordReply:
    return KeywordReply(keywords=list(keywords), reply=keywords[0])


@pytest.mark.parametrize(
    "text",
    [
        "hola",
        "HOLA",
        "Hólá",
        "¡Hola!",
        "hola, ¿qué tal?",
        "  hola  ",
        "👋 hola 👋",
        "👋🏽hola",
        "*hola*",
        "_hola_",
        "~hola~",
        "hola\nquiero información",
        "ho\u0301la",
        "ｈｏｌａ",
        "𝐇𝐎𝐋𝐀",
    ],
)
def test_case_accents_punctuation_and_emoji_do_not_matter(text: str) -> None:
    assert matching([reply("hola")], text) is not None


@pytest.mark.parametrize("text", ["", "👋", "holanda", "h o l a", "dije hola", "ola", "hol", "?!"])
def test_a_keyword_is_whole_words_at_the_beginning(text: str) -> None:
    assert matching([reply("hola")], text) is None


def test_the_longest_keyword_wins() -> None:
    replies = [reply("buenos"), reply("buenos días a todos"), reply("buenos días")]
    found = matching(replies, "¡Buenos dias, amigos!")
    assert found is replies[2]


def test_a_keyword_is_written_as_freely_as_a_message() -> None:
    assert matching([reply("¡BUENOS   DÍAS!")], "buenos dias") is not None


@given(st.text(max_size=200))
def test_normal_text_stays_as_it_is(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert once == once.strip()


def defaults() -> list[KeywordReply]:
    return [KeywordReply(keywords=keywords, reply=text) for keywords, text in DEFAULTS]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hola", "Gracias por escribirnos"),
        ("Hello!", "Thanks for writing"),
        ("ayuda", "*info*"),
        ("Help", "*information*"),
        ("info", "Atendemos"),
        ("Información", "Atendemos"),
        ("information", "We answer"),
        ("contacto", "una persona"),
        ("contact", "a person"),
    ],
)
def test_the_first_replies_speak_spanish_and_english(text: str, words: str) -> None:
    found = matching(defaults(), text)
    assert found is not None
    assert words in found.reply


def test_what_the_first_replies_offer_is_answered() -> None:
    offered = {word.strip("*") for _, text in DEFAULTS for word in text.split() if "*" in word}
    words = {word.strip("*.,") for word in offered}
    assert words == {"ayuda", "help", "info", "contacto", "information", "contact"}
    assert all(matching(defaults(), word) for word in words)


def test_no_default_keyword_stands_twice() -> None:
    keywords = [normalise(word) for words, _ in DEFAULTS for word in words]
    assert len(keywords) == len(set(keywords))


def test_a_new_tenant_gets_the_first_replies(tenant: Tenant, signed_in: ApiClient) -> None:
    with db.tenant_session(tenant.id) as session:
        keyword_replies.create_default_replies(session)
    assert len(signed_in.get(PATH).json["items"]) == len(DEFAULTS)


def test_a_reply_is_made_shown_changed_and_removed(signed_in: ApiClient) -> None:
    made = signed_in.post(PATH, HELLO)
    assert (made.status_code, made.json["is_enabled"]) == (201, True)
    path = f"{PATH}/{made.json['id']}"
    assert signed_in.get(path).json == made.json
    changed = signed_in.put(path, {"reply": "¡Buenas!", "is_enabled": False})
    assert (changed.json["reply"], changed.json["keywords"]) == ("¡Buenas!", ["hola"])
    assert signed_in.delete(path).status_code == 204
    assert signed_in.get(path).json["code"] == "keyword_reply_not_found"
    assert signed_in.delete(path).status_code == 404


def test_a_reply_that_is_switched_off_answers_nothing(tenant: Tenant, signed_in: ApiClient) -> None:
    signed_in.post(PATH, {**HELLO, "is_enabled": False})
    with db.tenant_session(tenant.id) as session:
        assert repository.enabled(session) == []


def test_an_outsider_finds_no_reply_of_ours(signed_in: ApiClient, outsider: ApiClient) -> None:
    ours = f"{PATH}/{signed_in.post(PATH, HELLO).json['id']}"
    unknown = f"{PATH}/{new_id()}"
    for path in (ours, unknown):
        assert outsider.get(path).status_code == 404
        assert outsider.put(path, {"reply": "x"}).status_code == 404
        assert outsider.delete(path).status_code == 404
    assert outsider.get(PATH).json["items"] == []
    assert signed_in.get(ours).json["reply"] == "¡Hola!"


@pytest.mark.parametrize(
    ("role", "read", "written"),
    [(Role.ADMIN, 200, 201), (Role.AGENT, 200, 403), (Role.VIEWER, 200, 403)],
)
def test_who_may_keep_replies(sign_in: SignIn, role: Role, read: int, written: int) -> None:
    client = sign_in(role)
    assert client.get(PATH).status_code == read
    assert client.post(PATH, HELLO).status_code == written


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"keywords": ["hola"]},
        {"reply": "x"},
        {"keywords": [], "reply": "x"},
        {"keywords": [""], "reply": "x"},
        {"keywords": ["👍"], "reply": "x"},
        {"keywords": ["   "], "reply": "x"},
        {"keywords": "hola", "reply": "x"},
        {"keywords": [7], "reply": "x"},
        {"keywords": ["x" * 61], "reply": "x"},
        {"keywords": ["x"] * 51, "reply": "x"},
        {"keywords": ["hola"], "reply": ""},
        {"keywords": ["hola"], "reply": "  "},
        {"keywords": ["hola"], "reply": "x" * 1601},
        {"keywords": ["hola"], "reply": "x", "is_enabled": "yes"},
        {"keywords": ["hola"], "reply": "x", "is_enabled": 1},
        {"keywords": ["hola"], "reply": "x", "is_enabled": 0.0},
        {"keywords": ["hola"], "reply": "x", "id": "mine"},
    ],
)
def test_a_reply_that_could_not_answer_is_refused(
    signed_in: ApiClient, body: dict[str, Any]
) -> None:
    before = row_counts(signed_in.tenant_id)
    answer = signed_in.post(PATH, body)
    assert (answer.status_code, answer.json["code"]) == (422, "validation_error")
    assert row_counts(signed_in.tenant_id) == before
