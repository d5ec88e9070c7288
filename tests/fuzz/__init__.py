"""Requests made from the API's description, and answers compared with it: `make fuzz`."""
