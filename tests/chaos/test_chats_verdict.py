"""The proof of the bots must be able to fail: records with one flaw each."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tests.chaos.books import Ledger, Said, Spending, Talk, TurnRow
from tests.chaos.chats import Silence
from tests.chaos.chats_verdict import judge, judge_budget

PHONE = "+15055000001"
FIRST = TurnRow("t1", "c1", "finished", "answered", "", ["in1", "in2"], "out1")
SECOND = TurnRow("t2", "c1", "finished", "answered", "", ["in1", "in2", "out1", "in3"], "out2")
SAID = (Said("out1", "c1", 100.0), Said("out2", "c1", 200.0))
BEFORE = Silence(PHONE, 10.0, 20.0)
TALK = Talk({"c1": PHONE}, {"c1": "bot"}, {"c1": ["in1", "in2", "in3"]}, (FIRST, SECOND), SAID)


def broken(
    talk: Talk,
    silences: Sequence[Silence] = (BEFORE,),
    handed: Mapping[str, float] | None = None,
    bookings: Sequence[tuple[str, str]] = ((PHONE, "10:00"), (PHONE, "11:00")),
) -> list[str]:
    found = judge(talk, silences, handed or {}, bookings, margin=10.0)
    return [each.text for each in found if not each.is_kept]


def test_records_that_agree_keep_every_promise() -> None:
    handed = {"out1": 101.0, "out2": 201.0}
    assert broken(TALK, [Silence(PHONE, 110.0, 150.0)], handed) == []


def test_without_a_take_over_nothing_was_proved() -> None:
    assert broken(TALK, []) == ["take-overs"]


def test_a_reply_needs_a_turn() -> None:
    talk = replace(TALK, said=(*SAID, Said("out3", "c1", 210.0)))
    assert broken(talk) == ["replies without a turn of their own"]


def test_two_answers_to_the_same_are_one_too_many() -> None:
    again = replace(SECOND, id="t3", message_ids=SECOND.message_ids, reply_id="out3")
    talk = replace(TALK, turns=(FIRST, SECOND, again), said=(*SAID, Said("out3", "c1", 210.0)))
    assert broken(talk) == ["answered twice"]


def test_a_reply_that_was_written_while_a_person_had_the_conversation_is_noticed() -> None:
    assert broken(TALK, [Silence(PHONE, 190.0, 220.0)]) == ["said after a take-over"]
    assert broken(TALK, [Silence("+15055000002", 190.0, 220.0)]) == []


def test_a_reply_that_was_written_before_and_sent_long_after_is_noticed() -> None:
    silence = Silence(PHONE, 205.0, 300.0)
    assert broken(TALK, [silence], {"out2": 214.0}) == []
    assert broken(TALK, [silence], {"out2": 216.0}) == ["said after a take-over"]


def test_the_newest_message_must_have_been_answered() -> None:
    silent = replace(SECOND, outcome="silent", reply_id=None)
    talk = replace(TALK, turns=(FIRST, silent), said=SAID[:1])
    assert broken(talk) == ["left without an answer"]
    assert broken(replace(talk, owners={"c1": "human"})) == []
    assert broken(replace(TALK, turns=(), said=())) == ["left without an answer"]


def test_a_customer_is_told_once_that_there_is_no_answer() -> None:
    failed = replace(SECOND, outcome="silent", reply_id=None, error="model_unavailable")
    assert broken(replace(TALK, turns=(FIRST, failed), said=SAID[:1])) == ["left without an answer"]
    told = replace(FIRST, outcome="fell_back", error="model_unavailable")
    assert broken(replace(TALK, turns=(told, failed), said=SAID[:1])) == []
    lost = replace(failed, error="worker_died")
    assert broken(replace(TALK, turns=(told, lost), said=SAID[:1])) == ["left without an answer"]


def test_an_appointment_twice_is_noticed() -> None:
    assert broken(TALK, bookings=((PHONE, "10:00"), (PHONE, "10:00"))) == ["booked twice"]


def counters(spent: int = 900, reserved: int = 0) -> list[Spending]:
    starts = {"day": "2026-11-26", "month": "2026-11-01"}
    return [
        Spending(scope, period, starts_on, spent, reserved)
        for scope in ("tenant", "bot", "contact")
        for period, starts_on in starts.items()
    ]


LEDGER = Ledger(limit=1000, billed=700, counters=counters(), highest=990, holds=0)
REFUSED = TurnRow("t3", "c2", "finished", "fell_back", "budget_reached", ["in4"], "out3")
LIMITED = Talk(
    {"c1": PHONE, "c2": "+15065000002"},
    {"c1": "bot", "c2": "bot"},
    {"c1": ["in1", "in2", "in3"], "c2": ["in4"]},
    (replace(FIRST, tokens=300), replace(SECOND, tokens=300), REFUSED),
    (*SAID, Said("out3", "c2", 210.0)),
)


def overspent(ledger: Ledger, talk: Talk = LIMITED, with_deaths: bool = True) -> list[str]:
    found = judge_budget(ledger, talk, with_deaths=with_deaths)
    return [each.text for each in found if not each.is_kept]


def test_a_budget_that_held_keeps_every_promise() -> None:
    assert overspent(LEDGER) == []


def test_a_bill_above_the_budget_is_noticed() -> None:
    found = overspent(replace(LEDGER, billed=1001))
    assert found == ["billed more than the budget", "billed and not counted"]


def test_what_was_billed_and_not_counted_is_noticed() -> None:
    assert overspent(replace(LEDGER, billed=901)) == ["billed and not counted"]
    assert overspent(replace(LEDGER, billed=900)) == []


def test_counting_or_reserving_more_than_the_budget_is_noticed() -> None:
    over = ["counted or reserved more than the budget"]
    assert overspent(replace(LEDGER, counters=counters(1001), highest=1001)) == over
    assert overspent(replace(LEDGER, highest=1001)) == over
    assert overspent(replace(LEDGER, highest=0)) == over


def test_a_counter_that_another_call_is_missing_in_is_noticed() -> None:
    *others, last = counters()
    wrong = replace(LEDGER, counters=[*others, last._replace(spent=last.spent - 1)])
    assert overspent(wrong) == ["counters that disagree"]
    assert overspent(replace(LEDGER, counters=others)) == ["counters that disagree"]


def test_a_reservation_that_is_left_is_noticed() -> None:
    assert overspent(replace(LEDGER, counters=counters(reserved=1))) == ["still reserved"]
    assert overspent(replace(LEDGER, holds=1)) == ["still reserved"]


def test_two_months_have_two_budgets() -> None:
    second = [each._replace(starts_on="2026-12-01") for each in counters()]
    both = replace(LEDGER, counters=[*counters(), *second], billed=1700)
    assert overspent(both) == []
    assert overspent(replace(both, billed=1801)) == ["billed and not counted"]


def test_a_budget_that_was_never_reached_or_never_used_proves_nothing() -> None:
    unproved = ["turns within the budget, refused by it"]
    allowed = replace(REFUSED, outcome="answered", error="", tokens=100)
    assert overspent(LEDGER, replace(LIMITED, turns=(*LIMITED.turns[:2], allowed))) == unproved
    never = tuple(replace(each, tokens=0) for each in LIMITED.turns)
    assert overspent(LEDGER, replace(LIMITED, turns=never)) == unproved


def test_without_the_death_of_a_worker_during_a_call_nothing_was_proved() -> None:
    calm = replace(LEDGER, counters=counters(600), billed=600, highest=990)
    assert overspent(calm) == ["counted for calls whose worker died"]
    assert overspent(calm, with_deaths=False) == []


def test_a_customer_who_was_told_nothing_because_of_the_budget_is_noticed() -> None:
    silent = replace(REFUSED, outcome="silent", reply_id=None)
    talk = replace(LIMITED, turns=(*LIMITED.turns[:2], silent), said=SAID)
    assert overspent(LEDGER, talk) == ["customers with a budget who were told nothing"]


def test_replies_under_a_budget_are_judged_like_others() -> None:
    talk = replace(LIMITED, said=(*LIMITED.said, Said("out4", "c1", 230.0)))
    assert overspent(LEDGER, talk) == ["their replies without a turn of their own"]
    again = replace(LIMITED.turns[1], id="t4", reply_id="out4", tokens=0)
    assert overspent(LEDGER, replace(talk, turns=(*LIMITED.turns, again))) == [
        "they were answered twice"
    ]
