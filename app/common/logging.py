"""Structured logs: one line for each event, with the ids of request, tenant and message.

Log calls pass ids, codes and counts; never a body, a secret or a person's name.
"""

import logging
import re
import sys
import time
from typing import Any
from uuid import uuid4

import structlog
from flask import Flask, Response, g, request

from app.config import Settings

log = structlog.get_logger("app.request")

PROBES = ("/health", "/health/db", "/api/health", "/metrics")
WEBHOOKS = "/webhook/"
QUIET_LOGGERS = (
    "twilio.http_client",
    "urllib3",
    "httpx2",
    "alembic.runtime",
    "celery.app.trace",
    "celery.beat",
    "celery.worker.strategy",
)
"""Their lines repeat ours, come every second, or (twilio's) hold phone numbers."""

DETAIL = re.compile(r"^DETAIL:.*?(?=^(?:HINT|CONTEXT|LINE|\[SQL|\n)|\Z)", re.MULTILINE | re.DOTALL)
"""The detail of a Postgres error: it quotes values of the row."""

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def configure(settings: Settings) -> None:
    """Send structlog and the standard library's loggers to stderr in one form."""
    is_text = settings.log_format == "text"
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if is_text else "iso", utc=not is_text),
    ]
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if is_text:
        renderer = structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level.upper()),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                hide_details,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for noisy in QUIET_LOGGERS:
        logging.getLogger(noisy).setLevel(logging.WARNING)


def hide_details(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Remove what Postgres adds to an error, such as the failing row, from a logged exception."""
    if "exception" in event:
        event["exception"] = DETAIL.sub("DETAIL:  (hidden)\n", event["exception"])
    return event


def start_request() -> None:
    """Give the request a start time and an id: its own `X-Request-Id` when that is well formed."""
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if REQUEST_ID.fullmatch(given) else uuid4().hex
    g.started = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def finish_request(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.get("request_id", "")
    write = log.debug if _is_routine(request.path, response.status_code) else log.info
    caller = g.get("caller")
    write(
        "request",
        method=request.method,
        route=request.url_rule.rule if request.url_rule else None,
        status=response.status_code,
        ms=round((time.perf_counter() - g.get("started", time.perf_counter())) * 1000, 1),
        code=g.get("error_code"),
        tenant_id=str(caller.tenant_id) if caller else None,
        caller=f"{caller.type}:{caller.id}" if caller else None,
    )
    return response


def _is_routine(path: str, status: int) -> bool:
    """Return whether a request needs no line at info level: a health probe, or a webhook that was
    accepted, which the inbox holds anyway. LOG_LEVEL=debug shows these too."""
    return path.rstrip("/") in PROBES or (path.startswith(WEBHOOKS) and status < 400)


def init_app(app: Flask) -> None:
    app.before_request(start_request)
    app.after_request(finish_request)
