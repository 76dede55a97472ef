"""Addresses of stores and archives: web servers, object stores, data sets of the Hugging Face hub."""

from __future__ import annotations

import netrc
import os
import re
from base64 import b64encode
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.sources.remote import RemoteFiles, reason_of

__all__ = ["HUB", "HubPath", "open_files", "split_address"]

HUB = "hf"
_WEB = ("http", "https")
_OBJECT_STORES = {"s3": "AWS", "s3a": "AWS", "gs": "GOOGLE", "az": "AZURE", "abfs": "AZURE", "abfss": "AZURE"}
_SCHEMES = (*_WEB, HUB, *_OBJECT_STORES)
_TIMEOUT_S = (10.0, 30.0)  # to connect, between bytes


def split_address(url: str) -> SplitResult:
    """The parts of an address. Raises HeatpoolError for one that is none, or of an unknown kind."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise HeatpoolError(f"expected an address, got {shorten(url)} ({error})") from error
    if parts.scheme not in _SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in _SCHEMES)
        got = f"{parts.scheme}://" if parts.scheme else shorten(url)  # which may hold a password
        raise HeatpoolError(f"expected a path or an address of {known}, got {got}")
    if not parts.netloc:
        raise HeatpoolError(f"expected {parts.scheme}://HOST_OR_BUCKET/PATH, got {shorten(url)}")
    return parts


@dataclass(frozen=True)
class HubPath:
    """A place in a data set of the Hugging Face hub: `hf://datasets/USER/REPO[@REVISION]/PATH`.

    Attributes:
        repo: USER/REPO.
        path: of a file or folder in it; "" for its root.
        revision: branch, tag or commit.
    """

    repo: str
    path: str
    revision: str = "main"

    @classmethod
    def parse(cls, url: str) -> HubPath:
        """Read an address. Raises HeatpoolError for another one."""
        name = r"\w[\w.-]{0,95}"
        found = re.fullmatch(rf"hf://datasets/({name}/{name})(?:@([^/]+))?(?:/(.*))?", url, re.ASCII)
        if found is None:
            raise HeatpoolError(f"expected hf://datasets/USER/REPO/features.hpz, got {shorten(url)}")
        return cls(found[1], (found[3] or "").strip("/"), unquote(found[2] or "main"))

    def __str__(self) -> str:
        at = "" if self.revision == "main" else f"@{self.revision.replace('/', '%2F')}"
        return f"hf://datasets/{self.repo}{at}" + (f"/{self.path}" if self.path else "")

    @property
    def url(self) -> str:
        """Where the hub serves it."""
        from huggingface_hub import hf_hub_url

        # The root has no address of its own: a name is asked for and taken off again.
        whole = hf_hub_url(self.repo, self.path or "-", repo_type="dataset", revision=self.revision)
        return whole if self.path else whole.removesuffix("/-")


def open_files(url: str, *, file: bool, tries: int = 1) -> RemoteFiles:
    """Open an address: `https://…`, or of an object store such as s3://bucket/path, or hf://datasets/….

    Keys and region of object stores come from the environment (`AWS_…`), the hub's token from where
    huggingface_hub keeps it; the login for a web server from the address or `.netrc`. A query (such as a
    signature) is sent along and kept out of messages.

    Args:
        url: address.
        file: it names one file, not a folder.
        tries: of each request by obstore itself: more than one for uploads, which go in many parts.

    Raises:
        HeatpoolError: if obstore is not installed, or the address cannot be understood.
    """
    parts = split_address(url)
    try:
        import obstore.store
        from obstore.exceptions import BaseError
    except ImportError as error:
        raise HeatpoolError(f"{parts.scheme}:// needs obstore: pip install obstore") from error
    connect_s, read_s = _TIMEOUT_S
    options: dict[str, Any] = {
        "connect_timeout": timedelta(seconds=connect_s),
        "read_timeout": timedelta(seconds=read_s),
        "timeout": timedelta(days=1),  # of a whole file: `Pace` looks after that, obstore's 30 s are none
    }
    if parts.scheme in _OBJECT_STORES:
        base, _, key = url.rstrip("/").rpartition("/") if file else (url, "", "")
        name = url
        options["allow_http"] = _has_plain_endpoint(parts.scheme)
    else:
        base, name, headers = _web_address(parts)
        key = ""
        options |= {"allow_http": base.startswith("http:"), "default_headers": headers}
    # Tries of reads are counted in one place: obstore's would multiply ours, and do not cover broken bodies.
    # A server that names a time to come back (Retry-After) could make us wait for a day.
    connection: dict[str, Any] = {"client_options": options, "retry_config": {"max_retries": tries - 1}}
    listing, login = parts.scheme in _OBJECT_STORES, _login_hint(parts.scheme)
    try:
        store = obstore.store.from_url(base, **connection)
    except (ValueError, BaseError) as error:
        hint = f"; {login}" if listing else ""
        raise HeatpoolError(f"{name}: cannot be opened ({reason_of(error)}){hint}") from error
    return RemoteFiles(store, name, key=key, listing=listing, login=login)


def _has_plain_endpoint(scheme: str) -> bool:
    """Whether the environment names a server of one's own for an object store, without encryption (MinIO)."""
    prefix = _OBJECT_STORES[scheme]
    endpoints = (
        value for name, value in os.environ.items() if name.startswith(prefix) and "ENDPOINT" in name
    )
    return any(value.startswith("http://") for value in endpoints)


def _web_address(parts: SplitResult) -> tuple[str, str, dict[str, str]]:
    """What is asked for over HTTP, its name in messages, and the headers to send along."""
    if parts.scheme == HUB:
        from huggingface_hub import constants, get_token

        place, token = HubPath.parse(parts.geturl()), get_token()
        if constants.HF_HUB_OFFLINE:
            raise HeatpoolError(f"{place}: the environment says to stay offline (HF_HUB_OFFLINE)")
        # Not sent on to where the hub redirects: the HTTP library drops it between hosts.
        return place.url, str(place), {"Authorization": f"Bearer {token}"} if token else {}
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2], path=parts.path.rstrip("/"), fragment="")
    return urlunsplit(plain), urlunsplit(plain._replace(query="")), _login(parts)


def _login(parts: SplitResult) -> dict[str, str]:
    """The header with the login of an address, else that of `.netrc` for its host: obstore sends none."""
    user, password = parts.username, parts.password
    if user is None:
        try:
            found = netrc.netrc(os.environ.get("NETRC")).authenticators(parts.hostname or "")
        except (OSError, netrc.NetrcParseError):
            found = None
        if found is None:
            return {}
        user, _, password = found
    else:
        user, password = unquote(user), unquote(password or "")
    return {"Authorization": "Basic " + b64encode(f"{user}:{password or ''}".encode()).decode()}


def _login_hint(scheme: str) -> str:
    if scheme in _WEB:
        return "a login comes from the address (https://NAME:WORD@…) or from .netrc"
    if scheme == HUB:
        return "log in (hf auth login, or HF_TOKEN) and accept the terms on its page, if it has any"
    prefix = _OBJECT_STORES[scheme]
    return f"keys come from {prefix}_… in the environment; {prefix}_SKIP_SIGNATURE=true opens what is public"
