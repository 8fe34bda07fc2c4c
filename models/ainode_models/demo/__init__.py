"""Phantoms with known truth, and the training of the demonstration packages on them."""
