"""The phone page: a person's WhatsApp in the browser."""
