"""Whether two machines seem to talk in a conversation. Pure: the caller gives the messages.

A person gives away that they are one: they read, they type, they pause, and they do not say the
same sentence again and again. So a conversation is a loop when one of these is true of the messages
since a person of the business last stepped in:

- Of the last FAST_OF answers, FAST were replied to faster than anybody could have typed the reply:
  within 2 seconds and one second for each 15 characters. Quick people type 5 or 6 characters a
  second on a phone, or dictate 12, and they read first.
- WITHOUT_PAUSE answers in a row were each replied to within PAUSE. Even somebody in a hurry, who
  takes 10 seconds as a rule, takes more than 15 for one in four replies; a machine that waits
  before it answers does not. It is less than BOT_REPLIES_PER_HOUR, which stops it only for an hour.
- The same text, but for digits and a few letters, came in SAME of the last SAME_OF times. It must
  have words enough that it is no "yes", "ok" or name of a product.
- There were MOST_A_DAY answers within a day. That ends slow loops; nobody talks so much to a bot.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher

from app.common.wording import normalise

FAST = 10
FAST_OF = 12
SECONDS_TO_BEGIN = 2.0
CHARACTERS_A_SECOND = 15

WITHOUT_PAUSE = 50
PAUSE = 15.0

SAME = 4
SAME_OF = 8
FEWEST_WORDS = 4
FEWEST_CHARACTERS = 20
LONGEST_COMPARED = 300
ALIKE = 0.85
"""The share of two texts that is equal."""

MOST_A_DAY = 200

LEAST_ANSWERS = min(FAST, WITHOUT_PAUSE, SAME) - 1
"""With fewer answers within an hour there is no loop, and nothing needs to be looked at."""


@dataclass(frozen=True)
class Said:
    at: datetime
    is_customer: bool
    body: str


@dataclass
class Exchange:
    """What the customer wrote after one answer, and before the next: how long they took for the
    first message (None before the first answer), and the texts."""

    seconds: float | None
    texts: list[str]


def is_loop(said: Sequence[Said], answers_in_a_day: int) -> bool:
    """Return whether this is a loop. `said` are messages of the customer and automatic answers, the
    oldest first."""
    exchanges = list(_exchanges(said))
    return (
        answers_in_a_day >= MOST_A_DAY
        or _is_typed_too_fast(exchanges)
        or _is_without_pause(exchanges)
        or _says_the_same(exchanges)
    )


def _exchanges(said: Sequence[Said]) -> Iterator[Exchange]:
    answered_at: datetime | None = None
    now: Exchange | None = None
    for each in said:
        if not each.is_customer:
            if now is not None:
                yield now
            answered_at, now = each.at, None
        elif now is not None:
            now.texts.append(each.body)
        else:
            seconds = (each.at - answered_at).total_seconds() if answered_at else None
            now = Exchange(seconds, [each.body])
    if now is not None:
        yield now


def _is_typed_too_fast(exchanges: Sequence[Exchange]) -> bool:
    fast = [
        each.seconds < SECONDS_TO_BEGIN + len(each.texts[0]) / CHARACTERS_A_SECOND
        for each in exchanges[-FAST_OF:]
        if each.seconds is not None
    ]
    return sum(fast) >= FAST


def _is_without_pause(exchanges: Sequence[Exchange]) -> bool:
    last = exchanges[-WITHOUT_PAUSE:]
    return len(last) == WITHOUT_PAUSE and all(
        each.seconds is not None and each.seconds <= PAUSE for each in last
    )


def _says_the_same(exchanges: Sequence[Exchange]) -> bool:
    """Compare the newest texts with those before. What came in one go counts once: somebody who
    gets no answer may write the same again."""
    last = [[_bare(text) for text in each.texts] for each in exchanges[-SAME_OF:]]
    if len(last) < SAME:
        return False
    return any(
        sum(any(_is_alike(text, other) for other in others) for others in last) >= SAME
        for text in last[-1]
        if len(text.split()) >= FEWEST_WORDS and len(text) >= FEWEST_CHARACTERS
    )


def _bare(text: str) -> str:
    return re.sub(r"\d+", "0", normalise(text[:LONGEST_COMPARED]))


def _is_alike(one: str, other: str) -> bool:
    if one == other:
        return True
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return (
        matcher.real_quick_ratio() >= ALIKE
        and matcher.quick_ratio() >= ALIKE
        and matcher.ratio() >= ALIKE
    )
