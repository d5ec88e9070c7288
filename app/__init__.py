"""create_app: configuration, logging, extensions, errors, blueprints, commands; nothing else."""

from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response
from flask_cors import CORS
from werkzeug.middleware.proxy_fix import ProxyFix

from app import blueprints, config, db, errors, openapi
from app.auth import guards, tokens
from app.cli import commands
from app.common import compression, logging, rate_counts
from app.config import Environment, Settings
from app.extensions import WAIT_HEADER, api, limiter, redis_handle
from app.metrics import service as metrics
from app.tasks import celery_app

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
CROSS_ORIGIN: dict[str, Any] = {
    "allow_headers": ["Authorization", "Content-Type", "Idempotency-Key"],
    "expose_headers": [
        *("Retry-After", "X-Request-Id", "X-RateLimit-Limit", "X-RateLimit-Remaining"),
        "X-RateLimit-Reset",
    ],
    "max_age": 600,
    "supports_credentials": False,
}
"""What pages of other origins may send and read. Tokens travel in a header, never in a cookie."""

STRICT_TRANSPORT = "max-age=31536000; includeSubDomains"


def create_app(settings: Settings | None = None) -> Flask:
    """Create the web service.

    Raises SettingsError when the environment does not describe a service that may start.
    """
    settings = settings or config.load()
    config.use(settings)
    logging.configure(settings)
    db.init(settings)
    app = Flask("app", static_folder=None)
    app.config.from_mapping(flask_config(settings))
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops)  # type: ignore[method-assign]
    errors.init_app(app)
    logging.init_app(app)
    metrics.init_app(app, settings)
    redis_handle.init(settings.redis_url)
    celery_app.configure(settings, socket_timeout=celery_app.RING_TIMEOUT_SECONDS)
    tokens.init_app(app, settings)
    guards.init_app(app)
    # Registered before the limiter, so that it runs after it.
    app.after_request(say_how_long_to_wait)
    limiter.init_app(app)
    api.init_app(app)
    blueprints.init_app(app)
    openapi.init_app(app)
    commands.init_app(app)
    compression.init_app(app)
    if settings.cors_origins:
        CORS(app, origins=list(settings.cors_origins), **CROSS_ORIGIN)
    app.after_request(add_security_headers)
    return app


def flask_config(settings: Settings) -> dict[str, object]:
    return {
        "DEBUG": settings.debug,
        "MAX_CONTENT_LENGTH": settings.max_body_bytes,
        "MAX_FORM_MEMORY_SIZE": settings.max_body_bytes,
        "TRUSTED_HOSTS": trusted_hosts(settings),
        "ANONYMOUS_RATE_LIMIT": settings.anonymous_rate_limit,
        "TENANT_RATE_LIMIT": settings.tenant_rate_limit,
        "RATELIMIT_STORAGE_URI": rate_counts.SCHEME + settings.redis_url,
        "RATELIMIT_STORAGE_OPTIONS": {"socket_timeout": 0.25, "socket_connect_timeout": 0.25},
        "RATELIMIT_KEY_PREFIX": "recado",
        **openapi.flask_config(settings),
    }


def trusted_hosts(settings: Settings) -> list[str] | None:
    """Return the hosts that a developer's machine answers to; None for all.

    A page of any site can give its own name the address 127.0.0.1, and then read what a service
    there answers; the name in `Host` betrays it. In production a proxy decides about names.
    """
    if settings.app_env is not Environment.DEVELOPMENT:
        return None
    own = urlsplit(settings.public_base_url).hostname
    return ["localhost", "127.0.0.1", *([own] if own else [])]


def say_how_long_to_wait(response: Response) -> Response:
    """Send Retry-After with a 429 of the rate limit, and with no answer that needs no wait."""
    seconds = response.headers.pop(WAIT_HEADER, None)
    if seconds is not None and response.status_code == 429:
        response.headers.setdefault("Retry-After", seconds)
    return response


def add_security_headers(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    if config.current().public_base_url.startswith("https://"):
        response.headers.setdefault("Strict-Transport-Security", STRICT_TRANSPORT)
    return response
