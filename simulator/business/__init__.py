"""A small business with orders and appointments, whose API a bot calls."""
