"""One final state, whatever the order of a provider's reports."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.messages.status import LADDER, RANK, REPORTED, STEPS, Step, transition
from app.models import Status

REPORTS = sorted(REPORTED)


def after(start: Status, reports: list[Status]) -> Status:
    current = start
    for report in reports:
        current = transition(current, report) or current
    return current


def test_a_late_delivered_receipt_does_not_undo_read() -> None:
    assert transition(Status.READ, Status.DELIVERED) is None


def test_proof_of_delivery_beats_a_failure_report() -> None:
    assert transition(Status.FAILED, Status.DELIVERED) is Status.DELIVERED
    assert transition(Status.DELIVERED, Status.FAILED) is None


def test_a_receipt_before_the_answer_settles_a_message_in_flight() -> None:
    assert transition(Status.SENDING, Status.DELIVERED) is Status.DELIVERED


@pytest.mark.parametrize("opinion", [Status.UNCERTAIN, Status.UNKNOWN, Status.CANCELED])
def test_news_corrects_our_own_opinion(opinion: Status) -> None:
    assert transition(opinion, Status.ACCEPTED) is Status.ACCEPTED


def test_every_order_of_all_reports_ends_the_same() -> None:
    ends = {after(Status.SENDING, list(order)) for order in permutations(REPORTS)}
    assert ends == {Status.READ}


@given(
    start=st.sampled_from(LADDER),
    reports=st.lists(st.sampled_from(REPORTS), max_size=8),
    data=st.data(),
)
def test_reports_converge_in_any_order_and_with_repeats(
    start: Status, reports: list[Status], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(reports + reports))
    assert after(start, list(shuffled)) is after(start, reports)


@given(start=st.sampled_from(LADDER), reports=st.lists(st.sampled_from(REPORTS), max_size=8))
def test_reports_only_move_up(start: Status, reports: list[Status]) -> None:
    assert RANK[after(start, reports)] >= RANK[start]


@given(current=st.sampled_from(Status), step=st.sampled_from(Step))
def test_a_step_is_taken_only_from_where_it_is_allowed(current: Status, step: Step) -> None:
    allowed, target = STEPS[step]
    assert transition(current, step) is (target if current in allowed else None)


@given(report=st.sampled_from(Status))
def test_an_incoming_message_never_moves(report: Status) -> None:
    assert transition(Status.RECEIVED, report) is None
