"""The table of all blueprints, with prefix, guard and kind. The service has no other routes."""

from enum import StrEnum
from typing import NamedTuple

from flask import Flask

from app.auth import guards
from app.auth.endpoints import account, api_keys, sign_in
from app.bots.endpoints import bots, replies
from app.channels.endpoints import channels
from app.conversations.endpoints import conversations
from app.docs.endpoints import docs
from app.extensions import Blueprint, PageBlueprint, api
from app.health.endpoints import health, state
from app.inbox.endpoints import inbox
from app.knowledge.endpoints import knowledge
from app.messages.endpoints import messages, sending, template_sending
from app.metrics.endpoints import metrics
from app.tenants.endpoints import own_tenant, tenants
from app.webhook.endpoints import webhooks


class Guard(StrEnum):
    PUBLIC = "public"
    """Everyone: signing in, health, the API's description."""
    CALLER = "caller"
    """A person's token or an API key with the permission that the view names."""
    SIGNATURE = "signature"
    """A provider, by its signature; the view verifies it before it stores anything."""
    OPERATOR = "operator"
    """The operator's tools, by METRICS_TOKEN; the view checks it and answers everyone else 404."""


class Kind(StrEnum):
    API = "api"
    """Answers JSON. Each route is in the OpenAPI document and in the Postman collection."""
    PAGE = "page"
    """HTML and its files, for browsers. Its routes are described nowhere else."""


class Entry(NamedTuple):
    blueprint: Blueprint | PageBlueprint
    prefix: str
    guard: Guard
    kind: Kind = Kind.API


TABLE = (
    Entry(sign_in, "/auth", Guard.PUBLIC),
    Entry(account, "/auth", Guard.CALLER),
    Entry(api_keys, "/auth/api-keys", Guard.CALLER),
    Entry(tenants, "/tenants", Guard.CALLER),
    Entry(own_tenant, "/tenants/me", Guard.CALLER),
    Entry(channels, "/channels", Guard.CALLER),
    Entry(sending, "/api", Guard.CALLER),
    Entry(template_sending, "/", Guard.CALLER),
    Entry(messages, "/api/messages", Guard.CALLER),
    Entry(conversations, "/api/whatsapp", Guard.CALLER),
    Entry(replies, "/api/keyword-replies", Guard.CALLER),
    Entry(bots, "/bots", Guard.CALLER),
    Entry(knowledge, "/bots/<uuid:bot_id>/knowledge", Guard.CALLER),
    Entry(inbox, "/api/inbox", Guard.CALLER),
    Entry(webhooks, "/webhook", Guard.SIGNATURE),
    Entry(health, "/health", Guard.PUBLIC),
    Entry(state, "/api", Guard.PUBLIC),
    Entry(metrics, "/metrics", Guard.OPERATOR),
    Entry(docs, "/", Guard.PUBLIC, Kind.PAGE),
)


def init_app(app: Flask) -> None:
    """Register every blueprint of the table behind its guard."""
    for entry in TABLE:
        register = app if entry.kind is Kind.PAGE else api
        register.register_blueprint(entry.blueprint, url_prefix=entry.prefix)
    names = {entry.blueprint.name: entry.guard for entry in TABLE}
    for endpoint, view in app.view_functions.items():
        if names.get(endpoint.rpartition(".")[0]) is Guard.CALLER:
            app.view_functions[endpoint] = guards.caller_only(view)
