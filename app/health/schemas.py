from marshmallow import fields, validate

from app.common.schema import BaseSchema, choice
from app.health.service import State

REACHED = (State.OK, State.DOWN)


def state_field(example: State = State.OK) -> fields.String:
    return choice(State, required=True, metadata={"example": str(example)})


class HealthSchema(BaseSchema):
    status = fields.String(required=True, validate=validate.OneOf(["ok", "degraded"]))
    db = choice(REACHED, required=True)


class DatabaseSchema(BaseSchema):
    status = choice(REACHED, required=True)
    latency_ms = fields.Float(required=True)


class AliveSchema(BaseSchema):
    status = fields.String(required=True, validate=validate.Equal("ok"))


class ServicesSchema(BaseSchema):
    webhook = state_field()
    whatsapp_service = state_field()
    queue_service = state_field()
    websocket_service = state_field(State.NOT_CONFIGURED)
    database = state_field()
    redis = state_field()
    openai = state_field(State.NOT_CONFIGURED)


class StatusSchema(BaseSchema):
    status = fields.String(required=True, validate=validate.OneOf(["healthy", "degraded"]))
    services = fields.Nested(ServicesSchema, required=True)
