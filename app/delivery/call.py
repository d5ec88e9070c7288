"""One call to a provider: what is sent for a claim, and what is known afterwards."""

import time
from uuid import UUID

import structlog

from app import config
from app.channels import service as channels
from app.channels.providers.base import (
    Accepted,
    Fault,
    NotProcessed,
    OutgoingMessage,
    ProviderError,
    SendOutcome,
    Uncertain,
)
from app.common.faultpoint import faultpoint
from app.common.ids import new_id
from app.common.phone import stored_address
from app.delivery.claims import Claim
from app.messages import attempt_token
from app.messages.attempt_token import AttemptRef

log = structlog.get_logger(__name__)

SENT_WITHIN = 1 / 3
"""Share of the lease within which a claim may be sent. An older claim (the worker was frozen) is
not sent, because the lease might end while the provider still processes it."""

STALE_CLAIM = ProviderError(
    code="stale_claim",
    cause="The worker was delayed before it could send.",
    remedy="Nothing to do: the message is sent with the next claim.",
)


def call(tenant_id: UUID, connection: channels.Connection, claim: Claim) -> SendOutcome:
    """Ask the provider to send one message. Call it with no transaction open. Never raises."""
    try:
        return _call(tenant_id, connection, claim)
    except Exception as error:
        # After a bug in an adapter it is unknown whether the request was sent.
        log.exception("send_broke", message_id=str(claim.message_id))
        return Uncertain(
            ProviderError("internal_error", type(error).__name__, "Report this to the operator.")
        )


def _call(tenant_id: UUID, connection: channels.Connection, claim: Claim) -> SendOutcome:
    faultpoint("before_provider_call")
    if claim.is_test:
        return Accepted(f"TEST{new_id().hex}")
    if time.monotonic() - claim.claimed_at > SENT_WITHIN * config.current().claim_lease_seconds:
        return NotProcessed(STALE_CLAIM, fault=Fault.OURS)
    outcome = connection.client.send(
        OutgoingMessage(
            from_number=claim.from_number,
            to=stored_address(claim.to_number),
            content=claim.content,
            token=attempt_token.make(tenant_id, AttemptRef(claim.message_id, claim.attempt)),
        )
    )
    if isinstance(outcome, Accepted):
        faultpoint("after_provider_accept")
    return outcome
