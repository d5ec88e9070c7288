from typing import Self

from app.errors import Conflict, NotFound, Unprocessable
from app.messages.waiting import SendResult
from app.models import Status

SETTLE_INSTEAD = (
    "Settle it with POST /api/messages/{id}/settle instead: did_not_arrive ends it, arrived keeps "
    "it as delivered, send_again sends it once more."
)


class MessageNotFound(NotFound):
    code = "message_not_found"
    message = "There is no such message. List yours at GET /api/messages."


class CredentialsInBody(Unprocessable):
    code = "credentials_in_body"
    message = (
        "Credentials do not belong in a message: store account_sid and auth_token once with "
        "POST /channels, then leave them out here."
    )


class OutsideWindow(Unprocessable):
    code = "outside_window"
    message = (
        "More than 24 hours have passed since this person last wrote, so WhatsApp takes only an "
        "approved template: send content_sid with content_variables, or give a fallback template."
    )


class UnsupportedContent(Unprocessable):
    code = "unsupported_content"
    message = "The provider of this channel cannot send messages of this type."


class RefusedByProvider(Unprocessable):
    """The provider refused a message while its sender waited for the answer."""

    code = "refused_by_provider"
    message = "The provider refused the message; details.error says why and what to do."

    @classmethod
    def of(cls, queued: SendResult) -> Self:
        """Return the error of a message that failed while its sender waited."""
        error = queued.error or {}
        told = f"{error['cause']} {error['remedy']}" if error else None
        details = {"message_id": str(queued.message_id), "error": error}
        return cls(told, details=details)


class ConversationQueueFull(Unprocessable):
    status = 429
    code = "conversation_queue_full"
    message = (
        "Too many messages to this person are queued already. WhatsApp takes about one in six "
        "seconds: wait until some have left, or cancel some."
    )

    def __init__(self, queued: int) -> None:
        super().__init__(details={"queued": queued}, headers={"Retry-After": "60"})


class CannotCancel(Conflict):
    code = "cannot_cancel"
    message = "Only a message that is still queued can be canceled."

    @classmethod
    def at(cls, status: str) -> Self:
        """Return what a person can do instead with a message of this status."""
        return cls(CANNOT_CANCEL_YET.get(status), details={"status": status})


CANNOT_CANCEL_YET: dict[str, str] = {
    Status.SENDING: "The message is being sent at this moment: it cannot be canceled any more. "
    "Look at its status in a minute.",
    Status.UNCERTAIN: f"The message may have left, so it cannot be canceled. {SETTLE_INSTEAD}",
    Status.UNKNOWN: f"The message may have left, so it cannot be canceled. {SETTLE_INSTEAD}",
}


class CannotSettle(Conflict):
    code = "cannot_settle"
    message = (
        "Only a message that is uncertain or unknown can be settled by hand: "
        "details.status says what is known of this one."
    )


class QuotaReached(Unprocessable):
    status = 429
    code = "daily_quota_reached"
    message = "Today's message quota of this business is used up. It is reset at midnight."
