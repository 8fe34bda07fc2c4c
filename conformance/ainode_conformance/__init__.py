"""Checkers of our own, for rules that no free program checks: the templates of TID 1500, UCUM, and IHE AIR."""
