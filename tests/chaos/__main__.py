"""`python -m tests.chaos`: run the proof; exit 1 on one lost or duplicated message.

python -m tests.chaos short --seed 7
python -m tests.chaos full --messages 10000 --kills 300
python -m tests.chaos deploy
"""

import argparse
import random
import secrets
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.inbox.reading import STILL_COMING
from dev import binaries
from dev.settings import temporary
from tests.chaos import chats_verdict
from tests.chaos.attacks import Driver, Ending
from tests.chaos.books import (
    Oracle,
    read_oracle,
    read_records,
    read_talk,
    unrepaired,
    unsettled,
)
from tests.chaos.businesses import ask_for_repair, open_businesses
from tests.chaos.chats import Chats, bookings
from tests.chaos.figures import recoveries, restarts
from tests.chaos.fleet import Fleet, make_fleet
from tests.chaos.limited import Limited
from tests.chaos.load import Load, letters, spread
from tests.chaos.outside import Outside
from tests.chaos.plan import FORMS, Plan, faults
from tests.chaos.troubles import Troubles
from tests.chaos.verdict import Books, Promise, counted, judge, table, undisturbed

COUNTS = ("messages", "chats", "waves", "kills", "freezes", "crashes", "flushes", "aways")
SETTINGS = {"DATABASE_POOL_SIZE": "8", "TENANT_RATE_LIMIT": "100000 per second"}
START_SECONDS = 90.0
REPORT_EVERY = 20.0
REPEATED = 50
OLD_ENOUGH_SECONDS = STILL_COMING.total_seconds() + 2
REPAIR_SECONDS = 240.0
EXTRA_SECONDS = 60.0
"""How much longer people may write to bots until each fault point was hit."""


def main(argv: list[str]) -> int:
    chosen = parse(argv)
    names = (*COUNTS, "every")
    given = {name: value for name in names if (value := getattr(chosen, name)) is not None}
    seed = chosen.seed if chosen.seed is not None else secrets.randbelow(1_000_000)
    plan = replace(FORMS[chosen.form], seed=seed, **given)
    folder = binaries.temporary_folder("chaos")
    kept = False
    try:
        promises = run(plan, folder)
        kept = all(each.is_kept for each in promises)
    finally:
        if kept and not chosen.keep:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            say(f"Logs and data are in {folder}.")
    return 0 if kept else 1


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the options. Raises SystemExit for wrong ones."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("form", choices=tuple(FORMS), nargs="?", default="short")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs and data")
    parser.add_argument("--every", type=float, default=None, help="seconds between two attacks")
    for name in COUNTS:
        parser.add_argument(f"--{name}", type=int, default=None)
    return parser.parse_args(argv)


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - this program talks to a person


def run(plan: Plan, folder: Path) -> list[Promise]:
    """One whole run: start, attack under load, settle, compare, stop."""
    started = time.monotonic()
    say(f"Chaos with seed {plan.seed}: {plan.messages} messages, {len(plan.attacks)} attacks.")
    settings = temporary(folder)
    fleet = make_fleet(settings, {**plan.settings, **SETTINGS})
    try:
        fleet.start()
        _wait_until_ready(fleet)
        outside = Outside(settings.simulator_url)
        posts = letters(plan, open_businesses(settings.web_url, outside))
        troubles = Troubles(plan, settings.web_url, outside) if plan.troubles else None
        if troubles:
            troubles.open()
            posts = spread(posts, troubles.letters)
        chats = Chats(plan, settings.web_url, settings.simulator_url)
        limited = Limited(plan, settings.web_url, settings.simulator_url, fleet.database_url)
        for each in (chats, limited):
            each.open(outside)
        outside.call("PUT", "/faults", faults(plan, troubles.rules if troubles else None))
        load = Load(plan, settings.web_url, Outside(settings.simulator_url), posts)
        driver = _armed(fleet, plan)
        attack(driver, load, chats, limited, troubles)
        struck = outside.stop_faults()
        if troubles:
            outside.call("PUT", "/faults", troubles.rules)
            troubles.end()
        settle(driver, outside)
        if troubles:
            troubles.mend()
        tokens = [*chats.tokens(), *limited.tokens(), *_tokens(troubles)]
        repair(driver, load, settings.web_url, tokens)
        load.repeat(posts[:: max(1, len(posts) // REPEATED)])
        settle(driver, outside)
        records, oracle = read_records(fleet.database_url), read_oracle(outside)
        books = Books(load.answers, records, oracle, *(troubles.excused if troubles else ()))
        promises = [
            *judge(books),
            *(undisturbed(books) if plan.is_calm else ()),
            *(troubles.promises(records, oracle) if troubles else ()),
            *_talked(fleet, chats, outside, oracle),
            *_spent(fleet, limited, outside),
            _deadlocks(fleet),
            *_attacked(driver, struck),
        ]
        conclude(driver, books, struck, promises)
        say(f"Seed {plan.seed}, {time.monotonic() - started:.0f} s.")
    finally:
        fleet.stop()
    return promises


def attack(
    driver: Driver, load: Load, chats: Chats, limited: Limited, troubles: Troubles | None
) -> None:
    """Run load and attacks in parallel; longer until each fault point was hit."""
    plan = driver.plan
    for crowd in (load, chats, limited):
        crowd.start()
    begun = reported = time.monotonic()
    for number, each in enumerate(plan.attacks):
        driver.act(each)
        if troubles and number == len(plan.attacks) // 3:
            troubles.begin()
        driver.rest(begun + (number + 1) * plan.every - time.monotonic())
        if time.monotonic() - reported > REPORT_EVERY:
            reported = time.monotonic()
            _progress(driver, load)
    until = time.monotonic() + EXTRA_SECONDS
    while driver.missed() and time.monotonic() < until:
        chats.keep_on()
        driver.rest(1.0)
    while driver.leaving or not all(crowd.is_done() for crowd in (load, chats, limited)):
        driver.rest(1.0)
        if time.monotonic() > until + max(2 * EXTRA_SECONDS, plan.seconds / 2):
            raise RuntimeError("the load did not get its answers")
    driver.end()
    _progress(driver, load)


def settle(driver: Driver, outside: Outside) -> None:
    """Wait until nothing is on its way, including receipts.

    What is still on its way after the plan's limit is judged as it is.
    """
    url = driver.fleet.database_url
    until = time.monotonic() + driver.plan.settle_seconds
    reported = 0.0
    while left := outside.telling() or unsettled(url) or outside.telling():
        if time.monotonic() > until:
            return
        if time.monotonic() - reported > REPORT_EVERY:
            reported = time.monotonic()
            say(counted("settling", left))
        driver.rest(1.0)


def repair(driver: Driver, load: Load, web_url: str, tokens: list[str]) -> None:
    """Request the provider's lists, once lost messages are old enough to be considered late."""
    driver.rest(load.ended + OLD_ENOUGH_SECONDS - time.monotonic())
    ask_for_repair(web_url, datetime.now(UTC) - timedelta(days=1), tokens)
    until = time.monotonic() + REPAIR_SECONDS
    while unrepaired(driver.fleet.database_url) and time.monotonic() < until:
        driver.rest(0.5)


def _tokens(troubles: Troubles | None) -> Iterator[str]:
    yield from troubles.tokens() if troubles else ()


def conclude(driver: Driver, books: Books, struck: dict[str, int], promises: list[Promise]) -> None:
    """Print the promises, the figures, and the result."""
    say("\n" + table(promises) + "\n")
    report(driver, books, struck)
    broken = sum(not each.is_kept for each in promises)
    say(f"\n{broken} PROMISES BROKEN." if broken else "\nAll promises kept.")


def report(driver: Driver, books: Books, struck: dict[str, int]) -> None:
    """Print what was done, and how fast everything recovered."""
    answers, oracle = books.answers, books.oracle
    say(counted("attacks", driver.done))
    say(counted("fault points", driver.struck))
    say(counted("ended by themselves and were started again", driver.ended_alone))
    say(counted("the provider's faults", struck))
    say(counted("answers to the senders", answers.codes))
    say(counted("answers to the provider", _webhook_codes(oracle)))
    for line in recoveries(driver.returns, answers.outcomes, oracle.handed):
        say(line)
    for line in restarts(driver.endings, answers.outcomes, oracle.webhooks):
        say(line)


def _talked(fleet: Fleet, chats: Chats, outside: Outside, oracle: Oracle) -> list[Promise]:
    margin = float(chats.plan.settings["CLAIM_LEASE_SECONDS"])
    talk = read_talk(fleet.database_url, chats.tenant_id)
    booked = bookings(outside, chats.business_key)
    return chats_verdict.judge(talk, chats.silences, oracle.handed, booked, margin)


def _spent(fleet: Fleet, limited: Limited, outside: Outside) -> list[Promise]:
    talk = read_talk(fleet.database_url, limited.tenant_id)
    with_deaths = bool(limited.plan.fault_points)
    return chats_verdict.judge_budget(limited.ledger(outside), talk, with_deaths=with_deaths)


def _deadlocks(fleet: Fleet) -> Promise:
    """Count them in the log of Postgres, because its own counter does not survive a crash."""
    found = [line for line in fleet.postgres_log() if "deadlock detected" in line]
    return Promise("deadlocks", str(len(found)), tuple(found[:5]))


def _attacked(driver: Driver, struck: dict[str, int]) -> list[Promise]:
    """Fail if nothing was attacked, because then nothing was proved."""
    plan = driver.plan
    wanted = {each: plan.attacks.count(each) for each in plan.attacks}
    short = [f"{each}: {driver.done[each]}" for each, n in wanted.items() if driver.done[each] < n]
    missed = driver.missed()
    return [
        Promise("attacks carried out", str(driver.done.total()), tuple(short)),
        Promise("fault points never hit", str(len(missed)), tuple(missed)),
        Promise("faults of the provider", str(sum(struck.values())), _unstruck(plan, struck)),
        *([_ended(driver.endings)] if plan.restarts else ()),
    ]


def _ended(endings: list[Ending]) -> Promise:
    broken = tuple(f"{each.name}: code {each.code}" for each in endings if each.code)
    return Promise(
        "ended by itself on SIGTERM", f"{len(endings) - len(broken)} of {len(endings)}", broken
    )


def _unstruck(plan: Plan, struck: dict[str, int]) -> tuple[str, ...]:
    return () if sum(struck.values()) or not plan.provider_faults else ("none struck",)


def _webhook_codes(oracle: Oracle) -> Counter[str]:
    return Counter(str(status or "no answer") for _, status in oracle.webhooks)


def _progress(driver: Driver, load: Load) -> None:
    answered = len(load.answers.letters)
    say(f"  {answered} answered, {load.answers.written} written; " + counted("", driver.done)[4:])


def _armed(fleet: Fleet, plan: Plan) -> Driver:
    driver = Driver(fleet, plan, random.Random(f"{plan.seed}:driver"))  # noqa: S311
    driver.arm()
    _wait_until_ready(fleet)
    return driver


def _wait_until_ready(fleet: Fleet) -> None:
    until = time.monotonic() + START_SECONDS
    while not fleet.is_ready():
        if time.monotonic() > until:
            raise RuntimeError(f"the processes did not start:\n{fleet.last_lines()}")
        time.sleep(0.3)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
