"""The outside world for development and tests. It speaks only HTTP and imports nothing from app."""
