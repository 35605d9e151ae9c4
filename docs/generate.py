"""A hook of mkdocs: makes the pages of the reference, and the list of rooms in the page on architecture."""

from __future__ import annotations

import reference
import rooms
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PAGES = {
    "reference/config.md": reference.config_page,
    "reference/command-line.md": reference.command_page,
    "reference/files.md": reference.files_page,
    "reference/exit-codes.md": reference.exit_code_page,
    "reference/api.md": reference.api_page,
}
ROOMS_MARK = "<!-- rooms -->"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the generated pages to those that lie in `pages/`."""
    for name, make in PAGES.items():
        files.append(File.generated(config, name, content=make()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Puts the table of packages and modules where a page has the mark for it."""
    return markdown.replace(ROOMS_MARK, rooms.table()) if ROOMS_MARK in markdown else markdown
