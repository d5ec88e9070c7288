"""The simulated models over HTTP: keys, rules, today's date, and the log of requests."""

from dataclasses import asdict
from datetime import date
from typing import Any

from aiohttp import web

from simulator.control.log import log_page
from simulator.control.requests import read_json, refuse
from simulator.eventlog import fingerprint
from simulator.openai.state import OpenAIState, read_key
from simulator.runtime import RUNTIME


def _state(request: web.Request) -> OpenAIState:
    return request.app[RUNTIME].openai


def _described(state: OpenAIState) -> dict[str, Any]:
    return {
        "today": state.today.isoformat(),
        "keys": [key.to_json() for key in state.keys.values()],
        "rules": [rule.to_json() for rule in state.script.rules],
    }


async def get_state(request: web.Request) -> web.StreamResponse:
    return web.json_response(_described(_state(request)))


async def reset(request: web.Request) -> web.StreamResponse:
    """Restore the demonstration key, and remove rules, log, stored responses and the date."""
    _state(request).reset()
    return web.Response(status=204)


async def put_today(request: web.Request) -> web.StreamResponse:
    """Set `today`, by which models are shut down; null is the real date."""
    state, data = _state(request), await read_json(request)
    try:
        given = data.get("today")
        state.today_set = None if given is None else date.fromisoformat(given)
    except (ValueError, TypeError):
        raise refuse(400, "today must look like 2026-12-11") from None
    return web.json_response({"today": state.today.isoformat()})


async def put_key(request: web.Request) -> web.StreamResponse:
    """Create or replace a key: {quota, brain, models, context_tokens}."""
    state, data = _state(request), await read_json(request)
    try:
        key = read_key(request.match_info["key"], data)
    except (ValueError, TypeError) as error:
        raise refuse(400, str(error)) from None
    state.keys[key.key] = key
    return web.json_response(key.to_json())


async def delete_key(request: web.Request) -> web.StreamResponse:
    if _state(request).keys.pop(request.match_info["key"], None) is None:
        raise refuse(404, "no such key")
    return web.Response(status=204)


async def put_rules(request: web.Request) -> web.StreamResponse:
    """Replace all rules by `rules`; with `key`, only those of that key."""
    state, data = _state(request), await read_json(request)
    try:
        state.script.load(data.get("rules", []), key=data.get("key"))
    except (ValueError, TypeError) as error:
        raise refuse(400, str(error)) from None
    return web.json_response(_described(state))


async def add_rule(request: web.Request) -> web.StreamResponse:
    state, data = _state(request), await read_json(request)
    try:
        state.script.append(data)
    except (ValueError, TypeError) as error:
        raise refuse(400, str(error)) from None
    return web.json_response(_described(state), status=201)


async def clear_rules(request: web.Request) -> web.StreamResponse:
    """Remove all rules; with `?key=`, only those of that key."""
    _state(request).script.clear(request.query.get("key"))
    return web.Response(status=204)


async def get_bill(request: web.Request) -> web.StreamResponse:
    """What a key was charged for so far."""
    state, key = _state(request), request.match_info["key"]
    if key not in state.keys:
        raise refuse(404, "no such key")
    return web.json_response(asdict(state.bills[key]))


async def get_log(request: web.Request) -> web.StreamResponse:
    """`key` is a key or its fingerprint."""
    given = request.query.get("key")
    wanted = (given, fingerprint(given)) if given else ()
    endpoint = request.query.get("endpoint")

    def is_wanted(entry: dict[str, Any]) -> bool:
        return (not wanted or entry["key"] in wanted) and endpoint in (None, entry["endpoint"])

    return log_page(request, _state(request).log, is_wanted)


async def clear_log(request: web.Request) -> web.StreamResponse:
    _state(request).log.clear()
    return web.Response(status=204)
