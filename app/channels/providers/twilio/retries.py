"""How often Twilio repeats a webhook of ours that failed."""

RETRY_FRAGMENT = "#rc=3&rp=ct,rt,5xx"
"""Without it Twilio repeats a webhook once and only after a failed connect; a 5xx would lose the
message. Never sent to us and not part of the signature (webhooks-connection-overrides)."""
