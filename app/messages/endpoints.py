from typing import Any
from uuid import UUID

from flask import Response, jsonify

from app.channels.errors import ChannelDisabled, NoChannel, UnknownSender
from app.common import idempotency
from app.common.idempotency import idempotent
from app.common.pagination import Page
from app.common.permissions import Permission
from app.common.principal import principal, requires, session
from app.conversations.errors import ConversationNotFound
from app.errors import answer_app_error, fails_with
from app.extensions import Blueprint
from app.messages import content, reading, timeline, waiting
from app.messages.errors import (
    CannotCancel,
    CannotSettle,
    ConversationQueueFull,
    CredentialsInBody,
    MessageNotFound,
    OutsideWindow,
    QuotaReached,
    RefusedByProvider,
    UnsupportedContent,
)
from app.messages.route import Order
from app.messages.schemas import (
    CREDENTIALS,
    MessageArgs,
    MessagePage,
    MessageSchema,
    QueuedSchema,
    SendArgs,
    SendMessageArgs,
    SendWhatsAppArgs,
    SettleArgs,
    TimelineSchema,
)
from app.messages.send import order_from, queue_message
from app.messages.timeline import Timeline
from app.messages.waiting import SendResult
from app.models import Message, Status

sending = Blueprint("sending", "sending")
template_sending = Blueprint("send_whatsapp", "send_whatsapp")
messages = Blueprint("messages", "messages")

QUEUED = QueuedSchema()

STORED = {
    "success": True,
    "message_id": "0190f5a4-7c3e-7b1a-9f00-3c5d2e1f4a6b",
    "message_sid": None,
    "status": "queued",
}
SENT = {**STORED, "message_sid": "SM00000000000000000000000000000001", "status": "accepted"}
"""Examples for the API's description."""

SEND_ERRORS = (
    NoChannel,
    UnknownSender,
    ChannelDisabled,
    OutsideWindow,
    UnsupportedContent,
    RefusedByProvider,
    QuotaReached,
    ConversationQueueFull,
)


@sending.post("/send")
@requires(Permission.MESSAGES_SEND)
@fails_with(ConversationNotFound, *SEND_ERRORS)
@idempotent
@sending.arguments(SendArgs)
@sending.response(200, QueuedSchema, example=SENT)
@sending.alt_response(
    202, schema=QueuedSchema, description="Stored, and on its way", example=STORED
)
def send(body: dict[str, Any]) -> Response:
    """Send a message

    Text, media or a template. Answers 202 as soon as the message is stored. With `use_queue: false`
    it waits up to 8 s for the provider's answer: 200 with the provider's id, or 202 if the message
    is still on its way. The 202 comes at once when the message cannot be sent within 8 s, or when
    too many other requests are waiting.
    """
    order = order_from(principal(), body, content.from_send(body))
    return answer(order, wait=not body["use_queue"])


@sending.post("/send-message")
@requires(Permission.MESSAGES_SEND)
@fails_with(*SEND_ERRORS)
@idempotent
@sending.arguments(SendMessageArgs)
@sending.response(200, QueuedSchema, example=SENT)
@sending.alt_response(
    202, schema=QueuedSchema, description="Stored, and on its way", example=STORED
)
def send_message(body: dict[str, Any]) -> Response:
    """Send text

    The same as `/api/send`, but `use_queue` is false by default.
    """
    order = order_from(principal(), body, content.text(body["message"]))
    return answer(order, wait=not body["use_queue"])


@template_sending.post("/send_whatsapp")
@requires(Permission.MESSAGES_SEND)
@fails_with(CredentialsInBody, *SEND_ERRORS)
@idempotent
@template_sending.arguments(SendWhatsAppArgs)
@template_sending.response(200, QueuedSchema, example=SENT)
@template_sending.alt_response(
    202, schema=QueuedSchema, description="Stored, and on its way", example=STORED
)
def send_whatsapp(body: dict[str, Any]) -> Response:
    """Send a template

    Waits up to 8 s for the provider's answer. Store credentials in a channel (`POST /channels`): a
    request that contains them is refused.
    """
    if any(name in body for name in CREDENTIALS):
        raise CredentialsInBody
    options = {**body, "from_number": body["twilio_number"]}
    template = content.template(body["content_sid"], body["content_variables"])
    return answer(order_from(principal(), options, template), wait=True)


def answer(order: Order, *, wait: bool) -> Response:
    """Queue the order and answer, or first commit and wait for the provider's answer.

    The request does not wait if the message cannot be sent in time or too many others wait already.
    """
    queued = SendResult.of(queue_message(session(), order))
    if wait:
        with waiting.slot(session(), queued) as may_wait:
            if may_wait:
                idempotency.commit_with(queued_response(queued))
                queued = waiting.wait_for_word(principal().tenant_id, queued)
    return queued_response(queued)


def queued_response(queued: SendResult) -> Response:
    """Return 202 while it is on its way, 200 with the provider's id, 422 when the provider refused
    it."""
    if queued.status == Status.FAILED:
        return answer_app_error(RefusedByProvider.of(queued))
    response = jsonify(QUEUED.dump({"success": True, **queued.__dict__}))
    response.status_code = 200 if queued.message_sid else 202
    return response


@messages.get("")
@requires(Permission.MESSAGES_READ)
@messages.arguments(MessageArgs, location="query")
@messages.response(200, MessagePage)
def list_messages(args: dict[str, Any]) -> Page[Message]:
    """List messages

    Newest first. They are sorted, and filtered by `since` and `until`, by their time: when an
    incoming message was received, and when an outgoing one was queued or, if it is scheduled, is to
    be sent. Follow `next_cursor` until it is null: at most 4,000 messages are read for one page, so
    with a rare `q` or several filters a page may hold few messages, or none, and not be the last.
    """
    return reading.list_page(session(), args)


@messages.get("/<uuid:message_id>")
@requires(Permission.MESSAGES_READ)
@fails_with(MessageNotFound)
@messages.response(200, MessageSchema)
def get_message(message_id: UUID) -> Message:
    """Show a message"""
    return reading.get(session(), message_id)


@messages.get("/<uuid:message_id>/timeline")
@requires(Permission.MESSAGES_READ)
@fails_with(MessageNotFound)
@messages.response(200, TimelineSchema)
def get_timeline(message_id: UUID) -> Timeline:
    """Show a message's timeline

    Every step that it took, with the cause and remedy of each failure.
    """
    return timeline.of_message(session(), message_id)


@messages.post("/<uuid:message_id>/cancel")
@requires(Permission.MESSAGES_SEND)
@fails_with(MessageNotFound, CannotCancel)
@messages.response(200, MessageSchema)
def cancel_message(message_id: UUID) -> Message:
    """Cancel a message

    One that is still queued. Answers 409 when it has been sent, or may have been; the error says
    what to do instead.
    """
    return reading.cancel(session(), principal(), message_id)


@messages.post("/<uuid:message_id>/settle")
@requires(Permission.MESSAGES_SEND)
@fails_with(MessageNotFound, CannotSettle)
@messages.arguments(SettleArgs)
@messages.response(200, MessageSchema)
def settle_message(body: dict[str, Any], message_id: UUID) -> Message:
    """Settle a message by hand

    One that is `uncertain` or `unknown`: say that it arrived, that it did not arrive, or that it is
    to be sent again. Its conversation then continues.
    """
    return reading.settle(session(), principal(), message_id, body["outcome"])
