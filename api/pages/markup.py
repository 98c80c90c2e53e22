"""Builds HTML in which no text can be mistaken for markup."""

from html import escape

VOID = frozenset({"input", "link", "meta"})
"""Elements that have no content and no end tag."""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(tag: str, *content: str | None, **attributes: str | bool | None) -> Markup:
    """An element; text in it is escaped. `class_` and `for_` are the attributes without the underscore."""
    given = "".join(_attribute(name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items())
    if tag in VOID:
        return Markup(f"<{tag}{given}>")
    return Markup(f"<{tag}{given}>{joined(*content)}</{tag}>")


def joined(*content: str | None) -> Markup:
    """Several pieces in a row."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in content if part is not None))


def _attribute(name: str, value: str | bool | None) -> str:  # noqa: FBT001 - as in HTML
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(value)}"'
