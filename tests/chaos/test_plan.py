"""What a seed decides, and what the time constants of a run must allow."""

from collections import Counter
from dataclasses import replace

import pytest

from app import config
from app.common.faultpoint import FAULT_POINTS
from dev.processes import WORKERS
from tests.architecture.source import sources
from tests.chaos.attacks import POINTS
from tests.chaos.fleet import DOUBLED, WEBS
from tests.chaos.load import Business, letters
from tests.chaos.plan import DEPLOY, FULL, PRODUCTION, QUICK, SHORT, UNUSED, Attack, Plan, faults

BUSINESSES = [Business("demo", "key", "+14155238886"), Business("otra", "key", "+14155550199")]


def test_the_same_seed_attacks_and_writes_the_same() -> None:
    first, again = replace(SHORT, seed=7), replace(SHORT, seed=7)
    assert first.attacks == again.attacks
    assert letters(first, BUSINESSES) == letters(again, BUSINESSES)
    assert first.attacks != replace(SHORT, seed=8).attacks


def test_every_key_is_used_once_and_some_texts_are_equal() -> None:
    found = letters(replace(SHORT, seed=7), BUSINESSES)
    assert len({each.key for each in found}) == SHORT.messages
    (_, most), *_ = Counter((each.to, each.body) for each in found).most_common(1)
    assert most > 1
    assert {each.policy for each in found} == {"default", "at_most_once"}


def test_the_full_form_is_as_large_as_promised() -> None:
    assert FULL.messages >= 10_000
    assert FULL.kills >= 300
    assert FULL.freezes >= 50
    assert FULL.crashes >= 10


def test_a_deploy_restarts_every_process_and_does_nothing_else() -> None:
    assert DEPLOY.attacks == [Attack.RESTART] * (WEBS + len(WORKERS) + len(DOUBLED) + 1)
    assert DEPLOY.seconds >= 20 * len(DEPLOY.attacks)
    assert DEPLOY.settings == PRODUCTION
    assert DEPLOY.is_calm
    assert faults(DEPLOY).keys().isdisjoint({"create", "callback"})


@pytest.mark.parametrize("plan", [SHORT, FULL, replace(DEPLOY, crashes=1)])
def test_a_run_in_which_something_fails_is_not_calm(plan: Plan) -> None:
    assert not plan.is_calm


@pytest.mark.parametrize("plan", [SHORT, FULL])
def test_no_freeze_is_longer_than_the_time_constants_can_bear(plan: Plan) -> None:
    """A process frozen at the moment of the call sends when it resumes: before the last reading."""
    given = {name: int(value) for name, value in plan.settings.items()}
    lease = given["CLAIM_LEASE_SECONDS"]
    last_reading = lease + given["SETTLE_AFTER_SECONDS"] + given["SETTLE_AGAIN_SECONDS"]
    assert lease / 3 + plan.longest_freeze + plan.list_lag < last_reading
    assert plan.list_lag < given["SETTLE_AFTER_SECONDS"]


def test_the_full_form_runs_with_the_settings_of_production() -> None:
    defaults = {
        names[0]: str(getattr(config.Settings(), field))
        for field, names in config.variables().items()
        if names[0] in PRODUCTION
    }
    assert defaults == PRODUCTION
    assert QUICK.keys() == PRODUCTION.keys()


def test_every_fault_point_is_in_the_code_and_belongs_to_a_process() -> None:
    called = {
        name
        for source in sources("app")
        for name in FAULT_POINTS
        if f'faultpoint("{name}")' in source.text or f'faultpoint, "{name}"' in source.text
    }
    assert called == set(FAULT_POINTS)
    assert {each for points in POINTS.values() for each in points} == called - UNUSED
