"""`/metrics` is never public, and its figures are correct."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import create_engine, update

from app import config, db
from app.common import clock
from app.config import Environment, SettingsError, load
from app.extensions import redis_handle
from app.health import service as health
from app.metrics import exited
from app.models import InboxItem, Message
from tests.factories import ApiClient, create_message, create_tenant, save
from tests.world import World, settings_changed

TOKEN = "a token of sufficient length"


def scrape(
    client: ApiClient, **headers: str
) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    return parse(answer.text)


def parse(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(client: ApiClient, name: str, **labels: str) -> float:
    return scrape(client).get((name, frozenset(labels.items())), 0.0)


def test_a_development_machine_may_look_at_its_own(nobody: ApiClient) -> None:
    answer = nobody.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=")


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-Ip", "Forwarded", "Via"])
def test_what_came_through_a_proxy_finds_nothing(nobody: ApiClient, header: str) -> None:
    assert nobody.get("/metrics", headers={header: "127.0.0.1"}).status_code == 404


def test_another_machine_finds_nothing(app: Flask) -> None:
    answer = app.test_client().get("/metrics", environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")  # type: ignore[index]


def test_production_without_a_token_shows_them_to_nobody(nobody: ApiClient) -> None:
    with settings_changed(app_env=Environment.PRODUCTION):
        assert nobody.get("/metrics").status_code == 404


@pytest.mark.parametrize(
    "given",
    [None, "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer ñ"],
)
def test_with_a_token_only_its_bearer_is_answered(nobody: ApiClient, given: str | None) -> None:
    headers = {"Authorization": given} if given else {}
    with settings_changed(metrics_token=TOKEN, app_env=Environment.PRODUCTION):
        assert nobody.get("/metrics", headers=headers).status_code == 404
        right = {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": "192.0.2.1"}
        assert nobody.get("/metrics", headers=right).status_code == 200


def test_a_person_of_a_tenant_finds_nothing(signed_in: ApiClient) -> None:
    with settings_changed(metrics_token=TOKEN):
        assert signed_in.get("/metrics").status_code == 404


def test_production_refuses_a_weak_token() -> None:
    with pytest.raises(SettingsError, match="METRICS_TOKEN is too weak"):
        load({"APP_ENV": "production", "METRICS_TOKEN": "short"})


def test_requests_are_counted_by_route_and_status(nobody: ApiClient) -> None:
    labels = {"method": "GET", "route": "/api/messages/<uuid:message_id>", "status": "401"}
    before = value(nobody, "recado_http_requests_total", **labels)
    nobody.get("/api/messages/00000000-0000-0000-0000-000000000000")
    assert value(nobody, "recado_http_requests_total", **labels) == before + 1
    nobody.get("/nothing/here/at-all")
    assert "at-all" not in nobody.get("/metrics").text


def test_what_a_message_went_through_is_counted(world: World, nobody: ApiClient) -> None:
    def counted() -> list[float]:
        steps = ("queued", "sending", "accepted")
        return [value(nobody, "recado_messages_total", status=step) for step in steps]

    before = counted()
    attempts = value(nobody, "recado_attempts_total", outcome="accepted")
    world.send()
    world.deliver()
    assert [now - then for now, then in zip(counted(), before, strict=True)] == [1, 1, 1]
    assert value(nobody, "recado_attempts_total", outcome="accepted") == attempts + 1


def test_what_was_rolled_back_is_not_counted(nobody: ApiClient) -> None:
    message = create_message(create_tenant().id)
    queued = value(nobody, "recado_messages_total", status="queued")
    canceled = value(nobody, "recado_messages_total", status="canceled")
    with pytest.raises(ZeroDivisionError):
        cancel_and_fail(message)
    assert value(nobody, "recado_messages_total", status="canceled") == canceled
    create_message(message.tenant_id)
    assert value(nobody, "recado_messages_total", status="queued") == queued + 1


def cancel_and_fail(message: Message) -> None:
    with db.tenant_session(message.tenant_id) as session:
        session.merge(message).status = "canceled"
        session.flush()
        session.execute(update(Message).values(status="canceled"))
        _ = 1 / 0


def test_what_came_in_is_counted(world: World, nobody: ApiClient) -> None:
    def counted() -> list[float]:
        states = ("received", "applied")
        return [value(nobody, "recado_inbox_events_total", state=state) for state in states]

    before = counted()
    world.write(body="hola")
    world.apply()
    assert [now - then for now, then in zip(counted(), before, strict=True)] == [1, 1]


def test_the_queue_is_measured(world: World, nobody: ApiClient) -> None:
    before = value(nobody, "recado_queue_due")
    world.send()
    world.sql("update recado.messages set due_at = now() - interval '1 hour'")
    assert value(nobody, "recado_queue_due") == before + 1
    assert value(nobody, "recado_queue_oldest_due_seconds") >= 3600
    world.send(send_at=clock.isoformat(clock.now() + timedelta(days=1)))
    assert value(nobody, "recado_queue_due") == before + 1
    world.deliver()
    assert value(nobody, "recado_queue_due") == before


def test_the_inbox_is_measured(world: World, nobody: ApiClient) -> None:
    waiting = value(nobody, "recado_inbox_waiting")
    parked = value(nobody, "recado_inbox_parked")
    item = InboxItem(channel_id=world.channel.id, event_key="one", raw="", state="parked")
    save(world.tenant.id, item)
    world.write(body="hola")
    assert value(nobody, "recado_inbox_waiting") == waiting + 1
    assert value(nobody, "recado_inbox_parked") == parked + 1


def test_lists_that_cannot_be_read_are_counted(world: World, nobody: ApiClient) -> None:
    before = value(nobody, "recado_repair_failing")
    for tries, failing in ((2, 0), (3, 1)):
        world.sql("update recado.channels set repair_tries = :tries", tries=tries)
        assert value(nobody, "recado_repair_failing") == before + failing


def test_the_beat_is_measured(nobody: ApiClient) -> None:
    redis_handle.client.delete(health.HEARTBEAT)
    assert value(nobody, "recado_beat_age_seconds") == float("inf")
    health.beat()
    assert value(nobody, "recado_beat_age_seconds") < 5


def test_without_a_database_they_say_so(nobody: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert value(nobody, "recado_database_up") == 1
    away = create_engine("postgresql+psycopg2://nobody@127.0.0.1:9/nothing")
    monkeypatch.setattr(db.Database, "engine", away)
    found = scrape(nobody)
    assert found[("recado_database_up", frozenset())] == 0
    assert ("recado_queue_due", frozenset()) not in found


def test_no_label_names_a_tenant_or_a_person(world: World, nobody: ApiClient) -> None:
    message_id = world.send()
    world.deliver()
    world.owner.get(f"/api/messages/{message_id}")
    shown = nobody.get("/metrics").text
    for secret in (world.tenant.id, message_id, world.channel.id, "15551234567"):
        assert str(secret) not in shown


COUNT_AND_SERVE = """
import json, sys
from app import config
from app.common import logging
from app.metrics import service
settings = config.load()
config.use(settings)
logging.configure(settings)
service.init(settings)
service.count_task("tasks.planted", "success", 0.5)
if len(sys.argv) > 1:
    server = service.serve(0)
    print(json.dumps(server.server_port), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    settings = config.current()
    key = "k1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    return {
        **os.environ,
        "APP_ENV": "development",
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "SECRET_KEY": settings.secret_key,
        "ENCRYPTION_KEYS": key,
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics"),
        "METRICS_TOKEN": TOKEN,
    }


@pytest.fixture
def worker_port(environment: dict[str, str]) -> Iterator[int]:
    """Port of a process that counted a task and serves metrics; another one counted and ended."""
    command = [sys.executable, "-c", COUNT_AND_SERVE]
    subprocess.run(command, env=environment, check=True, timeout=30)
    serving = subprocess.Popen(
        [*command, "serve"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert serving.stdout is not None
    yield int(json.loads(serving.stdout.readline()))
    serving.communicate("", timeout=10)


def test_processes_of_one_machine_are_counted_together(worker_port: int) -> None:
    assert tasks_counted(worker_port) == 2


def tasks_counted(worker_port: int) -> float:
    request = urllib.request.Request(
        f"http://127.0.0.1:{worker_port}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        found = parse(answer.read().decode())
    labels = frozenset({"task": "tasks.planted", "outcome": "success"}.items())
    return found[("recado_task_seconds_count", labels)]


def test_a_process_that_ended_leaves_its_counts_and_no_files(
    worker_port: int, environment: dict[str, str]
) -> None:
    """As many recycled processes as there may be leave one file of each kind."""
    folder = Path(environment["PROMETHEUS_MULTIPROC_DIR"])
    command = [sys.executable, "-c", COUNT_AND_SERVE]
    for _ in range(2):
        process = subprocess.Popen(command, env=environment)
        assert process.wait(30) == 0
        exited.fold(folder, process.pid)
        assert not list(folder.glob(f"*_{process.pid}.db"))
    ended = sorted(path.name for path in folder.glob("*_0.db"))
    assert ended == ["histogram_0.db"]
    exited.fold(folder, 4_000_000)  # a process that counted nothing
    assert tasks_counted(worker_port) == 4


@pytest.mark.parametrize(("path", "token"), [("/metrics", "wrong"), ("/", TOKEN)])
def test_a_worker_shows_them_to_nobody_else(worker_port: int, path: str, token: str) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{worker_port}{path}", headers={"Authorization": f"Bearer {token}"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    with refused.value as answer:
        assert answer.code == 404
