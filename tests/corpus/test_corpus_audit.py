import os
import pickle
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
from serkit.corpus.audit import LEAKS, equal_audio, judge, shared


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
    with pytest.raises(LeakError, match=r"planted, fold 1: 1 utterance \(mine/a\) on the train"):
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
    with pytest.raises(LeakError, match=rf"1 speaker \(mine/3\) on the {side} and the test side"):
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
    with pytest.raises(LeakError, match=r"1 sentence \(x\) on the train and the test side"):
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
    with pytest.raises(LeakError, match=r"equal audio on the train.*mine/a, mine/c"):
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
    assert found.without_emotion == found.unrated == ("mine/unlabelled",)
    assert len(found.faults) == 6
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


# ------------------------------------------------------------------------------- leaks by kind


def decoded(utterance: Utterance) -> tuple[np.ndarray, int]:
    samples, rate = soundfile.read(utterance.path, dtype="float32")
    start, end = utterance.start, utterance.end
    return samples[round(start * rate) : None if end is None else round(end * rate)], rate


@pytest.fixture
def plant(tmp_path: Path) -> Callable[[str], Protocol]:
    """A protocol with one leak of a kind, and no other."""

    def noise(name: str, seed: int, gain: float = 0.1, skip: int = 0) -> Path:
        wave = np.random.default_rng(seed).uniform(-1, 1, 16000)
        soundfile.write(tmp_path / name, gain * wave[skip:], 16000)
        return tmp_path / name

    def planted(kind: str) -> Protocol:
        one = utterance("a", path=noise("a.wav", 1), speaker="mine/1", sentence="x")
        mid = utterance("b", path=noise("b.wav", 2), speaker="mine/2", sentence="y")
        two = utterance("c", path=noise("c.wav", 3), speaker="mine/3", sentence="z")
        claims = {"speaker": True, "sentence": True}
        match kind:
            case "utterance":
                claims, two = {}, one
            case "speaker":
                two = replace(two, speaker="mine/1")
            case "sentence":
                two = replace(two, sentence="x")
            case "take":
                claims, two = {}, replace(two, speaker="mine/1", sentence="x")
            case "overlap":
                two = replace(two, path=one.path, start=0.5)
                one = replace(one, end=0.6)
            case "equal-audio":
                two = replace(two, path=noise("same.wav", 1))
            case "near-duplicate":
                two = replace(two, path=noise("near.wav", 1, gain=0.03, skip=1000))
            case "two-labels":
                other = utterance("d", path=noise("same.wav", 1), speaker="mine/1", sentence="v",
                                  emotion="sadness")  # fmt: skip
                return cut([one, other], [mid], [two], **claims)
        return cut([one], [mid], [two], **claims)

    return planted


@pytest.mark.parametrize("kind", LEAKS)
def test_a_planted_leak_of_each_kind_stops_the_run(kind: str, plant: Callable[[str], Protocol]):
    with pytest.raises(LeakError, match=rf"To go on .* --allow-leak {kind}$") as caught:
        check(plant(kind), read=decoded)
    assert caught.value.kind == kind
    assert "mine/a" in caught.value.ids


@pytest.mark.parametrize("kind", LEAKS)
def test_an_allowed_leak_goes_on_and_is_said(kind: str, plant: Callable[[str], Protocol]):
    (line,) = check(plant(kind), read=decoded, allow=[kind])
    assert line.startswith(f"LEAK ({kind}), allowed by hand: planted")
    others = [other for other in LEAKS if other != kind]
    with pytest.raises(LeakError, match=f"--allow-leak {kind}"):
        check(plant(kind), read=decoded, allow=others)


def test_nothing_planted_is_nothing_found(plant: Callable[[str], Protocol]):
    assert check(plant("nothing"), read=decoded, allow=LEAKS) == ()


def test_without_a_reader_only_equal_copies_are_found(plant: Callable[[str], Protocol]):
    assert check(plant("near-duplicate")) == ()


def test_a_stretch_overlaps_another_however_its_file_is_spelt(tmp_path: Path):
    recording = tmp_path / "long.wav"
    recording.write_bytes(b"")
    link = tmp_path / "link.wav"
    link.symlink_to(recording)
    (tmp_path / "sub").mkdir()
    relative = Path(os.path.relpath(recording))
    for path in (link, tmp_path / "sub" / ".." / "long.wav", relative):
        one = replace(utterance("a"), path=recording, start=0.0, end=2.0)
        two = replace(utterance("b"), path=path, start=1.0, end=3.0)
        with pytest.raises(LeakError, match="stretches of one file that overlap"):
            check(cut([one], [utterance("m")], [two]), audio=False)


def test_several_takes_on_two_sides_are_counted_in_good_english():
    sides = [
        [utterance(f"{side}{n}", speaker="mine/1", sentence=f"s{n}") for n in range(2)]
        for side in ("a", "b")
    ]
    with pytest.raises(
        LeakError, match="2 repetitions of one speaker, sentence and emotion on the train and the"
    ):
        check(cut(sides[0], [], sides[1]))


def test_leaks_of_one_kind_in_many_folds_are_one_line():
    one, two = utterance("a", speaker="mine/1"), utterance("b", speaker="mine/1")
    planted = cut([one], [utterance("m", speaker="mine/2")], [two], speaker=True)
    again = replace(planted.folds[0], name="2", train=(two,), test=(one,))
    planted = replace(planted, folds=(*planted.folds, again))
    (line,) = check(planted, allow=["speaker"])
    assert "fold 1: 1 speaker (mine/1)" in line
    assert line.endswith("; 1 more of this kind; 2 utterances in all")


def test_an_unknown_kind_of_leak_gets_the_known_ones():
    with pytest.raises(ValueError, match=r"'speakers'.*utterance, speaker,.*did you mean speaker"):
        check(cut([utterance("a")], [utterance("b")], [utterance("c")]), allow=["speakers"])


def test_a_leak_may_be_sent_between_processes():
    leak = pickle.loads(pickle.dumps(LeakError("here", ["b", "a"], "take")))
    assert (str(leak), leak.ids, leak.kind) == (
        "here: a, b. To go on all the same, and have every table and figure say so: "
        "--allow-leak take",
        ("a", "b"),
        "take",
    )


def test_a_copy_under_two_emotions_stops_the_run(plant: Callable[[str], Protocol]):
    planted = plant("near-duplicate")
    fold = planted.folds[0]
    sad = (Rating(rater="consensus", emotion={"sadness": 1.0}),)
    (copy,) = fold.test
    planted = replace(planted, folds=(replace(fold, test=(replace(copy, ratings=sad),)),))
    with pytest.raises(LeakError, match="copies of one recording under two emotions") as caught:
        check(planted, read=decoded)
    assert caught.value.kind == "two-labels"


def test_what_a_test_side_shares_is_counted_also_where_nothing_is_claimed():
    (counts,) = shared(
        cut(
            [utterance("a", speaker="mine/1", sentence="x")],
            [utterance("b", speaker="mine/2", sentence="y")],
            [
                utterance("c", speaker="mine/2", sentence="x"),
                utterance("d", speaker="mine/3", sentence="x"),
                utterance("e", speaker="mine/4", sentence="z"),
                utterance("f"),
            ],
        )
    )
    assert (counts.num_speakers, counts.num_shared_speakers) == (3, 1)
    assert (counts.num_sentences, counts.num_shared_sentences) == (2, 1)
    assert (counts.num_test, counts.num_test_in_shared) == (4, 2)


def test_a_verdict_keeps_leaks_and_refusals_as_words(make_corpus: Callable[..., Corpus]):
    pairs = [(f"s{n % 3}", "anger" if n % 2 else "sadness") for n in range(12)]
    corpus = make_corpus(pairs)
    assert judge("loso", corpus).claims == ("speaker",)
    assert len(judge("loso", corpus).folds) == 3
    assert "at most the number of speakers" in judge("kfold-9", corpus).unusable
    twice = replace(corpus, utterances=(*corpus.utterances, replace(
        corpus.utterances[0], speaker="mine/s1")))  # fmt: skip
    verdict = judge("loso", twice)
    assert (verdict.kind, verdict.leak[:4]) == ("utterance", "loso")
    assert judge("loso", twice, allow=["utterance"]).allowed[0].startswith("LEAK (utterance)")


# ----------------------------------------------------------------------------------- listening


def test_listening_finds_truncated_odd_and_copied_files(tmp_path: Path, tone):
    generator = np.random.default_rng(0)
    wave = generator.uniform(-0.3, 0.3, 16000)
    for name, samples in (("good", wave), ("copy", 0.5 * wave[800:]), ("silent", 0 * wave)):
        soundfile.write(tmp_path / f"{name}.wav", samples, 16000)
    soundfile.write(tmp_path / "short.flac", wave[::-1], 16000)
    (tmp_path / "talk.m4a").write_bytes(b"a container")

    class CutShortError(ValueError):
        status = "truncated"

    def read(utterance: Utterance) -> tuple[np.ndarray, int]:
        if utterance.path.suffix == ".m4a":
            raise CutShortError(f"{utterance.path}: promises more")
        samples, rate = decoded(utterance)
        return (samples[:8000] if utterance.path.suffix == ".flac" else samples), rate

    def odd(samples: np.ndarray, sample_rate: int) -> tuple[str, ...]:
        return () if samples.any() else ("silent", "dull")

    names = ("good.wav", "copy.wav", "silent.wav", "short.flac", "talk.m4a")
    corpus = Corpus(
        name="mine",
        utterances=tuple(
            utterance(name.partition(".")[0], path=tmp_path / name, speaker="mine/1")
            for name in names
        ),
    )
    assert audit(corpus).ok
    found = audit(corpus, read=read, inspect=odd)
    assert dict(found.truncated) == {
        tmp_path / "talk.m4a": "promises more",
        tmp_path / "short.flac": "promises 1.00 s and only 0.50 s could be decoded",
    }
    assert found.notes == {"silent": ("mine/silent",), "dull": ("mine/silent",)}
    assert found.near_duplicates == (("mine/copy", "mine/good"),)
    assert (found.num_listened, found.unchecked) == (3, ())
    assert set(found.durations) == {"mine/good", "mine/copy", "mine/silent"}
    assert [fault.partition(":")[0] for fault in found.faults] == [
        "truncated", "truncated", "silent",
    ]  # fmt: skip
    assert "copies of one recording: mine/copy, mine/good" in found.remarks
    assert "dull: mine/silent" in found.remarks


def test_equal_audio_is_not_said_twice(tmp_path: Path, tone):
    wave = np.random.default_rng(0).uniform(-0.3, 0.3, 16000)
    for name in ("one.wav", "two.wav"):
        soundfile.write(tmp_path / name, wave, 16000)
    corpus = Corpus(
        name="mine",
        utterances=tuple(utterance(n, path=tmp_path / f"{n}.wav") for n in ("one", "two")),
    )
    found = audit(corpus, read=decoded)
    assert found.duplicates == (("mine/one", "mine/two"),)
    assert found.near_duplicates == ()


def test_affect_without_emotion_is_no_fault(tmp_path: Path, tone):
    path = tone(tmp_path / "a.wav")
    rated = (Rating(rater="consensus", affect={"valence": 0.25}),)
    found = audit(
        Corpus(name="mine", utterances=(replace(utterance("a", path=path), ratings=rated),))
    )
    assert found.ok
    assert found.affect == {"valence": {"mine/a": 0.25}}
    assert "affect but no emotion: 1 utterances" in found.remarks
