"""Twilio as a provider: the one object that the registry knows."""

from collections.abc import Set

from app import config
from app.channels.providers.base import Client, Envelope, Json, ProviderEvent, WebhookRequest
from app.channels.providers.twilio import credentials, parser, signature
from app.channels.providers.twilio.client import TwilioClient
from app.channels.providers.twilio.retries import RETRY_FRAGMENT


class TwilioProvider:
    name: str = "twilio"
    credentials_help: str = credentials.HELP
    plain_fields: Set[str] = frozenset({"signature_mode"})
    webhook_suffix: str = RETRY_FRAGMENT

    def read_credentials(self, given: Json, present: Json) -> Json:
        return credentials.read(given, present)

    def account_of(self, credentials: Json) -> str:
        account: str = credentials["account_sid"]
        return account

    def client(self, credentials: Json) -> Client:
        settings = config.current()
        return TwilioClient(
            credentials,
            timeout_seconds=settings.provider_timeout_seconds,
            base_url=settings.twilio_api_base_url,
        )

    def envelope(self, body: bytes) -> Envelope:
        return parser.envelope(body)

    def is_signed(self, request: WebhookRequest, credentials: Json) -> bool:
        return signature.is_signed(request, credentials)

    def event_key(self, raw: str) -> str:
        return parser.event_key(raw)

    def parse(self, raw: str) -> ProviderEvent:
        return parser.parse(raw)
