"""Every type of event, with its payload and version. The only place where a type is named.

An event is a fact in the past tense. Within a version its payload only gains fields. A change that
would break a reader makes a new version.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from app.common.schema import BaseSchema, choice
from app.models import Direction, Owner, SpendPeriod, SpendScope, Status


class EventType(StrEnum):
    MESSAGE_RECEIVED = "message.received"
    MESSAGE_QUEUED = "message.queued"
    MESSAGE_POSTPONED = "message.postponed"
    MESSAGE_MARKED_UNCERTAIN = "message.marked_uncertain"
    MESSAGE_REQUEUED = "message.requeued"
    MESSAGE_ACCEPTED = "message.accepted"
    MESSAGE_SENT = "message.sent"
    MESSAGE_DELIVERED = "message.delivered"
    MESSAGE_READ = "message.read"
    MESSAGE_FAILED = "message.failed"
    MESSAGE_MARKED_UNKNOWN = "message.marked_unknown"
    MESSAGE_CANCELED = "message.canceled"
    CONVERSATION_CLOSED = "conversation.closed"
    CONVERSATION_REOPENED = "conversation.reopened"
    CONVERSATION_OWNER_CHANGED = "conversation.owner_changed"
    AUTO_REPLIES_PAUSED = "conversation.auto_replies_paused"
    CONTACT_MERGED = "contact.merged"
    CHANNEL_PAUSED = "channel.paused"
    CHANNEL_RESUMED = "channel.resumed"
    BOT_BUDGET_NEARLY_REACHED = "bot.budget_nearly_reached"
    BOT_BUDGET_REACHED = "bot.budget_reached"
    BOT_MODEL_FAILED = "bot.model_failed"
    INBOX_ITEM_PARKED = "inbox.item_parked"


def _text(description: str, **options: Any) -> fields.String:
    return fields.String(required=True, metadata={"description": description}, **options)


def _id(description: str) -> fields.UUID:
    return fields.UUID(required=True, metadata={"description": description})


class ProblemPayload(BaseSchema):
    code = _text("Recado's own code; it stays the same.")
    cause = _text("What happened.")
    remedy = _text("What to do about it.")
    provider_code = _text("The provider's code, if it gave one.", allow_none=True)


class MessagePayload(BaseSchema):
    message_id = _id("The message.")
    provider_message_id = _text("The provider's id of it, once there is one.", allow_none=True)
    status = choice(Status, required=True, metadata={"description": "The message's new status."})
    direction = choice(Direction, required=True, metadata={"description": "Who wrote it."})


class ReceivedMessagePayload(MessagePayload):
    type = _text("What was written: text, image, location …")


class TroubledMessagePayload(MessagePayload):
    error = fields.Nested(
        ProblemPayload, required=True, metadata={"description": "Why, and what to do."}
    )


class ConversationPayload(BaseSchema):
    conversation_id = _id("The conversation.")


class ChangedOwnerPayload(ConversationPayload):
    owner = choice(Owner, required=True, metadata={"description": "Who answers from now on."})
    previous_owner = choice(Owner, required=True, metadata={"description": "Who did before."})
    assigned_to = fields.UUID(
        required=True,
        allow_none=True,
        metadata={"description": "The member who answers; null for no certain one."},
    )
    reason = _text("Why, in the words of whoever changed it, or a code of ours.")


class PausedRepliesPayload(ConversationPayload):
    until = fields.AwareDateTime(
        required=True, metadata={"description": "When automatic replies begin again."}
    )


class MergedConversationPayload(BaseSchema):
    id = _id("The conversation that remains.")
    merged_id = _id("The conversation whose messages it received.")


class MergedContactPayload(BaseSchema):
    contact_id = _id("The contact that remains.")
    merged_id = _id("The contact whose addresses and history it received.")
    conversations = fields.List(
        fields.Nested(MergedConversationPayload),
        required=True,
        metadata={"description": "The merged conversations, one pair for each channel."},
    )


class ChannelPayload(BaseSchema):
    channel_id = _id("The channel.")


class PausedChannelPayload(ChannelPayload):
    error = fields.Nested(
        ProblemPayload, required=True, metadata={"description": "Why, and what to do."}
    )


class BudgetPayload(BaseSchema):
    bot_id = _id("The bot that asked its model.")
    scope = choice(SpendScope, required=True, metadata={"description": "Whose limit it is."})
    contact_id = fields.UUID(
        required=True,
        allow_none=True,
        metadata={"description": "The customer, for the scope `contact`."},
    )
    period = choice(SpendPeriod, required=True, metadata={"description": "What the limit is for."})
    starts_on = fields.Date(
        required=True,
        metadata={"description": "The first day of the period, in the business's time zone."},
    )
    unit = _text("What is limited.", validate=validate.OneOf(["tokens", "dollars"]))
    used = fields.Float(
        required=True, metadata={"description": "What is used, without answers in progress."}
    )
    limit = fields.Float(required=True, metadata={"description": "The limit."})


class FailedModelPayload(BaseSchema):
    bot_id = _id("The bot that asked it.")
    model = _text("The model.")
    error = fields.Nested(
        ProblemPayload, required=True, metadata={"description": "Why, and what to do."}
    )


class ParkedItemPayload(BaseSchema):
    item_id = _id("The inbox item.")
    reason = _text("Why it could not be applied.")


@dataclass(frozen=True)
class Entry:
    """A type of event: the schema of its payload, its version, and when it is recorded."""

    payload: type[BaseSchema]
    when: str
    version: int = 1


CATALOGUE: Mapping[EventType, Entry] = {
    EventType.MESSAGE_RECEIVED: Entry(ReceivedMessagePayload, "A customer wrote."),
    EventType.MESSAGE_QUEUED: Entry(MessagePayload, "A message was stored, to be sent."),
    EventType.MESSAGE_POSTPONED: Entry(
        TroubledMessagePayload,
        "An attempt was not processed. The message is retried automatically.",
    ),
    EventType.MESSAGE_MARKED_UNCERTAIN: Entry(
        TroubledMessagePayload,
        "An attempt ended without a clear answer. Recado finds out whether the message was sent.",
    ),
    EventType.MESSAGE_REQUEUED: Entry(
        MessagePayload,
        "An uncertain message was certainly not sent, or a person asked to send it again.",
    ),
    EventType.MESSAGE_ACCEPTED: Entry(MessagePayload, "The provider accepted the message."),
    EventType.MESSAGE_SENT: Entry(MessagePayload, "The provider sent it to WhatsApp."),
    EventType.MESSAGE_DELIVERED: Entry(MessagePayload, "It reached the customer's phone."),
    EventType.MESSAGE_READ: Entry(MessagePayload, "The customer read it."),
    EventType.MESSAGE_FAILED: Entry(TroubledMessagePayload, "It will not be delivered."),
    EventType.MESSAGE_MARKED_UNKNOWN: Entry(
        TroubledMessagePayload,
        "It is unknown whether it was sent. A person may settle it.",
    ),
    EventType.MESSAGE_CANCELED: Entry(
        MessagePayload,
        "It was canceled while it was queued: by a person, or because a person took over the "
        "conversation that it was to answer automatically.",
    ),
    EventType.CONVERSATION_CLOSED: Entry(ConversationPayload, "A person closed a conversation."),
    EventType.CONVERSATION_REOPENED: Entry(
        ConversationPayload, "A person reopened a closed conversation."
    ),
    EventType.CONVERSATION_OWNER_CHANGED: Entry(
        ChangedOwnerPayload, "A conversation was taken over, assigned or released."
    ),
    EventType.AUTO_REPLIES_PAUSED: Entry(
        PausedRepliesPayload,
        "A conversation got too many automatic replies, so they were paused in it.",
    ),
    EventType.CONTACT_MERGED: Entry(
        MergedContactPayload, "Two contacts turned out to be one person and were merged."
    ),
    EventType.CHANNEL_PAUSED: Entry(
        PausedChannelPayload, "The provider currently accepts no messages of a channel; they wait."
    ),
    EventType.CHANNEL_RESUMED: Entry(ChannelPayload, "A paused channel sends again."),
    EventType.BOT_BUDGET_NEARLY_REACHED: Entry(
        BudgetPayload, "Bots have used 80 % of a limit; once for each limit and period."
    ),
    EventType.BOT_BUDGET_REACHED: Entry(
        BudgetPayload,
        "A limit is used up, or too little of it is left for the next answer; once for each limit "
        "and period.",
    ),
    EventType.BOT_MODEL_FAILED: Entry(
        FailedModelPayload,
        "The server of a model refuses the key, the model or the address. Bots send their fallback "
        "until somebody changes it.",
    ),
    EventType.INBOX_ITEM_PARKED: Entry(
        ParkedItemPayload,
        "An event of a provider could not be applied and waits for a person.",
    ),
}


def version_of(event_type: EventType) -> int:
    return CATALOGUE[event_type].version


def message_payload(
    message_id: UUID, provider_message_id: str | None, status: str, direction: str
) -> dict[str, Any]:
    """A `MessagePayload`."""
    return {
        "message_id": str(message_id),
        "provider_message_id": provider_message_id,
        "status": status,
        "direction": direction,
    }
