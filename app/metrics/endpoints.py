"""`/metrics`, for the operator's Prometheus. Everybody else gets 404."""

from flask import Response

from app.errors import NotFound, fails_with
from app.extensions import Blueprint, limiter
from app.metrics import service

metrics = Blueprint("metrics", "metrics")


@metrics.get("")
@limiter.exempt
@fails_with(NotFound)
@metrics.doc(responses={"200": {"description": "OK", "content": {"text/plain": {}}}})
def get_metrics() -> Response:
    """Show metrics

    In Prometheus's text format. Needs `Authorization: Bearer <METRICS_TOKEN>`; while that is not
    set, only a development installation answers, and only to its own machine. Everybody else gets
    404.
    """
    if not service.asks_welcome():
        raise NotFound
    return service.answer()
