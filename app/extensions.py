"""Objects that Flask fills at start-up; imports nothing from the rest of the app."""

from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any

import flask
import redis
from celery import Celery
from flask_jwt_extended import JWTManager
from flask_limiter import HeaderNames, Limiter
from flask_smorest import Api
from flask_smorest import Blueprint as SmorestBlueprint
from marshmallow import Schema
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

REDIS_TIMEOUT_SECONDS = 0.25

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


WAIT_HEADER = "X-RateLimit-Wait"
"""The library would send Retry-After with every answer; app/__init__.py moves it to a 429."""


class StrictParser(FlaskParser):
    """Accepts only JSON objects, refuses unknown fields, and never causes a 500."""

    # webargs declares it as an instance variable, so it cannot be a ClassVar.
    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {  # noqa: RUF012
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "query": "raise",
        "querystring": "raise",
    }

    def _raw_load_json(self, req: flask.Request) -> Any:
        if req.get_data(cache=True) and not req.is_json:
            raise UnsupportedMediaType
        try:
            return super()._raw_load_json(req)
        except (RecursionError, ValueError) as error:
            # Python refuses to parse integers of more than 4,300 digits.
            raise BadRequest from error

    def _handle_invalid_json_error(self, error: Any, *_: Any) -> Any:
        raise BadRequest from error


class Blueprint(SmorestBlueprint):  # type: ignore[misc]  # flask-smorest has no types
    ARGUMENTS_PARSER = StrictParser()

    def arguments(self, schema: type[Schema], **options: Any) -> Any:
        """Declare a view's input. One schema instance serves all requests: creating one costs more
        than using it."""
        return super().arguments(schema(), **options)


class PageBlueprint(flask.Blueprint):
    """A blueprint of pages for browsers. Each response forbids loading anything from another
    host."""

    def __init__(self, name: str, import_name: str) -> None:
        super().__init__(name, import_name)
        self.after_request(add_content_policy)


def add_content_policy(response: flask.Response) -> flask.Response:
    response.headers["Content-Security-Policy"] = CONTENT_POLICY
    return response


class RecadoApi(Api):  # type: ignore[misc]  # flask-smorest has no types
    """flask-smorest's Api without its error handlers; app/errors.py answers errors instead."""

    def _register_error_handlers(self) -> None:
        return


class RedisHandle:
    """A Redis client that never waits longer than REDIS_TIMEOUT_SECONDS."""

    client: redis.Redis

    def init(self, url: str) -> None:
        self.client = redis.Redis.from_url(
            url,
            socket_timeout=REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
            decode_responses=True,
            health_check_interval=30,
        )


api = RecadoApi()
jwt = JWTManager()
celery = Celery("recado")
redis_handle = RedisHandle()


def limit_key() -> str:
    """Return whom a request counts against: the tenant with its key or user, otherwise the
    address."""
    caller = flask.g.get("caller")
    return caller.limit_key if caller is not None else f"ip:{network_of_client()}"


def network_of_client() -> str:
    """Return the IPv4 address of the client, or its IPv6 network: a /64 belongs to one customer."""
    text = flask.request.remote_addr or ""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return text
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped or IPv6Network((address, 64), strict=False))
    return str(address)


def limit_for_request() -> str:
    name = "ANONYMOUS_RATE_LIMIT" if flask.g.get("caller") is None else "TENANT_RATE_LIMIT"
    return str(flask.current_app.config[name])


limiter = Limiter(
    key_func=limit_key,
    # One count for all routes of a caller.
    application_limits=[limit_for_request],
    headers_enabled=True,
    header_name_mapping={HeaderNames.RETRY_AFTER: WAIT_HEADER},
    strategy="fixed-window",
)
