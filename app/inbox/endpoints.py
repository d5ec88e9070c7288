"""The endpoints of the inbox: the events that providers sent, before and after they were
applied."""

from typing import Any
from uuid import UUID

from app.channels.errors import ChannelDisabled, ChannelNotFound
from app.common.pagination import Page, PageRequest
from app.common.permissions import Permission
from app.common.principal import principal, requires, session
from app.errors import fails_with
from app.extensions import Blueprint
from app.inbox import ledger, read_requests, replay, schemas
from app.inbox.errors import CannotReplay, InboxItemNotFound
from app.inbox.ledger import Ledger
from app.inbox.read_requests import Asked
from app.inbox.replay import Replayed
from app.inbox.service import InboxFilter
from app.models import InboxItem

inbox = Blueprint("inbox", "inbox")


@inbox.get("/ledger")
@requires(Permission.INBOX_READ)
@inbox.arguments(schemas.LedgerArgs, location="query")
@inbox.response(200, schemas.LedgerSchema)
def get_ledger(args: dict[str, Any]) -> Ledger:
    """Count events by result

    Those that providers sent. `received` = `applied` + `duplicate` + `ignored` + `parked` +
    `waiting`, always.
    """
    return ledger.count(session(), **args)


@inbox.get("/items")
@requires(Permission.INBOX_READ)
@inbox.arguments(schemas.ItemArgs, location="query")
@inbox.response(200, schemas.ItemPage)
def list_inbox_items(args: dict[str, Any]) -> Page[InboxItem]:
    """List inbox items

    Newest first. Those with `state=parked` need a person.
    """
    page = PageRequest(args.pop("limit"), args.pop("cursor"))
    return ledger.list_items(session(), InboxFilter(**args), page)


@inbox.get("/items/<uuid:item_id>")
@requires(Permission.INBOX_READ)
@fails_with(InboxItemNotFound)
@inbox.response(200, schemas.RawItemSchema)
def get_inbox_item(item_id: UUID) -> InboxItem:
    """Show an inbox item

    With the event exactly as the provider sent it.
    """
    return ledger.get_item(session(), item_id)


@inbox.post("/items/<uuid:item_id>/replay")
@requires(Permission.INBOX_WRITE)
@fails_with(InboxItemNotFound, CannotReplay)
@inbox.response(200, schemas.ItemSchema)
def replay_inbox_item(item_id: UUID) -> InboxItem:
    """Apply an inbox item again

    One that is parked or ignored.
    """
    return replay.replay_item(session(), principal(), item_id)


@inbox.post("/replay")
@requires(Permission.INBOX_WRITE)
@inbox.arguments(schemas.ReplaySchema)
@inbox.response(200, schemas.ReplayedSchema)
def replay_inbox(body: dict[str, Any]) -> Replayed:
    """Apply the inbox items of a time range again

    The parked ones, or the ignored ones. At most 10,000 in one call, the oldest first.
    """
    return replay.replay_range(session(), principal(), InboxFilter(**body))


@inbox.post("/repair")
@requires(Permission.INBOX_WRITE)
@fails_with(ChannelNotFound, ChannelDisabled)
@inbox.arguments(schemas.RepairSchema)
@inbox.response(202, schemas.RepairRequestedSchema)
def repair_inbox(body: dict[str, Any]) -> Asked:
    """Store messages that no webhook reported

    Reads the provider's list. This also happens automatically every 15 minutes and after an outage.
    Nothing is stored twice. While a channel's list is being read, a second request makes that
    reading go further back, and another reading follows.
    """
    return read_requests.request_repair(session(), principal(), **body)
