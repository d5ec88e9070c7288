"""Rings (messages that tell a worker that something is due): sent after the commit, may fail."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery
from flask import Flask

from app import db
from app.common.ids import new_id
from app.extensions import celery, redis_handle
from app.inbox import repository
from app.models import Tenant
from app.tasks import due, names, ring, schedule
from app.tasks.ring import Breaker
from tests.factories import ApiClient, create_channel

Rung = list[tuple[Any, ...]]


class Recorder:
    """Replaces Celery, and records the tasks that are sent."""

    def __init__(self) -> None:
        self.rung: Rung = []

    def send_task(self, name: str, args: list[Any], **_: Any) -> None:
        self.rung.append((name, *args))


@pytest.fixture(autouse=True)
def own_breaker(monkeypatch: pytest.MonkeyPatch) -> Breaker:
    breaker = Breaker()
    monkeypatch.setattr(ring, "breaker", breaker)
    return breaker


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> Rung:
    recorder = Recorder()
    monkeypatch.setattr(ring, "celery", recorder)
    return recorder.rung


@pytest.fixture
def broken_bell(monkeypatch: pytest.MonkeyPatch, app: Flask) -> Iterator[Celery]:
    """A Celery whose broker refuses every connection."""
    dead = Celery("dead", broker="redis://127.0.0.1:1/0", set_as_current=False)
    # Use the broker settings of the web service, except the address.
    dead.conf.broker_transport_options = celery.conf.broker_transport_options
    monkeypatch.setattr(ring, "celery", dead)
    yield dead
    dead.close()


def test_it_rings_after_the_commit_with_ids_as_text(tenant: Tenant, rung: Rung) -> None:
    with db.tenant_session(tenant.id) as session:
        ring.ring(session, names.APPLY_INBOX, tenant.id)
        assert rung == []
    assert rung == [(names.APPLY_INBOX, str(tenant.id))]


def test_of_many_rings_for_the_same_work_one_is_sent_until_it_is_answered(
    tenant: Tenant, rung: Rung
) -> None:
    for _ in range(3):
        with db.tenant_session(tenant.id) as session:
            ring.ring(session, names.APPLY_INBOX, tenant.id)
    assert len(rung) == 1
    ring.answered(names.APPLY_INBOX, str(tenant.id))
    with db.tenant_session(tenant.id) as session:
        ring.ring(session, names.APPLY_INBOX, tenant.id)
    assert len(rung) == 2


def test_a_lost_ring_holds_the_next_one_back_for_a_second_at_most(
    tenant: Tenant, rung: Rung
) -> None:
    with db.tenant_session(tenant.id) as session:
        ring.ring(session, names.APPLY_INBOX, tenant.id)
    assert len(rung) == 1
    keys: Any = redis_handle.client.keys(f"ring:*{tenant.id}")
    (key,) = keys
    lifetime: Any = redis_handle.client.pttl(key)
    assert 0 < lifetime <= 1000


def test_work_for_one_does_not_silence_the_bell_for_another(tenant: Tenant, rung: Rung) -> None:
    with db.tenant_session(tenant.id) as session:
        for channel_id in (new_id(), new_id()):
            ring.ring(session, names.DELIVER_CHANNEL, tenant.id, channel_id)
    assert len(rung) == 2


def test_what_rolls_back_does_not_ring(tenant: Tenant, rung: Rung) -> None:
    def fail() -> None:
        with db.tenant_session(tenant.id) as session:
            ring.ring(session, names.APPLY_INBOX, tenant.id)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert rung == []


def test_a_broker_that_is_away_raises_nothing_and_opens_the_breaker(
    broken_bell: Celery, own_breaker: Breaker
) -> None:
    assert not own_breaker.is_open()
    ring.send(names.APPLY_INBOX, "x")
    assert own_breaker.is_open()


def test_an_open_breaker_spares_the_wait_for_a_while(
    rung: Rung, own_breaker: Breaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_breaker.trip()
    ring.send(names.APPLY_INBOX, "x")
    assert rung == []
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + ring.REST_SECONDS + 0.01)
    ring.send(names.APPLY_INBOX, "x")
    assert len(rung) == 1


def beat(monkeypatch: pytest.MonkeyPatch) -> Rung:
    """Return what one tick of the scheduler would enqueue."""
    found: Rung = []
    remember: Callable[..., None] = lambda *what: found.append((what[0], *map(str, what[1:])))  # noqa: E731
    monkeypatch.setattr(due, "send", remember)
    due.ring_all(schedule.DUE)
    return found


def test_a_send_is_taken_without_a_broker_and_the_beat_finds_it(
    signed_in: ApiClient, broken_bell: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = create_channel(signed_in.tenant_id, is_default=True)
    answer = signed_in.post("/api/send", {"to_number": "+15551234567", "body": "x"})
    assert answer.status_code == 202
    work = (names.DELIVER_CHANNEL, str(signed_in.tenant_id), str(channel.id))
    assert work in beat(monkeypatch)


def test_the_beat_leaves_alone_what_is_not_due(
    signed_in: ApiClient, rung: Rung, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_channel(signed_in.tenant_id, is_default=True)
    later = {"to_number": "+15551234567", "body": "x", "send_at": "2027-03-01T10:00:00Z"}
    assert signed_in.post("/api/send", later).status_code == 202
    assert rung == []
    assert not [each for each in beat(monkeypatch) if str(signed_in.tenant_id) in each]


def test_the_beat_finds_an_inbox_whose_ring_was_lost(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = create_channel(tenant.id)
    repository.store(tenant.id, [(channel.id, "in:SM1", "MessageSid=SM1\n")])
    assert (names.APPLY_INBOX, str(tenant.id)) in beat(monkeypatch)
