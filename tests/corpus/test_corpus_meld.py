from collections.abc import Sequence
from pathlib import Path

import pytest

from serkit.corpus import MissingCorpusError, load, meld, protocol

HEAD = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,"
    "StartTime,EndTime"
)
FOLDERS = {
    "train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeats_splits_test"
}  # fmt: skip
TIMES = '4,7,"00:20:57,256","00:21:00,049"'


def write(
    root: Path,
    tone,
    side: str,
    rows: Sequence[str],
    *,
    clips: Sequence[str],
    encoding: str = "utf-8",
) -> None:
    root.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{line}\n" for line in [HEAD, *rows])
    (root / f"{side}_sent_emo.csv").write_bytes(lines.encode(encoding))
    for clip in clips:
        tone(root / FOLDERS[side] / clip)


def test_rows_and_clips_become_utterances(tmp_path: Path, tone):
    rows = [
        f'1,"Oh my God, he\u2019s lost it.",Phoebe,sadness,negative,0,0,{TIMES}',
        f"2,What?,Mrs. Green,joy,positive,0,1,{TIMES}",
    ]
    write(tmp_path, tone, "dev", rows, clips=["dia0_utt0.wav", "dia0_utt1.wav"])
    first, second = load("meld", tmp_path).utterances
    assert first.id == "meld/development_dia0_utt0"
    assert first.path == tmp_path / "dev_splits_complete" / "dia0_utt0.wav"
    assert (first.speaker, first.sex, first.language) == ("meld/Phoebe", "female", "en")
    assert (first.recording, first.split) == ("development_dia0", "development")
    assert (first.ratings[0].rater, first.emotion()) == ("consensus", "sadness")
    assert (first.start, first.end, first.sentence) == (0.0, None, None)
    assert (second.speaker, second.sex, second.emotion()) == ("meld/Mrs. Green", None, "happiness")


def test_the_official_split_comes_from_the_file_and_is_speaker_dependent(tmp_path: Path, tone):
    for side in FOLDERS:
        rows = [
            f"1,Hey.,Ross,joy,positive,0,0,{TIMES}",
            f"2,Hey.,Joey,anger,negative,0,1,{TIMES}",
        ]
        write(tmp_path, tone, side, rows, clips=["dia0_utt0.wav", "dia0_utt1.wav"])
    cut = protocol("split", load("meld", tmp_path))
    (fold,) = cut.folds
    assert [u.split for u in (*fold.train, *fold.development, *fold.test)] == [
        "train", "train", "development", "development", "test", "test"
    ]  # fmt: skip
    assert not cut.independent_speaker
    assert "2 test speakers are also trained on" in cut.labelled


def test_dialogues_of_two_sides_are_not_taken_for_one(tmp_path: Path, tone):
    for side in ("train", "test"):
        row = f"1,Hey.,Ross,joy,positive,0,0,{TIMES}"
        write(tmp_path, tone, side, [row], clips=["dia0_utt0.wav"])
    utterances = load("meld", tmp_path).utterances
    assert len({u.id for u in utterances}) == len({u.recording for u in utterances}) == 2


def test_tables_and_clips_may_stand_in_the_folders_of_their_archives(tmp_path: Path, tone):
    row = f"1,Hey.,Ross,joy,positive,0,0,{TIMES}"
    write(tmp_path / "MELD.Raw" / "train", tone, "train", [row], clips=["dia0_utt0.wav"])
    assert len(load("meld", tmp_path).utterances) == 1


def test_clips_are_videos_and_sound_taken_out_of_them_comes_first(tmp_path: Path, tone):
    rows = [f"{n},Hey.,Ross,joy,positive,0,{n},{TIMES}" for n in range(2)]
    write(tmp_path, tone, "train", rows, clips=["dia0_utt1.wav"])
    for name in ("dia0_utt0.mp4", "dia0_utt1.mp4"):
        (tmp_path / "train_splits" / name).write_bytes(b"video")
    assert [u.path.name for u in load("meld", tmp_path).utterances] == [
        "dia0_utt0.mp4", "dia0_utt1.wav"
    ]  # fmt: skip


def test_a_row_without_its_clip_is_listed_and_left_out(tmp_path: Path, tone):
    rows = [f"{n},Hey.,Ross,joy,positive,110,{n},{TIMES}" for n in (6, 7)]
    write(tmp_path, tone, "dev", rows, clips=["dia110_utt6.wav", "dia66_utt9.wav"])
    corpus = load("meld", tmp_path)
    assert [u.id for u in corpus.utterances] == ["meld/development_dia110_utt6"]
    assert "1 of 2 recordings are missing: development_dia110_utt7" in corpus.problems
    assert "no train_sent_emo.csv: nothing of the train side is read" in corpus.problems


@pytest.mark.parametrize(
    "row", ["1,Hey.,Ross,bliss,positive,0,1", "1,Hey.,Ross,joy,positive,,1", "1,Hey.,,joy,x,0,1"]
)
def test_a_row_that_cannot_be_read_is_listed_and_left_out(row: str, tmp_path: Path, tone):
    good = f"1,Hey.,Ross,joy,positive,0,0,{TIMES}"
    write(tmp_path, tone, "train", [good, row], clips=["dia0_utt0.wav", "dia0_utt1.wav"])
    corpus = load("meld", tmp_path)
    assert [u.id for u in corpus.utterances] == ["meld/train_dia0_utt0"]
    assert any("1 rows cannot be read, the first is line 3" in line for line in corpus.problems)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_tables_are_read_in_every_encoding_they_come_in(encoding: str, tmp_path: Path, tone):
    row = f'1,"Ross\u2019s, ""look""…",Ross,joy,positive,0,0,{TIMES}'
    write(tmp_path, tone, "train", [row], clips=["dia0_utt0.wav"], encoding=encoding)
    assert load("meld", tmp_path).utterances[0].emotion() == "happiness"


def test_a_text_with_a_control_character_or_a_newline_is_one_row(tmp_path: Path, tone):
    rows = [
        f"1,Well\x85 now\u2028then,Ross,joy,positive,0,0,{TIMES}",
        f'2,"two\nlines",Joey,fear,negative,0,1,{TIMES}',
    ]
    write(tmp_path, tone, "train", rows, clips=["dia0_utt0.wav", "dia0_utt1.wav"])
    corpus = load("meld", tmp_path)
    assert [u.emotion() for u in corpus.utterances] == ["happiness", "fear"]
    assert not any("cannot be read" in line for line in corpus.problems)


def test_the_counts_of_the_three_sides_add_up_to_the_passport():
    published = {
        "anger": (1109, 153, 345),
        "disgust": (271, 22, 68),
        "fear": (268, 40, 50),
        "happiness": (1743, 163, 402),
        "neutral": (4710, 470, 1256),
        "sadness": (683, 111, 208),
        "surprise": (1205, 150, 281),
    }
    assert meld.PASSPORT.emotions == {e: sum(counts) for e, counts in published.items()}
    assert [sum(c) for c in zip(*published.values(), strict=True)] == [9989, 1109, 2610]


def test_a_missing_corpus_is_reported_with_the_layout(tmp_path: Path, tone):
    with pytest.raises(MissingCorpusError, match=r"no MELD here; expected ROOT/train_sent_emo"):
        load("meld", tmp_path)
    write(tmp_path, tone, "train", [f"1,Hey.,Ross,joy,positive,0,0,{TIMES}"], clips=[])
    with pytest.raises(MissingCorpusError, match="no MELD here"):
        load("meld", tmp_path)
