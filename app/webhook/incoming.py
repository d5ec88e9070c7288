"""The request of a provider, in the form that providers' adapters read."""

from flask import request

from app import config
from app.channels.providers.base import WebhookRequest


def current_request() -> WebhookRequest:
    """Return this request as the provider signed it: our public address and the target as it was
    sent."""
    target = request.environ.get("RAW_URI") or request.full_path
    path, _, query = target.partition("?")
    if not path.startswith("/"):
        # Proxies may send the absolute form; its authority cannot be trusted.
        path = request.path
    url = config.current().public_base_url + path + (f"?{query}" if query else "")
    return WebhookRequest(url, query, request.get_data(cache=True), dict(request.headers))
