"""Accounts, senders, the approval of templates, and the reset of the simulator."""

from aiohttp import web

from simulator.control.requests import read_json, refuse
from simulator.records import NUMBER, PREFIX, Account, Sender
from simulator.runtime import RUNTIME
from simulator.twilio.templates import seed_contents


async def reset(request: web.Request) -> web.StreamResponse:
    runtime = request.app[RUNTIME]
    runtime.faults.clear()
    runtime.log.clear()
    runtime.openai.reset()
    runtime.business.reset()
    runtime.world.reset()
    seed_contents(runtime)
    return web.json_response({"reset": True})


async def list_accounts(request: web.Request) -> web.StreamResponse:
    accounts = request.app[RUNTIME].world.accounts.values()
    return web.json_response({"accounts": [account.to_config() for account in accounts]})


async def put_account(request: web.Request) -> web.StreamResponse:
    """Create or replace; a new auth_token makes the old one fail with 401."""
    runtime = request.app[RUNTIME]
    config = await read_json(request)
    known = runtime.world.accounts.get(request.match_info["sid"])
    base = known.to_config() if known else {}
    try:
        account = Account.from_config({**base, **config, "sid": request.match_info["sid"]})
    except (ValueError, KeyError, TypeError) as error:
        raise refuse(400, str(error)) from None
    runtime.world.put_account(account)
    seed_contents(runtime)
    return web.json_response(account.to_config())


async def delete_account(request: web.Request) -> web.StreamResponse:
    if request.app[RUNTIME].world.accounts.pop(request.match_info["sid"], None) is None:
        raise refuse(404, "no such account")
    return web.Response(status=204)


async def list_senders(request: web.Request) -> web.StreamResponse:
    accounts = request.app[RUNTIME].world.accounts.values()
    senders = [s.to_json() | {"account_sid": a.sid} for a in accounts for s in a.senders.values()]
    return web.json_response({"senders": senders})


async def put_sender(request: web.Request) -> web.StreamResponse:
    """Create or change: inbound_url, status_url, fallback_url, name; account_sid for a new one."""
    world = request.app[RUNTIME].world
    data = await read_json(request)
    number = PREFIX + request.match_info["number"].removeprefix(PREFIX)
    if not NUMBER.match(number.removeprefix(PREFIX)):
        raise refuse(400, "the number must be E.164")
    account = world.account_of_sender(number) or world.accounts.get(str(data.get("account_sid")))
    if account is None:
        raise refuse(404, "account_sid does not name an account")
    old = account.senders.get(number)
    known = old.to_json() if old else {"number": number}
    account.senders[number] = Sender.from_json({**known, **data, "number": number})
    for phone in world.phones.values():
        if phone.ready_made and (phone.key, number) not in world.last_inbound:
            world.join(phone)
    return web.json_response(account.senders[number].to_json())


async def put_content(request: web.Request) -> web.StreamResponse:
    """Set the approval `status` of a template, in every account or in `account_sid`'s."""
    world = request.app[RUNTIME].world
    data = await read_json(request)
    found = [
        c
        for (account_sid, sid), c in world.contents.items()
        if sid == request.match_info["sid"] and data.get("account_sid") in (None, account_sid)
    ]
    if not found:
        raise refuse(404, "no such content")
    for content in found:
        content.approval = {**content.approval, "status": str(data.get("status", "approved"))}
        world.put_content(content)
    return web.json_response({"changed": len(found)})
