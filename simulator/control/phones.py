"""Phones: people who write, read, go offline, and whose window opens and closes."""

import asyncio
import time
from typing import Any

from aiohttp import web

from simulator.control.requests import read_json, refuse
from simulator.records import NUMBER, PREFIX, USER_ID, Phone
from simulator.runtime import RUNTIME
from simulator.twilio.inbound import WriteError, Writing, inbound_parameters, notify, write
from simulator.world import WINDOW_SECONDS


def _phone(request: web.Request) -> Phone:
    """Return the phone of the path; a number that was not added yet is added when it writes."""
    try:
        return request.app[RUNTIME].world.phone_for(request.match_info["key"])
    except ValueError as error:
        raise refuse(404, str(error)) from None


def _sender(value: Any) -> str | None:
    return PREFIX + str(value).removeprefix(PREFIX) if value else None


async def list_phones(request: web.Request) -> web.StreamResponse:
    """Return the phones that the page shows; `?all=1` adds those that only received."""
    runtime = request.app[RUNTIME]
    every = request.query.get("all") == "1"
    phones = [p for p in runtime.world.phones.values() if p.listed or every]
    return web.json_response({"phones": [runtime.world.describe(phone) for phone in phones]})


async def create_phone(request: web.Request) -> web.StreamResponse:
    """{number and/or user_id, name, auto_read, online, window: open|closed}"""
    runtime, data = request.app[RUNTIME], await read_json(request)
    number, user_id = data.get("number") or None, data.get("user_id") or None
    if number is not None and not NUMBER.match(str(number)):
        raise refuse(400, "number must be E.164, such as +15551234567")
    if user_id is not None and not USER_ID.match(str(user_id)):
        raise refuse(400, "user_id must look like CO.13491208655302741918")
    if number is None and user_id is None:
        raise refuse(400, "give a number, a user_id, or both")
    known = runtime.world.find_phone(str(number or user_id))
    if known is not None and known.listed:
        raise refuse(409, "this phone is there already")
    phone = known or Phone(number, user_id)
    phone.name, phone.listed = str(data.get("name") or phone.name), True
    phone.auto_read = bool(data.get("auto_read", True))
    phone.online = bool(data.get("online", True))
    runtime.world.add_phone(phone)
    if data.get("window") == "open":
        runtime.world.join(phone)
    return web.json_response(runtime.world.describe(phone), status=201)


async def change_phone(request: web.Request) -> web.StreamResponse:
    """Change any of {name, auto_read, online, listed, user_id}; back online, waiting messages are
    delivered, and with auto_read again they are read.

    With a `user_id` the person shows that id in addition to the number from now on.
    """
    runtime, phone = request.app[RUNTIME], _phone(request)
    data = await read_json(request)
    unknown = set(data) - {"name", "auto_read", "online", "listed", "user_id"}
    if unknown:
        raise refuse(400, f"unknown fields: {', '.join(sorted(unknown))}")
    if data.get("user_id"):
        if not USER_ID.match(str(data["user_id"])):
            raise refuse(400, "user_id must look like CO.13491208655302741918")
        phone.user_id = str(data["user_id"])
        runtime.world.add_phone(phone)
    was_online = phone.online
    phone.name = str(data.get("name", phone.name))
    phone.auto_read = bool(data.get("auto_read", phone.auto_read))
    phone.online = bool(data.get("online", phone.online))
    phone.listed = bool(data.get("listed", phone.listed))
    runtime.world.save_phone(phone)
    if phone.online and not was_online:
        runtime.delivery.phone_online(phone)
    runtime.delivery.read_waiting(phone)
    return web.json_response(runtime.world.describe(phone))


async def list_chat(request: web.Request) -> web.StreamResponse:
    """Return the bubbles, oldest first; `?sender=` restricts them to one business number."""
    runtime, phone = request.app[RUNTIME], _phone(request)
    sender = _sender(request.query.get("sender"))
    bubbles = [runtime.world.bubble(m) for m in runtime.world.chat(phone, sender)]
    return web.json_response({"messages": bubbles})


async def write_message(request: web.Request) -> web.StreamResponse:
    """Write as the person. With `wait: true` the answer contains the webhook's answer."""
    runtime, phone = request.app[RUNTIME], _phone(request)
    data = await read_json(request)
    sender = _sender(data.get("to"))
    account = runtime.world.account_of_sender(sender or "")
    if account is None or sender is None:
        raise refuse(400, "`to` must be a business number of the simulator")
    if data.get("kind") == "location" and not {"latitude", "longitude"} <= set(data):
        raise refuse(400, "a location needs latitude and longitude")
    try:
        writing = Writing.from_json(data)
        message = write(runtime, account, sender, phone, writing)
    except WriteError as error:
        raise refuse(400, str(error)) from None
    parameters = inbound_parameters(runtime, message, writing)
    work = runtime.spawn(notify(runtime, account, message, parameters))
    if data.get("wait"):
        await asyncio.wait([work])
    return web.json_response(runtime.world.bubble(message), status=201)


async def read_chat(request: web.Request) -> web.StreamResponse:
    """Mark delivered messages as read: one `sid`, one `sender`'s chat, or everything."""
    runtime, phone = request.app[RUNTIME], _phone(request)
    data = await read_json(request)
    sender, sid = _sender(data.get("sender")), data.get("sid")
    chat = list(runtime.world.chat(phone, sender))
    read = [m.sid for m in chat if sid in (None, m.sid) and runtime.delivery.read(m)]
    return web.json_response({"read": read})


async def change_window(request: web.Request) -> web.StreamResponse:
    """{action: open|expire} or {last_inbound: epoch seconds}, for `sender` or all senders."""
    runtime, phone = request.app[RUNTIME], _phone(request)
    data = await read_json(request)
    wanted, action = _sender(data.get("sender")), data.get("action")
    if "last_inbound" in data:
        at = float(data["last_inbound"])
    elif action == "open":
        at = time.time()
    elif action == "expire":
        at = time.time() - WINDOW_SECONDS - 1
    else:
        raise refuse(400, "give action open or expire, or last_inbound")
    for account in runtime.world.accounts.values():
        for sender in account.senders:
            if wanted in (None, sender):
                runtime.world.set_window(phone, sender, at)
    runtime.log.add("window", phone=phone.key, sender=wanted, last_inbound=at)
    runtime.world.save_phone(phone)
    return web.json_response(runtime.world.describe(phone))
