"""The checkers, most of them of others, and what each may say."""
