"""Sending: an order becomes a queued message in a row, and the delivery task is enqueued."""

from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from app import db
from app.channels.providers.registry import provider_of
from app.common import clock
from app.common.faultpoint import faultpoint
from app.common.ids import new_id
from app.common.principal import Principal
from app.conversations import service as conversations
from app.conversations.window import Window, window_of
from app.errors import InvalidInput
from app.events import catalogue
from app.events import service as events
from app.events.catalogue import EventType
from app.messages import content as contents
from app.messages import quota, route
from app.messages import sending_repository as repository
from app.messages.content import Content
from app.messages.errors import ConversationQueueFull, OutsideWindow
from app.messages.route import Order, Route
from app.metrics import service as metrics
from app.models import Direction, Message, Policy, Priority, Sender, Status
from app.tasks import names
from app.tasks.ring import ring

PRIORITIES = {"reply": Priority.REPLY, "notice": Priority.NOTICE, "bulk": Priority.BULK}

LONGEST_AHEAD = timedelta(days=365)
SLACK = timedelta(minutes=5)
"""The caller's clock may be a little behind ours."""


def order_from(principal: Principal, body: dict[str, Any], content: Content) -> Order:
    """Return the order of a validated request body with this `content`. Raises InvalidInput."""
    priority = body.get("priority")
    _check_times(body)
    return Order(
        content=content,
        to=body.get("to_number") or body.get("phone"),
        conversation_id=body.get("conversation_id"),
        from_number=body.get("from_number"),
        sender=Sender.USER if principal.is_user else Sender.API,
        priority=PRIORITIES[priority] if priority else None,
        policy=Policy(body.get("policy", Policy.DEFAULT)),
        send_at=body.get("send_at"),
        valid_until=body.get("valid_until"),
        fallback=_fallback(body),
        is_test=principal.is_test,
    )


def _fallback(body: dict[str, Any]) -> Content | None:
    given = body.get("fallback")
    if given is None:
        return None
    try:
        return contents.template(given["content_sid"], given["content_variables"])
    except InvalidInput as error:
        reasons = error.details["fields"]
        raise InvalidInput({f"fallback.{name}": why for name, why in reasons.items()}) from error


def _check_times(body: dict[str, Any]) -> None:
    now = clock.now()
    send_at, valid_until = body.get("send_at"), body.get("valid_until")
    if send_at is not None and not now - SLACK <= send_at <= now + LONGEST_AHEAD:
        reason = f"Between now and {LONGEST_AHEAD.days} days ahead."
        raise InvalidInput({"send_at": [reason]})
    if (
        valid_until is not None
        and not max(now, send_at or now) < valid_until <= now + 2 * LONGEST_AHEAD
    ):
        reason = f"In the future, after send_at, at most {2 * LONGEST_AHEAD.days} days ahead."
        raise InvalidInput({"valid_until": [reason]})


def queue_message(session: Session, order: Order) -> Message:
    """Write the contact, the conversation, the message and its event; enqueue the delivery after
    the commit.

    The returned message is a copy: changes to it are not written. Raises OutsideWindow when
    WhatsApp would refuse it, ConversationQueueFull, and the errors of routing. Raises QuotaReached
    after the message was written, so a caller that continues after it must wrap the call in a
    savepoint.
    """
    way = route.find(session, order)
    if way.queued >= repository.MOST_QUEUED:
        raise ConversationQueueFull(way.queued)
    content = _content_for(session, way, order)
    message = _message(order, way, content)
    _insert(session, message)
    if not order.is_test:
        quota.count(session, way.daily_quota, way.timezone)
    if order.sender == Sender.USER and order.send_at is None:
        is_template = message.type == "template"
        conversations.person_wrote(session, way.conversation.id, is_template=is_template)
    metrics.count_message(session, message.status)
    faultpoint("send_before_commit")
    db.after_commit(session, partial(faultpoint, "send_after_commit"))
    if order.send_at is None:
        is_reply = message.priority == Priority.REPLY
        task = names.DELIVER_REPLIES if is_reply else names.DELIVER_CHANNEL
        ring(session, task, message.tenant_id, message.channel_id)
    return message


_INSERT_QUEUED = repository.queueing(events.RECORD, conversations.COUNT_OUTGOING)


def _insert(session: Session, message: Message) -> None:
    """Write the message, its event and its conversation's count by one statement."""
    event_type = EventType.MESSAGE_QUEUED
    given = {
        "given_by_person": message.sender == Sender.USER,
        "given_event_id": new_id(),
        "given_event_type": event_type,
        "given_event_version": catalogue.version_of(event_type),
        "given_event_data": catalogue.message_payload(
            message.id, None, message.status, message.direction
        ),
    }
    repository.insert_queued(session, _INSERT_QUEUED, message, given)


def _message(order: Order, way: Route, content: Content) -> Message:
    conversation = way.conversation
    priority = order.priority
    if priority is None:
        is_open = window_of(conversation, clock.now()) is Window.OPEN
        priority = Priority.REPLY if is_open else Priority.NOTICE
    return Message(
        tenant_id=conversation.tenant_id,
        id=new_id(),
        channel_id=way.channel.id,
        conversation_id=conversation.id,
        contact_id=conversation.contact_id,
        direction=Direction.OUTGOING,
        status=Status.QUEUED,
        sender=order.sender,
        from_number=way.channel.phone_number,
        to_number=way.to.value,
        type=content["type"],
        body=content["body"],
        content=content,
        fallback=order.fallback,
        policy=order.policy,
        priority=priority,
        is_test=order.is_test,
        due_at=order.send_at,
        valid_until=order.valid_until,
    )


def _content_for(session: Session, way: Route, order: Order) -> Content:
    """Return what to send: the fallback when a free-form message would be refused.

    Raises OutsideWindow, and UnsupportedContent or InvalidInput for content that the provider
    cannot send.
    """
    capabilities = provider_of(way.channel.provider).capabilities
    for content in (order.content, order.fallback):
        if content is not None:
            contents.check(content, way.channel.provider, capabilities)
    conversation = way.conversation
    if not contents.needs_window(order.content, capabilities):
        return order.content
    if window_of(conversation, clock.now()) is Window.CLOSED:
        # It may have been read before a merge that this send waited for.
        session.refresh(conversation)
    if window_of(conversation, clock.now()) is not Window.CLOSED:
        return order.content
    if order.fallback is None:
        raise OutsideWindow
    return order.fallback
