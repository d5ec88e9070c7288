"""`/channels`: the senders of a business."""

from typing import Any
from uuid import UUID

from app.channels import schemas, service
from app.channels.service import ChannelDetails, VerificationResult
from app.common.idempotency import idempotent
from app.common.pagination import Page, PageRequest
from app.common.permissions import Permission
from app.common.principal import commit_request, principal, requires, session
from app.common.schema import PageArgs
from app.extensions import Blueprint

channels = Blueprint("channels", __name__, description="Senders: numbers at a provider.")


@channels.get("")
@requires(Permission.CHANNELS_READ)
@channels.arguments(PageArgs, location="query")
@channels.response(200, schemas.ChannelPage)
def list_channels(page: dict[str, Any]) -> Page[ChannelDetails]:
    """List your channels, newest first."""
    return service.list_channels(session(), PageRequest(**page))


@channels.post("")
@requires(Permission.CHANNELS_WRITE)
@idempotent
@channels.arguments(schemas.NewChannelSchema)
@channels.response(201, schemas.ChannelSchema)
def create_channel(body: dict[str, Any]) -> ChannelDetails:
    """Add a sender.

    Paste the answer's `webhook_url` at the provider, whole, then call `verify`. The first channel
    is the default one.
    """
    return service.describe(service.create_channel(session(), principal(), body))


@channels.get("/<uuid:channel_id>")
@requires(Permission.CHANNELS_READ)
@channels.response(200, schemas.ChannelSchema)
def read_channel(channel_id: UUID) -> ChannelDetails:
    """Read one channel. Its credentials are answered as their last characters."""
    return service.describe(service.get_channel(session(), channel_id))


@channels.put("/<uuid:channel_id>")
@requires(Permission.CHANNELS_WRITE)
@channels.arguments(schemas.ChannelChangeSchema)
@channels.response(200, schemas.ChannelSchema)
def change_channel(body: dict[str, Any], channel_id: UUID) -> ChannelDetails:
    """Change a channel; what you leave out stays, credentials one by one.

    A new `auth_token` moves the old one to `previous_auth_token`, so that no webhook is lost
    while you rotate; set that to null when the old token is dead. Null removes an optional
    credential.
    """
    return service.describe(service.change_channel(session(), principal(), channel_id, body))


@channels.delete("/<uuid:channel_id>")
@requires(Permission.CHANNELS_WRITE)
@channels.response(204)
def delete_channel(channel_id: UUID) -> None:
    """Delete a channel.

    One that has conversations stays for their history: it is disabled and its credentials are
    forgotten; give them again with PUT to revive it. Answers 409 while messages are on their
    way. If it was the default, the oldest active channel takes its place.
    """
    service.delete_channel(session(), principal(), channel_id)


@channels.post("/<uuid:channel_id>/verify")
@requires(Permission.CHANNELS_WRITE)
@channels.response(200, schemas.VerificationSchema)
def verify_channel(channel_id: UUID) -> VerificationResult:
    """Ask the provider whether the credentials are valid and own the number."""
    probe = service.prepare_verification(session(), channel_id)
    commit_request()
    return service.verify(principal(), probe)
