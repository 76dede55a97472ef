"""Options of the commands around archives and other file formats."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Literal

from heatpool.pipelines.options.fields import OptionError
from heatpool.pipelines.options.shared import Options, OutputOptions, split_words

__all__ = [
    "CardOptions",
    "ExportOptions",
    "MergeOptions",
    "PackOptions",
    "PushOptions",
    "SubsetOptions",
    "UnpackOptions",
    "VerifyArchiveOptions",
]


@dataclass(frozen=True)
class PackOptions(OutputOptions):
    """Pack a finished feature store into one file.

    The same store gives the same bytes each time.

    Attributes:
        store: feature store
        out: archive to write, by custom .hpz
        card: data card (Markdown) to put in; default the store's README.md, else a draft
    """

    store: Path
    out: Path
    _: KW_ONLY
    card: Path | None = None


@dataclass(frozen=True)
class VerifyArchiveOptions(Options):
    """Read an archive whole and find any changed bit.

    Attributes:
        archive: file or address
    """

    archive: str


@dataclass(frozen=True)
class UnpackOptions(OutputOptions):
    """Unpack an archive into a new store, checking every byte.

    Attributes:
        archive: file or address
        out: folder to make
    """

    archive: str
    out: Path


@dataclass(frozen=True)
class PushOptions(OutputOptions):
    """Upload an archive to Hugging Face or an object store.

    It is checked before and compared after; on the hub its data card becomes the README of the data set.

    Attributes:
        store: archive, or feature store, which is packed first
        address: hf://datasets/USER/REPO with or without a path, or s3://BUCKET/PATH, gs://…, az://…
        card: write the data card; --no-card leaves the README as it is
        private: make a data set that does not exist yet private
        dry_run: say what would be uploaded, and upload nothing
    """

    store: Path
    address: str
    _: KW_ONLY
    card: bool = True
    private: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class CardOptions(OutputOptions):
    """Show or write the data card of a store or archive.

    Attributes:
        store: feature store, archive or address
        out: file to write (Markdown); default: print it
    """

    store: str
    out: Path | None = None


@dataclass(frozen=True)
class MergeOptions(OutputOptions):
    """Join feature stores of the same network into one.

    Attributes:
        stores: two or more feature stores, archives or addresses
        out: store to make
        mixed_versions: also join stores of versions of packages that are known to make other features
            (docs/versions.md)
    """

    stores: tuple[str, ...]
    out: Path
    _: KW_ONLY
    mixed_versions: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.stores) < 2:
            raise OptionError(f"expected two or more stores to merge, got {len(self.stores)}")


@dataclass(frozen=True)
class SubsetOptions(OutputOptions):
    """Make a feature store of some clips of another.

    Only clips with features are taken.

    Attributes:
        store: feature store, archive or address
        out: store to make
        protocol: split protocol: take the clips that have a split in it
        split: of these, the clips of train, val or test only
        classes: class names, or numbers, separated by commas; the others are dropped from the class list
        where: values of manifest columns to take, such as subject=P001,P002 or subject=P001;camera=C1,C2
    """

    store: str
    out: Path
    _: KW_ONLY
    protocol: str | None = None
    split: Literal["train", "val", "test"] | None = None
    classes: str = ""
    where: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.split and not self.protocol:
            raise OptionError(f"expected --protocol with --split {self.split}")
        if not all(name and values for name, values in self.where_values.items()):
            raise OptionError(f"expected --where such as subject=P001,P002, got {self.where!r}")

    @property
    def where_values(self) -> dict[str, list[str]]:
        """`where` by column."""
        pairs = (pair.partition("=") for pair in self.where.split(";") if pair.strip())
        return {name.strip(): list(split_words(values)) for name, _, values in pairs}

    @property
    def class_list(self) -> list[str | int]:
        """`classes`, numbers as such."""
        return [int(word) if word.isdecimal() else word for word in split_words(self.classes)]


@dataclass(frozen=True)
class ExportOptions(OutputOptions):
    """Write a feature store in another file format.

    Attributes:
        store: feature store, archive or address
        out: file or folder to write
        format: hdf5 = one .h5; npz = one .npz of NumPy; npy = a folder with an .npy (T, M, V, C) per clip, as
            HP-Net's authors publish; pyskl = keypoints as a PYSKL pickle; coco = keypoints as COCO's JSON;
            sleap = keypoints as predictions in a SLEAP project (extra [sleap]); movement = keypoints as a
            folder with a netCDF file (.nc) per clip, or one such file; auto = by the name of out
        dtype: of hdf5: of features; float16 takes half the memory where it is read, but MATLAB, and what
            reads HDF5 by the netCDF library, have no half precision
        clip: of movement: id of the clip that goes into one .nc file
    """

    store: str
    out: Path
    _: KW_ONLY
    format: Literal["auto", "hdf5", "npz", "npy", "pyskl", "coco", "sleap", "movement"] = "auto"
    dtype: Literal["float16", "float32"] = "float32"
    clip: str | None = None
