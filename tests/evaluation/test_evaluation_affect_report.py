import math

import numpy as np
import pytest
from html_page import Page

from serkit.evaluation import AffectPrediction, affect_ensemble, ccc, score_affect
from serkit.evaluation.affect_report import (
    concordance_by_speaker,
    write_affect_report,
)
from serkit.evaluation.worst_errors import flac_of


@pytest.fixture(scope="module")
def rows():
    """Two seeds, nine speakers of six utterances, two dimensions; valence the harder one."""
    generator = np.random.default_rng(0)
    rated = generator.uniform(0, 1, (9, 6, 2))
    return [
        AffectPrediction.of(
            seed=seed, fold=str(speaker % 3), file=f"tones/{speaker}-{take}",
            speaker=f"tones/{speaker}",
            reference=dict(zip(("arousal", "valence"), rated[speaker, take], strict=True)),
            predicted={
                "arousal": rated[speaker, take, 0] + generator.normal(0, 0.1),
                "valence": rated[speaker, take, 1] + generator.normal(0, 0.4),
            },
        )
        for seed in (0, 1) for speaker in range(9) for take in range(6)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("affect")
    files = sorted({row.file for row in rows})
    path = write_affect_report(
        folder / "report.html",
        rows,
        title="svr on tones",
        summary={"System": "svr"},
        split="0123456789abcdef",
        leaks=["LEAK (take), allowed by hand: one"],
        groups={
            "sex": {file: "female" if file[6] in "012345678"[:4] else "male" for file in files}
        },
        embeddings={
            file: [number % 5 / 5, number % 3 / 3, 1.0] for number, file in enumerate(files)
        },
        sounds=dict.fromkeys(files, flac_of(np.zeros(1600), 16_000)),
        audit=["nothing is clipped"],
        fold_facts={"1": {"trained on": 36}},
        command="serkit train svr",
        figures_folder=folder / "figures",
        draws=50,
    )
    return Page(path.read_text(encoding="utf-8")), folder / "figures"


def test_the_page_is_well_formed_loads_nothing_and_has_every_section(whole):
    page, _ = whole
    page.check()
    assert page.sections == [
        "asked", "protocol", "figures", "dimensions", "folds", "speakers", "groups", "embeddings",
        "errors", "data", "audit", "again",
    ]  # fmt: skip
    assert "read_affect_predictions('predictions.csv')" in page.text
    assert len(page.all("audio")) == 12


def test_the_numbers_are_those_of_the_predictions(whole, rows):
    page, _ = whole
    scores = score_affect(rows, draws=50)
    mean = scores.figures["ccc_mean"]
    assert f"mean CCC {mean.text}" in page.text
    headline = {row[0]: row[1:] for row in page.tables["table-headline"][1:]}
    assert headline["mean CCC"] == [mean.text, mean.interval.text, mean.fold_text]
    assert headline["RMSE valence"][0] == scores.figures["rmse_valence"].text
    together = score_affect(affect_ensemble(rows), draws=50).figures["ccc_valence"]
    assert headline["CCC valence, ensemble-2"][0] == together.text
    assert page.tables["table-folds"][2][-1] == "36"
    assert scores.clamped_text in page.text


def test_an_allowed_leak_is_at_every_table_and_figure_and_in_their_files(whole):
    page, folder = whole
    assert len(page.captions) > 8
    assert all("LEAK (take), allowed by hand: one" in caption for caption in page.captions)
    for path in folder.glob("*.svg"):
        assert b"#b00020" in path.read_bytes()
    for path in folder.glob("*.csv"):
        assert "LEAK (take)" in path.read_text(encoding="utf-8").splitlines()[1]


def test_concordance_of_a_speaker_is_the_mean_over_seeds(rows):
    found = concordance_by_speaker(rows)
    own = [[r for r in rows if r.speaker == "tones/4" and r.seed == seed] for seed in (0, 1)]
    values = [
        ccc([r.reference["valence"] for r in part], [r.predicted["valence"] for r in part])
        for part in own
    ]
    assert found["tones/4"]["valence"] == pytest.approx(np.mean(values))
    assert list(found) == [f"tones/{n}" for n in range(9)]


def test_speakers_of_few_utterances_have_no_concordance(tmp_path, rows):
    few = [row for row in rows if row.seed == 0 and row.file[-1] in "01"]
    assert all(math.isnan(v) for of in concordance_by_speaker(few).values() for v in of.values())
    page = Page(
        write_affect_report(tmp_path / "r.html", few, title="few", draws=10).read_text("utf-8")
    )
    page.check()
    assert "9 with fewer than 5 utterances" in page.text
    assert page.tables["table-by-speaker"][1] == ["tones/0", "2", "n/a", "n/a"]
    assert "few (one seed)" in page.text
