"""How a bot behaves besides its model: when it answers, what it says by itself, who takes over."""

from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from app.bots import checks
from app.bots.definition import BusinessHours, Escalation, EscalationKind, Span
from app.common.schema import BaseSchema, Flag, choice, text_field, words_field
from app.tenants.schemas import timezone_field

LONGEST_WAIT = 15
LONGEST_TEXT = 1000
LONGEST_ANSWERS = (100, 1500)
OPENS = validate.Regexp(r"^([01]\d|2[0-3]):[0-5]\d$(?!\n)", error="A time such as 09:00.")
CLOSES = validate.Regexp(
    r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$(?!\n)", error="A time such as 18:00, at most 24:00."
)
HAND_OVER_WORDS = "Short messages with one of these words get a person; 1 to 50."


class TextsSchema(BaseSchema):
    """A text in each language; a business gets the one of its own language."""

    es = words_field(LONGEST_TEXT, metadata={"example": "Enseguida te respondemos."})
    en = words_field(LONGEST_TEXT, metadata={"example": "We will answer you soon."})


class TextsArgs(TextsSchema):
    @post_load
    def check(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        if not data:
            raise ValidationError("Give the text in Spanish (es), in English (en), or in both.")
        return data


class EscalationSchema(BaseSchema):
    """How a customer reaches a person."""

    kind = choice(
        EscalationKind,
        required=True,
        metadata={
            "description": "`people`: your own people take over in the chat. Otherwise the bot "
            "tells the customer the `value`, and goes on answering."
        },
    )
    value = text_field(
        500,
        load_default="",
        metadata={
            "description": "The phone number, the e-mail address or the https URL; empty for "
            "`people`.",
            "example": "",
        },
    )


class EscalationArgs(EscalationSchema):
    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> Escalation:
        made = Escalation(EscalationKind(data["kind"]), data["value"].strip())
        if problem := checks.escalation_problem(made):
            raise ValidationError({"value": [problem]})
        return made


class SpanSchema(BaseSchema):
    day = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(min=0, max=6),
        metadata={"description": "0 is Monday, 6 is Sunday.", "example": 0},
    )
    opens = fields.String(required=True, validate=OPENS, metadata={"example": "09:00"})
    closes = fields.String(required=True, validate=CLOSES, metadata={"example": "18:00"})


class SpanArgs(SpanSchema):
    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> Span:
        if data["opens"] >= data["closes"]:
            raise ValidationError(
                {
                    "closes": [
                        "Must be after `opens`. A night is two spans: until 24:00, from 00:00."
                    ]
                }
            )
        return Span(**data)


class HoursSchema(BaseSchema):
    timezone = timezone_field(required=True)
    spans = fields.List(fields.Nested(SpanSchema), required=True)


class HoursArgs(HoursSchema):
    spans = fields.List(
        fields.Nested(SpanArgs), required=True, validate=validate.Length(min=1, max=50)
    )

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> BusinessHours:
        return BusinessHours(data["timezone"], tuple(data["spans"]))


class BehaviourArgs(BaseSchema):
    """These fields of a definition in a request. Each has a default."""

    debounce_seconds = fields.Integer(
        strict=True,
        validate=validate.Range(min=0, max=LONGEST_WAIT),
        metadata={
            "description": "The bot answers once the customer has written nothing for so long; by "
            "default 4."
        },
    )
    keeps_summary = Flag(
        metadata={
            "description": "Remember what was said before the last `history_messages`: a summary, "
            "which the model writes now and then; default false."
        }
    )
    shows_typing = Flag(
        metadata={
            "description": "Show the customer that an answer is being written, and their message "
            "as read, while the model thinks; default true. Not every provider can."
        }
    )
    shows_disclosure = Flag(
        metadata={"description": "Add `disclosure` to a conversation's first answer; default true."}
    )
    disclosure = fields.Nested(
        TextsArgs, metadata={"description": "Says that a machine answers, and how to get a person."}
    )
    escalation = fields.Nested(EscalationArgs)
    handover_keywords = fields.List(
        words_field(50, metadata={"example": "persona"}),
        validate=validate.Length(min=1, max=50),
        metadata={"description": HAND_OVER_WORDS},
    )
    handover_text = fields.Nested(
        TextsArgs, metadata={"description": "Sent when a person is to answer."}
    )
    fallback_text = fields.Nested(
        TextsArgs,
        metadata={"description": "Sent when the model gives no answer; once in ten minutes."},
    )
    keyword_replies_first = Flag(
        metadata={
            "description": "A message that is a keyword and nothing else gets the keyword's reply "
            "(default true). With false, the bot answers every message."
        }
    )
    business_hours = fields.Nested(
        HoursArgs,
        allow_none=True,
        metadata={"description": "When the bot answers; null, the default, for always."},
    )
    out_of_hours_text = fields.Nested(
        TextsArgs,
        metadata={
            "description": "Sent outside the business hours, once from each closing to the next "
            "opening; the model is not asked."
        },
    )
    split_messages = Flag(
        metadata={"description": "Send a long answer as several short ones; default false."}
    )
    longest_answer = fields.Integer(
        strict=True,
        validate=validate.Range(*LONGEST_ANSWERS),
        metadata={
            "description": "Characters that the model is asked to keep to, and of each message "
            "with `split_messages`; by default 700."
        },
    )


OF_BEHAVIOUR = frozenset(BehaviourArgs().fields)


def group(definition: dict[str, Any]) -> None:
    """Give the fields of `BehaviourArgs`, as they were loaded, the types of a definition.

    Raises ValidationError.
    """
    if "handover_keywords" not in definition:
        return
    keywords = definition["handover_keywords"] = tuple(definition["handover_keywords"])
    if problem := checks.keywords_problem(keywords):
        raise ValidationError({"handover_keywords": [problem]})


class BehaviourSchema(BaseSchema):
    """These fields of a definition in an answer."""

    debounce_seconds = fields.Integer(required=True, attribute="definition.debounce_seconds")
    keeps_summary = fields.Boolean(required=True, attribute="definition.keeps_summary")
    shows_typing = fields.Boolean(required=True, attribute="definition.shows_typing")
    shows_disclosure = fields.Boolean(required=True, attribute="definition.shows_disclosure")
    disclosure = fields.Nested(TextsSchema, required=True, attribute="definition.disclosure")
    escalation = fields.Nested(EscalationSchema, required=True, attribute="definition.escalation")
    handover_keywords = fields.List(
        fields.String(metadata={"example": "persona"}),
        required=True,
        attribute="definition.handover_keywords",
    )
    handover_text = fields.Nested(TextsSchema, required=True, attribute="definition.handover_text")
    fallback_text = fields.Nested(TextsSchema, required=True, attribute="definition.fallback_text")
    keyword_replies_first = fields.Boolean(
        required=True, attribute="definition.keyword_replies_first"
    )
    business_hours = fields.Nested(
        HoursSchema, required=True, allow_none=True, attribute="definition.business_hours"
    )
    out_of_hours_text = fields.Nested(
        TextsSchema, required=True, attribute="definition.out_of_hours_text"
    )
    split_messages = fields.Boolean(required=True, attribute="definition.split_messages")
    longest_answer = fields.Integer(required=True, attribute="definition.longest_answer")
