"""`heatpool doctor`: check a data set before hours go into it. Reads only, but for its own report."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from heatpool.extract.datasets.box_findings import VideoSize
from heatpool.extract.datasets.check_clips import ClipProblem, check_clips
from heatpool.extract.datasets.check_videos import VideoReport, check_file, check_videos
from heatpool.extract.datasets.folder import read_videos
from heatpool.extract.datasets.manifest import Clip, Manifest
from heatpool.extract.datasets.windows import cut_windows
from heatpool.extract.video.clip_events import ClipJob
from heatpool.pipelines.options import DoctorOptions
from heatpool.pipelines.process.device import available_cores
from heatpool.pipelines.process.progress import Progress
from heatpool.pool.disk.atomic import atomic_file
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex
from heatpool.pool.split_findings import check_split
from heatpool.pool.split_findings.finding import Finding
from heatpool.pool.split_findings.labels import check_labels
from heatpool.pool.split_findings.leaks import find_leaks

__all__ = ["FOUND_ERRORS", "run"]

FOUND_ERRORS = 3
"""Exit code of a check that found errors."""

_HEADER = (
    "clip_id", "path", "findings", "message", "frames", "fps", "seconds", "gap_s", "width_px", "height_px",
    "rotation_deg", "mirrored", "pixel_aspect", "hdr", "codec", "size_bytes", "sha256",
)  # fmt: skip
_NAMED = 10  # clips or findings that the summary writes out
_WINDOW_TOLERANCE_S = 0.1


def run(options: DoctorOptions) -> int:
    """Check videos, labels, splits, boxes and networks; return 3 when errors were found, else 0.

    Raises:
        HeatpoolError: if there is no manifest, or the report would replace another file.
    """
    manifest = read_videos(options.manifest, fps=options.fps).with_disjoint(options.disjoint_columns)
    if options.window_s:
        stride_s = options.stride_s or options.window_s
        manifest = cut_windows(manifest, window_s=options.window_s, stride_s=stride_s)
    folder = options.manifest if options.manifest.is_dir() else options.manifest.parent
    out = options.out or folder / "doctor.csv"
    _keep_others(out)
    reports = _check_files(manifest, options)
    index = manifest.index()
    of_clips = _clip_findings(manifest.clips, reports, options)
    of_set = [*_duplicates(manifest.clips, reports), *_network_findings(manifest, reports, options)]
    contents = [reports[clip.path].sha256 for clip in manifest.clips]
    of_set += check_labels(index)
    for protocol in index.splits:
        of_set += [*check_split(index, protocol), *find_leaks(index, protocol, contents=contents)]
    findings = [*of_clips, *of_set]
    _write(out, index, [reports[clip.path] for clip in manifest.clips], findings)
    if findings or not options.quiet:
        clips, videos = len(index), len(reports)
        lines = [f"{clips} clip{'s' * (clips != 1)} of {videos} video{'s' * (videos != 1)}", *_facts(reports)]
        lines += [*_clip_lines(index, of_clips), *_set_lines(of_set)]
        levels = Counter(finding.level for finding in findings)
        counts = ", ".join(f"{count} {level}{'s' * (count > 1)}" for level, count in sorted(levels.items()))
        print("\n".join([*lines, f"{counts or 'nothing wrong'}; each clip is in {out}"]))
    return FOUND_ERRORS if any(finding.level == "error" for finding in findings) else 0


def _keep_others(out: Path) -> None:
    if out.exists():
        with out.open(encoding="utf-8", errors="replace") as file:
            if file.readline().strip() != ",".join(_HEADER):
                raise HeatpoolError(f"{out} exists and is no report of doctor's; give another --out")


def _check_files(manifest: Manifest, options: DoctorOptions) -> dict[Path, VideoReport]:
    """Report on every video once, however many clips it holds."""
    videos = {clip.path: clip.fps for clip in manifest.clips}
    if options.metadata_only:
        return {path: check_file(path) for path in videos}
    with Progress("doctor", len(videos), "videos", quiet=options.quiet) as progress:
        return check_videos(
            videos,
            workers=options.workers or available_cores(),
            on_video=lambda report: progress.step(failed=bool(report.problem)),
        )


def _clip_findings(
    clips: Sequence[Clip], reports: Mapping[Path, VideoReport], options: DoctorOptions
) -> list[Finding]:
    """Name each clip's own problem: what extraction would fail on, or call truncated, is an error."""
    findings = []
    for row, (clip, found) in enumerate(zip(clips, _problems(clips, reports, options), strict=True)):
        seconds = reports[clip.path].seconds
        if found.kind:
            findings.append(Finding("error", found.kind, found.reason, (row,)))
        elif seconds and clip.end_s is not None and clip.end_s > seconds + _WINDOW_TOLERANCE_S:
            message = f"the clip reaches to {clip.end_s:g} s, the video to {seconds:g} s"
            findings.append(Finding("warning", "window", message, (row,)))
    return findings


def _problems(
    clips: Sequence[Clip], reports: Mapping[Path, VideoReport], options: DoctorOptions
) -> list[ClipProblem]:
    if options.metadata_only:
        return [ClipProblem(reports[clip.path].problem, reports[clip.path].reason) for clip in clips]
    jobs = [
        ClipJob(row, clip.path, clip.start_s, clip.end_s, clip.persons, clip.fps)
        for row, clip in enumerate(clips)
    ]
    count = len(jobs) if options.decode else 0
    with Progress("decode", count, "clips", quiet=options.quiet or not options.decode) as progress:
        return check_clips(
            jobs,
            reports,
            decode=options.decode,
            workers=options.workers or available_cores(),
            on_clip=lambda found: progress.step(failed=bool(found.kind)),
        )


def _network_findings(
    manifest: Manifest, reports: Mapping[Path, VideoReport], options: DoctorOptions
) -> list[Finding]:
    if not (options.boxes or options.keypoints or options.weights or options.backend != "auto"):
        return []
    from heatpool.pipelines.extraction.findings import check_networks  # which loads torch

    sizes = {
        path: VideoSize(*report.shown_px, report.frames) for path, report in reports.items() if report.frames
    }
    return check_networks(options, manifest, sizes=sizes)


def _duplicates(clips: Sequence[Clip], reports: Mapping[Path, VideoReport]) -> list[Finding]:
    """Name files of the same content; an error where their labels differ."""
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, clip in enumerate(clips):
        if reports[clip.path].sha256:
            rows_of[reports[clip.path].sha256].append(row)
    findings = []
    for rows in rows_of.values():
        if len({clips[row].path for row in rows}) > 1:
            names = " = ".join(dict.fromkeys(clips[row].path.name for row in rows))
            if len({clips[row].label for row in rows}) > 1:
                message = f"same content with different labels: {names}"
                findings.append(Finding("error", "duplicate", message, tuple(rows)))
            else:
                findings.append(Finding("warning", "duplicate", f"same content: {names}", tuple(rows)))
    return findings


def _clip_lines(index: ClipIndex, findings: Sequence[Finding]) -> list[str]:
    """Return what is wrong with single clips, by kind, the first few of each by name."""
    by_kind: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        by_kind[finding.level, finding.check].append(finding)
    lines = []
    for (level, check), found in sorted(by_kind.items(), key=lambda item: -len(item[1])):
        lines.append(f"  {level}: {len(found)} {check}")
        lines += [f"    {index.clip_id[each.rows[0]]}: {each.message}" for each in found[:_NAMED]]
        lines += [f"    … and {len(found) - _NAMED} more"] if len(found) > _NAMED else []
    return lines


def _set_lines(findings: Sequence[Finding]) -> list[str]:
    """Return what is wrong with the data set, errors first."""
    ordered = sorted(findings, key=lambda finding: finding.level)
    lines = [f"  {finding.level}: {finding.message}" for finding in ordered[: 2 * _NAMED]]
    more = len(ordered) - len(lines)
    return [*lines, f"  … and {more} more findings"] if more else lines


def _facts(reports: Mapping[Path, VideoReport]) -> list[str]:
    """Return what the videos are that were opened."""
    opened = [report for report in reports.values() if report.frames]
    if not opened:
        return []
    frames, seconds = sum(each.frames for each in opened), sum(each.seconds for each in opened)
    sizes = Counter(f"{each.width_px} x {each.height_px}" for each in opened)
    rates, codecs = Counter(f"{each.fps:g}" for each in opened), Counter(each.codec for each in opened)
    rotated, mirrored = sum(each.rotation_deg != 0 for each in opened), sum(each.mirrored for each in opened)
    oblong = sum(each.pixel_aspect != 1 for each in opened)
    hdr = sum(each.hdr != "" for each in opened)
    gaps = [each.gap_s for each in opened if each.gap_s > 1]
    return [
        f"  {frames} frames, {seconds / 60:.1f} minutes; sizes {_most(sizes)}",
        f"  frames per second {_most(rates)}; codecs {_most(codecs)}",
        f"  rotated {rotated}; mirrored {mirrored}; scaled to square pixels {oblong}; HDR, read as SDR {hdr}",
        *([f"  gaps of more than a second in {len(gaps)}, the longest {max(gaps):.1f} s"] if gaps else []),
    ]


def _most(counts: Counter[str]) -> str:
    """Name the three most frequent values."""
    text = ", ".join(f"{value} ({count})" for value, count in counts.most_common(3))
    return text + (f", {len(counts) - 3} others" if len(counts) > 3 else "")


def _write(out: Path, index: ClipIndex, reports: Sequence[VideoReport], findings: Sequence[Finding]) -> None:
    """Write one row per clip, `reports` in their order."""
    of_row: dict[int, list[Finding]] = defaultdict(list)
    for finding in findings:
        for row in finding.rows:
            of_row[row].append(finding)
    with atomic_file(out, overwrite=True) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_HEADER)
        for row, report in enumerate(reports):
            checks = ";".join(dict.fromkeys(finding.check for finding in of_row[row]))
            messages = "; ".join(finding.message for finding in of_row[row])
            facts = [getattr(report, name) for name in _HEADER[4:]]
            writer.writerow([index.clip_id[row], index.path[row], checks, messages, *facts])
