"""The syntax of SGF: files as trees of nodes with properties.

    (;FF[4]GM[1]SZ[9]C[text];B[ee];W[ec](;B[cd])(;B[dd]))

A file is a collection of trees. A node has properties, each a name of capital letters with one or
more values, and children, of which the first continues the main line. This module knows no game.

After https://www.red-bean.com/sgf (FF[1] to FF[4]), and tolerant of what real files hold: text
before and between trees, lower-case letters in names (`AddBlack` is AB), trees that are not closed,
a first node without its semicolon, any kind of line break, a byte order mark.
"""

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from alphazero.formats.sgf.charsets import decode, known

LINE_WIDTH = 78  # a line is broken between two nodes beyond it
CHARSETS = {  # supersets, which files that name the smaller charset often need
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
    "iso8859-1": "cp1252",
    "ascii": "utf-8",
}
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
WIDE_BEGINNING = b"(\0;\0"  # UTF-16 without a mark: at an odd place the high bytes come first
WIDE_WITHIN = 64  # bytes

TREE = re.compile(r"\(\s*;")
BARE_TREE = re.compile(r"\(\s*[A-Za-z]+\s*\[")  # where the first node lacks its semicolon
TOKEN = re.compile(
    r"(?P<mark>[();])|(?P<name>[A-Za-z0-9]+)|\[(?P<value>(?:[^\\\]]|\\.?)*+)\]?", re.DOTALL
)
CHARSET = re.compile(rb"\bCA\s*\[\s*([-\w.:]+)\s*\]")
LINE_BREAK = re.compile(r"\r\n|\n\r|\n|\r")


@dataclass
class Node:
    """A node. Values are unescaped, with line breaks as \\n."""

    properties: dict[str, list[str]] = field(default_factory=dict)
    children: list["Node"] = field(default_factory=list)

    def value(self, name: str, default: str = "") -> str:
        """Return the first value of a property, with each run of white space as one blank."""
        values = self.properties.get(name)
        return " ".join(values[0].split()) if values else default

    def main_line(self) -> Iterator["Node"]:
        """Iterate over this node and its descendants by first children."""
        node = self
        yield node
        while node.children:
            node = node.children[0]
            yield node


# -- reading ---------------------------------------------------------------------------------------


def decode_sgf(content: bytes) -> str:
    """Decode a file by its byte order mark, its CA property, or the most probable charset.

    The characters are decoded before the syntax is read, so that no second byte of a character
    is taken for a bracket or a backslash. Invalid bytes are replaced: they are in comments and
    names.
    """
    for mark, charset in MARKS.items():
        if content.startswith(mark):
            return content[len(mark) :].decode(charset, errors="replace")
    if (place := content[:WIDE_WITHIN].find(WIDE_BEGINNING)) >= 0:
        charset = "utf-16-be" if place % 2 else "utf-16-le"
        return content.decode(charset, errors="replace")
    named = CHARSET.search(content)
    name = known(named[1].decode("ascii")) if named is not None else ""
    return decode(content, CHARSETS.get(name, name))


def parse_sgf(text: str) -> list[Node]:
    """Parse all trees of a text; returns their roots, an empty list for a text without SGF."""
    roots = _parse_trees(text, TREE)
    return roots or _parse_trees(text, BARE_TREE)


def _parse_trees(text: str, beginning: re.Pattern[str]) -> list[Node]:
    roots: list[Node] = []
    end = 0
    while start := beginning.search(text, end):
        end = _parse_tree(text, start.start(), roots)
    return roots


def _parse_tree(text: str, start: int, roots: list[Node]) -> int:
    """Parse the tree that begins at `start` and append its root; returns the end of the tree."""
    node: Node | None = None  # the current node; None before the first
    branches: list[Node | None] = []  # the node to return to for every open parenthesis
    property_name = ""  # of the values that follow; values without a name are skipped

    for token in TOKEN.finditer(text, start):
        mark, name, value = token.groups()
        if mark == "(":
            branches.append(node)
        elif mark == ")":
            node = branches.pop()
            if not branches:
                return token.end()
        elif mark == ";" or node is None:
            new = Node()
            (roots if node is None else node.children).append(new)
            node = new
        if name is not None:
            property_name = _plain_name(name)
        elif mark is not None:
            property_name = ""
        elif property_name and node is not None:
            node.properties.setdefault(property_name, []).append(unescape(value))
    return len(text)


def _plain_name(name: str) -> str:
    """Drop the lower-case letters that older versions allow in a property's name."""
    return "".join(letter for letter in name if not letter.islower()) or name.upper()


def unescape(value: str) -> str:
    """Resolve the escapes of a value; an escaped line break is dropped."""
    if "\r" in value:
        value = LINE_BREAK.sub("\n", value)
    if "\\" not in value:
        return value
    return re.sub(r"\\(.?)", lambda match: match[1].strip("\n"), value, flags=re.DOTALL)


# -- writing ---------------------------------------------------------------------------------------


def escape(text: str) -> str:
    """Escape a text for use as a property value."""
    return text.replace("\\", "\\\\").replace("]", "\\]")


def format_sgf(roots: Sequence[Node]) -> str:
    """Format a collection, to be encoded as its CA property says."""
    return "".join(_format_tree(root) + "\n" for root in roots)


def _format_tree(root: Node) -> str:
    pieces: list[str] = []
    width = 0
    # A stack of nodes to write, with the parentheses around variations.
    waiting: list[Node | str] = [")", root, "("]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Node):
            piece = _format_node(item)
            if len(item.children) == 1:
                waiting.append(item.children[0])
            else:
                for child in reversed(item.children):
                    waiting += [")", child, "("]
        else:
            piece = item
        # No break within "(;": some readers search for it.
        if piece != ")" and pieces[-1:] != ["("] and width + len(piece) > LINE_WIDTH:
            pieces.append("\n")
            width = 0
        pieces.append(piece)
        width = len(piece) - piece.rfind("\n") - 1 if "\n" in piece else width + len(piece)
    return "".join(pieces)


def _format_node(node: Node) -> str:
    properties = (
        name + "".join(f"[{escape(value)}]" for value in values)
        for name, values in node.properties.items()
    )
    return ";" + "".join(properties)
