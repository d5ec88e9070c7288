"""All metrics. Labels are few and never name a tenant, a person or a message."""

from prometheus_client import Counter, Histogram

REQUEST_SECONDS = Histogram(
    "recado_http_request_seconds",
    "Time to answer a request.",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0),
)
REQUESTS = Counter(
    "recado_http_requests_total", "Requests answered.", ["method", "route", "status"]
)
MESSAGES = Counter("recado_messages_total", "Messages that reached a status.", ["status"])
ATTEMPTS = Counter("recado_attempts_total", "Attempts to send, by outcome.", ["outcome"])
INBOX = Counter(
    "recado_inbox_events_total",
    "What providers told us: received, duplicate (both acknowledged), repaired (found in a list), "
    "replayed, and what became of it: applied, ignored, parked.",
    ["state"],
)
TASK_SECONDS = Histogram(
    "recado_task_seconds",
    "Background tasks.",
    ["task", "outcome"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0),
)
