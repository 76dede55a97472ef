"""Reads a page of ours as a browser would."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

SECTIONS = {
    "results", "samples", "confusions", "trust", "classes", "embedding", "curves", "data", "again",
}  # fmt: skip
_SCROLL = ("scroll", "columns", "details")


class Page(HTMLParser):
    """What a browser would see: tags, addresses, ids, text, wide tables; tags that do not nest raise."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.images: list[dict[str, str | None]] = []
        self.words: list[str] = []
        self.titles: set[str] = set()
        self.wide_tables: list[str] = []
        self._open: list[tuple[str, str]] = []
        self.feed(self.source)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        self.links += [values[name] or "" for name in ("src", "href") if name in values]
        self.ids |= {values["id"] or ""} if "id" in values else set()
        self.titles |= {values["title"] or ""} if "title" in values else set()
        if tag == "img":
            self.images.append(values)
        kind = values.get("class") or ""
        around = {word for _, classes in self._open for word in classes.split()}
        if tag == "table" and not around.intersection(_SCROLL) and kind != "facts":
            self.wide_tables.append(self.source.splitlines()[self.getpos()[0] - 1])
        if tag not in ("img", "meta"):
            self._open.append((tag, kind))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1][0] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    @property
    def rows(self) -> list[str]:
        """Text of every table row."""
        rows = re.findall(r"<tr.*?</tr>", self.source, flags=re.DOTALL)
        return [" ".join(unescape(re.sub(r"<[^>]+>", " ", row)).split()) for row in rows]
