"""`use_queue: false` under load and during database failures: few wait, no answer is wrong."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Lock, get_ident
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Connection, event

from app import config, db
from app.messages import waiting
from app.messages.waiting import SendResult
from tests.common.census import row_counts
from tests.conftest import sql
from tests.delivery.drains import draining
from tests.factories import ApiClient, create_api_key, create_channel, create_tenant
from tests.messages.test_waiting import WAITING_SENDS
from tests.world import World, settings_changed

BODY = WAITING_SENDS["/api/send-message"]
PATH = "/api/send-message"


class Watched:
    """Counts the requests that wait at the same time, in total and per tenant."""

    def __init__(self, real: Callable[[UUID, SendResult], SendResult]) -> None:
        self._real = real
        self._lock = Lock()
        self._now: Counter[UUID] = Counter()
        self.most_at_once = 0
        self.most_of_one = 0
        self.ended = 0

    def __call__(self, tenant_id: UUID, queued: SendResult) -> SendResult:
        with self._lock:
            self._now[tenant_id] += 1
            self.most_at_once = max(self.most_at_once, self._now.total())
            self.most_of_one = max(self.most_of_one, self._now[tenant_id])
        try:
            return self._real(tenant_id, queued)
        finally:
            with self._lock:
                self._now[tenant_id] -= 1
                self.ended += 1


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    found = Watched(waiting.wait_for_word)
    monkeypatch.setattr(waiting, "wait_for_word", found)
    return found


@pytest.fixture
def web() -> Iterator[ThreadPoolExecutor]:
    """The 16 threads of a web service."""
    with settings_changed(web_threads=16), ThreadPoolExecutor(16) as threads:
        yield threads


def business(world: World) -> ApiClient:
    """Return a client of another business, whose channel no worker drains."""
    tenant = create_tenant()
    create_channel(tenant.id, is_default=True)
    return ApiClient(world.owner.app, create_api_key(tenant.id)[1])


def post(web: ThreadPoolExecutor, caller: ApiClient, count: int) -> list[Future[Any]]:
    return [web.submit(caller.post, PATH, BODY) for _ in range(count)]


def test_a_crowd_of_waiting_posts_holds_up_nobody(
    world: World, web: ThreadPoolExecutor, watched: Watched
) -> None:
    posts = post(web, world.owner, 64)
    other = web.submit(business(world).get, "/api/messages")
    assert other.result(30).status_code == 200
    assert watched.ended == 0
    world.sql("update recado.messages set status = 'canceled'")
    assert {each.result(30).status_code for each in posts} == {202}
    assert watched.most_at_once == 2
    assert row_counts(world.tenant.id)[world.tenant.id, "messages"] == 64


def test_all_businesses_together_take_a_quarter_of_the_threads(
    world: World, web: ThreadPoolExecutor, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "LONGEST_SECONDS", 1.0)
    callers = [business(world) for _ in range(5)]
    done, _ = wait([each for caller in callers for each in post(web, caller, 8)], 60)
    assert {each.result().status_code for each in done} == {202}
    assert (watched.most_at_once, watched.most_of_one) == (4, 2)


def test_a_place_is_given_back_whatever_happens(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(_: float) -> None:
        raise LookupError

    with settings_changed(web_threads=1):
        with monkeypatch.context() as broken:
            broken.setattr(time, "sleep", break_down)
            assert world.owner.post(PATH, BODY).status_code == 500
        with draining(world):
            assert world.owner.post(PATH, BODY).status_code == 200


@dataclass
class Breakdown:
    """Once `has_begun`, a connection of this thread ends before any statement except the pin."""

    has_begun: bool = False
    lost: list[str] = field(default_factory=list)
    thread: int = field(default_factory=get_ident)

    def before(self, _: Connection, cursor: Any, statement: str, *_rest: Any) -> None:
        is_ours = self.has_begun and get_ident() == self.thread
        if is_ours and not statement.startswith("select set_config('role'"):
            self.lost.append(statement)
            backend = cursor.connection.info.backend_pid
            sql(config.current().database_url, f"select pg_terminate_backend({backend}, 5000)")


@pytest.fixture
def breakdown(app: Flask) -> Iterator[Breakdown]:
    engine = db.Database.engine
    assert engine is not None
    found = Breakdown()
    event.listen(engine, "before_cursor_execute", found.before)
    yield found
    event.remove(engine, "before_cursor_execute", found.before)


def test_a_database_that_breaks_during_the_wait_makes_no_failure_of_a_stored_message(
    world: World, breakdown: Breakdown, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(_: float) -> None:
        breakdown.has_begun = True

    with monkeypatch.context() as waiting_once:
        waiting_once.setattr(time, "sleep", begin)
        first = world.owner.post(PATH, BODY, idempotency_key="k")
    breakdown.has_begun = False
    assert (first.status_code, first.json["status"]) == (202, "queued")
    # The query of the message, and the storing of the answer.
    assert len(breakdown.lost) == 2
    again = world.owner.post(PATH, BODY, idempotency_key="k")
    assert (again.status_code, again.json) == (202, first.json)
    assert again.headers["Idempotency-Replayed"] == "true"
    world.deliver()
    assert world.message(UUID(first.json["message_id"])).status == "accepted"


def test_a_word_that_cannot_be_kept_is_answered_all_the_same(
    world: World, breakdown: Breakdown, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = waiting.wait_for_word

    def wait_then_break(tenant_id: UUID, queued: SendResult) -> SendResult:
        world.deliver()
        found = real(tenant_id, queued)
        breakdown.has_begun = True
        return found

    monkeypatch.setattr(waiting, "wait_for_word", wait_then_break)
    first = world.owner.post(PATH, BODY, idempotency_key="k")
    breakdown.has_begun = False
    assert first.status_code == 200
    assert len(breakdown.lost) == 1
    again = world.owner.post(PATH, BODY, idempotency_key="k")
    assert (again.status_code, again.json["message_id"]) == (202, first.json["message_id"])


def test_a_database_that_breaks_before_the_message_is_stored_is_a_failure(
    world: World, breakdown: Breakdown
) -> None:
    breakdown.has_begun = True
    answer = world.owner.post(PATH, BODY, idempotency_key="k")
    breakdown.has_begun = False
    assert (answer.status_code, answer.json["code"]) == (503, "database_unavailable")
    assert row_counts(world.tenant.id)[world.tenant.id, "messages"] == 0
