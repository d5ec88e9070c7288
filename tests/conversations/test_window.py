"""The 24-hour window: two facts, in any order, give one answer."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import db
from app.conversations import service
from app.conversations.window import CLOCK_SKEW, LENGTH, Window, WindowState, state_of
from app.models import Conversation, Status, Tenant
from tests.factories import create_conversation
from tests.world import World

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)

Fact = tuple[Literal["heard", "refused"], datetime]


def hours_ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def state(heard: datetime | None, shut: datetime | None) -> WindowState:
    return state_of(Conversation(last_inbound_at=heard, window_closed_at=shut), NOW)


@pytest.mark.parametrize(
    ("heard", "shut", "expected"),
    [
        (None, None, Window.UNKNOWN),
        (hours_ago(1), None, Window.OPEN),
        (hours_ago(23.99), None, Window.OPEN),
        (hours_ago(24), None, Window.CLOSED),
        (None, hours_ago(1), Window.CLOSED),
        (hours_ago(2), hours_ago(1), Window.CLOSED),
        (hours_ago(1), hours_ago(2), Window.OPEN),
        (hours_ago(1), hours_ago(1), Window.OPEN),
    ],
)
def test_the_window_follows_the_evidence(
    heard: datetime | None, shut: datetime | None, expected: Window
) -> None:
    assert state(heard, shut).window is expected


def test_the_window_expires_a_day_after_the_customer_wrote() -> None:
    assert state(hours_ago(2), None).expires_at == NOW + timedelta(hours=22)
    assert state(None, None).expires_at is None


def test_a_refusal_ends_the_window_when_it_came() -> None:
    assert state(hours_ago(2), hours_ago(1)).expires_at == hours_ago(1)
    assert state(None, hours_ago(1)).expires_at is None


def test_a_message_dated_in_whole_seconds_of_another_clock_opens_the_window_again() -> None:
    refused = NOW.replace(microsecond=700_000)
    assert state(NOW - timedelta(seconds=30), refused).window is Window.OPEN


moments = st.integers(-50 * 3600, 3600).map(lambda seconds: NOW + timedelta(seconds=seconds))
facts = st.lists(st.tuples(st.sampled_from(["heard", "refused"]), moments), max_size=6)


@given(heard=st.none() | moments, shut=st.none() | moments)
def test_the_window_never_contradicts_its_end(
    heard: datetime | None, shut: datetime | None
) -> None:
    found = state(heard, shut)
    is_ahead = found.expires_at is not None and found.expires_at > NOW
    assert is_ahead == (found.window is Window.OPEN)


@pytest.fixture
def thread(tenant: Tenant) -> Conversation:
    return create_conversation(tenant.id)


def told(tenant: Tenant, thread: Conversation, facts: list[Fact]) -> WindowState:
    """Return what a new conversation shows after these facts arrived in this order, each in a
    transaction."""
    with db.tenant_session(tenant.id) as session:
        row = session.merge(thread)
        row.last_inbound_at = row.window_closed_at = None
    for kind, at in facts:
        with db.tenant_session(tenant.id) as session:
            tell = service.count_incoming if kind == "heard" else service.close_window
            tell(session, thread.id, at)
    with db.tenant_session(tenant.id) as session:
        return state_of(service.get(session, thread.id), NOW)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), facts=facts)
def test_the_order_in_which_facts_reach_us_does_not_matter(
    thread: Conversation, tenant: Tenant, data: st.DataObject, facts: list[Fact]
) -> None:
    found = told(tenant, thread, data.draw(st.permutations(facts)))
    assert found == told(tenant, thread, sorted(facts, key=lambda fact: fact[1]))
    heard = max((at for kind, at in facts if kind == "heard"), default=None)
    refused = max((at for kind, at in facts if kind == "refused"), default=None)
    if heard is None:
        assert found.window is (Window.CLOSED if refused else Window.UNKNOWN)
    elif refused is not None and refused - heard > CLOCK_SKEW:
        assert found.window is Window.CLOSED
    else:
        assert (found.window is Window.OPEN) == (NOW - heard < LENGTH)


def test_a_refused_send_shuts_the_window_and_the_next_message_opens_it(world: World) -> None:
    stranger = "+15557770001"
    seen: list[tuple[str, bool]] = []

    def look() -> None:
        (shown,) = world.conversations()
        is_ahead = datetime.fromisoformat(shown["window_expires_at"]) > datetime.now(UTC)
        seen.append((shown["window"], is_ahead))

    world.write(stranger, body="first")
    world.apply()
    look()
    sender = f"whatsapp:{world.channel.phone_number}"
    path = f"/phones/{stranger}/window"
    world.simulator.control("POST", path, {"action": "expire", "sender": sender})
    world.sql("update recado.conversations set last_inbound_at = now() - interval '2 hours'")
    refused = world.send(to_number=stranger)
    world.deliver()
    world.wait_for(refused, Status.FAILED)
    look()
    world.write(stranger, body="again")
    world.apply()
    look()
    assert seen == [("open", True), ("closed", False), ("open", True)]


def test_a_receipt_of_a_refusal_speaks_of_the_call_and_not_of_the_queueing(world: World) -> None:
    stranger = "+15557770001"
    queued = world.send(to_number=stranger)
    world.sql("update recado.messages set created_at = now() - interval '3 hours'")
    world.sql("update recado.conversations set last_inbound_at = now() - interval '1 hour'")
    world.deliver()
    world.wait_for(queued, Status.FAILED)
    (shown,) = world.conversations()
    assert shown["window"] == "closed"
