"""The outside world for development, tests and proofs. HTTP only; imports nothing from app."""
