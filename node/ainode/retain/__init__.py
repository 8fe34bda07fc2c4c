"""How long studies stay in the spool, and their results in the results folder."""
