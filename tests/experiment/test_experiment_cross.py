"""Train on each corpus, test on each: on corpora of tones."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import pytest

from serkit.corpus import Corpus, Rating, Utterance, read_folder, synthetic
from serkit.evaluation import read_results, score
from serkit.experiment import CrossStudy, ExperimentError, cross_recipe, write_cross
from serkit.experiment.labelled import read_labelled
from serkit.experiment.task import TASKS

pytest.importorskip("opensmile")

pytestmark = pytest.mark.usefixtures("no_reports")

FOUR = ("anger", "happiness", "neutral", "sadness")
REPOSITORY = Path(__file__).parents[2]
QUICK = {"opensmile_svm": {"feature_set": "eGeMAPSv02"}}


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Corpus]:
    """Two corpora whose emotions sound alike, and one where they sound the other way round."""
    made: dict[str, Corpus] = {}
    for number, name in enumerate(("one", "two", "turned")):
        emotions = FOUR[::-1] if name == "turned" else FOUR
        root = synthetic.write(
            tmp_path_factory.mktemp(name),
            num_speakers=3,
            emotions=emotions,
            takes=1,
            seconds=0.4,
            seed=number,
        )
        pattern = r"(?P<speaker>s\d+)_\d+\.wav$"
        made[name] = read_folder(root, name=name, speaker_pattern=pattern)
    return made


@pytest.fixture(scope="module")
def study(corpora: dict[str, Corpus], tmp_path_factory: pytest.TempPathFactory) -> CrossStudy:
    return CrossStudy(
        systems=("opensmile_svm",),
        corpora=corpora,
        protocols=dict.fromkeys(corpora, "loso"),
        out=tmp_path_factory.mktemp("cross"),
        system_settings=QUICK,
        recipe="tones",
    )


@pytest.fixture(scope="module")
def cells(study: CrossStudy) -> dict[tuple[str, str], float]:
    return {(cell.train, cell.test): float(cell.rows[-1]["uar"]) for cell in study.run()}


def test_every_pair_of_corpora_has_a_cell(
    cells: Mapping[tuple[str, str], float], corpora: dict[str, Corpus]
) -> None:
    assert list(cells) == [(train, test) for train in corpora for test in corpora]


def test_what_is_learnt_on_a_corpus_holds_where_emotions_sound_alike_and_not_where_they_are_turned(
    cells: Mapping[tuple[str, str], float],
) -> None:
    for name in ("one", "two", "turned"):
        assert cells[name, name] >= 0.75
    assert cells["one", "two"] >= 0.75
    assert cells["two", "one"] >= 0.75
    assert cells["one", "turned"] <= 0.25
    assert cells["turned", "two"] <= 0.25


def test_a_cell_tests_all_of_the_other_corpus_and_its_speakers_are_new(
    study: CrossStudy, cells: object, corpora: dict[str, Corpus]
) -> None:
    for cell in study.cells():
        files = {row.file for row in cell.predictions}
        assert files == {utterance.id for utterance in corpora[cell.test].utterances}
        uar = score(cell.predictions).figures["uar"].mean
        assert uar == pytest.approx(cell.rows[-1]["uar"], abs=1e-4)
        if cell.train != cell.test:
            assert cell.protocol == f"cross-four-{cell.train}-{cell.test}"


def test_a_training_side_hears_nothing_of_the_corpora_it_is_tested_on(study: CrossStudy) -> None:
    for train, tests, experiment in study.plan():
        for fold in experiment.protocol.folds:
            heard = {u.id.partition("/")[0] for u in (*fold.train, *fold.development)}
            assert heard == {train}
            assert {u.id.partition("/")[0] for u in fold.test} == set(tests)


def test_splits_of_different_cells_are_different(study: CrossStudy, cells: object) -> None:
    splits = [cell.rows[-1]["split"] for cell in study.cells()]
    assert len(set(splits)) == len(splits) == 9


def test_the_matrix_is_written_with_what_it_can_be_recomputed_from(
    study: CrossStudy, cells: Mapping[tuple[str, str], float], tmp_path: Path
) -> None:
    files = write_cross(tmp_path, study.cells())
    rows = read_results(files["results"])
    pooled = {(r["train"], r["test"]): float(r["uar"]) for r in rows if r["seed"] == "pooled"}
    assert pooled == pytest.approx(dict(cells), abs=1e-4)
    again = read_labelled(files["predictions"], TASKS["emotion"], ("system", "train", "test"))
    for (_, train, test), predictions in again.items():
        assert score(predictions).figures["uar"].mean == pytest.approx(cells[train, test], abs=1e-4)
    assert {path.suffix for path in files.values()} >= {".csv", ".gz", ".svg", ".pdf"}


def test_a_corpus_that_lacks_an_emotion_is_refused_by_name(corpora: dict[str, Corpus]) -> None:
    poor = corpora["two"].subset(emotions=FOUR[:3])
    with pytest.raises(ExperimentError, match="poor has no sadness under the label map four"):
        CrossStudy(
            systems=("opensmile_svm",),
            corpora={"one": corpora["one"], "poor": poor},
            protocols={"one": "loso", "poor": "loso"},
        )


def test_one_corpus_makes_no_matrix(corpora: dict[str, Corpus]) -> None:
    with pytest.raises(ExperimentError, match="two corpora or more"):
        CrossStudy(systems=("opensmile_svm",), corpora={"one": corpora["one"]})


def test_a_system_of_affect_has_no_cells(corpora: dict[str, Corpus]) -> None:
    with pytest.raises(ExperimentError, match="opensmile_svr does not answer emotions"):
        CrossStudy(
            systems=("opensmile_svr",), corpora=corpora, protocols=dict.fromkeys(corpora, "loso")
        )


def test_a_recipe_goes_on_after_what_results_hold(
    corpora: dict[str, Corpus], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = {name: corpora[name] for name in ("one", "two")}
    monkeypatch.setattr("serkit.experiment.cross.load", lambda name, path: chosen[name])
    trained: list[str] = []
    run = "serkit.experiment.run._run_fold"

    def make(read: Mapping[str, Corpus]) -> CrossStudy:
        return CrossStudy(
            systems=("opensmile_svm",),
            corpora=read,
            protocols=dict.fromkeys(read, "loso"),
            system_settings=QUICK,
        )

    from serkit.experiment.run import _run_fold

    def counted(experiment, *rest):
        trained.append(experiment.out.name)
        _run_fold(experiment, *rest)

    monkeypatch.setattr(run, counted)
    places = ["--results", str(tmp_path / "results"), "--corpora", str(tmp_path)]
    recipe = tmp_path / "recipes" / "cross.py"
    first = [*places, "--out", str(tmp_path / "runs")]
    cross_recipe(recipe, make, tuple(chosen), arguments=[*first, "--train", "one"])
    assert sorted(set(trained)) == ["one-to-itself", "one-to-others"]
    trained.clear()
    second = [*places, "--out", str(tmp_path / "other")]
    cross_recipe(recipe, make, tuple(chosen), arguments=second)
    assert sorted(set(trained)) == ["two-to-itself", "two-to-others"]
    rows = read_results(tmp_path / "results" / "cross.csv")
    cells = [(row["train"], row["test"]) for row in rows if row["seed"] == "pooled"]
    assert cells == [("one", "one"), ("one", "two"), ("two", "one"), ("two", "two")]
    assert {row["recipe"] for row in rows} == {"cross"}


def people(name: str, speakers: list[str]) -> Corpus:
    from serkit.corpus import CORPORA

    return Corpus(
        name=name,
        passport=CORPORA[name].PASSPORT,
        utterances=tuple(
            Utterance(
                id=f"{name}/{speaker}{emotion}",
                path=Path(f"{speaker}{emotion}.wav"),
                speaker=f"{name}/{speaker}",
                ratings=(Rating(rater="intended", emotion={emotion: 1.0}),),
            )
            for speaker in speakers
            for emotion in FOUR
        ),
    )


def test_the_recipe_of_the_matrix_can_be_built() -> None:
    spec = importlib.util.spec_from_file_location("cross", REPOSITORY / "recipes" / "cross.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pairs = ("03", "08", "10", "09", "11", "13", "12", "14", "15", "16")
    danes = [f"{n:03}" for n in range(1, 20) if n != 2]
    study = module.recipe(
        {
            "emodb": people("emodb", list(pairs)),
            "ravdess": people("ravdess", [f"{n:02}" for n in range(1, 25)]),
            "emotale": people("emotale", danes),
        }
    )
    assert study.shared_emotions == FOUR
    plan = study.plan()
    assert len(plan) == 12
    assert [len(experiment.protocol.folds) for _, _, experiment in plan[:6]] == [5, 1, 6, 1, 6, 1]
