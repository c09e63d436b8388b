"""The mean of several systems' answers, by hand, and what cannot be averaged."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit.evaluation import Prediction, PredictionsError
from serkit.evaluation.late_fusion import late_average

EMOTIONS = ("anger", "fear", "sadness")


def answers(seed: int, *, emotions: tuple[str, ...] = EMOTIONS) -> list[Prediction]:
    generator = np.random.default_rng(seed)
    return [
        Prediction.of(
            seed=of_seed,
            fold=f"f{file % 2}",
            file=f"u{file}",
            speaker=f"s{file % 3}",
            emotion=emotions[file % 3],
            emotions=emotions,
            probabilities=generator.dirichlet(np.ones(3)),
        )
        for of_seed in (0, 1)
        for file in range(6)
    ]


def test_the_surer_part_prevails():
    sure, unsure = (
        [replace(answers(0)[0], predicted=most, probabilities=dict(zip(EMOTIONS, p, strict=True)))]
        for most, p in (("fear", (0.1, 0.8, 0.1)), ("sadness", (0.3, 0.3, 0.4)))
    )
    [row] = late_average([sure, unsure])
    assert row.predicted == "fear"
    assert list(row.probabilities.values()) == pytest.approx([0.2, 0.55, 0.25])


@settings(max_examples=15)
@given(st.lists(st.integers(0, 99), min_size=2, max_size=4, unique=True))
def test_the_order_of_parts_and_of_rows_does_not_matter(seeds):
    parts = [answers(seed) for seed in seeds]
    found = late_average(parts)
    assert [(r.seed, r.file) for r in found] == [(r.seed, r.file) for r in parts[0]]
    for row in found:
        each = [r for part in parts for r in part if (r.seed, r.file) == (row.seed, row.file)]
        means = np.mean([list(r.probabilities.values()) for r in each], axis=0)
        assert list(row.probabilities.values()) == pytest.approx(means, abs=1e-5)
    again = late_average([parts[0], *(part[::-1] for part in parts[:0:-1])])
    for row, other in zip(found, again, strict=True):
        assert (row.seed, row.file) == (other.seed, other.file)
        assert dict(row.probabilities) == pytest.approx(dict(other.probabilities), abs=2e-6)


def test_twice_the_same_is_the_same():
    assert late_average([answers(3), answers(3)]) == answers(3)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ([], "predictions of two systems or more"),
        (answers(1)[:6], r"seed '1' is in part 1 alone \(1 differ\)"),
        (answers(1)[1:6] + answers(1)[7:], r"utterance 'u0' is in part 1 alone"),
        (answers(1)[1:], r"seed and utterance '0 u0' is in part 1 alone"),
        ([replace(r, fold="one") for r in answers(1)], r"fold 'u0 f0' is in part 1 alone"),
        ([replace(r, speaker="x") for r in answers(1)], r"speaker 'u0 s0' is in part 1 alone"),
        ([replace(r, emotion="fear") for r in answers(1)], r"emotion 'u0 anger' is in part 1"),
        (answers(1, emotions=EMOTIONS[::-1]), "part 2 sadness, fear, anger: only answers to the"),
    ],
)
def test_what_was_not_tested_alike_is_not_averaged(other, message):
    with pytest.raises(PredictionsError, match=message):
        late_average([answers(0), other])
    with pytest.raises(PredictionsError, match="two systems or more"):
        late_average([answers(0)])
