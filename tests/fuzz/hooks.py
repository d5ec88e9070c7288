"""What Schemathesis loads: every second request names something that exists.

A made-up name is answered 404, so without this no operation on one thing would do its work.
"""

import itertools
import os
from functools import cache
from typing import Any

import requests
import schemathesis
from hypothesis import strategies as st

BASE_URL = os.environ.get("PUBLIC_BASE_URL", "")

LISTS = {
    "bot_id": ("/bots", "data"),
    "channel_id": ("/channels", "items"),
    "conversation_id": ("/api/whatsapp/conversations", "items"),
    "item_id": ("/api/inbox/items", "items"),
    "key_id": ("/auth/api-keys", "items"),
    "message_id": ("/api/messages", "messages"),
    "reply_id": ("/api/keyword-replies", "items"),
    "session_id": ("/auth/sessions", "items"),
    "tenant_id": ("/tenants", "items"),
    "user_id": ("/tenants/me/users", "items"),
}
"""Parameter → the list that it comes from, and the name of its rows."""

TURNS = itertools.count()

schemathesis.openapi.format("phone", st.from_regex(r"\+1555777[0-9]{4}", fullmatch=True))


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: dict[str, Any]) -> None:
    """Replace what the path of every second request names, unless it is made without a token."""
    names = set(case.path_parameters or {})
    authorization = str((case.headers or {}).get("Authorization", ""))
    if not names or next(TURNS) % 2:
        return
    for name in names & set(LISTS):
        case.path_parameters[name] = some_id(name, authorization) or case.path_parameters[name]
    if "provider" in names:
        case.path_parameters["provider"] = "twilio"


def some_id(name: str, authorization: str) -> str | None:
    """Return the id of the newest row that the run does not need itself."""
    path, rows = LISTS[name]
    needed = needed_ids(authorization)
    for row in ask(path, authorization).get(rows, []):
        if row["id"] not in needed and not row.get("is_current"):
            return str(row["id"])
    return None


@cache
def needed_ids(authorization: str) -> frozenset[str]:
    """Return the caller, its business, and the channel that messages are sent from."""
    me = ask("/auth/me", authorization)
    channels = ask("/channels", authorization).get("items", [])
    default = {channel["id"] for channel in channels if channel["is_default"]}
    return frozenset({me["id"], me["tenant"]["id"], *default}) if me else frozenset()


def ask(path: str, authorization: str) -> dict[str, Any]:
    headers = {"Authorization": authorization}
    answer = requests.get(f"{BASE_URL}{path}", headers=headers, timeout=10)
    found: dict[str, Any] = answer.json() if answer.ok else {}
    return found
