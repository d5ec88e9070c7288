"""A provider that exists only in the tests, and is as unlike Twilio as possible.

It puts many events, of many senders, into one webhook; it has a handshake; it keeps no list of what
it sent or received; it carries the token of an attempt in a field. Nothing outside this folder
knows it: everything else works without the folder.
"""
