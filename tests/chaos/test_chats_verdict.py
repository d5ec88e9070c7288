"""The proof of the bots must be able to fail: records with one flaw each."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tests.chaos.books import Said, Talk, TurnRow
from tests.chaos.chats import Silence
from tests.chaos.chats_verdict import judge

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


def test_an_appointment_twice_is_noticed() -> None:
    assert broken(TALK, bookings=((PHONE, "10:00"), (PHONE, "10:00"))) == ["booked twice"]
