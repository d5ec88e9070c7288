"""How often Twilio retries a webhook of ours that failed."""

RETRY_FRAGMENT = "#rc=3&rp=ct,rt,5xx"
"""Without it Twilio retries a webhook only once and only after a failed connect; a 5xx would lose
the message. It is never sent to us and is not part of the signature
(webhooks-connection-overrides)."""
