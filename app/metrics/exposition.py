"""The output for Prometheus, and who may read it. Several processes write their samples to one
folder."""

import hmac
from ipaddress import ip_address
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    generate_latest,
    multiprocess,
)

from app import config
from app.config import Environment
from app.metrics import exited
from app.metrics.state import StateCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST


def exposition(*, with_state: bool) -> bytes:
    """Return all samples of this machine's processes, in Prometheus's text format."""
    text = _of_all_processes() if config.current().metrics_folder else generate_latest(REGISTRY)
    if with_state:
        own = CollectorRegistry()
        own.register(StateCollector())
        text += generate_latest(own)
    return text


def _of_all_processes() -> bytes:
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    with exited.exclusive(Path(config.current().metrics_folder)):
        return generate_latest(registry)


def is_welcome(authorization: str, address: str, *, came_by_proxy: bool) -> bool:
    """Return whether the request may read it: with METRICS_TOKEN its bearer; without, in
    development, this machine."""
    settings = config.current()
    if settings.metrics_token:
        scheme, _, given = authorization.partition(" ")
        is_bearer = scheme.lower() == "bearer"
        wanted = settings.metrics_token.encode()
        return is_bearer and hmac.compare_digest(given.strip().encode(), wanted)
    is_local = _is_loopback(address) and not came_by_proxy
    return settings.app_env is not Environment.PRODUCTION and is_local


def _is_loopback(address: str) -> bool:
    """A proxy may hand on anything in the place of an address."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
