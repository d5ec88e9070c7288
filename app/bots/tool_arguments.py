"""The arguments of a tool call, which are a text that a model wrote."""

import json
from typing import Any

from app.bots.definition import Json
from app.common.schema import find_unstorable


def read(text: str) -> Json | None:
    """Return the JSON object in the text; None if there is none that can be stored and answered."""
    try:
        found: Any = json.loads(text)
        # Also refuses what is nested too deeply.
        if not isinstance(found, dict) or find_unstorable(found):
            return None
        # NaN and Infinity are no JSON, but are read as if they were.
        json.dumps(found, allow_nan=False)
    except (ValueError, RecursionError):
        return None
    return found
