"""A provider that exists in the tests alone, and is as unlike Twilio as a provider may be.

It puts many events, of many senders, into one webhook; it asks for a handshake; it keeps no list of
what it sent or heard; it carries the token of an attempt in a field. Nothing outside this folder
knows it: without the folder everything else is as it is.
"""
