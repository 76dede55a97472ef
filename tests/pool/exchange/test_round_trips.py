from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.hdf5 import export_hdf5, import_hdf5
from heatpool.pool.exchange.npz import export_npz, import_npz
from heatpool.pool.records import ClipFeatures, ClipIndex, ClipResult, Status
from heatpool.pool.store.digests import store_digest
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import RgbSpec, StoreSpec
from heatpool.pool.store.writer import StoreWriter
from tests.pool.store.store_cases import make_spec, make_store

FORMATS: dict[str, tuple[Callable, Callable]] = {
    ".h5": (export_hdf5, import_hdf5),
    ".npz": (export_npz, import_npz),
}
TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), codec="utf-8") | st.sampled_from("漢字ü😀"), max_size=300
)


@st.composite
def stores(draw: st.DrawFn) -> tuple[StoreSpec, ClipIndex, list, int]:
    """Any spec, index and clips: also no clip at all, and clips without persons or features."""
    sizes = {name: draw(st.integers(1, 3)) for name in ("persons", "steps", "joints", "channels")}
    rgb = draw(st.none() | st.just(RgbSpec("clip", 2, 3, 8, "ab" * 32)))
    spec = StoreSpec(
        **sizes, backbone="net", tap="t", weights_sha256="", config={"a": draw(TEXTS)}, licence="CC0", rgb=rgb
    )
    ids = draw(st.lists(TEXTS.filter(bool), unique=True, max_size=4))
    count, names = len(ids), tuple(draw(st.lists(TEXTS, max_size=3)))
    index = ClipIndex(
        tuple(ids),
        tuple(draw(TEXTS) for _ in ids),
        np.array([draw(st.integers(-1, len(names) - 1)) for _ in ids], np.int32),
        names,
        columns={name: tuple(draw(TEXTS) for _ in ids) for name in draw(st.sets(st.sampled_from("zyx")))},
        splits={
            name: np.full(count, draw(st.integers(0, 3)), np.uint8)
            for name in draw(st.sets(st.sampled_from("ba")))
        },
    )  # fmt: skip
    clips = [draw(clip(spec)) for _ in ids]
    return spec, index, clips, draw(st.integers(1, 3))


@st.composite
def clip(draw: st.DrawFn, spec: StoreSpec) -> tuple[ClipFeatures | None, ClipResult]:
    status = draw(st.sampled_from([Status.OK, Status.NO_PERSON, Status.TRUNCATED, Status.FAILED]))
    message = draw(TEXTS)
    if status == Status.FAILED:
        return None, ClipResult(status, reason=message)
    persons = 0 if status == Status.NO_PERSON else draw(st.integers(0, spec.persons))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    m, t, v, c = spec.persons, spec.steps, spec.joints, spec.channels
    mask = np.arange(m)[:, None].repeat(t, 1) < persons

    def values(*shape: int) -> np.ndarray:
        array = rng.standard_normal((m, t, *shape)).astype(np.float16).astype(np.float32)
        return array * mask.reshape(m, t, *[1] * len(shape))

    time_s = np.sort(rng.random(t).astype(np.float32))
    rgb = None if spec.rgb is None else rng.random((2, 3)).astype(np.float16).astype(np.float32)
    features = ClipFeatures(values(v, c), values(v, 3), values(4), mask, time_s, rgb)
    fps = draw(st.floats(0, 240))
    return features, ClipResult(status, draw(st.integers(0, 10**6)), fps, 640, 480, persons, message)


def write(path: Path, spec: StoreSpec, index: ClipIndex, clips: list, shard_clips: int) -> FeatureStore:
    with StoreWriter.create(path, spec=spec, index=index, shard_clips=shard_clips) as writer:
        for shard in range(writer.layout.shards):
            rows = writer.shard_rows(shard)
            writer.write_shard(shard, [clips[row][0] for row in rows], [clips[row][1] for row in rows])
        writer.finish()
    return FeatureStore.open(path)


@pytest.mark.parametrize("suffix", FORMATS)
@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow])
@given(case=stores())
def test_any_store_comes_back_byte_for_byte(tmp_path_factory, suffix: str, case: tuple) -> None:
    folder = tmp_path_factory.mktemp("trip")
    exporter, importer = FORMATS[suffix]
    store = write(folder / "a.zarr", *case)
    exporter(store, folder / f"a{suffix}")
    importer(folder / f"a{suffix}", folder / "b.zarr")
    back = FeatureStore.open(folder / "b.zarr")
    assert store_digest(back.source) == store_digest(store.source)
    assert back.clips.index.columns == store.clips.index.columns
    shutil.rmtree(folder)


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    make_store(tmp_path / "s.zarr").close()
    return FeatureStore.open(tmp_path / "s.zarr")


def test_other_programs_read_the_files(store: FeatureStore, tmp_path: Path) -> None:
    export_hdf5(store, tmp_path / "s.h5")
    export_npz(store, tmp_path / "s.npz")
    pooled = store.read(np.arange(11))["pooled"]
    with h5py.File(tmp_path / "s.h5") as file:
        np.testing.assert_array_equal(file["pooled"][:], pooled)
        assert file["pooled"].chunks == (1, *pooled.shape[1:])
        assert [dim.label for dim in file["pooled"].dims] == ["clip", "person", "step", "joint", "channel"]
        assert file["clip_id"].asstr()[0] == "clip_0000"
        assert file["splits/xsub"][:4].tolist() == [0, 1, 2, 3]
    with np.load(tmp_path / "s.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["pooled"], pooled)
        assert file["columns/subject"].tolist() == list(store.clips.column("subject"))
        assert file["label"].tolist() == store.clips.label.tolist()


@pytest.mark.parametrize("suffix", FORMATS)
def test_u1_is_exported_as_numbers_and_can_be_asked_for(tmp_path: Path, suffix: str) -> None:
    exporter, importer = FORMATS[suffix]
    make_store(tmp_path / "u.zarr", spec=make_spec(precision="u1")).close()
    store = FeatureStore.open(tmp_path / "u.zarr")
    exporter(store, tmp_path / f"u{suffix}")
    importer(tmp_path / f"u{suffix}", tmp_path / "f.zarr")
    importer(tmp_path / f"u{suffix}", tmp_path / "v.zarr", precision="u1")
    rows = np.arange(11)
    plain, again = FeatureStore.open(tmp_path / "f.zarr"), FeatureStore.open(tmp_path / "v.zarr")
    assert (plain.spec.precision, again.spec.precision) == ("f2", "u1")
    np.testing.assert_allclose(plain.read(rows)["pooled"], store.read(rows)["pooled"], rtol=1e-3)


@pytest.mark.parametrize("suffix", FORMATS)
def test_damaged_other_and_existing_files_are_one_line(
    store: FeatureStore, tmp_path: Path, suffix: str
) -> None:
    exporter, importer = FORMATS[suffix]
    good = tmp_path / f"s{suffix}"
    exporter(store, good)
    with pytest.raises(HeatpoolError, match="already exists"):
        exporter(store, good)
    with pytest.raises(HeatpoolError, match="already exists"):
        importer(good, tmp_path / "s.zarr")
    bad = tmp_path / f"bad{suffix}"
    for data in (b"", b"nothing", good.read_bytes()[: good.stat().st_size // 2]):
        bad.write_bytes(data)
        with pytest.raises(HeatpoolError) as error:
            importer(bad, tmp_path / "t.zarr")
        assert "\n" not in str(error.value)
    with pytest.raises(HeatpoolError, match="cannot be read"):
        importer(tmp_path / "nowhere", tmp_path / "t.zarr")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["s.zarr", good.name, bad.name])


def test_an_hdf5_file_that_points_elsewhere_is_refused(store: FeatureStore, tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(10**6))
    for how in ("external", "soft", "link"):
        path = tmp_path / f"{how}.h5"
        export_hdf5(store, path)
        with h5py.File(path, "a") as file:
            shape, dtype = file["pooled"].shape, file["pooled"].dtype
            del file["pooled"]
            if how == "external":
                file.create_dataset(
                    "pooled", shape, dtype, external=[(str(tmp_path / "secret.bin"), 0, 10**6)]
                )
            else:
                link = h5py.SoftLink("/boxes") if how == "soft" else h5py.ExternalLink("other.h5", "/x")
                file["pooled"] = link
        with pytest.raises(HeatpoolError, match="refused, pooled (lies in another file|is a link)"):
            import_hdf5(path, tmp_path / "t.zarr")


def test_hostile_descriptions_are_refused(store: FeatureStore, tmp_path: Path) -> None:
    export_hdf5(store, tmp_path / "s.h5")
    with h5py.File(tmp_path / "s.h5", "a") as file:
        text = file.attrs["heatpool"]
        changes = {
            '"version": 2': ('"version": 3', "version 3"),
            '"steps": 4': ('"steps": 400000000', "expected at most 268,435,456 values a clip, got"),
            '"steps": 4, ': ("", "its attributes of a store are wrong: expected steps in it, got none"),
            '"channels": 5': ('"channels": 6', "expected a dataset pooled"),
            '"clips": 11': ('"clips": 12', "expected a dataset pooled"),
            "{": ("", "expected features exported by heatpool"),
        }
        for old, (new, message) in changes.items():
            assert old in text
            file.attrs["heatpool"] = text.replace(old, new)
            file.flush()
            with pytest.raises(HeatpoolError, match=message):
                import_hdf5(tmp_path / "s.h5", tmp_path / "t.zarr")


def test_nan_and_pickled_arrays_are_refused(store: FeatureStore, tmp_path: Path) -> None:
    export_hdf5(store, tmp_path / "s.h5")
    with h5py.File(tmp_path / "s.h5", "a") as file:
        file["pooled"][2, 0, 0, 0, 0] = np.nan
    with pytest.raises(HeatpoolError, match="clip 'clip_0002' .*finite"):
        import_hdf5(tmp_path / "s.h5", tmp_path / "t.zarr")
    export_npz(store, tmp_path / "s.npz")
    with zipfile.ZipFile(tmp_path / "s.npz", "a") as file, file.open("columns/evil.npy", "w") as member:
        np.lib.format.write_array(member, np.array([{}] * 11, object), allow_pickle=True)
    with pytest.raises(HeatpoolError, match="expected numbers or texts in columns/evil.npy, got object"):
        import_npz(tmp_path / "s.npz", tmp_path / "t.zarr")
    assert not (tmp_path / "t.zarr").exists()


def test_a_value_that_would_change_is_refused_and_names_its_clip(store: FeatureStore, tmp_path: Path) -> None:
    for name, value, message in (
        ("label", 2**40, "expected int32 in label, got 1099511627776 for clip 'clip_0000'"),
        ("label", 1.7, "expected int32 in label, got 1.7 for clip"),
        ("splits/xsub", 259, "expected uint8 in splits/xsub, got 259 for clip"),
        ("splits/xsub", 1.5, "expected uint8 in splits/xsub, got 1.5 for clip"),
        ("persons", 300, "expected uint8 in persons, got 300 for clip"),
        ("frames", 2**40, "expected int32 in frames, got 1099511627776 for clip"),
        ("clip_id", 1, "expected texts in clip_id, got int64"),
        ("message", 1, "expected texts in message, got int64"),
        ("pooled", np.nan, "clip 'clip_0000' .*: expected pooled to be finite"),
    ):
        export_hdf5(store, tmp_path / "s.h5", overwrite=True)
        with h5py.File(tmp_path / "s.h5", "r+") as file:
            kind = np.asarray(value).dtype
            values = np.arange(len(store)) if value == 1 else file[name][()].astype(kind)
            values.reshape(-1)[0] = value
            del file[name]
            file.create_dataset(name, data=values)
        with pytest.raises(HeatpoolError, match=message):
            import_hdf5(tmp_path / "s.h5", tmp_path / "t.zarr")
        assert not (tmp_path / "t.zarr").exists()
