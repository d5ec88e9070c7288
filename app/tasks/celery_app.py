"""Celery's set-up. Tasks carry ids only, and may be lost, repeated or late without harm."""

import ssl
import time
from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import (
    setup_logging,
    task_postrun,
    task_prerun,
    worker_process_init,
    worker_ready,
)

from app import config, db
from app.common import logging
from app.config import Settings
from app.extensions import celery, redis_handle
from app.metrics import service as metrics
from app.tasks import broker, names, queues

JOBS = (
    "app.bots.tasks",
    "app.conversations.tasks",
    "app.delivery.tasks",
    "app.messages.tasks",
    "app.inbox.tasks",
    "app.knowledge.tasks",
    "app.tasks.schedule",
    "app.tasks.clean_up",
)
"""The modules that define tasks; a test fails when a feature's tasks.py is missing here."""

VERIFIED = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
"""TLS to the broker, for a rediss:// URL; its parameters may name a certificate authority."""

SOCKET_TIMEOUT_SECONDS = 5
RING_TIMEOUT_SECONDS = 0.5
"""Timeout of the web service: a request waits no longer than this for a broker that is frozen."""

AT_ONCE = {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0}
"""A broker that refuses is not retried: kombu would retry for 6 s within one send_task. The
worker's own reconnecting has intervals of its own."""


def configure(settings: Settings, *, socket_timeout: float = SOCKET_TIMEOUT_SECONDS) -> Celery:
    """Set Celery's options, which were chosen by measurement: see docs/adr. Message state never
    depends on them."""
    broker.survive_outages(celery)
    celery.conf.update(
        broker_url=settings.redis_url,
        broker_use_ssl=VERIFIED if settings.redis_url.startswith("rediss:") else None,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": 300,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "socket_timeout": socket_timeout,
            "socket_connect_timeout": socket_timeout,
            **AT_ONCE,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
        task_acks_late=True,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_time_limit=120,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        beat_schedule={
            "ring-due": {"task": names.RING_DUE, "schedule": 1.0},
            "look-back": {"task": names.LOOK_BACK, "schedule": crontab(hour="3", minute="40")},
            "clean-up": {"task": names.CLEAN_UP, "schedule": 600.0},
        },
        imports=JOBS,
        task_routes=queues.routes(),
        task_create_missing_queues=True,
        timezone="UTC",
    )
    return celery


def bootstrap() -> Celery:
    """Set up a worker or beat process, as create_app does for the web service."""
    settings = config.current()
    db.init(settings)
    redis_handle.init(settings.redis_url)
    metrics.init(settings)
    return configure(settings)


@setup_logging.connect
def use_our_logging(**_: Any) -> None:
    logging.configure(config.current())


@worker_process_init.connect
def fresh_connections(**_: Any) -> None:
    """Drop the connections of the parent: a forked child must not share its sockets."""
    db.dispose(close=False)
    db.init(config.current())
    redis_handle.init(config.current().redis_url)


@worker_ready.connect
def tell_metrics(**_: Any) -> None:
    """Start the metrics server once the pool runs, so that no process is forked while its thread
    starts."""
    port = config.current().worker_metrics_port
    if port:
        metrics.serve(port)


@task_prerun.connect
def note_start(task: Any, **_: Any) -> None:
    task.request.started_at = time.perf_counter()


@task_postrun.connect
def note_end(task: Any, state: str | None = None, **_: Any) -> None:
    started = getattr(task.request, "started_at", None)
    if started is not None:
        metrics.count_task(task.name, str(state).lower(), time.perf_counter() - started)
