"""How many digits of a number a result states."""


def reported(value: float) -> float:
    """Five significant digits: what the Structured Report says, and so every text and resource made from it."""
    return float(f"{value:.5g}")
