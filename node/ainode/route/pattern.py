"""Regular expressions of rules, kept from running for ever on text that a sender chose."""

import re

LONGEST_TEXT = 128
"""Only so many characters of a value are looked at: polynomial backtracking stays short."""
_REPEAT = re.compile(r"[*+]|\{\d*,?\d*\}")


def compile_pattern(text: str) -> re.Pattern[str]:
    """A regular expression of Python's ``re``; raises ``ValueError`` on a bad one, and on one that could take for ever.

    A repeated group that itself holds a repeat or an alternative, such as ``(a+)+``, is refused: its time can grow
    exponentially with the length of a value.
    """
    try:
        pattern = re.compile(text)
    except re.error as exc:
        at = f" at character {exc.pos + 1}" if exc.pos is not None else ""
        raise ValueError(f"{text!r} is no regular expression: {exc.msg}{at}") from exc
    if _repeats_a_choice(text):
        raise ValueError(
            f"{text!r} repeats a group that holds a repeat or an alternative, such as (a+)+ or (a|b)*, and could "
            "take for ever; write it without the outer repeat, or with a set such as [ab]*"
        )
    return pattern


def matches(pattern: re.Pattern[str], value: str) -> bool:
    """Whether the pattern is found anywhere in the first ``LONGEST_TEXT`` characters of a value."""
    return pattern.search(value[:LONGEST_TEXT]) is not None


def _repeats_a_choice(text: str) -> bool:
    plain = re.sub(r"\\.", "a", text, flags=re.DOTALL)
    plain = re.sub(r"\[\^?\]?[^\]]*\]", "a", plain)
    plain = re.sub(r"\((\?(?:P<\w+>|<[=!]|[:=!>])?|(?=[^?]))", "(", plain)
    has_choice = [False]
    for at, character in enumerate(plain):
        if character == "(":
            has_choice.append(False)
        elif character == ")":
            inner = has_choice.pop()
            if inner and _REPEAT.match(plain, at + 1):
                return True
            has_choice[-1] |= inner
        elif character in "|?" or _REPEAT.match(plain, at):
            has_choice[-1] = True
    return False
