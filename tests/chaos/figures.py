"""Additional figures: how fast everything recovered, and what a restart cost. Pure functions.

They are not judged: a process that is frozen or killed at the same time may delay what they
measure.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from tests.chaos.attacks import Ending, Return
from tests.chaos.load import Outcome
from tests.chaos.plan import Attack

ACCEPTED = "202"


def recoveries(
    returns: Sequence[Return], outcomes: Sequence[Outcome], handed: Mapping[str, float]
) -> list[str]:
    """Return one line for Postgres and one for Redis, if it was attacked."""
    postgres = [each for each in returns if each.attack is Attack.CRASH]
    redis = [each for each in returns if each.attack is not Attack.CRASH]
    waited = [each for each in redis if each.waiting]
    lines = []
    if postgres:
        seconds = [_first_202(each, outcomes) for each in postgres]
        lines.append(_spread("Postgres back to the first 202", seconds))
    if redis:
        title = f"Redis back to the first waiting message ({len(redis)} times back)"
        lines.append(_spread(title, [_first_handed(each, handed) for each in waited]))
    return lines


def restarts(
    endings: Iterable[Ending],
    outcomes: Sequence[Outcome],
    webhooks: Sequence[tuple[float, int | None]],
) -> list[str]:
    """Return for each restart, until the next one, what senders and the provider noticed of it."""
    ordered = sorted(endings, key=lambda each: each.asked)
    ends = [*(each.asked for each in ordered), float("inf")][1:]
    found = []
    for ending, end in zip(ordered, ends, strict=True):
        own = [each for each in outcomes if ending.asked <= each.ended < end]
        accepted = [each.ended - each.sent for each in own if each.what == ACCEPTED]
        failed = [each.ended for each in own if each.what != ACCEPTED]
        cut = [at for at, status in webhooks if status is None and ending.asked <= at < end]
        found.append(
            f"  {ending.name}: ended {ending.seconds:.1f} s after SIGTERM (code {ending.code}); "
            f"{len(accepted)} posts accepted, slowest in {max(accepted, default=0.0):.2f} s; "
            f"{_failures('posts failed', ending, failed)}; "
            f"{_failures('webhooks without an answer', ending, cut)}"
        )
    return found


def _failures(title: str, ending: Ending, times: Sequence[float]) -> str:
    last = f", the last after {max(times) - ending.asked:.1f} s" if times else ""
    return f"{len(times)} {title}{last}"


def _first_202(back: Return, outcomes: Iterable[Outcome]) -> float | None:
    """Return the seconds until the first acceptance of a post that was sent after the return."""
    times = [
        each.ended - back.at for each in outcomes if each.what == ACCEPTED and each.sent >= back.at
    ]
    return min(times, default=None)


def _first_handed(back: Return, handed: Mapping[str, float]) -> float | None:
    """Return the seconds until the provider had the first of the messages that waited for Redis.

    Not of all messages: a call that was in progress at the return says nothing about the recovery.
    """
    known = [handed[each] for each in back.waiting if each in handed]
    times = [each - back.at for each in known if each >= back.at]
    return min(times, default=None)


def _spread(title: str, seconds: Sequence[float | None]) -> str:
    known = [each for each in seconds if each is not None]
    if not known:
        return f"  {title}: not measured"
    never = f", {len(seconds) - len(known)} times not seen" if len(known) < len(seconds) else ""
    return (
        f"  {title}: worst {max(known):.2f} s, median {median(known):.2f} s of {len(known)}{never}"
    )
