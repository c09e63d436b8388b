from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from serkit.corpus import (
    Corpus,
    Fold,
    LeakError,
    Protocol,
    Rating,
    Utterance,
    audit,
    check,
    load,
    protocol,
    synthetic,
)
from serkit.corpus.audit import equal_audio


def utterance(
    name: str,
    *,
    path: Path | None = None,
    speaker: str | None = None,
    sentence: str | None = None,
    emotion: str = "anger",
) -> Utterance:
    return Utterance(
        id=f"mine/{name}",
        path=path or Path(f"nowhere/{name}.wav"),
        speaker=speaker,
        sentence=sentence,
        ratings=(Rating(rater="consensus", emotion={emotion: 1.0}),),
    )


def cut(
    train: list[Utterance],
    development: list[Utterance],
    test: list[Utterance],
    *,
    speaker: bool = False,
    sentence: bool = False,
    shares: tuple[str, ...] = (),
) -> Protocol:
    fold = Fold(name="1", train=tuple(train), development=tuple(development), test=tuple(test))
    return Protocol(
        name="planted",
        corpus="mine",
        emotions=("anger", "sadness"),
        independent_speaker=speaker,
        independent_sentence=sentence,
        labelled="planted",
        source="this test",
        folds=(fold,),
        development_shares=shares,
    )


def test_a_planted_utterance_on_two_sides_stops_the_run():
    with pytest.raises(
        LeakError, match=r"planted, fold 1: 1 utterance\(s\) \(mine/a\) on the train"
    ):
        check(cut([utterance("a")], [utterance("b")], [utterance("a")]))


@pytest.mark.parametrize("side", ["train", "development"])
def test_a_planted_speaker_on_two_sides_stops_the_run_with_the_ids(side: str):
    sides = {
        "train": [utterance("a", speaker="mine/1")],
        "development": [utterance("b", speaker="mine/2")],
    }
    sides[side].append(utterance("c", speaker="mine/3"))
    planted = cut(
        sides["train"], sides["development"], [utterance("d", speaker="mine/3")], speaker=True
    )
    with pytest.raises(
        LeakError, match=rf"1 speaker\(s\) \(mine/3\) on the {side} and the test side"
    ):
        check(planted)
    with pytest.raises(LeakError, match="mine/c, mine/d") as caught:
        check(planted)
    assert caught.value.ids == ("mine/c", "mine/d")
    check(replace(planted, independent_speaker=False))


def test_a_speaker_who_trains_may_only_choose_when_the_protocol_says_so():
    planted = cut(
        [utterance("a", speaker="mine/1")],
        [utterance("b", speaker="mine/1")],
        [utterance("c", speaker="mine/2")],
        speaker=True,
    )
    with pytest.raises(LeakError, match="on the train and the development side"):
        check(planted)
    check(replace(planted, development_shares=("speaker",)))


def test_a_claim_about_unknown_speakers_stops_the_run():
    planted = cut([utterance("a")], [utterance("b")], [utterance("c")], speaker=True)
    with pytest.raises(LeakError, match=r"independence of the speaker is claimed, but.*mine/a"):
        check(planted)


def test_a_planted_sentence_on_two_sides_stops_the_run():
    planted = cut(
        [utterance("a", sentence="x")],
        [utterance("b", sentence="y")],
        [utterance("c", sentence="x")],
        sentence=True,
    )
    with pytest.raises(LeakError, match=r"1 sentence\(s\) \(x\) on the train and the test side"):
        check(planted)
    check(replace(planted, independent_sentence=False))


def test_a_planted_take_on_two_sides_stops_the_run():
    planted = cut(
        [utterance("a", speaker="mine/1", sentence="x")],
        [utterance("b", speaker="mine/1", sentence="x", emotion="sadness")],
        [utterance("c", speaker="mine/1", sentence="x")],
    )
    with pytest.raises(LeakError, match=r"repetition of one speaker.*mine/a, mine/c"):
        check(planted)


def test_planted_equal_audio_on_two_sides_stops_the_run(tmp_path: Path, tone):
    one = tone(tmp_path / "one.wav", pitch=300.0)
    same = tone(tmp_path / "same.flac", pitch=300.0)
    other = tone(tmp_path / "other.wav", pitch=400.0)
    planted = cut(
        [utterance("a", path=one)], [utterance("b", path=other)], [utterance("c", path=same)]
    )
    with pytest.raises(LeakError, match=r"equal audio\(s\) on the train.*mine/a, mine/c"):
        check(planted)
    check(planted, audio=False)
    check(
        cut([utterance("a", path=one), utterance("c", path=same)], [utterance("b", path=other)], [])
    )


def test_planted_equal_audio_under_two_emotions_stops_the_run(tmp_path: Path, tone):
    one = tone(tmp_path / "one.wav")
    same = tone(tmp_path / "same.wav")
    planted = cut([utterance("a", path=one), utterance("b", path=same, emotion="sadness")], [], [])
    with pytest.raises(
        LeakError, match="equal audio under two emotions, leave these out: mine/a, mine/b"
    ):
        check(planted)


def test_many_ids_are_counted_and_all_are_kept_for_code():
    many = [utterance(f"{n:02d}", speaker="mine/1") for n in range(30)]
    with pytest.raises(LeakError, match="and 21 more") as caught:
        check(cut(many, [], [utterance("test", speaker="mine/1")], speaker=True))
    assert len(caught.value.ids) == 31


def test_equal_audio_is_found_between_segments_and_between_files_nobody_can_open(
    tmp_path: Path, tone
):
    twice = tone(
        tmp_path / "twice.wav", pitch=200.0, num_samples=1600
    )  # two periods of 10 ms a half
    half = replace(utterance("a", path=twice), start=0.0, end=0.05)
    again = replace(utterance("b", path=twice), start=0.05, end=0.1)
    for name in ("x.m4a", "y.m4a"):
        (tmp_path / name).write_bytes(b"the same bytes")
    x, y = utterance("x", path=tmp_path / "x.m4a"), utterance("y", path=tmp_path / "y.m4a")
    gone = utterance("gone", path=tmp_path / "gone.wav")
    groups = equal_audio([half, again, y, x, gone])
    assert [[u.id for u in group] for group in groups] == [
        ["mine/a", "mine/b"],
        ["mine/x", "mine/y"],
    ]


def test_a_file_written_anew_is_compared_anew(tmp_path: Path, tone):
    one = utterance("a", path=tone(tmp_path / "one.wav"))
    two = utterance("b", path=tone(tmp_path / "two.wav"))
    assert len(equal_audio([one, two])) == 1
    tone(tmp_path / "two.wav", pitch=500.0)
    assert equal_audio([one, two]) == []


def test_an_audit_counts_by_emotion_and_by_speaker(tmp_path: Path):
    root = synthetic.write(tmp_path, num_speakers=3, takes=2, seconds=0.1)
    found = audit(load("synthetic", root))
    assert found.ok
    assert found.num_utterances == 12
    assert found.emotions == {"anger": 6, "sadness": 6}
    assert found.speakers == {"synthetic/s1": 4, "synthetic/s2": 4, "synthetic/s3": 4}
    assert found.table["synthetic/s2"] == {"anger": 2, "sadness": 2}
    assert found.sample_rates == {16000: 12}
    assert len(found.durations) == 12
    assert all(0.09 <= duration <= 0.11 for duration in found.durations.values())


def test_an_audit_lists_what_cannot_be_used(tmp_path: Path, tone):
    good = tone(tmp_path / "good.wav", num_samples=16000)
    text, empty, nothing = (tmp_path / name for name in ("text.wav", "empty.wav", "nothing.wav"))
    text.write_text("this is no recording")
    empty.write_bytes(b"")
    tone(nothing, num_samples=0)
    late = replace(utterance("late", path=good), start=0.5, end=2.0)
    corpus = Corpus(
        name="mine",
        utterances=(
            utterance("good", path=good),
            late,
            utterance("gone", path=tmp_path / "gone.wav"),
            utterance("text", path=text),
            utterance("empty", path=empty),
            utterance("nothing", path=nothing),
            replace(utterance("unlabelled", path=good), ratings=()),
        ),
        problems=("noticed",),
    )
    found = audit(corpus)
    assert not found.ok
    assert found.missing == (tmp_path / "gone.wav",)
    why = {path.name: reason for path, reason in found.unreadable}
    assert why["text.wav"].startswith("not a recording that soundfile opens")
    assert why["empty.wav"].startswith("not a recording that soundfile opens")
    assert why["nothing.wav"] == "holds no samples"
    assert why["good.wav"] == "mine/late: 0.5 to 2 s of a file of 1 s"
    assert found.without_emotion == ("mine/unlabelled",)
    assert len(found.without_speaker) == 7
    assert found.durations == {"mine/good": 1.0, "mine/unlabelled": 1.0}
    assert found.problems == ("noticed",)


def test_files_only_pyav_opens_are_neither_good_nor_bad(tmp_path: Path):
    video = tmp_path / "video.mp4"
    video.write_bytes(b"some video")
    found = audit(Corpus(name="mine", utterances=(utterance("a", path=video),)))
    assert found.ok
    assert found.unchecked == (video,)
    assert found.durations == {}


def test_the_shipped_excerpt_keeps_its_claims():
    check(protocol("excerpt-5pairs", load("excerpt")))


def test_every_generic_protocol_of_the_synthetic_corpus_keeps_its_claims(tmp_path: Path):
    corpus = load("synthetic", synthetic.write(tmp_path, num_speakers=5, takes=1, seconds=0.05))
    for name in ("loso", "kfold-3", "kfold-5"):
        check(protocol(name, corpus))


def test_a_count_needs_no_speaker(make_corpus: Callable[..., Corpus]):
    found = audit(make_corpus([(None, "anger")]))
    assert found.speakers == {}
    assert found.without_speaker == ("mine/0000",)


def test_overlapping_stretches_of_one_file_stay_on_one_side(tmp_path: Path):
    soundfile.write(tmp_path / "talk.wav", np.random.default_rng(0).normal(0, 0.1, 48000), 16000)
    lines = ["file,start,end,speaker,emotion"]
    for number, emotion in enumerate(["anger", "sadness", "anger", "sadness"]):
        lines.append(f"talk.wav,{0.7 * number},{0.7 * number + 0.8},s{number},{emotion}")
    (tmp_path / "talk.csv").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(LeakError, match="overlap"):
        check(protocol("loso", load("mine", tmp_path / "talk.csv")))
