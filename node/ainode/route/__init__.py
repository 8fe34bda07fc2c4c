"""Route: which model takes which series, by rules that are data."""
