"""Text search finds what message bodies contain, whichever blocks exist."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from app import db
from app.common import clock, pagination
from app.common.ids import new_id
from app.common.pagination import PageRequest
from app.config import Settings
from app.messages import lists, search, service, tasks
from app.messages.lists import MessageFilter
from app.messages.search import HIGHEST, LOWEST, Span, disjoint, pieces
from app.models import Conversation, Message, SearchBlock, Tenant
from app.tasks import names
from tests.factories import (
    ApiClient,
    create_conversation,
    create_message,
    create_tenant,
)
from tests.messages.test_lists import rows_read, walk
from tests.reads import analyze

YEAR_AGO = clock.now() - timedelta(days=365)


@pytest.fixture(autouse=True)
def small_blocks() -> Iterator[None]:
    """Blocks of four messages, of which a page reads two."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "MESSAGES_IN_BLOCK", 4)
        patch.setattr(search, "BLOCKS_AT_ONCE", 2)
        yield


@pytest.fixture
def thread(tenant: Tenant) -> Conversation:
    return create_conversation(tenant.id)


def say(thread: Conversation, *bodies: str, since: int = 0) -> list[UUID]:
    """Store messages an hour apart; the first is dated `since` hours after YEAR_AGO."""
    return [
        create_message(
            thread.tenant_id,
            conversation=thread,
            status="read",
            body=body,
            created_at=YEAR_AGO + timedelta(hours=since + number),
        ).id
        for number, body in enumerate(bodies)
    ]


def index(tenant_id: UUID) -> None:
    while service.index_text(tenant_id):
        pass


def blocks(tenant_id: UUID) -> list[SearchBlock]:
    with db.tenant_session(tenant_id) as session:
        return session.query(SearchBlock).order_by(SearchBlock.until_at).all()


def found(tenant_id: UUID, wanted: str, limit: int = 50, **more: Any) -> list[str]:
    """Search, and return the bodies of all pages."""
    bodies: list[str] = []
    cursor = None
    while True:
        with db.tenant_session(tenant_id) as session:
            filters = MessageFilter(q=wanted, **more)
            page = lists.list_page(session, filters, PageRequest(limit, cursor))
            bodies += [row.body for row in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return bodies


def test_a_block_is_written_when_it_is_full_and_only_of_what_is_settled(
    thread: Conversation,
) -> None:
    say(thread, *"abcdefghij")
    create_message(thread.tenant_id, conversation=thread)
    index(thread.tenant_id)
    assert [each.since_at for each in blocks(thread.tenant_id)] == [
        YEAR_AGO,
        YEAR_AGO + timedelta(hours=4),
    ]
    index(thread.tenant_id)
    assert len(blocks(thread.tenant_id)) == 2


def test_a_search_reads_the_blocks_that_may_hold_it_and_no_others(
    thread: Conversation, settings: Settings
) -> None:
    say(thread, *(f"pedido {number:04}" for number in range(400)))
    index(thread.tenant_id)
    analyze(settings)
    for wanted in ("0007", "pedido 0007", "PEDIDO 0007", "ido 0007"):
        assert found(thread.tenant_id, wanted) == ["pedido 0007"]
        assert rows_read(thread.tenant_id, q=wanted) <= 20
    assert rows_read(thread.tenant_id, q="nowhere") <= 10
    assert rows_read(thread.tenant_id, q="pedido") <= 40


def test_a_common_text_stops_at_the_first_page(
    thread: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "BLOCKS_AT_ONCE", 5)
    say(thread, *["hola"] * 300)
    say(thread, *["adiós"] * 100, since=1000)
    index(thread.tenant_id)
    assert rows_read(thread.tenant_id, q="hola") <= 40
    assert len(found(thread.tenant_id, "hola")) == 300


def test_two_common_words_that_never_meet_are_looked_for_a_bounded_time(
    thread: Conversation,
) -> None:
    say(thread, *["uno dos", "tres"] * 100)
    index(thread.tenant_id)
    assert rows_read(thread.tenant_id, q="dos tres") <= 40
    assert found(thread.tenant_id, "dos tres") == []


def test_a_message_that_is_stored_late_is_found(thread: Conversation) -> None:
    """A repair, or an inbox that is applied late, stores messages with past dates."""
    say(thread, *"abcdefghijkl")
    index(thread.tenant_id)
    create_message(
        thread.tenant_id,
        conversation=thread,
        body="late one",
        status="received",
        created_at=YEAR_AGO + timedelta(hours=1, minutes=30),
    )
    assert found(thread.tenant_id, "late") == ["late one"]
    assert [each.is_late for each in blocks(thread.tenant_id)].count(True) == 1
    assert rows_read(thread.tenant_id, q="late") <= 10


def test_a_text_that_changes_is_found_by_its_new_words(thread: Conversation) -> None:
    first, *_ = say(thread, *"abcdefgh")
    index(thread.tenant_id)
    for body in ("new words", "newer words"):
        with db.tenant_session(thread.tenant_id) as session:
            session.get_one(Message, (thread.tenant_id, first)).body = body
        assert found(thread.tenant_id, body) == [body]
    assert found(thread.tenant_id, "new words") == []


def test_a_message_that_is_stored_while_a_block_is_written_is_in_one_of_them(
    thread: Conversation,
) -> None:
    say(thread, *"abcd")
    with db.tenant_session(thread.tenant_id) as session:
        session.add(message_of(thread, "just now", YEAR_AGO + timedelta(minutes=5)))
        session.flush()
        # The message is not committed, so a block written now would miss it.
        assert service.index_text(thread.tenant_id) is False
    index(thread.tenant_id)
    assert found(thread.tenant_id, "just now") == ["just now"]


def message_of(thread: Conversation, body: str, at: datetime) -> Message:
    return Message(
        id=new_id(),
        channel_id=thread.channel_id,
        conversation_id=thread.id,
        contact_id=thread.contact_id,
        direction="incoming",
        status="received",
        sender="contact",
        from_number="+1",
        to_number="+2",
        type="text",
        body=body,
        content={},
        created_at=at,
    )


def test_a_very_long_text_is_found(thread: Conversation) -> None:
    long = "ñ" * search.LONGEST_TEXT + " needle"
    say(thread, "a", long, "c", "d", "e", "f", "g", "h")
    index(thread.tenant_id)
    assert found(thread.tenant_id, "needle") == [long]
    assert len(blocks(thread.tenant_id)) >= 2


def test_long_texts_make_short_blocks(thread: Conversation) -> None:
    say(thread, *["ab " * (search.LONGEST_TEXT // 8)] * 4)
    index(thread.tenant_id)
    assert [each.until_at - each.since_at for each in blocks(thread.tenant_id)] == [
        timedelta(hours=1)
    ]


def test_another_tenant_finds_nothing_by_it(thread: Conversation) -> None:
    say(thread, *["secret word"] * 8)
    index(thread.tenant_id)
    other = create_tenant()
    asked = {"pieces": ["secret"], "since": LOWEST[0], "before_at": HIGHEST[0]}
    with db.tenant_session(other.id) as session:
        given = {**asked, "before_id": HIGHEST[1], "most": 10}
        assert session.execute(search._MATCHING, given).all() == []
        assert session.execute(text("select * from recado.search_blocks")).all() == []
    assert found(other.id, "secret") == []


def test_a_search_rings_for_its_blocks_and_a_list_does_not(
    signed_in: ApiClient, thread: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[Any] = []
    monkeypatch.setattr("app.tasks.ring.send", lambda *call: rung.append(call))
    signed_in.get("/api/messages", query={"q": "a%"})
    signed_in.get("/api/messages")
    assert rung == []
    signed_in.get("/api/messages", query={"q": "abc"})
    assert rung == [(names.INDEX_TEXT, thread.tenant_id)]


def test_the_task_writes_all_blocks(thread: Conversation) -> None:
    say(thread, *"abcdefghijkl")
    tasks.index_text(str(thread.tenant_id))
    assert len(blocks(thread.tenant_id)) == 3


def test_pages_of_a_search_have_no_gap_and_no_repeat(
    signed_in: ApiClient, thread: Conversation
) -> None:
    say(thread, *(f"word {number}" for number in range(23)))
    index(thread.tenant_id)
    say(thread, "word late", since=3)
    create_message(thread.tenant_id, conversation=thread, body="word now")
    seen = walk(signed_in, q="word", limit=2)
    assert len(seen) == 25
    assert set(seen) == {"word now", "word late", *(f"word {number}" for number in range(23))}


LETTERS = "aAbñÑ1% _\\-🎉"
WORDS = st.text(LETTERS, max_size=12)


@pytest.mark.parametrize("most_read", [3, 1000])
def test_it_finds_exactly_what_contains_the_text(app: object, most_read: int) -> None:
    @hypothesis_settings(
        max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(
        st.lists(WORDS, min_size=1, max_size=14),
        st.lists(st.tuples(st.integers(0, 14), WORDS), max_size=4),
        st.lists(st.tuples(st.integers(0, 13), WORDS), max_size=3),
        st.lists(
            st.text(alphabet="aAbñÑ1% _\\-🎉", min_size=1, max_size=6), min_size=3, max_size=6
        ),
    )
    def finds(
        early: Sequence[str],
        late: Sequence[tuple[int, str]],
        changed: Sequence[tuple[int, str]],
        wanted: Sequence[str],
    ) -> None:
        thread = create_conversation(create_tenant().id)
        ids = say(thread, *early)
        index(thread.tenant_id)
        for hour, body in late:
            say(thread, body, since=hour)
        for number, body in changed:
            with db.tenant_session(thread.tenant_id) as session:
                row = session.get(Message, (thread.tenant_id, ids[number % len(ids)]))
                assert row is not None
                row.body = body
        index(thread.tenant_id)
        for each in wanted:
            assert found(thread.tenant_id, each, limit=2) == naively(thread.tenant_id, each)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pagination, "MOST_READ", most_read)
        finds()


def naively(tenant_id: UUID, wanted: str) -> list[str]:
    with db.tenant_session(tenant_id) as session:
        query = session.query(Message).where(Message.body.icontains(wanted, autoescape=True))
        return [row.body for row in query.order_by(Message.at.desc(), Message.id.desc())]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("a", []),
        ("ab", []),
        ("abc", ["abc"]),
        ("100%", ["100"]),
        ("ab cd", []),
        ("hola, ñandú_x", ["hola", "ñandú"]),
        ("🎉🎉🎉", ["🎉🎉🎉"]),
        ("'; drop table", ["drop", "table"]),
    ],
)
def test_pieces_are_words_of_three_letters(wanted: str, expected: list[str]) -> None:
    assert pieces(wanted) == expected


def test_spans_that_overlap_are_read_once() -> None:
    def key(hours: int) -> Any:
        return (YEAR_AGO + timedelta(hours=hours), UUID(int=hours))

    assert disjoint(
        [
            Span(key(9), HIGHEST),
            Span(key(5), key(9)),
            Span(key(2), key(3)),
            Span(key(3), key(3)),
            Span(LOWEST, key(1)),
        ]
    ) == [Span(key(5), HIGHEST), Span(key(2), key(3)), Span(LOWEST, key(1))]
