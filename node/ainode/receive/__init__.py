"""Receiving objects over DIMSE: bytes to disk, a row in the journal, then ``Success``; the header is read later."""
