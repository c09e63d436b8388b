"""Affect that is learnt by gradient, from corpus to rows, on tones."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serkit.corpus import Corpus, Rating, protocol
from serkit.experiment import Experiment, ExperimentError
from serkit.experiment.run import doubts
from serkit.predictor import ModelError
from serkit.predictor import load as load_predictor
from serkit.systems.emosphere import EmoSphere
from serkit.trainer import Settings

pytestmark = pytest.mark.usefixtures("no_reports")

VALUES = {"anger": (0.9, 0.3, 0.8), "sadness": (0.2, 0.4, 0.1)}
Make = Callable[..., Experiment]


@pytest.fixture(scope="module")
def rated(tones: Corpus) -> Corpus:
    """Arousal, valence and dominance that go with the emotion; one recording is in dispute."""

    def of(number: int, emotion: str) -> tuple[Rating, ...]:
        affect = dict(zip(("arousal", "valence", "dominance"), VALUES[emotion], strict=True))
        heard = ("anger", "sadness") if number == 0 else (emotion, emotion)
        people = [Rating(rater=f"p{n}", emotion={e: 1.0}) for n, e in enumerate(heard)]
        return (
            Rating(rater="intended", emotion={emotion: 1.0}),
            Rating(rater="consensus", affect=affect),
            *people,
        )

    utterances = tuple(
        replace(utterance, ratings=of(number, utterance.emotion() or ""))
        for number, utterance in enumerate(tones.utterances)
    )
    return replace(tones, utterances=utterances, passport=None, scale=(1.0, 5.0))


@pytest.fixture
def make(rated: Corpus, tmp_path: Path) -> Make:
    def made(**changes: Any) -> Experiment:
        usual: dict[str, Any] = {
            "system": "emosphere",
            "corpus": rated,
            "protocol": protocol("loso", rated, task="affect"),
            "out": tmp_path / "out",
            "settings": Settings(
                epochs=2, patience=None, balance="none", device="cpu", precision="float32"
            ),
            "folds": ("s2",),
        }
        return Experiment(**{**usual, **changes})

    return made


def losses(experiment: Experiment) -> list[dict[str, float]]:
    folder = experiment.out / "seed0" / "fold-s2"
    lines = (folder / "losses.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["losses"] for line in lines]


def test_a_model_rates_on_the_scale_it_was_trained_on(make: Make, rated: Corpus) -> None:
    finished = make().run()
    listener = load_predictor(finished.folder / "seed0" / "fold-s2")
    rating = listener.predict(rated.utterances[0].path)
    assert listener.affect_scale == (1.0, 5.0)
    assert listener.on_scale(rating)["valence"] == pytest.approx(1 + 4 * rating.affect["valence"])
    with pytest.raises(ModelError, match="rates arousal, valence, dominance and cannot verify"):
        listener.verify(rated.utterances[0].path, "calm")


def test_what_is_in_dispute_leaves_training_and_choice_but_not_the_test(
    make: Make, rated: Corpus
) -> None:
    whole, clean = make(), make(clean=True)
    disputed = rated.utterances[0].id
    for before, after in zip(
        whole.protocol.folds, replace(clean, folds=()).chosen_folds, strict=True
    ):
        for side in ("train", "development"):
            kept = [u.id for u in getattr(before, side) if u.id != disputed]
            assert [u.id for u in getattr(after, side)] == kept
        assert after.test == before.test
    assert doubts(clean, EmoSphere.Config()) == []


def test_cleaning_that_leaves_nothing_out_is_said(make: Make, rated: Corpus) -> None:
    agreed = replace(rated, utterances=rated.utterances[1:])
    cut = protocol("loso", agreed, task="affect")
    said = doubts(make(corpus=agreed, protocol=cut, clean=True), EmoSphere.Config())
    assert said == ["clean leaves nothing out: no utterance is known to be in dispute."]


def test_emotions_that_guide_are_those_of_the_corpus(make: Make) -> None:
    experiment = make(system_settings={"auxiliary": "emotion", "lambda_schedule": "constant"})
    assert experiment.claim().emotions == ("anger", "sadness")
    _ = experiment.run()
    assert list(losses(experiment)[0])[-1] == "emotion"


def test_too_few_emotions_to_guide_are_said(make: Make, rated: Corpus) -> None:
    one = replace(rated, utterances=tuple(u for u in rated.utterances if u.emotion() == "anger"))
    with pytest.raises(ExperimentError, match=r"have anger: choose region or none"):
        make(
            corpus=one,
            protocol=protocol("loso", one, task="affect"),
            system_settings={"auxiliary": "emotion"},
        ).claim()


def test_a_refit_has_the_schedule_of_the_run_that_chose_its_epochs(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans: list[int] = []
    begin = EmoSphere.begin_epoch

    def heard(self: EmoSphere, epoch: int, *, epochs: int) -> None:
        spans.append(epochs)
        begin(self, epoch, epochs=epochs)

    monkeypatch.setattr(EmoSphere, "begin_epoch", heard)
    settings = Settings(
        epochs=4, patience=None, balance="none", device="cpu", precision="float32",
        schedule="constant", score_every=2,
    )  # fmt: skip
    _ = make(refit="chosen", settings=settings).run()
    assert set(spans) == {4}


def test_frozen_would_learn_nothing(make: Make, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="with --frozen it would learn nothing"):
        make(frozen=True, pretrained=tmp_path).claim()


def test_a_fold_by_another_encoder_is_not_added_to_the_others(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    _ = make().run()
    definition = EmoSphere.front_end
    monkeypatch.setattr(
        EmoSphere, "front_end", lambda self: {**definition(self), "weights_hash": "other"}
    )
    with pytest.raises(ExperimentError, match=r"weights_hash is None there and 'other' now"):
        _ = make(folds=("s2", "s3")).run()


def test_the_rate_for_an_encoder_from_scratch_is_doubted_for_others(make: Make) -> None:
    config = EmoSphere.Config()
    assert doubts(make(), config) == []
    (said,) = doubts(make(), replace(config, encoder="some/encoder", tune="lora"))
    assert "usually tuned at about 0.0001" in said
