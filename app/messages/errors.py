from app.errors import Conflict, NotFound, Unprocessable


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


class CannotCancel(Conflict):
    code = "cannot_cancel"
    message = "Only a message that is still queued can be canceled."


class CannotSettle(Conflict):
    code = "cannot_settle"
    message = "Only a message whose fate is unknown can be settled by hand."


class QuotaReached(Unprocessable):
    status = 429
    code = "daily_quota_reached"
    message = "Today's message quota of this business is used up. It starts anew at midnight."
