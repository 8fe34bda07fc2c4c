"""The hint that a refused word gets: what is allowed, and what was probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """``" (did you mean 'port'?)"`` when one of ``choices`` is close to ``word``, else nothing."""
    by_folded = {choice.casefold(): choice for choice in choices}
    close = get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return f" (did you mean {by_folded[close[0]]!r}?)" if close else ""


def allowed_hint(word: str, choices: Iterable[str]) -> str:
    """``allowed: a, b, c (did you mean 'b'?)``, in the order of ``choices``."""
    listed = tuple(choices)
    return f"allowed: {', '.join(listed) or 'nothing'}{did_you_mean(word, listed)}"
