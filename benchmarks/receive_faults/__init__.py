"""Parts of ``make faults-receive``: a loaded node, what is done to it, and the search for what it should still have."""
