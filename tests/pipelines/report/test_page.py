"""What the page of a run says; every figure follows by hand from `report_cases`."""

from __future__ import annotations

import re

import numpy as np

from heatpool.pipelines.report.embedding import two_components
from heatpool.pool.store.reader import FeatureStore
from tests.pipelines.report.page_reader import SECTIONS, Page
from tests.pipelines.report.report_cases import CLASSES


def test_page_is_self_contained_but_for_its_tables(page: Page) -> None:
    assert "script" not in page.tags
    assert "link" not in page.tags
    outside = {link for link in page.links if not link.startswith(("#", "data:image/jpeg;base64,"))}
    assert {"per_class_test.csv", "pooled_joint/metrics.csv", "keypoints_joint/metrics.csv"} <= outside
    assert all((page.path.parent / link).is_file() and link.endswith(".csv") for link in outside)
    assert not re.search(r"@import|url\(|https?://", page.source)
    assert len(page.source) < 3_000_000


def test_sections_are_there_and_linked(page: Page) -> None:
    assert page.ids == SECTIONS
    assert {link[1:] for link in page.links if link.startswith("#")} == SECTIONS


def test_headline_figures(page: Page) -> None:
    # The fusion has 3 of 4 right; Wilson's interval of 3 of 4 is 30.1 to 95.4 %.
    assert "Top-1 accuracy on unseen subjects (fused): 3 of 4 clips recognised among 3 classes" in page.text
    assert "95 % interval 30.1 to 95.4 %. Chance is 33.3 %; always naming wave" in page.text
    # Train has a wave and a sit; of equally frequent classes the first counts, and is 2 of the 4 test clips.
    assert "wave, the most frequent class of train, gets 50.0 %." in page.text
    assert "the test split holds 2 subjects (s3, s4) of which no clip was used" in page.text
    assert "2 clips to train on, 2 for validation, 4 for the test." in page.text
    assert "1 test clip without features is not counted" in page.text


def test_stream_table(page: Page) -> None:
    rows = page.rows
    # Mean class of pooled: wave 1 of 2, sit 2 of 2; of keypoints: wave 2 of 2, sit 0 of 2.
    assert any(
        row.startswith("pooled_joint")
        and "75.0 % 30.1 to 95.4 % 3 of 4 75.0 % 100.0 % 2 (0 to 2) 1.25" in row
        for row in rows
    )
    assert any(
        row.startswith("keypoints_joint") and "50.0 % 15.0 to 85.0 % 2 of 4 50.0 % 100.0 %" in row
        for row in rows
    )
    assert "pooled_joint only 2 50.0 %" in rows
    assert "keypoints_joint only 1 25.0 %" in rows
    assert "every stream 1 25.0 %" in rows
    assert "s3 100.0 % 2 of 2 34.2 to 100.0 % 100.0 %" in rows
    assert "s4 50.0 % 1 of 2 9.5 to 90.5 % 50.0 %" in rows


def test_calibration_and_groups_by_hand(page: Page) -> None:
    # Every guess has probability 0.8; the fusion has 3 of 4 right, so the gap is 5 points.
    assert "fused gives its best class 80.0 % on average and is correct on 75.0 %" in page.text
    assert "it is surer than it is correct" in page.text
    assert "over bins of confidence, is 5.0 %" in page.text
    rows = page.rows
    assert any(row.startswith("fused 80.0 % 5.0 %") for row in rows)
    assert any(row.startswith("keypoints_joint 80.0 % 30.0 %") for row in rows)
    assert any(row.startswith("c1 ") and row.count("of 2") == 1 for row in rows)
    assert "Over " not in page.text  # one seed has no spread


def test_classes_hardest_first_with_the_empty_one_last(page: Page) -> None:
    rows = page.rows
    start = next(at for at, row in enumerate(rows) if row.startswith("Class Train Val Test"))
    assert rows[start] == "Class Train Val Test fused pooled_joint keypoints_joint Mostly taken for"
    assert rows[start + 1] == "sit & stand 1 1 2 50 % 100 % 0 % wave (1)"
    assert rows[start + 2] == "wave 1 0 2 100 % 50 % 100 %"
    assert rows[start + 3] == "<b>jump</b> 0 1 0 no test clips no test clips no test clips"


def test_confusions(page: Page) -> None:
    assert "sit & stand taken for wave: 1 of 2 clips (50 %)" in page.titles
    assert "wave taken for wave: 2 of 2 clips (100 %)" in page.titles
    assert "sit & stand 1 1" in page.rows  # of the matrix
    assert "sit & stand wave 1" in page.rows


def test_store_card(page: Page, store: FeatureStore) -> None:
    rows = page.rows
    assert "test 4 1 5" in rows
    assert "all 8 1 9" in rows
    assert "7 clips with 1 person, 1 clip with 2 persons." in page.text
    assert "64 × 48 px (8 clips)." in page.text
    # (8, 2, 17, 3) float32 and a header of 128 bytes.
    assert f"would take {(8 * 2 * 17 * 3 * 4 + 128) / 1e3:.3g} kB per clip" in page.text
    total = sum(store.bytes_by_array().values())
    assert f"{3392 / (total / 8):.1f} times as much" in page.text
    assert "Precision f2." in page.text
    assert "weights sha256 " + "ab" * 32 in rows
    assert "<script>alert(1)</script> failed cannot open <it>" in rows


def test_what_users_write_is_escaped(page: Page) -> None:
    assert "<b>jump" not in page.source
    assert "<script>" not in page.source
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.source
    assert "CC &lt;0&gt;" in page.source
    assert "x &amp; y" in page.source
    assert CLASSES[2] in page.text


def test_sample_clips_have_pictures(page: Page) -> None:
    alts = [image["alt"] or "" for image in page.images]
    assert len([alt for alt in alts if "with boxes and joints" in alt]) == 4 * 6
    assert len([alt for alt in alts if "with heatmaps" in alt]) == 4
    assert all(alt.startswith("Frame of clip") for alt in alts)
    assert "peak of person 1: 0.50, 2: 0.50" in page.text
    assert "80.0 %" in page.text
    assert page.text.count("✗ wrong") == 1
    assert "sit & stand taken for wave" in page.text
    assert "another network" not in page.text


def test_the_title_says_data_protocol_and_model(page: Page) -> None:
    assert "<title>features · xsub · linear: 75.0 % top-1</title>" in page.source
    assert "<h1>features · xsub · linear</h1>" in page.source


def test_what_is_wrong_with_the_split_stands_above_the_figures(page: Page) -> None:
    assert "xsub: 1 class of val or test without a train clip: <b>jump</b>" in page.text
    assert "xsub has 4 test clips: guessing alone gets 0 to 75 % of them right" in page.text


def test_every_table_scrolls_by_itself_or_wraps(page: Page) -> None:
    assert "table" in page.tags
    assert page.wide_tables == []
    assert re.search(r"\.scroll \{ overflow-x: auto", page.source)
    assert re.search(r"\.columns > \*, \.details > \* \{[^}]*overflow-x: auto", page.source)
    assert re.search(r"\.facts td \{[^}]*overflow-wrap: anywhere", page.source)


def test_each_test_clip_is_a_mark_on_both_maps(page: Page) -> None:
    maps = re.findall(r"<svg[^>]*two principal components.*?</svg>", page.source, flags=re.DOTALL)
    assert len(maps) == 2
    for each in maps:
        assert each.count("<circle") == 3
        assert each.count('class="wrong"') == 1
    assert "clip6: sit &amp; stand, taken for wave" in maps[0]


def test_two_components_by_hand() -> None:
    line = np.array([[0.0, 0, 1], [3, 4, 1], [-9, -12, 1], [6, 8, 1]])  # at 0, 5, -15, 10 of one direction
    found, shares = two_components(line)  # of which the farthest becomes positive
    np.testing.assert_allclose(found, [[0, 0], [-5, 0], [15, 0], [-10, 0]], atol=1e-6)
    np.testing.assert_allclose(shares, [1, 0], atol=1e-12)
    found, shares = two_components(np.ones((1, 5)))
    assert found.tolist() == [[0, 0]]
    assert shares.tolist() == [0, 0]
