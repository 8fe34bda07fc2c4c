"""On which line each key of a TOML document stands (TOML 1.0.0); ``tomllib`` forgets it.

The scanner reads only documents that ``tomllib`` has accepted, so it looks for keys and skips values.
"""

import re
import tomllib

KeyPath = tuple[str | int, ...]
"""Keys from the root of the document; a number counts the elements of an array, from 0."""

_BLANK = re.compile(r"(?:\s|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}(?!")' r"|'''.*?'{3,5}(?!')" r'|"(?:\\.|[^"\\])*"' r"|'[^']*'", re.DOTALL
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_SCALAR = re.compile(r"[^,\]}#\n]+")


def key_lines(text: str) -> dict[KeyPath, int]:
    """Line, from 1, of every key, table header and array element of a valid TOML document."""
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text.replace("\r\n", "\n")
        self._at = 0
        self._lines: dict[KeyPath, int] = {}
        self._array_lengths: dict[KeyPath, int] = {}

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        while self._skip_blank():
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._lines

    def _skip_blank(self) -> bool:
        self._match(_BLANK)
        return self._at < len(self._text)

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        return found.group()

    def _note(self, path: KeyPath) -> None:
        self._lines.setdefault(path, self._text.count("\n", 0, self._at) + 1)

    def _header(self) -> KeyPath:
        is_array = self._text.startswith("[[", self._at)
        self._at += 2 if is_array else 1
        keys = self._dotted_key()
        path = self._resolved(keys[:-1]) + keys[-1:]
        path = self._next_element(path) if is_array else self._resolved(keys)
        for depth in range(1, len(path) + 1):
            self._note(path[:depth])
        self._at += 2 if is_array else 1
        return path

    def _next_element(self, path: KeyPath) -> KeyPath:
        self._array_lengths[path] = self._array_lengths.get(path, 0) + 1
        return (*path, self._array_lengths[path] - 1)

    def _resolved(self, keys: KeyPath) -> KeyPath:
        """Path of a header's keys, where an array of tables stands for its last element."""
        path: KeyPath = ()
        for key in keys:
            path = (*path, key)
            if path in self._array_lengths:
                path = (*path, self._array_lengths[path] - 1)
        return path

    def _dotted_key(self) -> KeyPath:
        keys: list[str] = []
        while not keys or self._match(_DOT):
            self._match(_BLANK)
            token = self._match(_BARE_KEY) or self._match(_STRING) or ""
            keys.append(next(iter(tomllib.loads(f"{token} = 0"))))
        self._match(_BLANK)
        return tuple(keys)

    def _pair(self, table: KeyPath) -> None:
        start = self._at
        keys = self._dotted_key()
        line = self._text.count("\n", 0, start) + 1
        for depth in range(1, len(keys) + 1):
            self._lines.setdefault(table + keys[:depth], line)
        self._at += 1
        self._match(_BLANK)
        self._value(table + keys)

    def _value(self, path: KeyPath) -> None:
        opening = self._text[self._at]
        if opening == "[":
            self._elements(path)
        elif opening == "{":
            self._inline_table(path)
        elif self._match(_STRING) is None:
            self._match(_SCALAR)

    def _elements(self, path: KeyPath) -> None:
        self._at += 1
        index = 0
        while self._skip_blank() and self._text[self._at] != "]":
            self._note((*path, index))
            self._value((*path, index))
            index += 1
            self._skip_comma()
        self._at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        while self._skip_blank() and self._text[self._at] != "}":
            self._pair(path)
            self._skip_comma()
        self._at += 1

    def _skip_comma(self) -> None:
        self._match(_BLANK)
        if self._text.startswith(",", self._at):
            self._at += 1
