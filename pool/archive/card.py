"""The data card of a store: what it holds, how it was made, and on what terms it may be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.archive_format import CARD
from heatpool.pool.store.digests import store_digest
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.summary import StoreSummary, summarise_store

__all__ = ["draft_card", "read_card", "store_card"]

_ASK = "*(not stated: please fill in)*"
_MOST_CLASSES = 200


def store_card(store: FeatureStore) -> str:
    """The card that a store carries (README.md beside its arrays), else a draft of one.

    Raises:
        HeatpoolError: if the card is not UTF-8 text.
    """
    data = store.source.read(CARD)
    return draft_card(store) if data is None else _decode(data, f"{store.source.name}: {CARD}")


def read_card(path: Path) -> str:
    """A card from a file. Raises HeatpoolError if it cannot be read as UTF-8 text."""
    try:
        return _decode(path.read_bytes(), str(path))
    except OSError as error:
        raise HeatpoolError(f"{path}: cannot read the data card ({error.strerror})") from error


def _decode(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise HeatpoolError(f"{name}: expected UTF-8 text, got other bytes") from error


def draft_card(store: FeatureStore) -> str:
    """A card in Markdown from what the store knows; it says where a person should add something."""
    summary = summarise_store(store)
    facts = dict(summary.provenance)
    licence, citation, source = (facts.pop(name) or _ASK for name in ("licence", "citation", "source"))
    sections = [
        "# Pooled heatmap features",
        "What these clips show, who recorded them and what the features are good for: " + _ASK,
        "## Contents",
        "\n".join(_contents(summary)),
        "## How they were made",
        "\n".join(f"- {name}: {text}" for name, text in facts.items() if text),
        "## Licence",
        licence,
        "## Citation",
        citation,
        "## Provenance",
        source,
        f"Digest of the store: `{store_digest(store.source)}`",
        "## Use",
        "```\nheatpool info THIS_FILE.hpz\nheatpool train --features THIS_FILE.hpz\n```\n\n"
        "The file is an ordinary zip of a Zarr v3 group; `heatpool archive unpack` checks every byte of it.",
    ]
    return "\n\n".join(sections) + "\n"


def _contents(summary: StoreSummary) -> Iterator[str]:
    """Yield the points of the list of contents."""
    yield f"- {summary.clips} clips, {summary.usable} of them with features ({_counts(summary.statuses)})"
    yield (
        f"- `pooled` (clip, person, step, joint, channel) = {summary.shape}, precision {summary.precision}; "
        f"besides: {', '.join(name for name in summary.bytes_by_array if name not in ('pooled', 'index'))}"
    )
    if summary.precision_meaning:
        yield f"- {summary.precision_meaning}"
    yield f"- {summary.total_bytes:,} bytes, {summary.clip_bytes:,.0f} for each clip with features"
    yield f"- {len(summary.class_names)} classes: {summary.name_classes(_MOST_CLASSES)}"
    for protocol in summary.splits:
        yield f"- protocol {protocol}: {_counts(summary.split_sizes(protocol))}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
