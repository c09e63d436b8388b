import math

import numpy as np
import pytest
from html_page import Page

from serkit.corpus import AFFECT
from serkit.corpus.sphere import Grid
from serkit.evaluation import AffectPrediction, affect_ensemble, ccc, score_affect
from serkit.evaluation.affect_agreement import MEAN, coupling, people_agreed
from serkit.evaluation.affect_report import (
    concordance_by_speaker,
    write_affect_report,
)
from serkit.evaluation.sphere_figures import octant_table, region_scores
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


@pytest.fixture(scope="module")
def people():
    """What three people said of each utterance of ``of_people``."""
    generator = np.random.default_rng(4)
    truth = generator.uniform(0.1, 0.9, (60, 3))
    return {
        f"tones/{n:02d}": {
            name: dict(zip(AFFECT, (truth[n] + generator.normal(0, 0.05, 3)).clip(0, 1).tolist(),
                           strict=True))
            for name in ("anna", "ben", "cem")
        }
        for n in range(60)
    }  # fmt: skip


@pytest.fixture(scope="module")
def of_people(people):
    """Two seeds, ten speakers, all three dimensions."""
    generator = np.random.default_rng(5)
    rated = {
        file: {d: float(np.mean([of[d] for of in said.values()])) for d in AFFECT}
        for file, said in people.items()
    }
    return [
        AffectPrediction.of(
            seed=seed, fold=str(n % 2), file=file, speaker=f"tones/{n % 10}", reference=reference,
            predicted={d: value + generator.normal(0, 0.2) for d, value in reference.items()},
        )
        for seed in (0, 1) for n, (file, reference) in enumerate(rated.items())
    ]  # fmt: skip


@pytest.fixture(scope="module")
def with_people(tmp_path_factory, of_people, people):
    folder = tmp_path_factory.mktemp("people")
    path = write_affect_report(
        folder / "report.html",
        of_people,
        title="svr on people",
        leaks=["LEAK (take), allowed by hand: one"],
        annotators=people,
        figures_folder=folder / "figures",
        draws=50,
    )
    return Page(path.read_text(encoding="utf-8")), folder / "figures"


def test_three_dimensions_lie_on_the_sphere_and_annotators_beside_the_system(with_people):
    page, folder = with_people
    page.check()
    assert page.sections == [
        "figures", "dimensions", "sphere", "people", "folds", "speakers", "errors", "data",
        "audit", "again",
    ]  # fmt: skip
    assert len(page.scripts) == 1
    assert [c.get("role") for c in page.all("canvas")] == ["application", "img", "img", "img"]
    for name in ("sphere.svg", "sphere.pdf", "regions.svg", "spread.svg", "octants.csv",
                 "people.tex", "coupling.csv", "region-figures.csv"):  # fmt: skip
        assert (folder / name).is_file(), name
    assert b"#b00020" in (folder / "sphere.svg").read_bytes()
    assert all("LEAK (take)" in caption for caption in page.captions)


def test_the_tables_hold_the_figures_of_their_functions(with_people, of_people, people):
    page, _ = with_people
    regions = {line[0]: line[1:] for line in page.tables["table-region-figures"][1:]}
    for name, number in (("8 of 90°", 8), ("18 of 60°", 18), ("32 of 45°", 32)):
        scores = region_scores(of_people, Grid(number), draws=50)
        assert regions[name][2:4] == [
            scores.figures["macro_f1"].text, scores.figures["macro_f1"].interval.text
        ]  # fmt: skip
        assert regions[name][4] == scores.figures["war"].text
        assert regions[name][0] == str(len(scores.absent))
    assert page.tables["table-octants"][1:] == [list(line) for line in octant_table(of_people).rows]
    found = people_agreed(of_people, people, draws=50)
    lines = {line[0]: line[1:] for line in page.tables["table-people"][1:]}
    columns = [*AFFECT, MEAN]
    assert lines["people: mean of these"][1:] == [f"{found.together[c].value:.3f}" for c in columns]
    assert lines["system with the same means of the others"][1:] == [
        f"{found.system[c].value:.3f}" for c in columns
    ]
    assert lines["the training mean for everything"][1:] == ["0.000"] * 4
    figures = score_affect(of_people, draws=50).figures
    assert lines["system with the mean of all, as above"][1:] == [
        f"{figures[f'ccc_{c}'].mean:.3f}" for c in columns
    ]
    differences = {line[0]: line[-1] for line in page.tables["table-people-difference"][1:]}
    assert differences == {c: str(found.difference[c]) for c in columns}
    beside = page.tables["table-coupling"][1:]
    expected = coupling(of_people, draws=50)
    assert beside[0][2] == f"{expected.rated.value:.3f}"
    assert beside[-1][2:] == [f"{expected.within.value:.3f}", expected.within.text]


def test_without_annotators_there_is_no_agreement_and_with_two_dimensions_no_sphere(
    whole, tmp_path, of_people
):
    page, _ = whole
    assert not {"sphere", "people"} & set(page.sections)
    assert not page.scripts
    path = write_affect_report(tmp_path / "r.html", of_people, title="alone", draws=10)
    alone = Page(path.read_text(encoding="utf-8"))
    alone.check()
    assert "sphere" in alone.sections
    assert "people" not in alone.sections
    assert "people agree" not in alone.text
