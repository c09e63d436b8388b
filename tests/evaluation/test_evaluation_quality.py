import pytest

from serkit.evaluation import ScoredTrial, compare_predictions, score, score_trials
from serkit.evaluation.quality import (
    QualityFigure,
    loss_table,
    quality_figures,
    quality_picture,
    quality_table,
)

PAIRS = [("hq", "hq"), ("hq", "lq"), ("lq", "hq"), ("lq", "lq")]


@pytest.fixture(scope="module")
def predictions(make_rows):
    """The same utterances under four pairs of conditions, with other answers."""
    return {pair: make_rows(generator_seed=seed) for seed, pair in enumerate(PAIRS)}


def trials(shift):
    return [
        ScoredTrial.of(
            seed=0, fold="one", enrolment=e, probe=f"{s}-{p}-{n}", speaker=f"s{s}",
            is_target=e == p, score=((s * 7 + n * 5 + len(p)) % 11) / 11 + shift * (e == p),
        )
        for s in range(9) for p in ("anger", "joy") for n in range(3) for e in ("anger", "joy")
    ]  # fmt: skip


def figure(train, condition, value, *, name="uar", low=None, high=None) -> QualityFigure:
    return QualityFigure(
        train=train, condition=condition, figure=name, value=value, low=low, high=high
    )


def test_the_matrix_holds_the_figures_of_every_pair_of_conditions(predictions):
    scored = {("hq", "hq"): trials(0.5), ("hq", "lq"): trials(0.2)}
    figures = quality_figures(predictions, scored, draws=50)
    by_name = {(f.figure, f.train, f.condition): f for f in figures}
    assert len(figures) == len(by_name) == 4 * 4 + 2
    for name in ("war", "macro_precision", "uar", "macro_f1"):
        for pair in PAIRS:
            expected = score(predictions[pair], draws=50).figures[name]
            found = by_name[name, *pair]
            assert found.value == expected.mean
            assert (found.low, found.high) == (expected.interval.low, expected.interval.high)
    rate = score_trials(scored["hq", "lq"], draws=50).figures["eer"]
    assert by_name["eer", "hq", "lq"].value == rate.mean

    table = quality_table(figures)
    assert table.head == ("figure", "trained on", "tested on hq", "tested on lq")
    assert [row[:2] for row in table.rows][-3:] == [
        ("macro F1", "hq"), ("macro F1", "lq"), ("EER", "hq")
    ]  # fmt: skip
    cell = by_name["uar", "lq", "hq"]
    assert table.rows[5] == (
        "UAR", "lq", f"{cell.value:.3f} [{cell.low:.3f}, {cell.high:.3f}]",
        table.rows[5][3],
    )  # fmt: skip


def test_losses_by_hand_against_both_matched_systems():
    figures = [
        figure("hq", "hq", 0.8), figure("hq", "lq", 0.6), figure("lq", "hq", 0.78),
        figure("lq", "lq", 0.75), figure("hq", "hq", 0.1, name="eer"),
        figure("hq", "lq", 0.3, name="eer"), figure("both", "lq", 0.78),
    ]  # fmt: skip
    rows = {row[:3]: row[3:] for row in loss_table(figures).rows}
    assert rows["UAR", "hq", "lq"] == ("0.600", "0.200", "25.0 %", "0.150", "20.0 %")
    # better on clean recordings than on those it was trained on, worse than trained on clean ones
    assert rows["UAR", "lq", "hq"] == ("0.780", "-0.030", "-4.0 %", "0.020", "2.5 %")
    # a rise of the equal error rate is a loss; nothing was trained on lq
    assert rows["EER", "hq", "lq"] == ("0.300", "0.200", "200.0 %", "-", "-")
    assert rows["UAR", "both", "lq"] == ("0.780", "-", "-", "-0.030", "-4.0 %")
    assert len(rows) == 4


def test_a_loss_has_the_interval_of_the_paired_difference(predictions):
    figures = quality_figures(predictions, draws=50)
    rows = {row[:3]: row[3:] for row in loss_table(figures, predictions, draws=50).rows}
    difference = compare_predictions(
        predictions["lq", "lq"], predictions["lq", "hq"], "macro_f1", draws=50
    )
    assert rows["macro F1", "lq", "hq"][1] == (
        f"{round(difference.difference, 3) + 0.0:.3f} [{difference.low:.3f}, {difference.high:.3f}]"
    )


def test_noises_have_a_panel_each_and_other_conditions_one_together():
    figures = [
        figure(train, f"noise:{kind}:{snr}", 0.3 + snr / 50, low=0.2, high=0.8)
        for train in ("hq", "lq") for kind in ("white", "pink") for snr in (20, 0, 10)
    ] + [figure("hq", c, 0.7) for c in ("hq", "telephone", "reverb:0.3")]  # fmt: skip
    picture = quality_picture(figures)
    white, pink, others = picture.canvas.axes
    assert white.get_xlabel() == "signal to white noise (dB)"
    assert pink.get_xlabel() == "signal to pink noise (dB)"
    assert [label.get_text() for label in white.get_xticklabels()] == ["0", "10", "20", "clean"]
    assert [label.get_text() for label in others.get_xticklabels()] == [
        "hq", "telephone", "reverb:0.3"
    ]  # fmt: skip
    lines = {line.get_label(): line.get_ydata() for line in white.lines if "on" in line.get_label()}
    assert list(lines["trained on hq"]) == pytest.approx([0.3, 0.5, 0.7, 0.7])
    assert list(lines["trained on lq"]) == pytest.approx([0.3, 0.5, 0.7])
    assert "95 % intervals" in picture.caption
    assert picture.name == "quality-uar"


def test_only_clean_recordings_beside_noise_need_no_panel_of_their_own():
    figures = [figure("hq", c, 0.5, name="eer") for c in ("noise:white:0", "hq")]
    picture = quality_picture(figures)
    assert len(picture.canvas.axes) == 1
    assert picture.caption.endswith("Lower is better.")
    assert len(quality_picture([figure("hq", "hq", 0.5)]).canvas.axes) == 1


def test_a_picture_shows_one_figure():
    both = [figure("hq", "hq", 0.5), figure("hq", "hq", 0.5, name="eer")]
    with pytest.raises(ValueError, match="one figure, not eer, uar"):
        quality_picture(both)
    with pytest.raises(ValueError, match="not none"):
        quality_picture([])


def test_a_folder_of_noise_keeps_its_name():
    figures = [figure("hq", "noise:/my/cafe:5", 0.5)]
    (axes,) = quality_picture(figures).canvas.axes
    assert axes.get_xlabel() == "signal to /my/cafe noise (dB)"
