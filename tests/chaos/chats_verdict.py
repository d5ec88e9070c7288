"""What must be true of every bot's conversation after the chaos. Pure functions."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from tests.chaos.books import Ledger, Talk, TurnRow
from tests.chaos.chats import Silence
from tests.chaos.verdict import Promise, none

TOLD = frozenset({"answered", "handed_over", "fell_back"})
"""Outcomes of a turn with which the customer was told something."""

COUNTERS = 6
"""Of the tenant, the bots and the contacts, for the day and for the month."""


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


def judge_budget(ledger: Ledger, talk: Talk, *, with_deaths: bool) -> list[Promise]:
    """Compare what a bot with a budget has cost. `with_deaths`: workers were killed meanwhile."""
    counted = _spent(ledger)
    told = Counter("the model" if turn.tokens else turn.error for turn in talk.turns)
    asked, refused = told["the model"], told["budget_reached"]
    unknown = counted - sum(turn.tokens for turn in talk.turns)
    months = len({each.starts_on for each in ledger.counters if each.period == "month"})
    unproved = tuple(f"none: {e}" for e in ("the model", "budget_reached") if not told[e])
    figure = f"{ledger.limit}, {ledger.billed}, {counted}, {ledger.highest}"
    return [
        Promise("budget: limit, billed, counted, with reserved", figure),
        none("billed more than the budget", _above(ledger.billed, ledger.limit * max(1, months))),
        none("counted or reserved more than the budget", _over(ledger)),
        none("billed and not counted", _above(ledger.billed, counted)),
        none("counters that disagree", _disagreeing(ledger)),
        none("still reserved", _reserved(ledger)),
        Promise("turns within the budget, refused by it", f"{asked}, {refused}", unproved),
        *([_of_the_dead(unknown)] if with_deaths else ()),
        none("customers with a budget who were told nothing", _untold(talk)),
        none("their replies without a turn of their own", _stray(talk)),
        none("they were answered twice", _twice(talk)),
    ]


def _spent(ledger: Ledger) -> int:
    """Return what the tenant has spent in all months, which is one but at a month's end."""
    months = (e for e in ledger.counters if (e.scope, e.period) == ("tenant", "month"))
    return sum(each.spent for each in months)


def _above(found: int, allowed: int) -> list[str]:
    return [f"{found} of {allowed}"] if found > allowed else []


def _over(ledger: Ledger) -> list[str]:
    found = [
        f"{each.scope}, {each.period} of {each.starts_on}: {each.spent + each.reserved}"
        for each in ledger.counters
        if each.spent + each.reserved > ledger.limit
    ]
    if ledger.highest < max((each.spent for each in ledger.counters), default=0):
        found.append("nobody looked at the counters")
    return found + _above(ledger.highest, ledger.limit)


def _disagreeing(ledger: Ledger) -> list[str]:
    """Every call is counted for the tenant, the bot and the contact, by day and by month."""
    sums: Counter[tuple[str, str]] = Counter()
    for each in ledger.counters:
        sums[each.scope, each.period] += each.spent
    if len(sums) == COUNTERS and len(set(sums.values())) == 1:
        return []
    return [f"{scope}, {period}: {tokens}" for (scope, period), tokens in sorted(sums.items())]


def _reserved(ledger: Ledger) -> list[str]:
    left = [f"{e.scope}, {e.period}: {e.reserved}" for e in ledger.counters if e.reserved]
    return left + ([f"{ledger.holds} turns"] if ledger.holds else [])


def _of_the_dead(tokens: int) -> Promise:
    """Nothing was proved if no worker died during a call: all that is counted stands in turns."""
    broken = () if tokens > 0 else ("no worker died during a call",)
    return Promise("counted for calls whose worker died", str(tokens), broken)


def _untold(talk: Talk) -> list[str]:
    told = {turn.conversation_id for turn in talk.turns if turn.outcome in TOLD}
    return [talk.people[each] for each, heard in talk.heard.items() if heard and each not in told]


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
    customer something, or whose model failed again: that there is no answer is told once in ten
    minutes, and nobody writes for so long."""
    told: dict[str, set[str]] = defaultdict(set)
    fell_back: set[str] = set()
    for turn in talk.turns:
        if turn.outcome == "fell_back":
            fell_back.add(turn.conversation_id)
        fails_again = turn.error == "model_unavailable" and turn.conversation_id in fell_back
        if turn.outcome in TOLD or fails_again:
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
