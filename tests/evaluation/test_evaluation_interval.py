import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serkit.evaluation import Confusion, compare, speaker_bootstrap, speaker_draws, uar
from serkit.evaluation.interval import bootstrap

EMOTIONS = ("anger", "neutral", "sadness")


def made_up(num_speakers: int, *, seed: int) -> dict[str, Confusion]:
    """Speakers with few utterances each, some without one emotion or another."""
    generator = np.random.default_rng(seed)
    speakers: dict[str, Confusion] = {}
    for number in range(num_speakers):
        counts = generator.integers(0, 4, (3, 3))
        counts[generator.integers(0, 3)] = 0
        counts[0, 0] += 1
        speakers[f"s{number:02d}"] = Confusion(emotions=EMOTIONS, counts=counts)
    return speakers


def answered_anew(speakers: dict[str, Confusion], *, seed: int) -> dict[str, Confusion]:
    """The same utterances with other answers."""
    generator = np.random.default_rng(seed)
    return {
        name: Confusion(
            emotions=EMOTIONS,
            counts=np.stack([generator.multinomial(n, [1 / 3] * 3) for n in c.counts.sum(axis=1)]),
        )
        for name, c in speakers.items()
    }


def slowly(speakers_of_seeds: list[dict[str, Confusion]], draws: int, seed: int) -> list[float]:
    """The figure of each draw, one speaker at a time."""
    names = sorted(speakers_of_seeds[0])
    figures = []
    for times in speaker_draws(len(names), draws=draws, seed=seed):
        of_seeds = []
        for speakers in speakers_of_seeds:
            drawn = Confusion.empty(EMOTIONS)
            for name, count in zip(names, times, strict=True):
                for _ in range(count):
                    drawn = drawn + speakers[name]
            of_seeds.append(uar(drawn, absent="skip"))
        figures.append(sum(of_seeds) / len(of_seeds))
    return figures


def test_agreement_with_a_slow_loop():
    first = made_up(9, seed=1)
    seeds = [first, answered_anew(first, seed=2), answered_anew(first, seed=3)]
    interval = speaker_bootstrap(seeds, draws=200, seed=5)
    low, high = np.quantile(slowly(seeds, 200, 5), [0.025, 0.975])
    assert interval.low == pytest.approx(low, abs=1e-12)
    assert interval.high == pytest.approx(high, abs=1e-12)


def test_the_interval_is_about_the_normal_one_when_speakers_are_many_and_alike():
    """Accuracy as the mean of 100 speakers: +-1.96 standard errors of the mean."""
    generator = np.random.default_rng(0)
    right = generator.integers(2, 10, 100)
    speakers = {
        f"s{number:03d}": Confusion(emotions=("a", "b"), counts=np.array([[n, 10 - n], [0, 0]]))
        for number, n in enumerate(right)
    }
    interval = speaker_bootstrap(speakers, "war")
    error = 1.96 * np.std(right / 10) / 10
    assert interval.value == pytest.approx(right.mean() / 10)
    assert interval.low == pytest.approx(right.mean() / 10 - error, abs=0.004)
    assert interval.high == pytest.approx(right.mean() / 10 + error, abs=0.004)


def test_one_speaker_repeated_gives_width_0():
    (confusion,) = made_up(1, seed=1).values()
    interval = speaker_bootstrap({f"s{number}": confusion for number in range(12)})
    assert interval.low == interval.high == pytest.approx(uar(confusion, absent="skip"))


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    speakers = made_up(10, seed=1)
    assert speaker_bootstrap(speakers) == speaker_bootstrap(speakers)
    assert speaker_bootstrap(speakers, seed=1).low != speaker_bootstrap(speakers, seed=2).low


@given(st.permutations(range(9)))
def test_order_of_speakers_does_not_matter(order):
    speakers = made_up(9, seed=4)
    names = list(speakers)
    shuffled = {names[index]: speakers[names[index]] for index in order}
    assert speaker_bootstrap(shuffled, draws=50) == speaker_bootstrap(speakers, draws=50)


def test_the_figure_inside_a_draw_is_the_mean_over_seeds():
    speakers = made_up(9, seed=1)
    other = answered_anew(speakers, seed=2)
    alone, together = speaker_bootstrap(speakers), speaker_bootstrap([speakers, speakers])
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high))
    assert together.num_seeds == 2
    mean = (alone.value + speaker_bootstrap(other).value) / 2
    assert speaker_bootstrap([speakers, other]).value == pytest.approx(mean)


def test_a_draw_without_an_emotion_averages_over_those_it_has():
    """Only one of eight speakers is ever sad, so about a third of the draws hold no sadness."""
    right = Confusion(emotions=EMOTIONS, counts=np.diag([1, 1, 0]))
    sad = Confusion(emotions=EMOTIONS, counts=np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0]]))
    interval = speaker_bootstrap({"s0": sad} | {f"s{number}": right for number in range(1, 8)})
    assert interval.value == pytest.approx(2 / 3)
    assert (interval.low, interval.high) == pytest.approx((2 / 3, 1.0))


def test_fewer_than_8_speakers_have_no_interval():
    interval = speaker_bootstrap(made_up(7, seed=1))
    assert (interval.low, interval.high) == (None, None)
    assert interval.text == "7 speakers, no interval"
    assert speaker_bootstrap(made_up(1, seed=1)).text == "1 speaker, no interval"
    assert speaker_bootstrap(made_up(8, seed=1)).low is not None


def test_unknown_speakers_have_no_interval():
    speakers = made_up(9, seed=1)
    speakers[""] = speakers["s00"]
    assert speaker_bootstrap(speakers).text == "unknown speakers, no interval"


def test_every_draw_has_as_many_speakers_as_there_are():
    weights = speaker_draws(11, draws=100)
    assert weights.shape == (100, 11)
    assert (weights.sum(axis=1) == 11).all()
    assert speaker_draws(11, draws=20_000).mean() == pytest.approx(1.0)


def test_a_higher_level_gives_a_wider_interval():
    speakers = made_up(12, seed=1)
    narrow, wide = (speaker_bootstrap(speakers, level=level) for level in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_compare_is_symmetric():
    first = made_up(9, seed=1)
    second = answered_anew(first, seed=2)
    there, back = compare(first, second), compare(second, first)
    assert there.difference == -back.difference
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_a_system_does_not_differ_from_itself():
    speakers = made_up(9, seed=1)
    comparison = compare([speakers, speakers], speakers)
    assert (comparison.difference, comparison.low, comparison.high) == (0.0, 0.0, 0.0)
    assert comparison.verdict == "no difference shown"


def test_paired_draws_see_a_difference_that_two_intervals_would_hide():
    """Speakers differ much, but on each of them the first system is right a little more often."""
    first, second = {}, {}
    for number in range(12):
        right = 20 + 5 * number
        for speakers, more in ((first, 3), (second, 0)):
            speakers[f"s{number}"] = Confusion(
                emotions=("a", "b"),
                counts=np.array([[right + more, 100 - right - more]] * 2)[:, :] * [[1, 1], [0, 0]],
            )
    a, b = (speaker_bootstrap([speakers] * 2, "war") for speakers in (first, second))
    assert a.low < b.high
    comparison = compare([first] * 2, [second] * 2, "war")
    assert comparison.low == pytest.approx(0.03)
    assert comparison.verdict == "better"
    assert compare([second] * 2, [first] * 2, "war").verdict == "worse"


def test_one_seed_makes_no_claim():
    perfect = {f"s{n}": Confusion(emotions=EMOTIONS, counts=np.eye(3, dtype=int)) for n in range(9)}
    wrong = {
        name: Confusion(emotions=EMOTIONS, counts=np.roll(np.eye(3, dtype=int), 1, axis=1))
        for name in perfect
    }
    assert compare(perfect, [wrong, wrong]).verdict == "one seed, no claim"
    assert compare([perfect, perfect], [wrong, wrong]).verdict == "better"


def test_few_speakers_are_not_compared():
    speakers = made_up(4, seed=1)
    assert compare(speakers, speakers).verdict == "4 speakers, no interval"


def test_systems_tested_on_other_speakers_are_not_compared():
    with pytest.raises(ValueError, match="only one of them was tested on 's08'"):
        compare(made_up(9, seed=1), made_up(8, seed=1))


def test_systems_tested_on_other_utterances_are_not_compared():
    with pytest.raises(ValueError, match="same corpus, protocol and folds"):
        compare(made_up(9, seed=1), made_up(9, seed=2))


def test_systems_of_other_schemes_are_not_compared():
    speakers = made_up(9, seed=1)
    turned = {
        name: Confusion(emotions=EMOTIONS[::-1], counts=confusion.counts[::-1, ::-1])
        for name, confusion in speakers.items()
    }
    with pytest.raises(ValueError, match="same scheme in the same order"):
        compare(speakers, turned)


def test_seeds_of_different_speakers_are_refused():
    with pytest.raises(ValueError, match=r"seed number 1 .* differ in 's08'"):
        speaker_bootstrap([made_up(9, seed=1), made_up(8, seed=1)])


def test_speakers_of_different_schemes_are_refused():
    speakers = made_up(9, seed=1) | {"t": Confusion.empty(("anger", "sadness"))}
    with pytest.raises(ValueError, match="speaker 't' was scored over"):
        speaker_bootstrap(speakers)


def test_bad_arguments_are_named():
    speakers = made_up(9, seed=1)
    with pytest.raises(ValueError, match=r"no metric 'uars'.*did you mean 'uar'"):
        speaker_bootstrap(speakers, "uars")
    with pytest.raises(ValueError, match="at least one draw, not 0"):
        speaker_bootstrap(speakers, draws=0)
    with pytest.raises(ValueError, match=r"level 95.0 is not between 0 and 1"):
        speaker_bootstrap(speakers, level=95.0)
    with pytest.raises(ValueError, match="nothing to score"):
        speaker_bootstrap([])


def corpora(num: int, *, effect: bool, seed: int = 0) -> list[np.ndarray]:
    """Right answers of 24 speakers to ten angry and ten sad utterances; expected recall is 0.7.

    With an effect, each speaker's own recall is drawn from Beta(1.4, 0.6): mean 0.7, sd 0.26.
    """
    generator = np.random.default_rng(seed)
    made = []
    for _ in range(num):
        chance = generator.beta(1.4, 0.6, (24, 1)) if effect else np.full((24, 1), 0.7)
        made.append(generator.binomial(10, np.broadcast_to(chance, (24, 2))))
    return made


def coverage(made: list[np.ndarray], *, by_utterance: bool = False, draws: int = 400) -> float:
    """Share of the corpora whose interval holds the expected recall."""
    hit = 0
    for right in made:
        if by_utterance:  # every utterance is taken for a speaker of its own
            sums = np.zeros((1, 24 * 20, 4))
            sums[0, :, 0::2] = np.repeat(np.eye(2), 240, axis=0)  # utterances of either emotion
            answers = (np.arange(10) < right.T[..., None]).reshape(2, 240)
            sums[0, :240, 1], sums[0, 240:, 3] = answers
        else:
            sums = np.stack([np.full(24, 10), right[:, 0], np.full(24, 10), right[:, 1]], axis=1)[
                None
            ]
        interval = bootstrap(
            [f"{number:03d}" for number in range(sums.shape[1])],
            sums,
            lambda s: (s[..., 1] / s[..., 0] + s[..., 3] / s[..., 2]) / 2,
            metric="uar",
            draws=draws,
        )
        hit += interval.low <= 0.7 <= interval.high
    return hit / len(made)


def test_the_interval_holds_the_expected_figure_about_as_often_as_it_says():
    """Nominal 95 %; 0.90 to 0.98 is asked of 300 corpora, whose own error is 0.013.

    A percentile interval over two dozen speakers is known to be a little too narrow.
    """
    assert 0.90 <= coverage(corpora(300, effect=True)) <= 0.98
    assert 0.90 <= coverage(corpora(200, effect=False)) <= 0.98


def test_a_bootstrap_over_utterances_would_claim_far_too_much():
    made = corpora(40, effect=True)
    assert coverage(made, by_utterance=True, draws=150) < 0.75
    assert coverage(made) > 0.88
    # without an effect of the speaker, utterances may be drawn: the simulation itself is sound
    assert coverage(corpora(30, effect=False), by_utterance=True, draws=150) > 0.85


def test_a_figure_of_sums_is_the_speaker_bootstrap_of_its_confusions():
    speakers = made_up(9, seed=1)
    names = sorted(speakers, reverse=True)
    sums = np.stack([speakers[name].counts.reshape(-1) for name in names])[None]

    def accuracy(added: np.ndarray) -> np.ndarray:
        return added[..., [0, 4, 8]].sum(axis=-1) / added.sum(axis=-1)

    assert bootstrap(names, sums, accuracy, metric="war", draws=200) == speaker_bootstrap(
        speakers, "war", draws=200
    )
