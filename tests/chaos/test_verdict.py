"""The proof must be able to fail: records with one flaw each, and the promise that it breaks."""

from dataclasses import replace

import pytest

from tests.chaos.books import Oracle, Records, Row, Written
from tests.chaos.load import Answers, Business, Letter, Outcome
from tests.chaos.verdict import GREETED, Books, Promise, fate, judge, table, undisturbed

ROW = Row(
    id="m1",
    status="delivered",
    policy="default",
    sender="api",
    phone="+12025000001",
    body="hello",
    provider_id="SM1",
    error=None,
)


LETTER = Letter("key", Business("demo", "rk", "+14155238886"), ROW.phone, ROW.body, ROW.policy)


def books(*rows: Row) -> Books:
    """Return the records of a run in which every row of ours was processed once, under its own
    SID."""
    oracle = Oracle()
    for row in rows:
        if row.provider_id:
            oracle.processed[row.id].append((row.provider_id, row.body))
            oracle.statuses[row.provider_id] = row.status
    answers = Answers(letters={row.id: LETTER for row in rows if row.sender == "api"})
    return Books(answers, Records(rows=list(rows)), oracle)


def broken(found: Books) -> list[str]:
    return [each.text for each in judge(found) if not each.is_kept]


def test_books_that_agree_keep_every_promise() -> None:
    reply = replace(ROW, id="m2", sender="bot", body=GREETED, provider_id="SM2")
    found = books(ROW, reply)
    found.oracle.inbound["SM9"] = Written(ROW.phone, "hola 1")
    found.oracle.heard["in:SM9"] = 1
    found.records.incoming["SM9"] = 1
    found.records.event_keys["in:SM9"] = 1
    found.records.inbox["applied"] = 1
    assert broken(found) == []


def test_an_answered_message_without_a_row_is_missing() -> None:
    found = books(ROW)
    found.answers.letters["m2"] = LETTER
    assert broken(found) == ["missing after a 202"]


def test_a_row_that_nobody_was_answered_is_one_too_many() -> None:
    found = books(ROW)
    found.answers.letters.clear()
    assert broken(found) == ["stored twice for one Idempotency-Key"]


def test_two_creates_of_one_message_are_a_double() -> None:
    found = books(ROW)
    found.oracle.processed["m1"].append(("SM2", ROW.body))
    assert broken(found) == ["doubled"]


def test_a_double_of_at_most_once_is_told_apart() -> None:
    found = books(replace(ROW, policy="at_most_once"))
    found.oracle.processed["m1"].append(("SM2", ROW.body))
    assert broken(found) == ["doubled", "doubled of 1 at_most_once"]


def test_handed_over_without_a_create_is_lost() -> None:
    found = books(ROW)
    found.oracle.processed.clear()
    assert broken(found) == ["lost (handed over, yet never processed)"]


@pytest.mark.parametrize(
    ("row", "promise"),
    [
        (replace(ROW, provider_id=None), "accepted without a provider's id"),
        (replace(ROW, status="queued"), "each is one of ok, failed, unknown, canceled"),
        (replace(ROW, status="uncertain"), "not settled in the end"),
        (replace(ROW, status="unknown"), "unknown though it may be sent again"),
    ],
)
def test_a_row_at_the_wrong_end_breaks_its_promise(row: Row, promise: str) -> None:
    assert promise in broken(books(row))


def test_a_failure_that_arrived_is_a_lie() -> None:
    found = books(replace(ROW, status="failed"))
    found.oracle.statuses["SM1"] = "delivered"
    assert broken(found) == ["failed or canceled, yet it arrived"]


def test_an_id_of_another_message_is_noticed() -> None:
    found = books(ROW)
    found.oracle.processed["m1"] = [("SM2", ROW.body)]
    assert broken(found) == ["bound to another message's id"]


def test_an_altered_text_is_noticed() -> None:
    found = books(ROW)
    found.oracle.processed["m1"] = [("SM1", "another text")]
    assert broken(found) == ["other text than was sent"]


def test_a_webhook_answered_2xx_must_be_in_the_inbox() -> None:
    found = books(ROW)
    found.oracle.heard["st:SM1:sent"] = 1
    assert broken(found) == ["webhooks answered 2xx, not in the inbox"]


def test_a_persons_message_must_be_stored_once() -> None:
    found = books(ROW)
    found.oracle.inbound["SM9"] = Written("+13035000000", "Thanks")
    assert broken(found) == ["missing after the repair"]
    found.records.incoming["SM9"] = 2
    assert broken(found) == ["stored twice"]


def test_a_greeting_must_be_answered_once() -> None:
    found = books(ROW)
    found.oracle.inbound["SM9"] = Written("+13035000000", "hola 1")
    found.records.incoming["SM9"] = 1
    assert broken(found) == ["greetings stored, keyword replies"]


def test_a_greeting_to_a_channel_that_was_disabled_is_answered_at_most_once() -> None:
    reply = replace(ROW, sender="bot", body=GREETED, from_number="+1417")
    found = books(ROW)
    found.oracle.inbound["SM9"] = Written(ROW.phone, "hola 1", "+1417")
    found.records.incoming["SM9"] = 1
    found = replace(found, silenced=frozenset({"+1417"}))
    assert broken(found) == []
    found.records.rows.append(replace(reply, id="m2", provider_id="SM2"))
    found.records.rows.append(replace(reply, id="m3", provider_id="SM3"))
    assert "greetings stored, keyword replies" in broken(found)


def test_what_waits_in_the_inbox_leaves_a_gap_in_the_ledger() -> None:
    found = books(ROW)
    found.records.inbox.update({"applied": 2, "received": 1})
    assert broken(found) == ["received = applied + ignored + parked (+ duplicates)"]


def test_an_answer_500_breaks_a_promise() -> None:
    found = books(ROW)
    found.answers.outcomes.append(Outcome("500", 0.0, 1.0))
    assert broken(found) == ["answers 500"]


@pytest.mark.parametrize("answer", ["500", "503"])
def test_while_nothing_is_away_any_5xx_breaks_a_promise(answer: str) -> None:
    found = books(ROW)
    found.answers.outcomes += [Outcome("202", 0.0, 1.0), Outcome("ConnectionError", 0.0, 1.0)]
    found.oracle.webhooks += [(0.0, 200), (0.0, 404), (0.0, None)]
    assert all(each.is_kept for each in undisturbed(found))
    found.answers.outcomes.append(Outcome(answer, 0.0, 1.0))
    found.oracle.webhooks.append((0.0, int(answer)))
    assert not any(each.is_kept for each in undisturbed(found))


def test_a_repeat_with_another_answer_is_noticed() -> None:
    found = books(ROW)
    found.answers.repeated.update({"same": 9, "other": 1})
    assert broken(found) == ["keys whose answer changed"]


def test_every_status_has_one_fate() -> None:
    fates = {status: fate(replace(ROW, status=status)) for status in ("read", "failed", "unknown")}
    assert fates == {"read": "ok", "failed": "failed", "unknown": "unknown"}
    assert fate(replace(ROW, status="sending")) is None
    assert fate(replace(ROW, status="canceled", sender="bot")) == "canceled"
    assert fate(replace(ROW, status="canceled")) is None


def test_the_table_names_what_broke_a_promise() -> None:
    shown = table([Promise("lost", "1", ("m1",)), Promise("doubled", "0")])
    assert [line.split() for line in shown.splitlines()] == [
        ["BROKEN", "lost", "1"],
        ["e.g.", "m1"],
        ["kept", "doubled", "0"],
    ]
