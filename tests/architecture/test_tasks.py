"""The worker loads every task, and app/tasks/names.py names it."""

import importlib
import re

import pytest

from app.extensions import celery
from app.tasks import celery_app, names, queues
from app.tasks.queues import Queue
from dev.processes import WORKERS
from tests.architecture.source import ROOT


def task_modules() -> set[str]:
    """Return `tasks.py` of each feature, and the scheduler's own module."""
    paths = (ROOT / "app").rglob("tasks.py")
    return {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths}


def declared_names() -> set[str]:
    return {value for key, value in vars(names).items() if key.isupper()}


@pytest.fixture(scope="module")
def registered() -> set[str]:
    for module in celery_app.JOBS:
        importlib.import_module(module)
    return {name for name in celery.tasks if not name.startswith("celery.")}


def test_the_worker_loads_every_module_with_tasks() -> None:
    assert {*task_modules(), "app.tasks.schedule", "app.tasks.clean_up"} == set(celery_app.JOBS)


def test_every_task_has_a_declared_name_and_every_name_a_task(registered: set[str]) -> None:
    assert registered == declared_names()


def test_every_name_says_its_feature() -> None:
    features = {path.name for path in (ROOT / "app").iterdir() if path.is_dir()}
    assert {name for name in declared_names() if name.partition(".")[0] not in features} == set()


def test_the_beat_rings_only_what_exists(registered: set[str], app: object) -> None:
    scheduled = {entry["task"] for entry in celery.conf.beat_schedule.values()}
    assert scheduled <= registered


def test_tasks_survive_a_worker_and_are_not_stored(app: object) -> None:
    """A killed worker's task is redelivered, and results are not stored."""
    assert celery.conf.task_acks_late is True
    assert celery.conf.worker_prefetch_multiplier == 1
    assert celery.conf.task_ignore_result is True
    assert celery.conf.accept_content == ["json"]


def test_every_task_has_a_queue() -> None:
    assert set(queues.QUEUE_OF) == declared_names()


def test_every_queue_has_a_worker_where_we_start_some() -> None:
    """`make run` and docker-compose.yml start a worker for each queue, and for no other."""
    every = {str(queue) for queue in Queue}
    assert set(WORKERS) == every
    compose = (ROOT / "docker-compose.yml").read_text()
    assert set(re.findall(r"--queues=([a-z]+)", compose)) == every
    assert set(queues.QUEUE_OF.values()) == set(Queue)


def test_the_guide_names_the_threads_that_we_start() -> None:
    guide = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z]+)` \| (\d+) \|", guide, re.MULTILINE)
    assert {queue: int(threads) for queue, threads in rows} == WORKERS
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    started = re.findall(r"--queues=([a-z]+), --pool=threads, --concurrency=(\d+)", compose)
    assert {queue: int(threads) for queue, threads in started} == WORKERS


def test_a_task_goes_to_its_queue(app: object) -> None:
    for task, queue in queues.QUEUE_OF.items():
        assert celery.amqp.router.route({}, task)["queue"].name == queue
