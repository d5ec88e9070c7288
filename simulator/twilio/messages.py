"""The Messages resource: create, fetch, update, delete, feedback."""

import asyncio
import time
from typing import Final

from aiohttp import web

from simulator.faults import Call, Rule
from simulator.outcomes import outcome_for
from simulator.records import PREFIX, Account, Message
from simulator.runtime import RUNTIME, Runtime
from simulator.twilio.auth import authenticate, unauthorized
from simulator.twilio.errors import (
    Refusal,
    bad_request,
    cut,
    json_response,
    not_found,
    scripted,
    server_error,
    throttled,
)
from simulator.twilio.form import Form, read_form
from simulator.twilio.resource import API, message_resource, rfc2822
from simulator.twilio.sending import create_message
from simulator.twilio.validation import check_send

_AFTER: Final = frozenset({"accept_then_hang", "accept_then_500", "accept_then_reset"})


async def create(request: web.Request) -> web.StreamResponse:
    runtime = request.app[RUNTIME]
    account = authenticate(request)
    form = await read_form(request)
    started = time.monotonic()
    runtime.in_flight[account.sid] += 1
    try:
        return await _Create(runtime, request, account, form, started).answer()
    finally:
        runtime.in_flight[account.sid] -= 1


class _Create:
    """One create call: its fault, the message, the answer, the log entry."""

    def __init__(
        self,
        runtime: Runtime,
        request: web.Request,
        account: Account,
        form: Form,
        started: float,
    ) -> None:
        self._runtime, self._request, self._account = runtime, request, account
        self._form, self._started = form, started
        self._concurrent = runtime.in_flight[account.sid]
        self._rule = self._choose_fault()

    def _choose_fault(self) -> Rule | None:
        limit = self._runtime.faults.concurrency_limit
        if limit is not None and self._concurrent > limit:
            return Rule("throttle", retry_after=1)
        to = self._form.text("To")
        outcome = outcome_for(to.removeprefix(PREFIX))
        if outcome is not None and outcome.create_fault is not None:
            return Rule(outcome.create_fault, code=outcome.error_code or 0)
        texts = (to, self._form.text("From"), self._form.text("Body"))
        return self._runtime.faults.on_create(Call(self._account.sid, *texts))

    async def answer(self) -> web.StreamResponse:
        rule = self._rule
        try:
            if rule is not None and rule.fault not in _AFTER:
                response = await self._before(rule)
                if response is not None:
                    return response
            checked = check_send(self._runtime, self._account, self._form)
        except Refusal as refusal:
            self._log("refused", refusal.status, code=refusal.code)
            await asyncio.sleep(self._runtime.faults.latency())
            raise
        message = create_message(self._runtime, self._account, checked)
        self._log("created", 201, sid=message.sid)
        if rule is not None and rule.fault in _AFTER:
            self._runtime.delivery.start(message)
            return await self._after(rule)
        return await self._accepted(message)

    async def _accepted(self, message: Message) -> web.StreamResponse:
        delivery = self._runtime.delivery
        body = message_resource(message)
        if delivery.is_early(message):
            await delivery.start_early(message)
        latency = self._runtime.faults.latency()
        try:
            if latency:
                await asyncio.sleep(latency)
        finally:
            delivery.start(message)
        headers = {
            "Twilio-Concurrent-Requests": str(self._concurrent),
            "Twilio-Request-Duration": f"{time.monotonic() - self._started:.3f}",
        }
        return json_response(body, 201, headers)

    async def _before(self, rule: Rule) -> web.StreamResponse | None:
        """Apply the faults that prevent the message; None lets the call continue."""
        match rule.fault:
            case "slow":
                await asyncio.sleep(rule.seconds)
                return None
            case "expired_token":
                raise unauthorized()
            case "throttle":
                raise throttled(rule.retry_after)
            case "fail_500":
                raise server_error()
            case "reject":
                raise scripted(rule.code, rule.http_status)
            case "hang":
                self._log("hung", None)
                await asyncio.sleep(rule.seconds)
                return cut(self._request)
            case _:
                self._log("reset", None)
                return cut(self._request)

    async def _after(self, rule: Rule) -> web.StreamResponse:
        """Apply the faults that hide from the caller that the message was created."""
        if rule.fault == "accept_then_hang":
            await asyncio.sleep(rule.seconds)
            return cut(self._request)
        if rule.fault == "accept_then_reset":
            return cut(self._request)
        raise server_error()

    def _log(
        self, outcome: str, status: int | None, sid: str | None = None, code: int | None = None
    ) -> None:
        """`http_status` is the answer without the fault; `fault` says what became of it."""
        self._runtime.log.add(
            "create",
            account=self._account.sid,
            outcome=outcome,
            processed=sid is not None,
            sid=sid,
            http_status=status,
            code=code,
            fault=self._rule.fault if self._rule else None,
            form=self._form.to_json(),
        )


def _found(request: web.Request) -> tuple[Runtime, Message]:
    runtime = request.app[RUNTIME]
    message = runtime.world.message(authenticate(request), request.match_info["sid"])
    if message is None:
        raise not_found(request)
    return runtime, message


async def fetch(request: web.Request) -> web.StreamResponse:
    runtime, message = _found(request)
    await asyncio.sleep(runtime.faults.latency())
    return json_response(message_resource(message))


async def update(request: web.Request) -> web.StreamResponse:
    """`Body=""` redacts a finished message; `Status=canceled` cancels a scheduled one."""
    runtime, message = _found(request)
    form = await read_form(request)
    if form.get("Status"):
        if form.get("Status") != "canceled":
            raise bad_request(20001, "Status may only be canceled")
        if message.status != "scheduled":
            raise Refusal(409, 30409, f"Message {message.sid} is not scheduled any more")
        message.status = "canceled"
    elif "Body" in form:
        if form.get("Body"):
            raise bad_request(20001, "Body may only be redacted to an empty text")
        if message.status in ("accepted", "queued", "sending", "scheduled"):
            raise bad_request(20009, "Cannot modify a message that is not in a terminal state")
        message.body = ""
    message.updated = time.time()
    runtime.world.save_message(message)
    return json_response(message_resource(message))


async def delete(request: web.Request) -> web.StreamResponse:
    runtime, message = _found(request)
    if message.status in ("accepted", "queued", "sending"):
        raise Refusal(409, 20009, "Resource not complete: the message is still on its way")
    message.deleted, message.body = True, ""
    for sid in message.media:
        runtime.world.remove_media(sid)
    runtime.world.save_message(message)
    return web.Response(status=204)


async def feedback(request: web.Request) -> web.StreamResponse:
    _, message = _found(request)
    outcome = (await read_form(request)).get("Outcome") or "unconfirmed"
    if outcome not in ("confirmed", "unconfirmed"):
        raise bad_request(20001, "Outcome must be confirmed or unconfirmed")
    message.feedback, now = outcome, rfc2822(time.time())
    return json_response(
        {
            "account_sid": message.account_sid,
            "message_sid": message.sid,
            "outcome": outcome,
            "date_created": now,
            "date_updated": now,
            "uri": f"{API}/{message.account_sid}/Messages/{message.sid}/Feedback.json",
        },
        201,
    )
