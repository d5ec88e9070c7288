"""The demonstration values of a fresh simulator; the documentation may quote them."""

from typing import Final

DEMO_ACCOUNT_SID: Final = "AC0000000000000000000000000000de30"
DEMO_AUTH_TOKEN: Final = "de300000000000000000000000000000"
DEMO_SENDER: Final = "whatsapp:+14155238886"
DEMO_API_KEY_SID: Final = "SK0000000000000000000000000000de30"
DEMO_API_KEY_SECRET: Final = "demo-api-key-secret"
DEMO_SERVICE_SID: Final = "MG0000000000000000000000000000de30"

DEMO_MODEL_KEY: Final = "sk-simulator-demo"

OTRA_ACCOUNT_SID: Final = "AC0000000000000000000000000000de31"
OTRA_AUTH_TOKEN: Final = "de310000000000000000000000000000"
OTRA_SENDER: Final = "whatsapp:+14155550199"
OTRA_API_KEY_SID: Final = "SK0000000000000000000000000000de31"
OTRA_API_KEY_SECRET: Final = "otra-api-key-secret"
OTRA_SERVICE_SID: Final = "MG0000000000000000000000000000de31"

DEMO_INBOUND_URL: Final = "http://127.0.0.1:8000/webhook/twilio"

README_PHONE: Final = "+15551234567"
BSUID_PHONE: Final = "CO.13491208655302741918"
BOTH_PHONE: Final = "+525512345679"
BOTH_PHONE_USER_ID: Final = "MX.20418893377105562031"

#: key, number, user id, name. They have "joined", as in the vendor's sandbox.
READY_MADE_PHONES: Final[tuple[tuple[str | None, str | None, str], ...]] = (
    (README_PHONE, None, "Phone 1"),
    ("+5215512345678", None, "México"),
    ("+573001234567", None, "Colombia"),
    (BOTH_PHONE, BOTH_PHONE_USER_ID, "Number + user id"),
    (None, BSUID_PHONE, "User id only"),
)


def demo_accounts(inbound_url: str) -> list[dict[str, object]]:
    """The two demonstration accounts, in the shape of SIMULATOR_ACCOUNTS."""
    return [
        {
            "sid": DEMO_ACCOUNT_SID,
            "auth_token": DEMO_AUTH_TOKEN,
            "friendly_name": "demo",
            "api_keys": {DEMO_API_KEY_SID: DEMO_API_KEY_SECRET},
            "services": {DEMO_SERVICE_SID: [DEMO_SENDER]},
            "senders": [{"number": DEMO_SENDER, "inbound_url": inbound_url, "name": "Demo"}],
        },
        {
            "sid": OTRA_ACCOUNT_SID,
            "auth_token": OTRA_AUTH_TOKEN,
            "friendly_name": "otra",
            "api_keys": {OTRA_API_KEY_SID: OTRA_API_KEY_SECRET},
            "services": {OTRA_SERVICE_SID: [OTRA_SENDER]},
            "senders": [{"number": OTRA_SENDER, "inbound_url": inbound_url, "name": "Otra"}],
        },
    ]
