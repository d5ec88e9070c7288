"""Twilio's error codes as data: what happened, what to do, and whether to try again.

Source: Twilio's error dictionary (api/errors/<code>) and WhatsApp pages; where no page says what to
do, the class is our judgment.
"""

import json
import re
from enum import StrEnum
from typing import Any, NamedTuple

from app.channels.providers.base import ProviderError


class Kind(StrEnum):
    """What a refusal of a request means. In a receipt every code is final except THROTTLE."""

    DEAD = "dead"
    """The same request would be refused again, or must not be repeated soon."""
    RETRY = "retry"
    """Not processed, because of a temporary problem."""
    THROTTLE = "throttle"
    """Not processed, or (in a receipt) not delivered; the whole channel should slow down."""
    UNCERTAIN = "uncertain"
    """It may have been sent."""


class Entry(NamedTuple):
    code: str
    kind: Kind
    cause: str
    remedy: str


DEAD, RETRY, THROTTLE, UNCERTAIN = Kind.DEAD, Kind.RETRY, Kind.THROTTLE, Kind.UNCERTAIN

CREDENTIALS_REJECTED = "credentials_rejected"
OUTSIDE_WINDOW = "outside_window"

NOT_REACHABLE = Entry(
    "recipient_unreachable",
    DEAD,
    "The message could not reach this phone.",
    "Check the number, and try again later if it is right.",
)
BAD_NUMBER = Entry(
    "invalid_recipient",
    DEAD,
    "This is not a number that can receive the message.",
    "Correct the contact's number, with its country code.",
)
NOT_ON_WHATSAPP = Entry(
    "not_on_whatsapp",
    DEAD,
    "This number cannot receive WhatsApp messages: no account, old app, or terms not accepted.",
    "Reach this person another way, or ask for the number that they use on WhatsApp.",
)
OPTED_OUT = Entry(
    "recipient_opted_out",
    DEAD,
    "This person asked to receive no more messages.",
    "Do not write to them until they send START.",
)
BAD_SENDER = Entry(
    "invalid_sender",
    DEAD,
    "Twilio does not know this number as a WhatsApp sender of the account.",
    "Check the channel's number and account with POST /channels/{id}/verify.",
)
TOO_LONG = Entry(
    "text_too_long",
    DEAD,
    "The text is longer than WhatsApp takes through Twilio.",
    "Shorten the text to 1,600 characters or split it.",
)
BAD_REQUEST = Entry(
    "request_rejected",
    DEAD,
    "Twilio refused the request as malformed.",
    "Report this to the operator of Recado with the message's id.",
)
BAD_VARIABLES = Entry(
    "invalid_template_variables",
    DEAD,
    "The template's variables do not fit the template.",
    "Give one non-empty line of text for each variable of the template, at most 100.",
)
BAD_TEMPLATE = Entry(
    "invalid_template",
    DEAD,
    "There is no such template in this Twilio account.",
    "Check content_sid against the templates of the channel's account.",
)
BLOCKED = Entry(
    "message_filtered",
    DEAD,
    "The message was held back as unwanted or forbidden content.",
    "Change the text, and ask Twilio's support if it should be allowed.",
)
BAD_CONTENT = Entry(
    "content_rejected",
    DEAD,
    "WhatsApp did not accept the content.",
    "Check the text, media type and size, and the values of variables and links.",
)
CHANNEL_CONFIG = Entry(
    "sender_misconfigured",
    DEAD,
    "The WhatsApp sender is not set up correctly at Twilio or Meta.",
    "Open the sender in the Twilio console and finish or repair its set-up.",
)
ACCOUNT_BLOCKED = Entry(
    "account_suspended",
    DEAD,
    "The Twilio or WhatsApp business account is suspended or disabled.",
    "Settle the matter with Twilio's or Meta's support; nothing is delivered until then.",
)
SCHEDULING = BAD_REQUEST._replace(
    code="invalid_schedule", cause="Twilio refused the message's scheduling parameters."
)
TEMPLATE_STATE = Entry(
    "template_not_usable",
    DEAD,
    "The template is rejected, paused or disabled by WhatsApp.",
    "Use another approved template, or improve this one and submit it again.",
)
TEMPLATE_MISMATCH = BAD_VARIABLES._replace(
    code="template_mismatch",
    cause="The template does not exist in this language or takes other parameters.",
    remedy="Check the template's language and the number of its variables.",
)
PROVIDER_TROUBLE = Entry(
    "provider_error",
    UNCERTAIN,
    "Twilio or WhatsApp had trouble of their own.",
    "Nothing is wrong with your message; send it again if it does not arrive.",
)
PROCESSING = PROVIDER_TROUBLE._replace(kind=RETRY)
QUEUE_FULL = Entry(
    "provider_queue_full",
    THROTTLE,
    "More messages wait at Twilio than it keeps for this sender.",
    "Nothing to do: it is sent when there is room. Spread large batches over more time.",
)
RATE_LIMITED = Entry(
    "rate_limited",
    THROTTLE,
    "More messages were sent than WhatsApp or Twilio take at once.",
    "Nothing to do while it is queued; if it failed, send it again later and more slowly.",
)

TABLE: dict[int, Entry] = {
    20003: Entry(
        CREDENTIALS_REJECTED,
        RETRY,
        "Twilio rejected the channel's credentials.",
        "Put the current auth token or API key into the channel: queued messages then go out.",
    ),
    20249: RATE_LIMITED._replace(
        kind=DEAD, remedy="Wait 72 hours before you register the sender again."
    ),
    20404: BAD_REQUEST._replace(
        code="not_found_at_provider",
        cause="Twilio does not find the account or resource.",
        remedy="Check the channel's account SID with POST /channels/{id}/verify.",
    ),
    20429: RATE_LIMITED,
    20500: PROVIDER_TROUBLE,
    20503: PROVIDER_TROUBLE,
    21211: BAD_NUMBER,
    21212: BAD_SENDER,
    21408: BAD_NUMBER._replace(
        code="region_not_permitted",
        cause="The Twilio account may not send to this country.",
        remedy="Allow the country in the account's geographic permissions.",
    ),
    21606: BAD_SENDER,
    21610: OPTED_OUT,
    21611: QUEUE_FULL,
    21612: BAD_SENDER._replace(
        code="route_impossible", cause="This sender cannot reach this recipient."
    ),
    21614: BAD_NUMBER,
    21617: TOO_LONG,
    21619: BAD_REQUEST._replace(
        code="empty_message",
        cause="The message holds no text, media or template.",
        remedy="Give it a text, a media_url or a content_sid.",
    ),
    21655: BAD_TEMPLATE,
    21656: BAD_VARIABLES,
    21658: TOO_LONG,
    21910: BAD_REQUEST,
    30001: QUEUE_FULL,
    30002: ACCOUNT_BLOCKED,
    30003: NOT_REACHABLE,
    30005: NOT_REACHABLE,
    30006: NOT_REACHABLE,
    30007: BLOCKED,
    30008: PROCESSING,
    30036: Entry(
        "expired",
        DEAD,
        "The message waited longer than it was valid.",
        "Send it again if it is still needed.",
    ),
    30450: BLOCKED,
    30500: PROCESSING,
    35111: SCHEDULING,
    35114: SCHEDULING,
    35117: SCHEDULING,
    35118: SCHEDULING,
    35125: SCHEDULING,
    35126: SCHEDULING,
    63001: CHANNEL_CONFIG,
    63003: NOT_ON_WHATSAPP,
    63005: BAD_CONTENT,
    63006: BAD_CONTENT,
    63007: BAD_SENDER,
    63008: CHANNEL_CONFIG,
    63009: PROVIDER_TROUBLE,
    63010: PROCESSING,
    63011: PROCESSING,
    63012: PROVIDER_TROUBLE,
    63013: BAD_CONTENT._replace(
        code="policy_violation", cause="The content breaks a WhatsApp policy."
    ),
    63015: NOT_ON_WHATSAPP._replace(
        code="sandbox_not_joined",
        cause="This phone has not joined Twilio's sandbox, or its three days are over.",
        remedy="Send the sandbox's join code from that phone, then try again.",
    ),
    63016: Entry(
        OUTSIDE_WINDOW,
        DEAD,
        "More than 24 hours have passed since this person last wrote.",
        "Send an approved template (content_sid); free text is possible again once they answer.",
    ),
    63018: RATE_LIMITED,
    63019: Entry(
        "media_unreachable",
        DEAD,
        "WhatsApp could not download the media.",
        "Check that the media URL opens for everybody, with the right Content-Type.",
    ),
    63020: CHANNEL_CONFIG,
    63021: BAD_CONTENT,
    63022: CHANNEL_CONFIG,
    63023: PROCESSING,
    63024: NOT_ON_WHATSAPP,
    63025: BAD_CONTENT._replace(
        code="media_exists",
        cause="WhatsApp has this media already.",
        remedy="Nothing to do, unless the message did not arrive: then send it again.",
    ),
    63027: TEMPLATE_MISMATCH,
    63028: TEMPLATE_MISMATCH,
    63029: NOT_REACHABLE._replace(
        code="receiver_could_not_load",
        cause="The person's phone could not download the message.",
        remedy="Send it again later, with smaller media if it holds any.",
    ),
    63030: TEMPLATE_MISMATCH,
    63031: BAD_NUMBER._replace(
        code="same_number",
        cause="Sender and recipient are the same number.",
        remedy="Write to a number other than the channel's own.",
    ),
    63032: NOT_ON_WHATSAPP._replace(
        code="recipient_in_experiment",
        cause="WhatsApp keeps this kind of message from this person as part of an experiment.",
        remedy="Leave this person out of the campaign.",
    ),
    63033: OPTED_OUT._replace(
        code="marketing_opted_out",
        cause="This person stopped marketing messages from you.",
        remedy="Send them no more marketing; answers to their own messages are fine.",
    ),
    63038: RATE_LIMITED._replace(
        code="daily_limit_reached",
        kind=DEAD,
        cause="The Twilio account's daily message limit is used up.",
        remedy="Send it again tomorrow, or upgrade the Twilio account.",
    ),
    63040: TEMPLATE_STATE,
    63041: TEMPLATE_STATE,
    63042: TEMPLATE_STATE,
    63049: Entry(
        "marketing_limited",
        DEAD,
        "WhatsApp chose not to deliver this marketing message to this person.",
        "Wait at least 24 hours; repeating it sooner makes it worse.",
    ),
    63051: CHANNEL_CONFIG._replace(
        code="sender_locked",
        cause="Meta locked the sender, usually after about 30 days without use.",
        remedy="Register the sender again in the Twilio console.",
    ),
    63062: CHANNEL_CONFIG._replace(
        code="terms_not_accepted",
        cause="The terms of WhatsApp's marketing messages are not accepted.",
        remedy="Accept them in Meta's business settings.",
    ),
    63112: ACCOUNT_BLOCKED,
    92002: BAD_VARIABLES,
    92007: BAD_VARIABLES,
}

UNKNOWN_CODE = Entry(
    "provider_refused",
    DEAD,
    "Twilio gave a reason that Recado does not know.",
    "Look up the provider's code in Twilio's error list, or ask Twilio's support.",
)
NO_CODE = Entry(
    "delivery_failed",
    DEAD,
    "The provider reported a failure without a reason.",
    "Send it again if it is still needed; ask Twilio's support if it keeps failing.",
)
CANCELED = Entry(
    "canceled_at_provider", DEAD, "The message was canceled at Twilio.", "Send it again if needed."
)
NO_ANSWER = Entry(
    "no_answer",
    UNCERTAIN,
    "The connection to Twilio broke after the message was handed over.",
    "Nothing to do: Recado finds out what happened before it does anything else.",
)
UNREACHABLE = Entry(
    "provider_unreachable",
    RETRY,
    "Twilio could not be reached.",
    "Nothing to do: the message is sent as soon as the connection works.",
)
UNREADABLE = NO_ANSWER._replace(
    code="unreadable_answer", cause="Twilio's answer could not be understood."
)
UNSUPPORTED = Entry(
    "unsupported_content",
    DEAD,
    "This kind of message cannot be sent through Twilio as it is.",
    "Send it as a text, media, location or template message.",
)


def code_in(text: str) -> int | None:
    """Return the code in the body of an answer; None if it has none."""
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return code_of(payload.get("code")) if isinstance(payload, dict) else None


def code_of(value: Any) -> int | None:
    """Return Twilio's five-digit code, given as a number or as text."""
    text = str(value) if isinstance(value, int | str) else ""
    return int(text) if re.fullmatch(r"[0-9]{4,6}", text) else None


def entry_for(code: int | None) -> Entry:
    if code is None:
        return NO_CODE
    return TABLE.get(code, UNKNOWN_CODE)


def explain(entry: Entry, code: int | None = None) -> ProviderError:
    return ProviderError(
        code=entry.code,
        cause=entry.cause,
        remedy=entry.remedy,
        provider_code=None if code is None else str(code),
        closes_window=entry.code == OUTSIDE_WINDOW,
        throttled=entry.kind is THROTTLE,
    )


def describe(code: int | None, http_status: int | None = None) -> ProviderError:
    """Return our words for Twilio's code or, without a code, for the HTTP status of its answer."""
    if code is None and http_status is not None:
        return explain(_for_status(http_status))
    return explain(entry_for(code), code)


def _for_status(http_status: int) -> Entry:
    if http_status == 401:
        return TABLE[20003]
    if http_status == 429:
        return RATE_LIMITED
    return PROVIDER_TROUBLE if http_status >= 500 else UNREADABLE
