"""Timelines as files, read back with the libraries of others."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from voice import EMOTIONS, RATE, listener, scene

import serkit.systems.emosphere
from serkit.predictor import SILENCE, Predictor, Timeline, TimelineError, Turn
from serkit.predictor.annotation import FORMATS, TurnsError, _clock, encode, read_turns, write

SCENE = scene(("sadness", 4.3), ("silence", 2), ("anger", 5), ("joy", 3.1), ("silence", 1))
TURNS = [
    Turn(start=0.4, end=5.0, speaker='Ann "Q" <x> & y'),
    Turn(start=4.0, end=11.1, speaker="Bob"),
    Turn(start=12.0, end=30.0, speaker='Ann "Q" <x> & y'),
]


@pytest.fixture(scope="module", params=["plain", "turns", "affect", "short"])
def timeline(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Timeline:
    """Of emotions, of turns, of affect, and of a recording of one window; names are awkward."""
    file = tmp_path_factory.mktemp("calls") / "a call & ümlaut.wav"
    soundfile.write(file, SCENE[:20001] if request.param == "short" else SCENE, RATE)
    if request.param == "affect":
        system = serkit.systems.emosphere.EmoSphere(serkit.systems.emosphere.Config())
        return Predictor(systems=(system,), rater="emosphere").timeline(file)
    return listener().timeline(file, turns=TURNS if request.param == "turns" else None)


def written(timeline: Timeline, folder: Path, form: str, **more: str) -> Path:
    return write(timeline, folder / f"out{FORMATS[form].suffix}", **more)


def spoken(timeline: Timeline) -> list:
    return [one for one in timeline.segments if one.label != SILENCE]


# -- tables -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", ["windows", "segments"])
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_tables_are_read_back_by_pandas(
    timeline: Timeline, tmp_path: Path, form: str, rows: str
) -> None:
    pandas = pytest.importorskip("pandas", reason="comes with the extra serkit[audformat]")
    path = written(timeline, tmp_path, form, rows=rows)
    table = pandas.read_csv(path) if form == "csv" else pandas.read_parquet(path)
    expected = timeline.windows if rows == "windows" else timeline.segments
    assert len(table) == len(expected)
    assert set(table["file"]) == {timeline.file}
    for (_, row), one in zip(table.iterrows(), expected, strict=True):
        assert (row["start"], row["end"]) == (pytest.approx(one.start), pytest.approx(one.end))
        assert row["label"] == one.label
        assert (row["speaker"] if one.speaker else None) == one.speaker
        values = {**one.rating.emotion, **one.rating.affect} if one.rating else {}
        for name in (*timeline.emotions, *timeline.affect):
            column = f"probability_{name}" if name in timeline.emotions else name
            if one.rating is None:
                assert np.isnan(row[column])
            else:
                assert row[column] == pytest.approx(values[name], abs=1e-6)


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow.parquet", reason="needs the extra serkit[parquet]")
    empty = Timeline(
        file="a.wav", duration=0.0, rater="pitch", emotions=EMOTIONS, affect=(), window=3.0,
        hop=1.0, smooth=2.0, vad="energy", windows=(), segments=(),
    )  # fmt: skip
    header = next(csv.reader(written(empty, tmp_path, "csv").read_text("utf-8").splitlines()))
    assert header[:6] == ["file", "start", "end", "speaker", "label", "speech"]
    assert pyarrow.read_schema(written(empty, tmp_path, "parquet")).names == header


def test_json_has_everything(timeline: Timeline, tmp_path: Path) -> None:
    found = json.loads(written(timeline, tmp_path, "json").read_text(encoding="utf-8"))
    assert found["file"] == timeline.file
    assert (found["window"], found["hop"], found["smooth"]) == (3.0, 1.0, 2.0)
    assert len(found["windows"]) == len(timeline.windows)
    assert [one["label"] for one in found["segments"]] == [s.label for s in timeline.segments]
    assert set(found["speakers"]) == set(timeline.speakers)
    assert found["summary"]["speech"] == pytest.approx(timeline.summary().speech, abs=1e-6)
    rated = next(one for one in found["windows"] if one["rating"])
    assert set(rated["rating"]) == {"probability" if timeline.emotions else "affect"}


# -- annotation programs ----------------------------------------------------------------------


def tiers(timeline: Timeline) -> dict[str, list[tuple[float, float, str]]]:
    """The label tiers that are expected."""
    what = "emotion" if timeline.emotions else "speech"
    return {
        what if speaker is None else f"{speaker}: {what}": [
            (s.start, s.end, s.label) for s in timeline.segments if s.speaker == speaker
        ]
        for speaker in timeline.speakers or (None,)
    }


def test_praat_opens_a_textgrid(timeline: Timeline, tmp_path: Path) -> None:
    parselmouth = pytest.importorskip("parselmouth")
    path = written(timeline, tmp_path, "textgrid")
    grid = parselmouth.read(str(path))
    count = parselmouth.praat.call(grid, "Get number of tiers")
    found: dict[str, list[tuple[float, float, str]]] = {}
    for tier in range(1, count + 1):
        name = parselmouth.praat.call(grid, "Get tier name...", tier)
        number = parselmouth.praat.call(grid, "Get number of intervals...", tier)
        found[name] = [
            (
                parselmouth.praat.call(grid, "Get start time of interval...", tier, place),
                parselmouth.praat.call(grid, "Get end time of interval...", tier, place),
                parselmouth.praat.call(grid, "Get label of interval...", tier, place),
            )
            for place in range(1, number + 1)
        ]
    for name, expected in tiers(timeline).items():
        assert [span for span in found[name] if span[2]] == expected
        assert found[name][0][0] == 0.0
        assert found[name][-1][1] == timeline.duration
    others = set(found) - set(tiers(timeline))
    assert {name.rpartition(": ")[2] for name in others} == (
        {"probability"} if timeline.emotions else set(timeline.affect)
    )


def test_praatio_opens_a_textgrid(timeline: Timeline, tmp_path: Path) -> None:
    textgrid = pytest.importorskip("praatio.textgrid")
    path = written(timeline, tmp_path, "textgrid")
    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
    assert grid.maxTimestamp == timeline.duration
    for name, expected in tiers(timeline).items():
        found = [(one.start, one.end, one.label) for one in grid.getTier(name).entries]
        assert found == expected


def test_elan_files_are_opened_by_pympi(timeline: Timeline, tmp_path: Path) -> None:
    elan = pytest.importorskip("pympi.Elan")
    document = elan.Eaf(str(written(timeline, tmp_path, "eaf")))
    for name, expected in tiers(timeline).items():
        found = [one[:3] for one in document.get_annotation_data_for_tier(name)]
        assert sorted(found) == sorted(
            (round(1000 * start), round(1000 * end), label)
            for start, end, label in expected
            if label != SILENCE
        )
    (media,) = document.get_linked_files()
    assert media["MEDIA_URL"].startswith("file:///")
    assert media["RELATIVE_MEDIA_URL"] == f"./{Path(timeline.file).name}"
    assert document.get_full_time_interval()[1] <= round(1000 * timeline.duration)


def test_a_label_track_has_two_times_and_a_label_to_a_line(
    timeline: Timeline, tmp_path: Path
) -> None:
    lines = written(timeline, tmp_path, "audacity").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(spoken(timeline))
    for line, one in zip(lines, spoken(timeline), strict=True):
        start, end, label = line.split("\t")
        assert (start, end) == (f"{one.start:.6f}", f"{one.end:.6f}")
        assert (one.label in label) == bool(timeline.emotions)
        assert one.speaker is None or label.startswith(f"{one.speaker}: ")


def test_rttm_is_read_back_as_turns(timeline: Timeline, tmp_path: Path) -> None:
    lines = written(timeline, tmp_path, "rttm").read_text(encoding="utf-8").splitlines()
    assert {len(line.split()) for line in lines} == {10}
    assert {line.split()[1] for line in lines} == {"a_call_&_ümlaut"}
    for line, one in zip(lines, spoken(timeline), strict=True):
        assert float(line.split()[3]) == pytest.approx(one.start, abs=5e-4)
        assert float(line.split()[4]) == pytest.approx(one.duration, abs=5e-4)
    found = read_turns(tmp_path / "out.rttm")
    assert {turn.speaker.rpartition(":")[2] for turn in found} == {
        s.label for s in spoken(timeline)
    }


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_subtitles_are_read_back_by_pysubs2(timeline: Timeline, tmp_path: Path, form: str) -> None:
    pysubs2 = pytest.importorskip("pysubs2")
    found = pysubs2.load(str(written(timeline, tmp_path, form)))
    assert len(found) == len(spoken(timeline))
    ordered = sorted(spoken(timeline), key=lambda one: (one.start, one.end))
    for cue, one in zip(sorted(found, key=lambda c: (c.start, c.end)), ordered, strict=True):
        assert (cue.start, cue.end) == (round(1000 * one.start), round(1000 * one.end))
        assert (one.label in cue.text) == bool(timeline.emotions)


def test_webvtt_is_read_back_with_its_voices(timeline: Timeline, tmp_path: Path) -> None:
    webvtt = pytest.importorskip("webvtt")
    found = webvtt.read(str(written(timeline, tmp_path, "vtt")))
    assert len(found) == len(spoken(timeline))
    for cue, one in zip(found, spoken(timeline), strict=True):
        assert cue.start_in_seconds == pytest.approx(one.start, abs=1.0)
        assert (one.label in cue.text) == bool(timeline.emotions)
        if one.speaker == "Bob":
            assert cue.voice == "Bob"


# -- writing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_a_file_is_whole_or_not_there(
    timeline: Timeline, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(timeline, tmp_path / "new", form)
    assert path.read_bytes() == encode(timeline, form)
    monkeypatch.setattr(Path, "replace", _no_space)
    with pytest.raises(OSError, match="no space left"):
        _ = write(timeline, path)
    assert [*(tmp_path / "new").iterdir()] == [path]
    assert path.read_bytes() == encode(timeline, form)


def _no_space(*_: object) -> None:
    raise OSError("no space left")


def test_other_formats_and_endings_are_refused(timeline: Timeline, tmp_path: Path) -> None:
    with pytest.raises(TimelineError, match=r"no format has this ending; those that do: .csv, .js"):
        _ = write(timeline, tmp_path / "out.docx")
    with pytest.raises(TimelineError, match="there is no format 'docx'; there are: csv, json"):
        _ = write(timeline, tmp_path / "out.csv", form="docx")
    assert list(tmp_path.iterdir()) == []


def test_long_times_and_rounding_do_not_break_the_clock() -> None:
    assert _clock(0.0, ",") == "00:00:00,000"
    assert _clock(3599.9996, ".") == "01:00:00.000"
    assert _clock(36000.25, ".") == "10:00:00.250"


# -- turns ------------------------------------------------------------------------------------


def rttm(path: Path, *lines: str) -> Path:
    _ = path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_turns_are_read_in_order_and_joined(tmp_path: Path) -> None:
    path = rttm(
        tmp_path / "turns.rttm",
        ";; made by hand",
        "SPKR-INFO call 1 <NA> <NA> <NA> unknown Ann <NA>",
        "SPEAKER call 1 5.0 2.0 <NA> <NA> Bob <NA> <NA>",
        "SPEAKER call 1 0.5 3.0 <NA> <NA> Ann <NA> <NA>",
        "",
        "SPEAKER call 1 3.0 1.5 <NA> <NA> Ann <NA>",
        "SPEAKER call 1 6.0 1.0 <NA> <NA> Ann <NA> <NA>",
    )
    assert read_turns(path) == (
        Turn(start=0.5, end=4.5, speaker="Ann"),
        Turn(start=5.0, end=7.0, speaker="Bob"),
        Turn(start=6.0, end=7.0, speaker="Ann"),
    )


def test_of_several_recordings_the_right_one_is_taken(tmp_path: Path) -> None:
    line = "SPEAKER {} 1 0 1 <NA> <NA> {} <NA> <NA>"
    path = rttm(tmp_path / "all.rttm", line.format("one", "Ann"), line.format("two", "Bob"))
    assert read_turns(path, recording="calls/two.wav")[0].speaker == "Bob"
    with pytest.raises(TurnsError, match="has turns of one, two; none of them is three: rename"):
        _ = read_turns(path, recording="three.mp3")


@pytest.mark.parametrize(
    "line",
    [
        "SPEAKER call 1 zero 1 <NA> <NA> Ann <NA> <NA>",
        "SPEAKER call 1 0 -1 <NA> <NA> Ann <NA> <NA>",
        "SPEAKER call 1 nan 1 <NA> <NA> Ann <NA> <NA>",
        "SPEAKER call 1 0",
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(TurnsError, match=r"line 2: .* with times in seconds"):
        _ = read_turns(rttm(tmp_path / "turns.rttm", "; comment", line))


def test_what_is_no_rttm_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(TurnsError, match="no line that begins with SPEAKER"):
        _ = read_turns(rttm(tmp_path / "poem.rttm", "Who rides so late"))
    (tmp_path / "bytes.rttm").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TurnsError, match="is not text in UTF-8"):
        _ = read_turns(tmp_path / "bytes.rttm")
