"""Every task by name; a task is enqueued by name, with ids only."""

DELIVER_CHANNEL = "messages.deliver_channel"
SETTLE_CHANNEL = "messages.settle_channel"
APPLY_INBOX = "webhook.apply_inbox"
RING_DUE = "tasks.ring_due"
CLEAN_UP = "tasks.clean_up"
