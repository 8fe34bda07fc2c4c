"""Checkers: ours of the templates of TID 1500, UCUM and IHE AIR, and, for `make conformance`, those of others."""
