"""Automatic answers to customers: for now, keyword replies."""

from app.bots.keyword_replies import answer, create_default_replies

__all__ = ["answer", "create_default_replies"]
