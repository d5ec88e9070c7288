"""Counting in this process, and answering Prometheus."""

import time
from pathlib import Path

from flask import Flask, Response, g, request
from sqlalchemy.orm import Session

from app import db
from app.config import Settings
from app.metrics import exposition, facts, samples
from app.metrics.worker import serve

__all__ = [
    "answer",
    "asks_welcome",
    "count_attempt",
    "count_inbox",
    "count_message",
    "count_stored",
    "count_task",
    "init",
    "init_app",
    "serve",
]

UNMATCHED = "unmatched"
FORWARDED = ("X-Forwarded-For", "X-Real-Ip", "Forwarded", "Via")
"""A request with one of these headers came through a proxy, whatever its address."""


def init(settings: Settings) -> None:
    """Begin to count in this process. The folder of samples must exist before the first sample."""
    if settings.metrics_folder:
        Path(settings.metrics_folder).mkdir(parents=True, exist_ok=True)
    facts.listen()


def init_app(app: Flask, settings: Settings) -> None:
    init(settings)
    app.after_request(count_request)


def count_request(response: Response) -> Response:
    route = request.url_rule.rule if request.url_rule else UNMATCHED
    method = request.method if route != UNMATCHED else ""
    taken = time.perf_counter() - g.get("started", time.perf_counter())
    samples.REQUEST_SECONDS.labels(method, route).observe(taken)
    samples.REQUESTS.labels(method, route, str(response.status_code)).inc()
    return response


def count_inbox(session: Session, state: str, number: int = 1) -> None:
    """Count inbox items that are written without the session, after the commit."""
    db.after_commit(session, lambda: count_stored(state, number))


def count_stored(state: str, number: int) -> None:
    """Count inbox items that are committed already."""
    if number:
        samples.INBOX.labels(state).inc(number)


def count_message(session: Session, status: str, number: int = 1) -> None:
    """Count messages that are written without the session, after the commit."""
    db.after_commit(session, lambda: samples.MESSAGES.labels(status).inc(number))


def count_attempt(session: Session, outcome: str, number: int) -> None:
    """Count attempts in the same way."""
    if number:
        db.after_commit(session, lambda: samples.ATTEMPTS.labels(outcome).inc(number))


def count_task(task: str, outcome: str, seconds: float) -> None:
    samples.TASK_SECONDS.labels(task, outcome).observe(seconds)


def asks_welcome() -> bool:
    """Return whether this request may see the metrics."""
    return exposition.is_welcome(
        request.headers.get("Authorization", ""),
        request.remote_addr or "0.0.0.0",  # noqa: S104
        came_by_proxy=any(name in request.headers for name in FORWARDED),
    )


def answer() -> Response:
    """Return the samples of this machine's processes, and the state of the whole installation."""
    text = exposition.exposition(with_state=True)
    return Response(text, content_type=exposition.CONTENT_TYPE)
