"""The log over HTTP: all entries, a summary of all messages, and counts."""

import json
from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import Any

from aiohttp import web

from simulator.control.requests import integer
from simulator.eventlog import EventLog
from simulator.outcomes import table
from simulator.runtime import RUNTIME


async def get_log(request: web.Request) -> web.StreamResponse:
    """Return the entries after `after`; a JSON page, or with format=jsonl one entry a line."""
    log = request.app[RUNTIME].log
    kinds = frozenset(kind for kind in request.query.get("kind", "").split(",") if kind)
    lines = list(log.after(integer(request, "after", 0), kinds, integer(request, "limit", 10_000)))
    if request.query.get("format") == "jsonl":
        body = b"".join(line + b"\n" for line in lines)
        return web.Response(body=body, content_type="application/x-ndjson")
    head = b'{"last": %d, "items": [' % log.last
    body = head + b",".join(lines) + b"]}"
    return web.Response(body=body, content_type="application/json")


def log_page(
    request: web.Request, log: EventLog, wanted: Callable[[dict[str, Any]], bool]
) -> web.StreamResponse:
    """Return a page of another log than Twilio's: `after` and `limit`, and what is `wanted`."""
    entries = (json.loads(line) for line in log.after(integer(request, "after", 0), frozenset()))
    found = (entry for entry in entries if wanted(entry))
    items = list(islice(found, integer(request, "limit", 10_000)))
    return web.json_response({"last": log.last, "items": items})


async def clear_log(request: web.Request) -> web.StreamResponse:
    request.app[RUNTIME].log.clear()
    return web.Response(status=204)


async def list_messages(request: web.Request) -> web.StreamResponse:
    """All messages, oldest first; filters direction, status, to, from; `after` is a seq."""
    query, after = request.query, integer(request, "after", 0)
    found = (
        m
        for m in request.app[RUNTIME].world.messages.values()
        if m.seq > after
        and query.get("direction", m.direction) == m.direction
        and query.get("status", m.status) == m.status
        and query.get("to", m.to_address) == m.to_address
        and query.get("from", m.from_address) == m.from_address
    )
    items = [
        {
            "seq": m.seq,
            "sid": m.sid,
            "account_sid": m.account_sid,
            "direction": m.direction,
            "from": m.from_address,
            "to": m.to_address,
            "body": m.body,
            "status": m.status,
            "error_code": m.error_code,
            "created_at": m.created,
            "StatusCallback": m.status_callback,
            "deleted": m.deleted,
        }
        for m in islice(found, integer(request, "limit", 100_000))
    ]
    return web.json_response({"messages": items})


async def counts(request: web.Request) -> web.StreamResponse:
    runtime = request.app[RUNTIME]
    messages: Counter[str] = Counter()
    for message in runtime.world.messages.values():
        messages[f"{'inbound' if message.inbound else 'outbound'} {message.status}"] += 1
    return web.json_response(
        {
            "log": dict(runtime.log.counts),
            "messages": dict(messages),
            "outbound": sum(not m.inbound for m in runtime.world.messages.values()),
            "inbound": sum(m.inbound for m in runtime.world.messages.values()),
            "background_tasks": len(runtime.tasks),
        }
    )


async def list_outcomes(_: web.Request) -> web.StreamResponse:
    return web.json_response({"numbers": table()})
