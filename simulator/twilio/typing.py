"""The typing indicator, which also marks the person's message as read."""

import time

from aiohttp import web

from simulator.runtime import RUNTIME
from simulator.twilio.auth import authenticate
from simulator.twilio.errors import bad_request, json_response
from simulator.twilio.form import read_form

_SHOWN_FOR = 25.0


async def start_typing(request: web.Request) -> web.StreamResponse:
    runtime = request.app[RUNTIME]
    account = authenticate(request)
    form = await read_form(request)
    if form.text("channel").lower() != "whatsapp":
        raise bad_request(20001, "channel must be whatsapp")
    message = runtime.world.message(account, form.text("messageId"))
    if message is None or not message.inbound:
        raise bad_request(20001, "messageId must be the SID of a message that the person sent")
    if message.details.get("read_by_business") is None:
        message.details["read_by_business"] = time.time()
        runtime.world.save_message(message)
    runtime.log.add("typing", sid=message.sid, phone=message.phone)
    runtime.world.publish(
        {
            "type": "typing",
            "phone": message.phone,
            "sender": message.sender,
            "seconds": runtime.scaled(_SHOWN_FOR),
        }
    )
    return json_response({"success": True})
