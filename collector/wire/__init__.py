"""What the first bytes of a connection say: bytes come in here, a verdict of three small values goes out.

classify  what they are, and whom they name: the room's one door
http      the head of an HTTP/1.x request, for its host and nothing else
tls       a ClientHello, for the server name
proxy     the PROXY protocol's header, before the client's bytes
name      host names as they stand on the wire, and the one spelling that may be looked up
verdict   all that may be said about a connection
"""
