"""``docs/settings.md``, made from the docstrings of the fields."""

from collections.abc import Iterator

from ainode.settings.schema import Setting, field_documents, section_of
from ainode.settings.toml_text import default_literal
from ainode.settings.whole import Settings

_INTRODUCTION = """\
# Settings

One file in [TOML](https://toml.io/en/v1.0.0) holds the settings: the one that `--settings FILE` or
`$AINODE_SETTINGS` names, else `ainode.toml` in the current folder, else none. Every field can be left out
unless it says *required*. Relative paths count from the folder of the file. A misspelt key or a bad value
stops the node before it starts, with file, line and what is allowed:

    ainode.toml:12: [dicom] prot: unknown key; allowed: ae_title, host, port, ... (did you mean 'port'?)

An environment variable overrides the file: `AINODE_WEB_PORT=8081` sets `port` of `[web]`. In a list of named
tables the name comes between: `AINODE_ARCHIVE_ORTHANC_PASSWORD` sets `password` of the `[[archive]]` whose
name is `orthanc` (capitals; `_` for `-`). The table itself must be in the file. Passwords, tokens and
passphrases are best given so; they are never shown. A variable that begins with `AINODE_` and sets nothing is
refused, too.

`ainode config show` prints every value that is in force, and where it came from.

This page is printed by `ainode config reference`.
"""


def settings_reference() -> str:
    """The whole page, in Markdown."""
    return "\n".join([_INTRODUCTION, *_sections(Settings, "")]).rstrip() + "\n"


def _sections(cls: type, prefix: str) -> Iterator[str]:
    shape = section_of(cls)
    for key, inner in shape.tables.items():
        yield from _section(inner, f"{prefix}{key}", f"[{prefix}{key}]")
    for key, inner in shape.arrays.items():
        yield from _section(inner, f"{prefix}{key}", f"[[{prefix}{key}]]")


def _section(cls: type, name: str, header: str) -> Iterator[str]:
    yield f"## `{header}`\n"
    yield " ".join((cls.__doc__ or "").split()) + "\n"
    yield "| field | default | meaning | allowed |"
    yield "|---|---|---|---|"
    documents = field_documents(cls)
    for setting in section_of(cls).settings:
        yield _row(setting, documents[setting.name])
    yield ""
    yield from _sections(cls, f"{name}.")


def _row(setting: Setting, document: str) -> str:
    default = "*required*" if setting.required else f"`{default_literal(setting.default)}`"
    return f"| `{setting.name}` | {default} | {document} | {setting.kind.expected} |"
