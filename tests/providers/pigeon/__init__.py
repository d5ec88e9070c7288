"""A provider that exists only in the tests, and is as unlike Twilio as possible.

It combines events of many senders in one webhook, has a handshake, keeps no list of what it sent or
received, and carries the token of an attempt in a field. Nothing outside this folder refers to it,
so everything else works without the folder.
"""
