"""A SIP user agent client without I/O: messages, digest, session descriptions, and the calls over them (RFC 3261)."""
