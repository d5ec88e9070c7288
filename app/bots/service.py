"""What answers a customer: for now, fixed replies to keywords."""

from app.bots.keyword_replies import answer, create_default_replies

__all__ = ["answer", "create_default_replies"]
