"""Pages made by mkdocs from other sources: the repository's documents, settings, public names.

Each document is written once, where a reader of the repository looks for it. Its links to other
documents lead to their pages; a link to any other file becomes the file's name.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import alphazero
from alphazero.config import Config
from alphazero.settings import settings, toml_value, valid_values

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "README.md": "index.md",
    "alphazero/README.md": "map.md",
    "alphazero/DECISIONS.md": "decisions.md",
    "games/README.md": "games.md",
    "CHANGELOG.md": "changelog.md",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from the repository."""
    pages = {page: document(source) for source, page in PAGES.items()}
    pages["settings.md"] = settings_page()
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Fill in the public names of the library."""
    return markdown.replace("<!-- public names -->", public_names())


def document(source: str) -> str:
    """A document of the repository with its links made to fit."""
    text = (ROOT / source).read_text(encoding="utf-8")
    return re.sub(r"\[([^\]]+)\]\(([^)\s]+)\)", lambda link: linked(source, *link.groups()), text)


def linked(source: str, words: str, target: str) -> str:
    """A link of a document: to the page of another document, to the web, or to nothing."""
    if target.startswith(("http", "#")):
        return f"[{words}]({target})"
    path, _, anchor = target.partition("#")
    page = PAGES.get(posixpath.normpath(posixpath.join(posixpath.dirname(source), path)))
    return f"[{words}]({page}{'#' * bool(anchor)}{anchor})" if page else words


def settings_page() -> str:
    """A table of settings for each section."""
    lines = [
        "# Settings",
        "",
        "Written in a TOML file, as those of `configs/`, or on the command line, as in",
        "`search.simulations=32`. `alphazero settings` prints the same list, and",
        "`alphazero settings --json-schema` a JSON schema. Written to a file beside a",
        "configuration that begins with `#:schema settings.schema.json`, it lets editors with",
        "taplo (such as Even Better TOML) check and complete it.",
    ]
    section = None
    for entry in settings(Config):
        table, _, name = entry.path.rpartition(".")
        if table != section:
            section = table
            lines += ["", f"## {table or 'Game'}", "", "| setting | default | values | |"]
            lines += ["|---|---|---|---|"]
        default = toml_value(entry.default)
        lines.append(
            f"| `{name}` | `{default}` | {cell(valid_values(entry.schema))} |"
            f" {cell(entry.explanation)} |"
        )
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """Plain text in a cell of a table."""
    return re.sub(r"([|<>*_])", r"\\\1", text)


def public_names() -> str:
    """A reference entry for each name that `import alphazero` offers."""
    entries = []
    for name in alphazero.__all__:
        path = f"{getattr(alphazero, name).__module__}.{name}"
        entries.append(f"::: {path}\n    options:\n      heading: alphazero.{name}\n")
    return "\n".join(entries)
