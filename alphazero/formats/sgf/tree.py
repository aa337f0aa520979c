"""SGF files as trees of nodes: reading what the world's programs have written, and writing FF[4].

    (;FF[4]GM[1]SZ[9]C[text];B[ee];W[ec](;B[cd])(;B[dd]))

A file is a collection of trees. A node has properties, each a name of capital letters with one
value or more, and children, of which the first is the main line. This module knows no game; what
properties mean in Go is the matter of `sgf.py`.

After https://www.red-bean.com/sgf (FF[1] to FF[4]); what real files do beyond it is read too:
text before the first tree and between trees, lower-case letters in names (`AddBlack` is AB), trees
that are not closed, a first node without its semicolon, any kind of line break, a byte order mark.
"""

import codecs
import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

LINE_WIDTH = 78  # after which a new line begins, between two nodes
CHARSETS = {  # the larger sets of characters that files with these names are written in
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

TREE = re.compile(r"\(\s*;")
BARE_TREE = re.compile(r"\(\s*[A-Za-z]+\s*\[")  # where the first node lacks its semicolon
TOKEN = re.compile(
    r"(?P<mark>[();])|(?P<name>[A-Za-z0-9]+)|\[(?P<value>(?:[^\\\]]|\\.?)*+)\]?", re.DOTALL
)
CHARSET = re.compile(rb"\bCA\s*\[\s*([-\w.:]+)\s*\]")
BEYOND_ASCII = re.compile(rb"[\x80-\xff]+")
LINE_BREAK = re.compile(r"\r\n|\n\r|\n|\r")


@dataclass
class Node:
    """A node with its values as text: escapes resolved, line breaks as \\n."""

    properties: dict[str, list[str]] = field(default_factory=dict)
    children: list["Node"] = field(default_factory=list)

    def value(self, name: str, default: str = "") -> str:
        """The first value of a property on one line, without blanks around it."""
        values = self.properties.get(name)
        return " ".join(values[0].split()) if values else default

    def main_line(self) -> Iterator["Node"]:
        """This node and those after it, always the first child."""
        node = self
        yield node
        while node.children:
            node = node.children[0]
            yield node


# -- reading ---------------------------------------------------------------------------------------


def decode_sgf(content: bytes) -> str:
    """The text of a file in the encoding that its mark or its CA property names.

    Without either it is UTF-8 or, where that is impossible, Chinese if the bytes beyond ASCII come
    in pairs, and else Latin-1, as the format says. Bytes that make no sense in an encoding are
    replaced, for they stand in comments and names.
    """
    for mark, charset in MARKS.items():
        if content.startswith(mark):
            return content[len(mark) :].decode(charset, errors="replace")
    named = CHARSET.search(content)
    if named is not None:
        with contextlib.suppress(LookupError, ValueError):  # no encoding that anybody knows
            name = codecs.lookup(named[1].decode("ascii")).name
            return content.decode(CHARSETS.get(name, name), errors="replace")
    with contextlib.suppress(UnicodeDecodeError):
        return content.decode("utf-8")
    if all(len(run) % 2 == 0 for run in BEYOND_ASCII.findall(content)):
        return content.decode("gb18030", errors="replace")
    return content.decode("cp1252", errors="replace")


def parse_sgf(text: str) -> list[Node]:
    """The roots of all trees in a text, none if it holds no SGF."""
    roots = _parse_trees(text, TREE)
    return roots or _parse_trees(text, BARE_TREE)


def _parse_trees(text: str, beginning: re.Pattern[str]) -> list[Node]:
    roots: list[Node] = []
    end = 0
    while start := beginning.search(text, end):
        end = _parse_tree(text, start.start(), roots)
    return roots


def _parse_tree(text: str, start: int, roots: list[Node]) -> int:
    """Read the tree that begins here into `roots`; returns where it ends."""
    node: Node | None = None  # the one under way; none before the first
    branches: list[Node | None] = []  # the nodes to go back to, one for every open parenthesis
    property_name = ""  # whose values come now; without one they are junk

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
    """A property's name without the lower-case letters that older versions allow."""
    return "".join(letter for letter in name if not letter.islower()) or name.upper()


def unescape(value: str) -> str:
    """A value's text: any character after a backslash is itself, an escaped line break nothing."""
    if "\r" in value:
        value = LINE_BREAK.sub("\n", value)
    if "\\" not in value:
        return value
    return re.sub(r"\\(.?)", lambda match: match[1].strip("\n"), value, flags=re.DOTALL)


# -- writing ---------------------------------------------------------------------------------------


def escape(text: str) -> str:
    """A text as the value of a property."""
    return text.replace("\\", "\\\\").replace("]", "\\]")


def format_sgf(roots: Sequence[Node]) -> str:
    """A collection as text; encode it as its CA property says."""
    return "".join(_format_tree(root) + "\n" for root in roots)


def _format_tree(root: Node) -> str:
    pieces: list[str] = []
    width = 0
    # What is still to be written, the next last: nodes, and the marks around variations.
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
        # No break within "(;", for there are readers that look for just that.
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
