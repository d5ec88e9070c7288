"""The vendor's surface: Messages, Content, senders, typing, media and its signed webhooks."""
