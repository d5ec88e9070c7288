from marshmallow import fields, validate

from app.common.schema import BaseSchema
from app.health.service import State


def state_field() -> fields.String:
    return fields.String(required=True, validate=validate.OneOf([str(each) for each in State]))


class HealthSchema(BaseSchema):
    status = fields.String(required=True)
    db = fields.String(required=True)


class DatabaseSchema(BaseSchema):
    status = fields.String(required=True)
    latency_ms = fields.Float(required=True)


class AliveSchema(BaseSchema):
    status = fields.String(required=True)


class ServicesSchema(BaseSchema):
    webhook = state_field()
    whatsapp_service = state_field()
    queue_service = state_field()
    websocket_service = state_field()
    database = state_field()
    redis = state_field()
    openai = state_field()


class StatusSchema(BaseSchema):
    status = fields.String(required=True, validate=validate.OneOf(["healthy", "degraded"]))
    services = fields.Nested(ServicesSchema, required=True)
