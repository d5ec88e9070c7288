"""The report's figures of recoveries and restarts."""

from tests.chaos.attacks import Ending, Return
from tests.chaos.figures import recoveries, restarts
from tests.chaos.load import Outcome
from tests.chaos.plan import Attack


def test_only_a_post_that_was_sent_after_the_return_tells_that_postgres_is_back() -> None:
    outcomes = [
        Outcome("202", sent=99.0, ended=100.1),
        Outcome("503", sent=100.1, ended=100.2),
        Outcome("202", sent=100.3, ended=101.5),
        Outcome("202", sent=100.4, ended=100.9),
        Outcome("202", sent=200.1, ended=203.0),
    ]
    returns = [
        Return(Attack.CRASH, 100.0),
        Return(Attack.CRASH, 200.0),
        Return(Attack.CRASH, 300.0),
    ]
    (postgres,) = recoveries(returns, outcomes, {})
    assert postgres.endswith("first 202: worst 3.00 s, median 1.95 s of 2, 1 times not seen")


def test_redis_is_measured_by_the_first_message_that_waited_for_it() -> None:
    returns = [
        Return(Attack.AWAY, 100.0, frozenset({"m1", "m2", "never handed over"})),
        Return(Attack.FLUSH, 200.0, frozenset({"m3"})),
        Return(Attack.FLUSH, 300.0),
    ]
    handed = {"did not wait": 100.1, "m1": 101.0, "m2": 102.0, "m3": 204.0}
    (redis,) = recoveries(returns, [], handed)
    assert redis.endswith("(3 times back): worst 4.00 s, median 2.50 s of 2")


def test_without_such_an_attack_nothing_is_claimed() -> None:
    assert recoveries([], [], {}) == []
    (idle,) = recoveries([Return(Attack.FLUSH, 100.0)], [], {"m1": 101.0})
    assert idle.endswith("(1 times back): not measured")
    assert restarts([], [Outcome("202", 0.0, 1.0)], [(0.0, None)]) == []


def test_what_failed_is_told_of_the_restart_before_it() -> None:
    endings = [Ending("web-2", 120.0, 2.0, 0), Ending("web-1", 100.0, 0.5, 0)]
    outcomes = [
        Outcome("202", sent=90.0, ended=91.0),
        Outcome("ConnectionError", sent=100.1, ended=100.4),
        Outcome("202", sent=121.0, ended=121.25),
    ]
    webhooks: list[tuple[float, int | None]] = [(99.0, None), (101.0, 200), (125.0, None)]
    assert restarts(endings, outcomes, webhooks) == [
        "  web-1: ended 0.5 s after SIGTERM (code 0); 0 posts accepted, slowest in 0.00 s; "
        "1 posts failed, the last after 0.4 s; 0 webhooks without an answer",
        "  web-2: ended 2.0 s after SIGTERM (code 0); 1 posts accepted, slowest in 0.25 s; "
        "0 posts failed; 1 webhooks without an answer, the last after 5.0 s",
    ]
