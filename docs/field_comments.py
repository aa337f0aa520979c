"""Have mkdocstrings show the comment of a field, behind it or above it, as its docstring."""

import re
from typing import Any

import griffe


class FieldComments(griffe.Extension):
    """An extension of griffe, which reads the sources for mkdocstrings."""

    def on_attribute(self, *, attr: griffe.Attribute, **_: Any) -> None:
        """Give a field without a docstring the comment that it has."""
        if attr.docstring is not None or not attr.lineno or not attr.parent:
            return
        if not attr.parent.is_class:
            return
        lines = attr.lines_collection[attr.filepath]
        first, last = attr.lineno - 1, (attr.endlineno or attr.lineno) - 1
        if behind := re.search(r"\s#\s*(.+)$", lines[last]):
            text = behind[1]
        else:
            above = []
            while first > 0 and (comment := re.match(r"\s+#\s*(.+)$", lines[first - 1])):
                above.insert(0, comment[1])
                first -= 1
            text = " ".join(above)
        if text and not re.match(r"(noqa|type:|pyright:|--)", text):
            attr.docstring = griffe.Docstring(text[0].upper() + text[1:], parent=attr)
