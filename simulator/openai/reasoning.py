"""Reasoning items that come back: inside a tool loop the vendor wants them with their calls."""

from simulator.openai.errors import ApiError, bad_request
from simulator.openai.items import Item
from simulator.openai.state import OpenAIState, encrypted_reasoning


def check_reasoning(state: OpenAIState, items: list[Item]) -> None:
    """Raises ApiError for a call whose reasoning was left out, for reasoning without what it led
    to, and for reasoning that is not ours."""
    present = {item["id"] for item in items if item.get("type") == "reasoning"}
    for index, item in enumerate(items):
        kind = item.get("type")
        if kind == "reasoning":
            _check_content(item)
            if index + 1 == len(items):
                message = (
                    f"Item '{item['id']}' of type 'reasoning' was provided without its required "
                    "following item."
                )
                raise bad_request(message, None, "input")
        elif kind == "function_call":
            needed = state.reasoning_of(item.get("id"))
            if needed is not None and needed not in present:
                message = (
                    f"Item '{item['id']}' of type 'function_call' was provided without its "
                    f"required 'reasoning' item: '{needed}'."
                )
                raise bad_request(message, None, "input")


def _check_content(item: Item) -> None:
    content = item.get("encrypted_content")
    if content is None:
        message = (
            f"Item with id '{item['id']}' not found. Items are not persisted when `store` is set "
            "to false."
        )
        raise ApiError(404, message, None, "input")
    if content != encrypted_reasoning(item["id"]):
        message = f"The encrypted content for item {item['id']} could not be verified."
        raise bad_request(message, "invalid_encrypted_content", None)
