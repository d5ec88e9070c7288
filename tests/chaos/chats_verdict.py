"""What must be true of every bot's conversation after the chaos. Pure functions."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from tests.chaos.books import Talk, TurnRow
from tests.chaos.chats import Silence
from tests.chaos.verdict import Promise, none

TOLD = frozenset({"answered", "handed_over", "fell_back"})
"""Outcomes of a turn with which the customer was told something."""


def judge(
    talk: Talk,
    silences: Sequence[Silence],
    handed: Mapping[str, float],
    bookings: Iterable[tuple[str, str]],
    margin: float,
) -> list[Promise]:
    """Compare the records. `handed`: message → when the provider got it; a message that was on its
    way when a person took over may arrive within `margin` seconds."""
    outcomes = Counter(turn.outcome or turn.state for turn in talk.turns)
    figure = ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items()))
    booked = Counter(bookings)
    return [
        Promise("conversations with a bot, turns", f"{len(talk.people)}: {figure}"),
        none("replies without a turn of their own", _stray(talk)),
        none("answered twice", _twice(talk)),
        Promise("take-overs", str(len(silences)), () if silences else ("nobody took over",)),
        none("said after a take-over", _over_a_person(talk, silences, handed, margin)),
        none("left without an answer", _unanswered(talk)),
        Promise("appointments booked", str(len(booked))),
        none("booked twice", [f"{who}" for who, times in booked.items() if times > 1]),
    ]


def _stray(talk: Talk) -> list[str]:
    """Each reply belongs to one turn; a turn has one at most."""
    owned = Counter(turn.reply_id for turn in talk.turns if turn.reply_id)
    return [said.id for said in talk.said if owned[said.id] != 1]


def _twice(talk: Talk) -> list[str]:
    """Each answer is to something that no answer before it had read."""
    answered: dict[str, set[str]] = defaultdict(set)
    found = []
    for turn in talk.turns:
        if turn.reply_id is None:
            continue
        heard = set(talk.heard.get(turn.conversation_id, ()))
        read = heard & set(turn.message_ids)
        if read <= answered[turn.conversation_id]:
            found.append(turn.id)
        answered[turn.conversation_id] |= read
    return found


def _over_a_person(
    talk: Talk, silences: Sequence[Silence], handed: Mapping[str, float], margin: float
) -> list[str]:
    silent: dict[str, list[Silence]] = defaultdict(list)
    for each in silences:
        silent[each.phone].append(each)
    found = []
    for said in talk.said:
        for each in silent[talk.people[said.conversation_id]]:
            queued = each.since < said.created < each.until
            late = each.since + margin < handed.get(said.id, 0.0) < each.until
            if queued or late:
                found.append(f"{said.id} to {each.phone}")
    return found


def _unanswered(talk: Talk) -> list[str]:
    """The newest message of each conversation that no person has was read by a turn that told the
    customer something."""
    told: dict[str, set[str]] = defaultdict(set)
    for turn in talk.turns:
        if turn.outcome in TOLD:
            told[turn.conversation_id] |= set(turn.message_ids)
    last: dict[str, TurnRow] = {turn.conversation_id: turn for turn in talk.turns}
    return [
        f"{talk.people[conversation]}: {_described(last.get(conversation))}"
        for conversation, heard in talk.heard.items()
        if talk.owners[conversation] != "human" and heard
        if heard[-1] not in told[conversation]
    ]


def _described(turn: TurnRow | None) -> str:
    return f"{turn.state} {turn.outcome} {turn.error}" if turn else "no turn"
