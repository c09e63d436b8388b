"""Emotions enrolled from recordings: every answer is known, because the embeddings are angles."""

import base64
import itertools
import json
import math
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from serkit.audio import AudioError
from serkit.evaluation import UnknownRateError
from serkit.predictor import (
    NONE,
    EnrolmentError,
    Member,
    ModelError,
    Predictor,
    Verdict,
    Voices,
    VoicesError,
    load,
)
from serkit.predictor.voices import cosine, probabilities, sound_of
from serkit.systems.crnn import CRNN, Config
from serkit.trainer import checkpoint

CARD: dict[str, Any] = {
    "scored_on": ["corpus/1", "corpus/2"],
    "same_speaker": False,
    "num_enrolled": {
        "1": {
            "thresholds": {"0.01": 0.95, "0.05": 0.6, "0.1": 0.5},
            "calibration": {"slope": 10.0, "offset": -6.0},
        },
        "3": {
            "thresholds": {"0.01": 0.97, "0.05": 0.7, "0.1": 0.6},
            "calibration": {"slope": 20.0, "offset": -14.0},
        },
    },
}


@dataclass(frozen=True, kw_only=True, slots=True)
class CompassConfig:
    """Only what every system has."""

    emotions: tuple[str, ...] = ("anger", "sadness")


class Compass(nn.Module):
    """Points where the first two samples of a recording point."""

    name: ClassVar[str] = "compass"
    task: ClassVar[str] = "emotion"
    trained_by_gradient: ClassVar[bool] = False
    sample_rate: ClassVar[int] = 16000

    def __init__(self, *, weight: float = 1.0) -> None:
        super().__init__()
        self.config = CompassConfig()
        self.weight = nn.Parameter(torch.tensor(weight))
        self.heard: list[int] = []

    def front_end(self) -> dict[str, Any]:
        return {}

    def cuts(self, num_samples: int, generator: np.random.Generator) -> list[tuple[int, int]]:
        return [(0, num_samples)]

    def prepare(self, waveforms: Any, targets: Any, *, speakers: Any = None) -> None:
        return None

    def objective(self, logits: Tensor, emotion: Tensor, **_: Any) -> dict[str, Tensor]:
        return {}

    def posterior(self, waveforms: Sequence[np.ndarray]) -> Tensor:
        return torch.full((len(waveforms), 2), 0.5)

    def embed(self, waveforms: Sequence[np.ndarray]) -> Tensor:
        self.heard.append(len(waveforms))
        if any(len(waveform) == 8000 for waveform in waveforms):
            raise RuntimeError("no memory left")
        return 3.0 * torch.tensor(np.stack([waveform[:2] for waveform in waveforms]))


class Speechless(Compass):
    """A system without embeddings."""

    name: ClassVar[str] = "speechless"
    embed = None  # pyright: ignore[reportAssignmentType]


def pointing(degrees: float, *, take: int = 0, length: int = 4000) -> np.ndarray:
    """A recording that the compass hears at an angle; takes of one angle sound different."""
    samples = 0.1 * np.sin(0.05 * (take + 1) * np.arange(length))
    samples[:2] = 0.5 * math.cos(math.radians(degrees)), 0.5 * math.sin(math.radians(degrees))
    return samples.astype(np.float32)


def listener(*systems: Any, card: dict[str, Any] = CARD, voices: Voices | None = None) -> Predictor:
    return Predictor(
        systems=systems or (Compass(),),
        rater="compass",
        verification=card,
        voices=Voices() if voices is None else voices,
    )


def cosine_of(degrees: float) -> float:
    return math.cos(math.radians(degrees))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """A file that points at an angle."""

    def one(name: str, degrees: float, **how: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, pointing(degrees, **how), 16000, subtype="FLOAT")
        return path

    return one


@pytest.fixture
def enrolled(write: Callable[..., Path]) -> Predictor:
    """East from 350, 0 and 10 degrees; north from one recording at 90."""
    east = [write(f"east-{degrees}.wav", degrees) for degrees in (350, 0, 10)]
    one = listener()
    _ = one.enrol("east", east)
    _ = one.enrol("north", [write("north.wav", 90)])
    return one


# -- enrolment --------------------------------------------------------------------------------


def test_a_prototype_is_the_mean_direction_of_what_was_enrolled() -> None:
    one = listener()
    voice = one.enrol("east", [pointing(0), pointing(60, length=6000)]).voice
    assert np.degrees(np.arctan2(*voice.prototype[::-1])) == pytest.approx(30, abs=1e-3)
    assert np.linalg.norm(voice.prototype) == pytest.approx(1.0)
    assert [m.cosine for m in voice.members] == pytest.approx([cosine_of(30)] * 2, abs=1e-6)
    assert voice.mean_cosine == pytest.approx(cosine_of(30), abs=1e-6)


def test_every_utterance_counts_alike_however_long_its_embedding() -> None:
    loud, quiet = pointing(0), pointing(60)
    quiet[:2] *= 0.01
    voice = listener().enrol("east", [loud, quiet]).voice
    assert np.degrees(np.arctan2(*voice.prototype[::-1])) == pytest.approx(30, abs=1e-3)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_of_enrolment_does_not_matter(
    order: tuple[int, ...], write: Callable[..., Path]
) -> None:
    files = [write(f"{n}.wav", degrees) for n, degrees in enumerate((3, 50, 77))]
    at_once, one_by_one = listener(), listener()
    _ = at_once.enrol("east", files)
    for place in order:
        _ = one_by_one.enrol("east", [files[place]])
    assert one_by_one.voices["east"] == at_once.voices["east"]
    assert (
        one_by_one.voices["east"].prototype.tobytes() == at_once.voices["east"].prototype.tobytes()
    )
    probe = pointing(20)
    assert one_by_one.verify(probe, "east") == at_once.verify(probe, "east")


def test_the_same_sound_counts_once_under_any_name_of_its_file(
    enrolled: Predictor, write: Callable[..., Path]
) -> None:
    before = enrolled.voices["east"]
    done = enrolled.enrol("east", [write("copy.wav", 10), write("new.wav", 20), pointing(20)])
    assert [outcome.status for outcome in done.outcomes] == ["known", "ok", "known"]
    assert done.failed == ()
    assert len(done.voice.members) == len(before.members) + 1
    assert not any(member.file.endswith("copy.wav") for member in done.voice.members)


def test_a_sound_stands_for_one_emotion(enrolled: Predictor, write: Callable[..., Path]) -> None:
    before = enrolled.voices["north"]
    done = enrolled.enrol("north", [write("again.wav", 0), write("more.wav", 80)])
    assert [outcome.status for outcome in done.outcomes] == ["enrolled elsewhere", "ok"]
    assert "again.wav: the same sound is enrolled for east" in done.outcomes[0].message
    assert "forget east" in done.outcomes[0].message
    assert len(done.voice.members) == len(before.members) + 1


def test_bad_recordings_are_reported_and_the_good_ones_enrolled(
    tmp_path: Path, write: Callable[..., Path]
) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000), 16000)
    files: list[Any] = [
        tmp_path / "gone.wav",
        write("good.wav", 45),
        tmp_path / "silent.wav",
        write("short.wav", 45, length=500),
        np.full(16000, np.nan),
        write("crash.wav", 45, length=8000),
        np.concatenate([np.zeros(2), pointing(0)]).astype(np.float32),
    ]
    one = listener()
    done = one.enrol("north-east", files)
    statuses = ["missing", "ok", "silent", "too short", "not finite", "failed", "failed"]
    assert [outcome.status for outcome in done.outcomes] == statuses
    assert [outcome.status for outcome in done.failed] == [s for s in statuses if s != "ok"]
    assert [member.file for member in done.voice.members] == [str(files[1])]
    assert "embedding is zero" in done.outcomes[-1].message
    assert "no memory left" in done.outcomes[-2].message


def test_nothing_changes_when_no_recording_is_good(enrolled: Predictor, tmp_path: Path) -> None:
    before = dict(enrolled.voices.enrolled)
    with pytest.raises(
        EnrolmentError, match=r"(?s)nothing was enrolled for east.*gone\.wav"
    ) as all:
        _ = enrolled.enrol("east", [tmp_path / "gone.wav", np.zeros(16000, dtype=np.float32)])
    assert [outcome.status for outcome in all.value.outcomes] == ["missing", "silent"]
    with pytest.raises(VoicesError, match="no recordings to enrol for west"):
        _ = enrolled.enrol("west", [])
    assert enrolled.voices.enrolled == before


@pytest.mark.parametrize("name", ["", " east", "east\n", NONE])
def test_some_words_cannot_be_names(name: str) -> None:
    with pytest.raises(VoicesError, match=r"cannot name an emotion|give another name"):
        _ = listener().enrol(name, [pointing(0)])


def test_one_recording_where_several_are_expected_is_a_mistake(enrolled: Predictor) -> None:
    with pytest.raises(ValueError, match=r"enrol takes several recordings; for one: \['a\.wav'\]"):
        _ = enrolled.enrol("east", "a.wav")
    with pytest.raises(ValueError, match=r"verify_all takes several .*\['a\.wav'\]"):
        _ = enrolled.verify_all("a.wav")
    with pytest.raises(ValueError, match=r"emotions takes several names; for one: \['east'\]"):
        _ = enrolled.predict(pointing(0), emotions="east")


def test_recordings_that_cancel_out_have_no_prototype() -> None:
    with pytest.raises(VoicesError, match="cancel each other out"):
        _ = listener().enrol("everywhere", [pointing(0), pointing(180)])


def test_an_emotion_can_be_forgotten(enrolled: Predictor) -> None:
    enrolled.voices.forget("north")
    assert list(enrolled.voices.enrolled) == ["east"]
    with pytest.raises(VoicesError, match="no emotion 'north' is enrolled"):
        enrolled.voices.forget("north")


# -- verdicts ---------------------------------------------------------------------------------


def test_a_verdict_is_the_cosine_held_against_the_models_threshold(enrolled: Predictor) -> None:
    found = enrolled.verify(pointing(30), "east")
    assert found.score == pytest.approx(cosine_of(30), abs=1e-6)
    assert (found.threshold, found.false_acceptance, found.num_enrolled) == (0.7, 0.05, 3)
    assert found.accepted
    ratio = 20 * cosine_of(30) - 14
    assert found.log_likelihood_ratio == pytest.approx(ratio, abs=1e-5)
    assert found.probability == pytest.approx(1 / (1 + math.exp(-ratio)), abs=1e-6)
    assert not enrolled.verify(pointing(60), "east").accepted
    assert not enrolled.verify(pointing(30), "east", false_acceptance=0.01).accepted


def test_thresholds_are_those_of_as_many_enrolled_utterances(enrolled: Predictor) -> None:
    assert enrolled.verify(pointing(80), "north").threshold == 0.6


def test_a_score_at_the_threshold_is_accepted_and_one_below_it_is_not(enrolled: Predictor) -> None:
    score = enrolled.verify(pointing(40), "north").score
    for threshold, accepted in ((score, True), (math.nextafter(score, 2), False)):
        card = {
            "num_enrolled": {"1": {**CARD["num_enrolled"]["1"], "thresholds": {"0.05": threshold}}}
        }
        strict = listener(enrolled.systems[0], card=card, voices=enrolled.voices)
        assert strict.verify(pointing(40), "north").accepted == accepted


def test_the_best_match_is_found_or_none_of_them(enrolled: Predictor) -> None:
    for degrees, name in ((20, "east"), (75, "north"), (200, None), (270, None)):
        found = enrolled.identify(pointing(degrees))
        assert (found.name if found else None) == name
    only = enrolled.identify(pointing(20), emotions=["north"])
    assert only is None


def test_of_two_that_accept_the_one_with_more_evidence_wins() -> None:
    one = listener()
    _ = one.enrol("east", [pointing(0, take=take) for take in range(3)])
    _ = one.enrol("north", [pointing(90)])
    winners: set[str] = set()
    for degrees in range(41, 45):
        east, north = (one.verify(pointing(degrees), name) for name in ("east", "north"))
        assert east.accepted
        assert north.accepted
        more = max((east, north), key=lambda verdict: verdict.log_likelihood_ratio)
        assert one.identify(pointing(degrees)) == more
        winners.add(more.name)
    assert winners == {"east", "north"}


def test_a_rating_among_enrolled_emotions_follows_its_formula(enrolled: Predictor) -> None:
    probe = pointing(35)
    rating = enrolled.predict(probe, emotions=["north", "east"])
    odds = {
        "north": math.exp(10 * cosine_of(55) - 6),
        "east": math.exp(20 * cosine_of(35) - 14),
        NONE: 1.0,
    }
    assert tuple(rating.emotion) == ("north", "east", NONE)
    expected = {name: value / sum(odds.values()) for name, value in odds.items()}
    assert rating.emotion == pytest.approx(expected, abs=1e-5)
    assert rating.rater == "compass"
    assert enrolled.predict(pointing(250), emotions=["north", "east"]).top == NONE


@given(ratios=st.lists(st.floats(-2000, 2000), min_size=1, max_size=8))
def test_probabilities_sum_to_one_whatever_the_evidence(ratios: list[float]) -> None:
    verdicts = [
        Verdict(
            name=str(place),
            score=0.0,
            threshold=0.0,
            accepted=True,
            false_acceptance=0.05,
            log_likelihood_ratio=ratio,
            probability=0.5,
            num_enrolled=1,
        )
        for place, ratio in enumerate(ratios)
    ]
    shares = probabilities(verdicts)
    assert sum(shares.values()) == pytest.approx(1.0)
    for place, ratio in enumerate(ratios):
        assert (
            shares[str(place)] == pytest.approx(shares[NONE] * math.exp(min(ratio, 0))) or ratio > 0
        )
        assert shares[str(place)] >= shares[NONE] or ratio < 0


def test_one_emotion_alone_is_as_probable_as_its_verdict_says(enrolled: Predictor) -> None:
    probe = pointing(44)
    among = enrolled.predict(probe, emotions=["east"]).emotion["east"]
    assert among == pytest.approx(enrolled.verify(probe, "east").probability)


def test_without_emotions_a_rating_is_about_those_it_was_trained_on(enrolled: Predictor) -> None:
    assert tuple(enrolled.predict(pointing(0)).emotion) == ("anger", "sadness")


def test_the_nearest_enrolled_utterances_are_the_explanation(
    enrolled: Predictor, tmp_path: Path
) -> None:
    near = enrolled.nearest(pointing(52), 3)
    assert [Path(one.file).name for one in near] == ["north.wav", "east-10.wav", "east-0.wav"]
    assert [one.name for one in near] == ["north", "east", "east"]
    assert [one.score for one in near] == pytest.approx(
        list(map(cosine_of, (38, 42, 52))), abs=1e-6
    )
    assert enrolled.verify(pointing(52), "east").nearest == near
    assert len(enrolled.nearest(tmp_path / "north.wav", 99)) == 4
    with pytest.raises(ValueError, match="k=0"):
        _ = enrolled.nearest(pointing(0), 0)


def test_two_recordings_are_compared_as_one_enrolled_utterance(
    write: Callable[..., Path],
) -> None:
    first, second = write("a.wav", 10), write("b.wav", 50)
    found = listener().compare(first, second)
    assert found.score == pytest.approx(cosine_of(40), abs=1e-6)
    assert (found.name, found.threshold, found.accepted) == ("b.wav", 0.6, True)
    assert found.log_likelihood_ratio == pytest.approx(10 * cosine_of(40) - 6, abs=1e-5)
    assert found.notes == ()
    back = listener().compare(second, first)
    assert (back.score, back.probability) == pytest.approx((found.score, found.probability))
    assert listener().compare(first, pointing(10)).notes == ("both are the same recording",)


def test_many_are_tried_in_order_and_bad_ones_are_outcomes(
    enrolled: Predictor, write: Callable[..., Path], tmp_path: Path
) -> None:
    files = [write("a.wav", 0, take=1), tmp_path / "gone.wav", write("b.wav", 90, length=5000)]
    outcomes = list(enrolled.verify_all(files, batch=1))
    assert [outcome.status for outcome in outcomes] == ["ok", "missing", "ok"]
    assert [outcome.best and outcome.best.name for outcome in outcomes] == ["east", None, "north"]
    assert [[one.name for one in outcome.verdicts] for outcome in outcomes] == [
        ["east", "north"],
        [],
        ["east", "north"],
    ]
    for outcome in (outcomes[0], outcomes[2]):
        assert outcome.verdicts[0] == enrolled.verify(outcome.file, "east")
        assert outcome.rating == enrolled.predict(outcome.file, emotions=["east", "north"])


@pytest.mark.parametrize("ask", ["verify", "identify", "predict", "nearest", "compare", "embed"])
def test_a_bad_recording_is_refused_as_in_predicting(
    ask: str, enrolled: Predictor, tmp_path: Path
) -> None:
    questions: dict[str, Callable[[Any], object]] = {
        "verify": lambda recording: enrolled.verify(recording, "east"),
        "identify": enrolled.identify,
        "predict": lambda recording: enrolled.predict(recording, emotions=["east"]),
        "nearest": enrolled.nearest,
        "compare": lambda recording: enrolled.compare(pointing(0), recording),
        "embed": enrolled.embed,
    }
    bad = {
        "missing": tmp_path / "gone.wav",
        "silent": np.zeros(16000),
        "too short": pointing(0, length=100),
        "not finite": np.full(16000, np.nan),
    }
    for status, recording in bad.items():
        with pytest.raises(AudioError, match=r"gone\.wav|waveform") as caught:
            _ = questions[ask](recording)
        assert caught.value.status == status


def test_an_embedding_has_length_one() -> None:
    vector = listener().embed(pointing(30))
    assert vector.dtype == np.float32
    assert vector == pytest.approx([cosine_of(30), 0.5], abs=1e-6)


# -- notes ------------------------------------------------------------------------------------


def test_few_utterances_are_a_reason_to_doubt(enrolled: Predictor) -> None:
    assert enrolled.verify(pointing(0, take=1), "east").notes == ()
    assert enrolled.verify(pointing(0), "north").notes == (
        "only 1 utterance is enrolled for north; 3 or more are steadier",
    )


def test_utterances_far_apart_are_a_reason_to_doubt() -> None:
    one = listener()
    _ = one.enrol("wide", [pointing(degrees) for degrees in (0, 60, 120)])
    (note,) = one.verify(pointing(10), "wide").notes
    assert "far apart (least cosine 0.500, threshold 0.700): do all of them show it?" in note


def test_a_recording_that_is_itself_enrolled_proves_nothing(
    enrolled: Predictor, tmp_path: Path
) -> None:
    (note,) = enrolled.verify(tmp_path / "east-10.wav", "east").notes
    assert "this very recording is enrolled for east" in note


def test_thresholds_of_one_speaker_are_a_reason_to_doubt(enrolled: Predictor) -> None:
    card = {**CARD, "same_speaker": True}
    one = listener(enrolled.systems[0], card=card, voices=enrolled.voices)
    (note,) = one.verify(pointing(0, take=1), "east").notes
    assert "within one speaker" in note
    assert one.compare(pointing(0), pointing(1)).notes == (note,)


# -- what cannot be asked ---------------------------------------------------------------------


QUESTIONS: dict[str, Callable[[Predictor], object]] = {
    "enrol": lambda one: one.enrol("east", [pointing(0)]),
    "verify": lambda one: one.verify(pointing(0), "east"),
    "verify_all": lambda one: one.verify_all([pointing(0)]),
    "identify": lambda one: one.identify(pointing(0)),
    "predict": lambda one: one.predict(pointing(0), emotions=["east"]),
    "compare": lambda one: one.compare(pointing(0), pointing(1)),
}


@pytest.mark.parametrize("ask", [*QUESTIONS, "embed"])
def test_several_models_cannot_verify_and_one_of_them_is_named(ask: str) -> None:
    folders = ("run/seed0/fold-03", "run/seed0/fold-08")
    several = Predictor(systems=(Compass(), Compass()), rater="compass", folders=folders)
    question = QUESTIONS.get(ask, lambda one: one.embed(pointing(0)))
    with pytest.raises(ModelError, match=r"2 are averaged here; load .* run/seed0/fold-03$"):
        _ = question(several)


@pytest.mark.parametrize("ask", QUESTIONS)
def test_a_model_without_embeddings_or_card_cannot_verify(ask: str) -> None:
    with pytest.raises(ModelError, match=r"speechless has no embeddings .*train one of: crnn"):
        _ = QUESTIONS[ask](listener(Speechless()))
    for card in ({}, {"num_enrolled": {}}):
        with pytest.raises(ModelError, match=r"no verification card.*Train it again"):
            _ = QUESTIONS[ask](listener(card=card))


def test_a_name_that_is_not_enrolled_is_answered_with_the_nearest(enrolled: Predictor) -> None:
    with pytest.raises(VoicesError, match=r"'nort' is enrolled; did you mean 'north'\? Enrolled"):
        _ = enrolled.verify(pointing(0), "nort")
    with pytest.raises(VoicesError, match=r"no emotion 'zzz' is enrolled\. Enrolled are: east"):
        _ = enrolled.predict(pointing(0), emotions=["east", "zzz"])
    with pytest.raises(VoicesError, match="no emotion 'east' is enrolled, and no other"):
        _ = listener().verify(pointing(0), "east")
    with pytest.raises(VoicesError, match="nothing is enrolled"):
        _ = listener().identify(pointing(0))
    with pytest.raises(VoicesError, match="nothing is enrolled"):
        _ = listener().nearest(pointing(0))
    with pytest.raises(VoicesError, match="no emotions to choose from"):
        _ = enrolled.predict(pointing(0), emotions=[])


def test_a_rate_that_was_not_measured_is_refused_before_anything_is_heard(
    enrolled: Predictor,
) -> None:
    with pytest.raises(UnknownRateError, match=r"0\.3; there are those for 0\.01, 0\.05, 0\.1"):
        _ = enrolled.verify_all([pointing(0)], false_acceptance=0.3)
    with pytest.raises(UnknownRateError, match=r"0\.3"):
        _ = enrolled.verify(pointing(0), "east", false_acceptance=0.3)


# -- on disk ----------------------------------------------------------------------------------


def test_saved_and_loaded_voices_give_equal_verdicts_bit_for_bit(
    enrolled: Predictor, tmp_path: Path
) -> None:
    path = enrolled.voices.save(tmp_path / "new" / "voices.json")
    voices = Voices.load(path)
    again = listener(enrolled.systems[0], voices=voices)
    for degrees in range(0, 360, 17):
        probe = pointing(degrees)
        for name in ("east", "north"):
            assert again.verify(probe, name) == enrolled.verify(probe, name)
        assert again.identify(probe) == enrolled.identify(probe)
    assert voices.save(tmp_path / "again.json").read_bytes() == path.read_bytes()
    assert [p.name for p in path.parent.iterdir()] == ["voices.json"]


def test_a_file_is_whole_or_the_old_one(
    enrolled: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = enrolled.voices.save(tmp_path / "voices.json")
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_text", full)
    enrolled.voices.forget("north")
    with pytest.raises(VoicesError, match="disk full"):
        _ = enrolled.voices.save(path)
    assert path.read_bytes() == before


def test_voices_of_another_model_are_refused(enrolled: Predictor) -> None:
    with pytest.raises(VoicesError, match="enrolled with another model"):
        _ = listener(Compass(weight=2.0), voices=enrolled.voices)
    shared = Voices()
    first, other = listener(voices=shared), listener(Compass(weight=2.0), voices=shared)
    _ = first.enrol("east", [pointing(0)])
    with pytest.raises(VoicesError, match="enrolled with another model"):
        _ = other.enrol("north", [pointing(90)])


def test_when_all_is_forgotten_another_model_may_enrol_and_is_the_one_remembered(
    run: Path, tmp_path: Path
) -> None:
    first, other = (load(run / "seed0" / fold) for fold in ("fold-03", "fold-08"))
    _ = first.enrol("east", [pointing(0, length=9000)])
    first.voices.forget("east")
    other = replace(other, voices=first.voices)
    _ = other.enrol("east", [pointing(0, length=9000)])
    path = other.voices.save(tmp_path / "voices.json")
    assert Path(Voices.load(path).model).name == "fold-08"
    _ = load(run / "seed0" / "fold-08", voices=path)
    with pytest.raises(VoicesError, match="enrolled with another model"):
        _ = load(run / "seed0" / "fold-03", voices=path)


def test_a_model_that_was_moved_is_remembered_where_it_enrolled_last(
    run: Path, tmp_path: Path
) -> None:
    one = load(run / "seed0" / "fold-03")
    _ = one.enrol("east", [pointing(0, length=9000)])
    path = one.voices.save(tmp_path / "voices.json")
    moved = load(shutil.copytree(run / "seed0" / "fold-03", tmp_path / "moved"), voices=path)
    _ = moved.enrol("north", [pointing(90, length=9000)])
    assert Path(moved.voices.model) == (tmp_path / "moved").resolve()


def test_names_of_files_that_are_no_text_can_be_saved(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    one = listener()
    try:
        odd = write("plain.wav", 0).rename(tmp_path / os.fsdecode(b"a\xff.wav"))
    except OSError:
        pytest.skip("this file system takes text alone")
    _ = one.enrol("east", [odd])
    again = Voices.load(one.voices.save(tmp_path / "voices.json"))
    assert [Path(m.file).name for m in again["east"].members] == ["a\ufffd.wav"]


def test_a_place_that_cannot_be_written_or_read_is_named(
    enrolled: Predictor, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VoicesError, match=r"voices\.json cannot be written \(.*\); choose another"):
        _ = enrolled.voices.save(tmp_path / "file" / "voices.json")
    with pytest.raises(VoicesError, match="is a folder; name a file in it, such as"):
        _ = Voices.load(tmp_path)


def member(**changed: Any) -> dict[str, Any]:
    unit = np.array([0.6, 0.8], dtype="<f4")
    whole = {"file": "a.wav", "sound": "a", "embedding": base64.b64encode(unit.tobytes()).decode()}
    return whole | changed


def stored(**changed: Any) -> str:
    whole = {"format": 1, "model": "", "fingerprint": "x", "voices": {"calm": [member()]}}
    return json.dumps(whole | changed)


def encoded(*values: float) -> str:
    return base64.b64encode(np.array(values, dtype="<f4").tobytes()).decode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is damaged: it is not JSON"),
        (stored()[:-9], "is damaged: it is not JSON"),
        ("[1, 2]", "is damaged: it is no file of voices"),
        ('{"anger": 1}', "is damaged: it is no file of voices"),
        (stored(format=2), "format 2 is not known, only 1; a newer serkit may read it"),
        (stored(voices=[]), r"is damaged: voices: .*object"),
        (stored(fingerprint=3), "is damaged: fingerprint"),
        (stored(voices={"calm": []}), "is damaged: calm has no utterances"),
        (stored(voices={NONE: [member()]}), "is damaged: 'none of these' is what"),
        (stored(voices={"calm": [{"file": "a.wav"}]}), r"is damaged: voices\.calm\.0\.sound"),
        (stored(voices={"calm": [member(embedding="?")]}), "a.wav cannot be decoded"),
        (stored(voices={"calm": [member(embedding="AAAA")]}), "a.wav cannot be decoded"),
        (stored(voices={"calm": [member(embedding="")]}), "a.wav is not of length 1"),
        (stored(voices={"calm": [member(embedding=encoded(1, 1))]}), "is not of length 1"),
        (stored(voices={"calm": [member(embedding=encoded(math.nan))]}), "is not of length 1"),
        (
            stored(voices={"calm": [member(), member(sound="b", embedding=encoded(1))]}),
            "embeddings of 1 and 2 values",
        ),
        (
            stored(voices={"calm": [member()], "glad": [member(file="b.wav")]}),
            "b.wav: the same sound is enrolled for calm",
        ),
    ],
)
def test_a_damaged_file_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "voices.json"
    _ = path.write_text(text)
    with pytest.raises(VoicesError, match=message) as caught:
        _ = Voices.load(path)
    assert str(path) in str(caught.value)


def test_the_handmade_file_itself_is_good(tmp_path: Path) -> None:
    (path := tmp_path / "voices.json").write_text(stored())
    assert [voice.name for voice in Voices.load(path)] == ["calm"]


def test_a_file_that_is_not_there_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(VoicesError, match=r"no file .*voices\.json; make it with serkit enrol"):
        _ = Voices.load(tmp_path / "voices.json")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two real networks of equal settings and different weights, each with a card."""
    root = tmp_path_factory.mktemp("models") / "run"
    for seed, fold in enumerate(("fold-03", "fold-08")):
        torch.manual_seed(seed)
        system = CRNN(Config(emotions=("anger", "sadness"), size="small"))
        _ = checkpoint.save(system, root / "seed0" / fold, card={"verification": CARD})
    return root


def test_a_loaded_model_brings_its_card_and_remembers_where_it_lives(
    run: Path, tmp_path: Path
) -> None:
    folder = run / "seed0" / "fold-03"
    one = load(folder)
    assert one.verification == CARD
    done = one.enrol("east", [pointing(0, take=take, length=9000) for take in range(3)])
    assert len(done.voice.members) == 3
    path = one.voices.save(tmp_path / "voices.json")
    again = load(Voices.load(path).model, voices=path)
    assert Path(again.voices.model) == folder.resolve()
    probe = pointing(20, take=5, length=7000)
    assert again.verify(probe, "east") == one.verify(probe, "east")
    with pytest.raises(VoicesError, match=r"another model \(.*fold-03\).*nothing to .*fold-08"):
        _ = load(run / "seed0" / "fold-08", voices=path)
    with pytest.raises(
        ModelError, match=r"2 are averaged here; load one of them, such as .*fold-03"
    ):
        _ = load(run, voices=path)


def test_a_network_hears_a_recording_alone_as_among_others(run: Path) -> None:
    one = load(run / "seed0" / "fold-03")
    sounds = [pointing(0, take=take, length=5000 + 700 * take) for take in range(9)]
    together = one.enrol("east", sounds).voice.members
    alone = {sound_of(sound): one.embed(sound) for sound in sounds}
    for found in together:
        assert np.abs(found.embedding - alone[found.sound]).max() < 1e-5


def test_a_model_that_was_saved_without_a_card_says_so(tmp_path: Path) -> None:
    system = CRNN(Config(emotions=("anger", "sadness"), size="small"))
    one = load(checkpoint.save(system, tmp_path / "model"))
    with pytest.raises(ModelError, match=r"model has no verification card"):
        _ = one.enrol("east", [pointing(0)])


@given(angles=st.lists(st.floats(-60, 60), min_size=1, max_size=6, unique=True))
def test_a_prototype_is_no_less_like_its_members_than_they_are_among_themselves(
    angles: list[float],
) -> None:
    """The mean of unit vectors has, of all directions, the highest mean cosine to them."""
    vectors = [
        np.array([cosine_of(angle), math.sin(math.radians(angle))], dtype=np.float32)
        for angle in angles
    ]
    voice = Voices().add(
        "calm",
        [Member(file=str(n), sound=str(n), embedding=one) for n, one in enumerate(vectors)],
    )
    for one in vectors:
        among = np.mean([cosine(one, other) for other in vectors])
        assert voice.mean_cosine >= among - 1e-6
