"""An archive in a data set of the Hugging Face hub: one commit of the file and its data card as README.md."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.addresses import HubPath
from heatpool.pool.sources.archive_format import CARD
from heatpool.pool.store.reader import FeatureStore

__all__ = ["hub_readme", "push_to_hub"]

# https://huggingface.co/docs/hub/repositories-licenses: those that data sets of videos have
_LICENCES = (
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "gpl-3.0", "agpl-3.0", "unlicense", "cc0-1.0"),
    *("cc-by-2.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-3.0", "cc-by-nc-4.0"),
    *("cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
    *("odc-by", "odbl", "pddl", "cdla-permissive-2.0"),
)
_TAGS = ("heatpool", "action-recognition", "skeleton", "human-pose")
_PLACEHOLDER = "THIS_FILE.hpz"


def hub_readme(store: FeatureStore, card: str, *, address: str) -> str:
    """The data card with the header in YAML that the hub wants, and with the file's address in its examples.

    A card that has such a header keeps it.

    Args:
        store: what the card is of.
        card: its text.
        address: where the archive will be read from.
    """
    text = card.replace(_PLACEHOLDER, address)
    if text.startswith("---\n"):
        return text
    from huggingface_hub import DatasetCardData

    lines = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")]
    header = DatasetCardData(
        pretty_name=lines[0] if lines else HubPath.parse(address).repo.partition("/")[2],
        tags=list(_TAGS),
        task_categories=["video-classification"],
        size_categories=[_size_category(len(store))],
        viewer=False,  # an archive is no table, and the hub would say so in red
        **_licence(store.spec.licence),
    )
    return f"---\n{header.to_yaml()}\n---\n\n{text}"


def _licence(text: str) -> dict[str, Any]:
    """A licence in the hub's words, one of its own under its name, or unknown."""
    name = re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")
    if name in _LICENCES or not name:
        return {"license": name or "unknown"}
    return {"license": "other", "license_name": name[:96].strip("-")}


def _size_category(clips: int) -> str:
    """The hub's word for a number of examples."""
    steps = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M"}
    return next((word for most, word in steps.items() if clips < most), "1M<n<10M")


def push_to_hub(
    path: Path, place: HubPath, *, readme: str | None, overwrite: bool, private: bool, dry_run: bool
) -> dict[str, str]:
    """Put an archive, and its card, into a data set; others see both or neither.

    A data set that does not exist is made. What arrived is compared with what was sent, by what the hub says
    of it.

    Args:
        path: archive on disk.
        place: where to; its `path` names the file.
        readme: text of the data set's README.md; None leaves that alone.
        overwrite: replace a file or README.md of other content.
        private: of a data set that is made: only its owner sees it.
        dry_run: only say what would be done.

    Returns:
        "new", "replaced" or "there already" for each file.

    Raises:
        HeatpoolError: if nobody is logged in or may write there, other content is there, the hub cannot be
            reached, or what arrived differs.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, get_token

    if get_token() is None:
        raise HeatpoolError(
            f"{place}: expected a login to the hub; hf auth login, or HF_TOKEN in the environment"
        )
    api, here = HfApi(), _Repo(place)
    contents: dict[str, Path | bytes] = {place.path: path}
    if readme is not None:
        contents[CARD] = readme.encode()
    parent = here.head(api)
    states = here.compare(api, contents, revision=parent) if parent else dict.fromkeys(contents, "new")
    other = [name for name, state in states.items() if state == "replaced"]
    if other and not overwrite:
        raise HeatpoolError(
            f"{place}: other content is there already: {', '.join(other)}; replace it with --overwrite"
            + (", or leave the card as it is with --no-card" if CARD in other else "")
        )
    todo = [name for name, state in states.items() if state != "there already"]
    if dry_run or not todo:
        return states
    operations = [CommitOperationAdd(name, _source(contents[name])) for name in todo]
    with here.errors():
        if parent is None:
            api.create_repo(place.repo, repo_type="dataset", private=private, exist_ok=True)
        commit = api.create_commit(
            place.repo, operations, commit_message=f"{place.path} by heatpool archive push",
            repo_type="dataset", revision=place.revision, parent_commit=parent,
        )  # fmt: skip
    arrived = here.compare(api, contents, revision=commit.oid)
    if wrong := [name for name, state in arrived.items() if state != "there already"]:
        raise HeatpoolError(f"{place}: {', '.join(wrong)} arrived as other bytes; push again")
    return states


def _source(content: Path | bytes) -> str | bytes:
    return str(content) if isinstance(content, Path) else content


class _Repo:
    """What the hub says of a data set, and its errors as lines."""

    def __init__(self, place: HubPath) -> None:
        self._place = place

    def head(self, api: Any) -> str | None:
        """The commit that the revision is at; None where there is no such data set."""
        from huggingface_hub.errors import RepositoryNotFoundError

        with self.errors():
            try:
                info = api.repo_info(self._place.repo, repo_type="dataset", revision=self._place.revision)
            except RepositoryNotFoundError as error:
                if error.response.status_code != 404:  # a token that is none, terms that are not accepted
                    raise
                return None
        return str(info.sha)

    def compare(self, api: Any, contents: Mapping[str, Path | bytes], *, revision: str) -> dict[str, str]:
        """Whether each file is new there, there already, or would be replaced."""
        with self.errors():
            infos = api.get_paths_info(
                self._place.repo, list(contents), repo_type="dataset", revision=revision
            )
        found = {info.path: info for info in infos}
        return {
            name: "new"
            if name not in found
            else "there already"
            if _same(found[name], content)
            else "replaced"
            for name, content in contents.items()
        }

    @contextmanager
    def errors(self) -> Iterator[None]:
        """What goes wrong at the hub, or on the way, as one line."""
        try:
            yield
        except (AssertionError, AttributeError, NameError, TypeError):
            raise  # faults of ours, or of a library that has changed: their traceback tells where
        # Of any other kind: the hub's library has changed the HTTP library whose errors it lets through.
        except Exception as error:
            raise HeatpoolError(f"{self._place}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    while isinstance(error, RuntimeError) and error.__cause__ is not None:  # "Error while uploading"
        error = error.__cause__
    match getattr(getattr(error, "response", None), "status_code", None):
        case None:
            what = " ".join(str(error).split())[:200] or type(error).__name__
            return f"the hub cannot be reached, or takes no such file ({what})"
        case 401:
            return "the hub does not know the token (HTTP 401); hf auth login, or another HF_TOKEN"
        case 403:
            return "the token may not write there (HTTP 403); it needs the right to write to this data set"
        case 404:
            return "no such revision there (HTTP 404)"
        case code if code == 429 or code >= 500:
            return f"the hub answers with errors (HTTP {code}); try again later"
        case 409 | 412 as code:
            return f"somebody else wrote there meanwhile (HTTP {code}); push again"
        case code:
            said = " ".join(str(getattr(error, "server_message", None) or "").split())[:200]
            return f"the hub refuses (HTTP {code}{said and f': {said}'})"


def _same(info: Any, content: Path | bytes) -> bool:
    """Whether a file of the hub has a content: by its SHA-256 if it is a large one, else by git's hash."""
    size = content.stat().st_size if isinstance(content, Path) else len(content)
    if getattr(info, "size", None) != size:  # a folder has none
        return False
    if info.lfs is not None:
        return bool(info.lfs.sha256 == _hash(content, hashlib.sha256()))
    return bool(info.blob_id == _hash(content, hashlib.sha1(b"blob %d\0" % size)))


def _hash(content: Path | bytes, digest: Any) -> str:
    if isinstance(content, bytes):
        digest.update(content)
    else:
        with content.open("rb") as file:
            while chunk := file.read(1 << 22):
                digest.update(chunk)
    return str(digest.hexdigest())
