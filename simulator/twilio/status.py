"""Status callbacks: their parameters, their faults and their delivery."""

import asyncio
from typing import Final

from simulator.faults import Call, Rule
from simulator.outcomes import outcome_for
from simulator.records import PREFIX, Message
from simulator.runtime import Runtime
from simulator.twilio.senders import sender_sid
from simulator.twilio.signing import Parameters
from simulator.twilio.webhooks import Delivery

_EVENT_TYPES: Final = {"read": "READ", "delivered": "DELIVERED", "undelivered": "UNDELIVERED"}
_HELD_AT_MOST = 5.0


def status_parameters(runtime: Runtime, message: Message, status: str) -> Parameters:
    """As the page on tracking outbound messages lists them."""
    sid = message.sid
    values = {
        "MessageSid": sid,
        "SmsSid": sid,
        "MessageStatus": status,
        "SmsStatus": status,
        "AccountSid": message.account_sid,
        "From": message.from_address,
        "To": message.to_address,
        "ApiVersion": "2010-04-01",
        "ChannelPrefix": "whatsapp",
        "ChannelInstallSid": sender_sid(message.account_sid, message.sender),
        "ChannelToAddress": message.to_address.removeprefix(PREFIX)[:-4] + "XXXX",
        "StructuredMessage": "false",
    }
    if message.service_sid:
        values["MessagingServiceSid"] = message.service_sid
    if status in _EVENT_TYPES:
        values["EventType"] = _EVENT_TYPES[status]
    if status in ("failed", "undelivered") and message.error_code:
        values["ErrorCode"] = str(message.error_code)
        values["ErrorMessage"] = message.error_message or ""
        values["ChannelStatusMessage"] = message.error_message or ""
    phone = runtime.world.phones.get(message.phone)
    if phone and phone.user_id and status in ("delivered", "read"):
        values["ExternalUserId"] = PREFIX + phone.user_id
    return list(values.items())


class StatusCallbacks:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._held: dict[str, list[Delivery]] = {}

    def emit(self, message: Message, status: str) -> asyncio.Task[None] | None:
        """Start the callback of one status, with or without a fault."""
        runtime = self._runtime
        account = runtime.world.accounts.get(message.account_sid)
        if account is None:
            return None
        sender = account.senders.get(message.sender)
        url = message.status_callback or (sender.status_url if sender else None)
        if not url:
            return None
        parameters = status_parameters(runtime, message, status)
        delivery = Delivery(account, url, parameters, "status", message.sid, status)
        return runtime.spawn(self._send(message, delivery))

    def _fault(self, message: Message, status: str) -> Rule | None:
        outcome = outcome_for(message.phone)
        if outcome is not None and outcome.callbacks in ("doubled", "reordered"):
            return Rule(outcome.callbacks)
        if outcome is not None and outcome.callbacks == "none":
            return Rule("lost")
        address = (message.account_sid, message.to_address, message.from_address)
        call = Call(*address, message.body, status)
        return self._runtime.faults.on_callback(call, early=False)

    async def _send(self, message: Message, delivery: Delivery) -> None:
        rule = self._fault(message, delivery.status)
        fault = rule.fault if rule else None
        if rule is not None:
            self._runtime.log.add(
                "callback_fault", sid=message.sid, status=delivery.status, fault=fault
            )
        if fault == "lost":
            return
        if fault == "reordered" and delivery.status == "sent":
            # It is sent after the next callback of the same message.
            self._held.setdefault(message.sid, []).append(delivery)
            await asyncio.sleep(self._runtime.scaled(_HELD_AT_MOST))
            await self._release(message.sid)
            return
        if rule is not None and fault == "late":
            await asyncio.sleep(self._runtime.scaled(rule.seconds))
        webhooks = self._runtime.webhooks
        if fault == "doubled":
            await asyncio.gather(webhooks.deliver(delivery), webhooks.deliver(delivery))
        else:
            await webhooks.deliver(delivery)
        await self._release(message.sid)

    async def _release(self, sid: str) -> None:
        for delivery in self._held.pop(sid, []):
            await self._runtime.webhooks.deliver(delivery)
