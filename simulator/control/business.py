"""The business API over HTTP: its accounts, their faults, and the log of requests."""

from typing import Any

from aiohttp import web

from simulator.business.data import Account, account_from
from simulator.business.faults import read_faults
from simulator.business.state import BusinessState
from simulator.control.log import log_page
from simulator.control.requests import read_json, refuse
from simulator.eventlog import fingerprint
from simulator.runtime import RUNTIME


def _state(request: web.Request) -> BusinessState:
    return request.app[RUNTIME].business


def _account(request: web.Request) -> Account:
    account = _state(request).accounts.get(request.match_info["key"])
    if account is None:
        raise refuse(404, "no such account")
    return account


def _described(state: BusinessState, key: str, account: Account) -> dict[str, Any]:
    faults = [fault.to_json() for fault in state.faults.get(key, ())]
    return {"key": key, "fingerprint": fingerprint(key), **account.to_json(), "faults": faults}


async def list_accounts(request: web.Request) -> web.StreamResponse:
    state = _state(request)
    accounts = [_described(state, key, account) for key, account in state.accounts.items()]
    return web.json_response({"accounts": accounts})


async def get_account(request: web.Request) -> web.StreamResponse:
    account = _account(request)
    return web.json_response(_described(_state(request), request.match_info["key"], account))


async def put_account(request: web.Request) -> web.StreamResponse:
    """Create or replace an account: {orders, appointments}, else with the demonstration's data."""
    state, key, data = _state(request), request.match_info["key"], await read_json(request)
    try:
        account = account_from(data)
    except (ValueError, TypeError) as error:
        raise refuse(400, str(error)) from None
    state.accounts[key] = account
    state.faults.pop(key, None)
    return web.json_response(_described(state, key, account))


async def delete_account(request: web.Request) -> web.StreamResponse:
    _account(request)
    _state(request).accounts.pop(request.match_info["key"])
    _state(request).faults.pop(request.match_info["key"], None)
    return web.Response(status=204)


async def put_faults(request: web.Request) -> web.StreamResponse:
    """Replace the faults of an account by `rules`."""
    account, state, key = _account(request), _state(request), request.match_info["key"]
    data = await read_json(request)
    try:
        state.faults[key] = read_faults(data.get("rules", []), request.app[RUNTIME].settings.seed)
    except ValueError as error:
        raise refuse(400, str(error)) from None
    return web.json_response(_described(state, key, account))


async def clear_faults(request: web.Request) -> web.StreamResponse:
    _account(request)
    _state(request).faults.pop(request.match_info["key"], None)
    return web.Response(status=204)


async def get_log(request: web.Request) -> web.StreamResponse:
    """`key` is an API key or its fingerprint."""
    given = request.query.get("key")
    wanted = (given, fingerprint(given)) if given else ()
    return log_page(request, _state(request).log, lambda e: not wanted or e["key"] in wanted)


async def clear_log(request: web.Request) -> web.StreamResponse:
    _state(request).log.clear()
    return web.Response(status=204)
