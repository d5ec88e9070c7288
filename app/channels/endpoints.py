"""`/channels`: the channels of a business, that is, its senders at a provider."""

from typing import Any
from uuid import UUID

from app.channels import schemas, service
from app.channels.errors import (
    ChannelBusy,
    ChannelDisabled,
    ChannelExists,
    ChannelHasBot,
    ChannelNotFound,
    ProviderNotOffered,
)
from app.channels.service import ChannelDetails, VerificationResult
from app.common.caps import LimitReached
from app.common.idempotency import idempotent
from app.common.pagination import Page, PageRequest
from app.common.permissions import Permission
from app.common.principal import commit_request, principal, requires, session
from app.common.schema import PageArgs
from app.errors import fails_with
from app.extensions import Blueprint

channels = Blueprint("channels", __name__)


@channels.get("")
@requires(Permission.CHANNELS_READ)
@channels.arguments(PageArgs, location="query")
@channels.response(200, schemas.ChannelPage)
def list_channels(page: dict[str, Any]) -> Page[ChannelDetails]:
    """List channels

    Newest first.
    """
    return service.list_channels(session(), PageRequest(**page))


@channels.post("")
@requires(Permission.CHANNELS_WRITE)
@fails_with(ChannelExists, ProviderNotOffered, LimitReached)
@idempotent
@channels.arguments(schemas.NewChannelSchema)
@channels.response(201, schemas.ChannelSchema)
def create_channel(body: dict[str, Any]) -> ChannelDetails:
    """Add a channel

    Paste the answer's `webhook_url` at the provider, whole, then call `verify`. The first channel
    becomes the default.
    """
    return service.describe(service.create_channel(session(), principal(), body))


@channels.get("/<uuid:channel_id>")
@requires(Permission.CHANNELS_READ)
@fails_with(ChannelNotFound)
@channels.response(200, schemas.ChannelSchema)
def read_channel(channel_id: UUID) -> ChannelDetails:
    """Show a channel

    Of its credentials only the last characters are shown.
    """
    return service.describe(service.get_channel(session(), channel_id))


@channels.put("/<uuid:channel_id>")
@requires(Permission.CHANNELS_WRITE)
@fails_with(ChannelNotFound, ChannelExists)
@channels.arguments(schemas.ChannelChangeSchema)
@channels.response(200, schemas.ChannelSchema)
def change_channel(body: dict[str, Any], channel_id: UUID) -> ChannelDetails:
    """Change a channel

    Fields left out stay, and so does each credential left out. A new `auth_token` moves the old one
    to `previous_auth_token`, so that no webhook is lost while you rotate it: webhooks signed with
    it are accepted for a day. Null removes an optional credential.
    """
    return service.describe(service.change_channel(session(), principal(), channel_id, body))


@channels.delete("/<uuid:channel_id>")
@requires(Permission.CHANNELS_WRITE)
@fails_with(ChannelNotFound, ChannelHasBot, ChannelBusy)
@channels.response(204)
def delete_channel(channel_id: UUID) -> None:
    """Delete a channel

    A channel that has conversations is kept for their history: it is disabled and its credentials
    are removed; give them again with PUT to enable it. Answers 409 while messages are on their way,
    and while a bot belongs to it. If it was the default, the oldest active channel becomes the
    default.
    """
    service.delete_channel(session(), principal(), channel_id)


@channels.post("/<uuid:channel_id>/verify")
@requires(Permission.CHANNELS_WRITE)
@fails_with(ChannelNotFound, ChannelDisabled)
@channels.response(200, schemas.VerificationSchema)
def verify_channel(channel_id: UUID) -> VerificationResult:
    """Verify a channel

    Asks the provider whether the credentials are valid and own the number.
    """
    probe = service.prepare_verification(session(), channel_id)
    commit_request()
    return service.verify(principal(), probe)
