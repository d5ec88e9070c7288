"""Twilio as a provider: the object that the registry lists."""

from collections.abc import Set

from app import config
from app.channels.providers.base import (
    Capabilities,
    Client,
    Json,
    ProviderEvent,
    Webhook,
    WebhookRequest,
)
from app.channels.providers.twilio import credentials, outgoing, parser, signature
from app.channels.providers.twilio.client import TwilioClient
from app.channels.providers.twilio.retries import RETRY_FRAGMENT


class TwilioProvider:
    name: str = "twilio"
    credentials_help: str = credentials.HELP
    plain_fields: Set[str] = frozenset({"signature_mode", "previous_until"})
    webhook_suffix: str = RETRY_FRAGMENT
    webhook_aliases: Set[str] = frozenset({"whatsapp"})
    longest_webhook: int = 131_072
    is_shared_webhook: bool = False
    has_handshake: bool = False
    capabilities: Capabilities = Capabilities(
        kinds=outgoing.KINDS,
        longest_text=outgoing.LONGEST_TEXT,
        has_window=True,
        lists_sent=True,
        lists_heard=True,
        shows_typing=True,
    )

    def read_credentials(self, given: Json, present: Json) -> Json:
        return credentials.read(given, present)

    def account_of(self, credentials: Json) -> str:
        account: str = credentials["account_sid"]
        return account

    def client(self, credentials: Json, webhook_url: str) -> Client:
        settings = config.current()
        return TwilioClient(
            credentials,
            webhook_url,
            timeout_seconds=settings.provider_timeout_seconds,
            base_url=settings.twilio_api_base_url,
        )

    def challenge(
        self,
        request: WebhookRequest,  # noqa: ARG002 - the protocol's parameters
        credentials: Json,  # noqa: ARG002
    ) -> str | None:
        """Return None: Twilio has no handshake."""
        return None

    def read(self, request: WebhookRequest) -> Webhook:
        return parser.read(request)

    def is_signed(self, request: WebhookRequest, credentials: Json) -> bool:
        return signature.is_signed(request, credentials)

    def parse(self, raw: str) -> ProviderEvent:
        return parser.parse(raw)
