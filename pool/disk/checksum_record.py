"""Checksum records: lines of JSON with sizes and SHA-256 of files, and a SHA-256 of their own.

A record that was cut or altered is noticed when it is read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from heatpool.pool.disk.json_shape import check_json
from heatpool.pool.disk.limits import parse_json

__all__ = ["Checksum", "dump_record", "files_from_json", "files_to_json", "parse_record"]

Checksum = tuple[int, str]
"""Size in bytes and SHA-256 (hex) of a file."""


def dump_record(body: Mapping[str, Any]) -> bytes:
    """One line of JSON with sorted keys, and `sha256` over all the rest."""
    return _canonical({**body, "sha256": hashlib.sha256(_canonical(body)).hexdigest()})


def parse_record(data: bytes) -> dict[str, Any]:
    """Parse `dump_record` output; `sha256` stays in it.

    Raises:
        ValueError: if the record is cut, altered or of another form.
    """
    body = parse_json(data)
    if not isinstance(body, dict):
        raise ValueError(f"expected a JSON object, got {type(body).__name__}")
    rest = {key: value for key, value in body.items() if key != "sha256"}
    if data != dump_record(rest):
        raise ValueError("the checksum does not fit")
    return body


def files_to_json(files: Mapping[str, Checksum]) -> dict[str, dict[str, object]]:
    """Checksums of files by path, as records hold them."""
    return {name: {"bytes": size, "sha256": digest} for name, (size, digest) in files.items()}


def files_from_json(files: Mapping[str, Mapping[str, Any]]) -> dict[str, Checksum]:
    """Inverse of `files_to_json`. Raises ValueError if they are of another form."""
    check_json(files, {...: {"bytes": int, "sha256": str}}, "files")
    return {name: (found["bytes"], found["sha256"]) for name, found in files.items()}


def _canonical(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode() + b"\n"
