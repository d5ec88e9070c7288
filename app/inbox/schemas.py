from marshmallow import fields, validate

from app.common.schema import BaseSchema, MomentField, PageArgs, PageSchema, choice
from app.inbox.replay import REPLAYABLE
from app.models import InboxState


class LedgerArgs(BaseSchema):
    since = MomentField(
        load_default=None, metadata={"description": "Default: 24 hours before `until`."}
    )
    until = MomentField(load_default=None, metadata={"description": "Default: now. Not included."})


class LedgerSchema(BaseSchema):
    """received = applied + duplicate + ignored + parked + waiting."""

    since = fields.AwareDateTime(required=True)
    until = fields.AwareDateTime(required=True)
    received = fields.Integer(
        required=True, metadata={"description": "Events acknowledged, or found by a repair."}
    )
    applied = fields.Integer(required=True)
    duplicate = fields.Integer(
        required=True, metadata={"description": "Sent again by the provider; changed nothing."}
    )
    ignored = fields.Integer(required=True, metadata={"description": "Needed no action."})
    parked = fields.Integer(
        required=True, metadata={"description": "Could not be applied; they wait for a replay."}
    )
    waiting = fields.Integer(required=True, metadata={"description": "Not yet applied."})
    repaired = fields.Integer(
        required=True,
        metadata={"description": "Of those received: found only in the provider's list."},
    )


class ItemArgs(PageArgs):
    state = choice(InboxState)
    channel_id = fields.UUID()
    since = MomentField()
    until = MomentField()


class ItemSchema(BaseSchema):
    id = fields.UUID(
        required=True,
        metadata={"description": "For an incoming message, this is also the id of the message."},
    )
    channel_id = fields.UUID(required=True)
    event_key = fields.String(
        required=True, metadata={"description": "The provider's name of the event."}
    )
    state = choice(InboxState, required=True)
    reason = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Why it was ignored or parked, or why the last attempt failed."},
    )
    tries = fields.Integer(required=True)
    duplicates = fields.Integer(required=True)
    is_repaired = fields.Boolean(required=True)
    received_at = fields.AwareDateTime(attribute="created_at", required=True)
    finished_at = fields.AwareDateTime(required=True, allow_none=True)


class RawItemSchema(ItemSchema):
    raw = fields.String(
        required=True, metadata={"description": "The event exactly as the provider sent it."}
    )


class ItemPage(PageSchema):
    items = fields.List(fields.Nested(ItemSchema), required=True)


class ReplaySchema(BaseSchema):
    since = MomentField()
    until = MomentField()
    channel_id = fields.UUID()
    state = fields.String(
        load_default=str(InboxState.PARKED),
        validate=validate.OneOf([str(each) for each in REPLAYABLE]),
    )


class ReplayedSchema(BaseSchema):
    replayed = fields.Integer(required=True)
    has_more = fields.Boolean(
        required=True, metadata={"description": "The range holds more items: call again."}
    )


class RepairSchema(BaseSchema):
    since = MomentField(
        load_default=None,
        metadata={
            "description": "Read the provider's list from then on; else only what is new. Nothing "
            "is read from before the channel was added, or longer ago than INBOX_RETENTION_DAYS."
        },
    )
    channel_id = fields.UUID(
        load_default=None, metadata={"description": "Default: all active channels."}
    )


class RepairRequestedSchema(BaseSchema):
    channels = fields.Integer(
        required=True, metadata={"description": "How many channels' lists are read."}
    )
    since = fields.AwareDateTime(
        required=True,
        allow_none=True,
        metadata={"description": "The earliest time from which a list is read; null if none is."},
    )
