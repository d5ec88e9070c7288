"""What the owner of a bot can do when a model's server refuses it."""

from app import config
from app.ai.errors import AiError
from app.ai.types import Endpoint

REMEDIES = {
    "invalid_api_key": "The key is not valid: set model.api_key.",
    "http_401": "The key is not valid: set model.api_key.",
    "http_403": "The key may not use this model: set model.api_key or openai_model.",
    "insufficient_quota": "The account of the key has no credit left.",
    "model_not_found": "The server has no such model: set openai_model.",
    "http_404": "The server has no such model, or is no model's server: check model.base_url.",
    "address_refused": "The address is not public: set model.base_url.",
    "redirected": "The address leads to another one: set model.base_url to that.",
    "context_length_exceeded": "Shorten the instructions or the history.",
}
"""The server's code → what to do. Other codes are not shown: a server may write anything there."""

INSTALLATION = "The key of the installation is used: tell its operator, or set model.api_key."
CHECK = "Check model.api_key, model.base_url and openai_model."


def known_code(error: AiError) -> str:
    """Return the server's code if it is one that may be shown, else an empty text."""
    return error.code if error.code in REMEDIES else ""


def uses_installation_key(endpoint: Endpoint) -> bool:
    return endpoint.is_trusted and endpoint.api_key == config.current().openai_api_key


def of_misconfigured(error: AiError, endpoint: Endpoint) -> str:
    """Return what to do about a key, a model or an address that the server refuses."""
    if uses_installation_key(endpoint):
        return INSTALLATION
    return REMEDIES.get(error.code, CHECK)
