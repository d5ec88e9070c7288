"""The endpoints of the inbox: the events that providers sent, before and after they were
applied."""

from typing import Any
from uuid import UUID

from app.common.pagination import Page, PageRequest
from app.common.permissions import Permission
from app.common.principal import principal, requires, session
from app.extensions import Blueprint
from app.inbox import ledger, read_requests, replay, schemas
from app.inbox.ledger import Ledger
from app.inbox.read_requests import Asked
from app.inbox.replay import Replayed
from app.inbox.service import InboxFilter
from app.models import InboxItem

inbox = Blueprint(
    "inbox", "inbox", description="The journal of what providers told us, before it was applied."
)


@inbox.get("/ledger")
@requires(Permission.INBOX_READ)
@inbox.arguments(schemas.LedgerArgs, location="query")
@inbox.response(200, schemas.LedgerSchema)
def get_ledger(args: dict[str, Any]) -> Ledger:
    """Count the events that providers sent, by their results

    `received` = `applied` + `duplicate` + `ignored` + `parked` + `waiting`, always.
    """
    return ledger.count(session(), **args)


@inbox.get("/items")
@requires(Permission.INBOX_READ)
@inbox.arguments(schemas.ItemArgs, location="query")
@inbox.response(200, schemas.ItemPage)
def list_inbox_items(args: dict[str, Any]) -> Page[InboxItem]:
    """List inbox items, newest first; those with `state=parked` need a person"""
    page = PageRequest(args.pop("limit"), args.pop("cursor"))
    return ledger.list_items(session(), InboxFilter(**args), page)


@inbox.get("/items/<uuid:item_id>")
@requires(Permission.INBOX_READ)
@inbox.response(200, schemas.RawItemSchema)
def get_inbox_item(item_id: UUID) -> InboxItem:
    """Show one inbox item with the event exactly as the provider sent it"""
    return ledger.get_item(session(), item_id)


@inbox.post("/items/<uuid:item_id>/replay")
@requires(Permission.INBOX_WRITE)
@inbox.response(200, schemas.ItemSchema)
def replay_inbox_item(item_id: UUID) -> InboxItem:
    """Apply a parked or ignored item again"""
    return replay.replay_item(session(), principal(), item_id)


@inbox.post("/replay")
@requires(Permission.INBOX_WRITE)
@inbox.arguments(schemas.ReplaySchema)
@inbox.response(200, schemas.ReplayedSchema)
def replay_inbox(body: dict[str, Any]) -> Replayed:
    """Apply the parked, or the ignored, items of a time range again

    At most 10,000 in one call, the oldest first.
    """
    return replay.replay_range(session(), principal(), InboxFilter(**body))


@inbox.post("/repair")
@requires(Permission.INBOX_WRITE)
@inbox.arguments(schemas.RepairSchema)
@inbox.response(202, schemas.RepairRequestedSchema)
def repair_inbox(body: dict[str, Any]) -> Asked:
    """Read the provider's list, and store the messages that no webhook reported

    This also happens automatically every 15 minutes and after an outage. Nothing is stored twice.
    While a channel's list is being read, a second request makes that reading go further back, and
    another reading follows.
    """
    return read_requests.request_repair(session(), principal(), **body)
