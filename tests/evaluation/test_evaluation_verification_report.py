import math
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from html_page import Page

from serkit.corpus import Rating, Utterance, enrolled_trials, enrolments, pairwise_trials
from serkit.evaluation import (
    Prediction,
    PredictionsError,
    ScoredTrial,
    decide_trials,
    score,
    score_trials,
    verification_card,
    write_report,
)
from serkit.evaluation.verification_card import prototype, unit
from serkit.evaluation.verification_report import (
    FoldEmbeddings,
    VerificationEvidence,
    nearest_examples,
    verification_sections,
)
from serkit.evaluation.verification_rows import eer_by_pair
from serkit.evaluation.worst_errors import flac_of

EMOTIONS = ("anger", "joy", "sadness")


def spoken(num_speakers=9, takes=4) -> list[Utterance]:
    return [
        Utterance(
            id=f"tones/{speaker:02d}-{emotion}-{take}", path=Path("a.wav"),
            speaker=f"tones/{speaker:02d}",
            ratings=(Rating(rater="intended", emotion={emotion: 1.0}),),
        )
        for speaker in range(num_speakers) for emotion in EMOTIONS for take in range(takes)
    ]  # fmt: skip


def made_up(*, seeds=(0,), noise=0.5, num_folds=3):
    """A system of every seed and fold: a direction per emotion, a weaker one per speaker."""
    utterances = spoken()
    fold_of = {u.id: int(u.speaker[-2:]) % num_folds for u in utterances}
    found = {name: [] for name in ("rows", "enrolled", "pairwise", "development", "cards")}
    sides = []
    for seed in seeds:
        for fold in range(num_folds):
            generator = np.random.default_rng([seed, fold])
            vector = {
                u.id: np.eye(12)[EMOTIONS.index(u.emotion())]
                + 0.4 * np.eye(12)[3 + int(u.speaker[-2:]) % 9]
                + noise * generator.normal(size=12)
                for u in utterances
            }
            test = [u for u in utterances if fold_of[u.id] == fold]
            development = [u for u in utterances if fold_of[u.id] == (fold + 1) % num_folds]
            train = [u for u in utterances if fold_of[u.id] == (fold + 2) % num_folds]
            members = enrolments(train)
            prototypes = {
                name: prototype(np.array([vector[m.id] for m in part]))
                for name, part in members.items()
            }

            def scored(trials, first, fold=fold, seed=seed, vector=vector):
                return [
                    ScoredTrial.of(
                        seed=seed, fold=f"{fold}", enrolment=t.enrolment, probe=t.probe,
                        speaker=t.speaker, is_target=t.is_target, weight=t.weight,
                        score=float(first(t.enrolment) @ unit(vector[t.probe][None])[0]),
                    )
                    for t in trials
                ]  # fmt: skip

            found["enrolled"] += scored(enrolled_trials(members, test), prototypes.get)
            found["development"] += scored(enrolled_trials(members, development), prototypes.get)
            found["pairwise"] += scored(
                pairwise_trials(test), lambda id, vector=vector: unit(vector[id][None])[0]
            )
            found["cards"].append(
                verification_card(np.array([vector[u.id] for u in development]), development)
            )
            for u in test:
                odds = np.exp(4 * np.array([prototypes[e] @ vector[u.id] for e in EMOTIONS]))
                found["rows"].append(
                    Prediction.of(
                        seed=seed, fold=f"{fold}", file=u.id, speaker=u.speaker,
                        emotion=u.emotion(), emotions=EMOTIONS, probabilities=odds / odds.sum(),
                    )
                )  # fmt: skip
            if seed == seeds[0]:
                sides.append(
                    FoldEmbeddings(
                        seed=seed, fold=f"{fold}",
                        train_ids=tuple(u.id for u in train),
                        train=np.array([vector[u.id] for u in train]),
                        test_ids=tuple(u.id for u in test),
                        test=np.array([vector[u.id] for u in test]),
                    )
                )  # fmt: skip
    rows = found.pop("rows")
    evidence = VerificationEvidence(
        **found,
        sides=sides,
        acceptance={
            f"{fold}": {"accepted": fold != 1, "eer": 0.1 + fold / 10, "untrained_eer": 0.31}
            for fold in range(num_folds)
        },
        back_ends={"svm_rbf": rows, "lda": [replace(r, predicted="joy") for r in rows]},
        emotions={u.id: u.emotion() for u in utterances},
        speakers={u.id: u.speaker for u in utterances},
    )
    return evidence, rows


@pytest.fixture(scope="module")
def two_seeds():
    return made_up(seeds=(0, 1))


@pytest.fixture(scope="module")
def written(tmp_path_factory, two_seeds):
    """The page, and whose recordings were made."""
    evidence, rows = two_seeds
    other = made_up(seeds=(0, 1), noise=0.9)
    evidence = replace(
        evidence,
        quality={
            (train, test): rows if train == test else other[1]
            for train in ("hq", "lq") for test in ("hq", "lq")
        },
        quality_trials={("hq", "hq"): evidence.enrolled, ("hq", "lq"): other[0].enrolled},
    )  # fmt: skip
    made = []
    path = write_report(
        tmp_path_factory.mktemp("page") / "report.html",
        rows,
        title="verify on tones",
        verification=evidence,
        sounds={
            row.file: lambda file=row.file: made.append(file) or flac_of(np.zeros(800), 16_000)
            for row in rows
        },
        num_errors=2,
        draws=40,
    )
    return Page(path.read_text(encoding="utf-8")), made


def test_a_page_about_verification_is_well_formed(written):
    page, _ = written
    page.check()
    for name in ("verification", "back-ends", "quality", "space", "nearest"):
        assert name in page.sections
    assert [figure["id"].removeprefix("figure-") for figure in page.all("figure")][-6:] == [
        "det", "quality-uar", "quality-eer", "space-by-emotion", "space-by-speaker", "reliability"
    ]  # fmt: skip
    assert page.text.count("Drawn by t-SNE") == 2


def test_error_rates_are_those_of_the_trials(written, two_seeds):
    page, _ = written
    evidence, _ = two_seeds
    table = page.tables["table-verification"]
    for first, trials in ((1, evidence.enrolled), (5, evidence.pairwise)):
        figures = score_trials(trials, draws=40).figures
        assert [row[2:4] for row in table[first : first + 4]] == [
            [figure.text, figure.interval.text] for figure in figures.values()
        ]
    of_seeds = [
        eer_by_pair([r for r in evidence.pairwise if r.seed == seed], evidence.speakers)
        for seed in (0, 1)
    ]
    assert [row[1:3] for row in table[9:]] == [
        [f"EER, pairs of {name}", f"{statistics.mean(rates):.3f}"]
        for name, rates in zip(
            ("one speaker", "two speakers"), zip(*of_seeds, strict=True), strict=True
        )
    ]
    rates = score_trials(evidence.enrolled, draws=1).by_enrolment
    assert page.tables["table-eer-by-emotion"][1:] == [
        [name, f"{rate:.3f}"] for name, rate in rates.items()
    ]
    det = next(p["alt"] for p in page.all("img") if "false acceptances" in p["alt"])
    assert "enrolled, seed 0" in det
    assert "pairwise, seed 1" in det


def test_a_refused_fold_is_said_on_top_and_at_every_table_of_verification(written):
    page, _ = written
    assert "The embeddings were NOT accepted: fold 1; see Verification." in page.text
    assert page.tables["table-acceptance"][1:3] == [
        ["0", "0.100", "0.310", "yes"], ["1", "0.200", "0.310", "NO"]
    ]  # fmt: skip
    said = [caption for caption in page.captions if "NOT accepted: fold 1" in caption]
    assert len(said) == 4  # error rates, by emotion, decisions, classifiers


def test_embeddings_that_were_all_accepted_are_not_called_refused(two_seeds):
    evidence, rows = two_seeds
    accepted = replace(evidence, acceptance={"0": {"accepted": True, "eer": 0.1}})
    (section, *_) = verification_sections(accepted, rows, draws=5)
    assert section.blocks[0].text.endswith("1 of 1 folds.")
    assert section.blocks[1].rows == (("0", "0.100", "-", "yes"),)
    assert accepted.verdict == ""
    none = {str(n): {"accepted": False} for n in range(3)}
    assert replace(evidence, acceptance=none).verdict == "NOT accepted: none of the 3 folds"


def test_decisions_have_thresholds_of_the_development_side(written, two_seeds):
    page, _ = written
    evidence, _ = two_seeds
    table = page.tables["table-decisions"]
    assert [row[0] for row in table[1:]] == [
        "equal error rate", "1 % accepted falsely", "5 % accepted falsely", "10 % accepted falsely"
    ]  # fmt: skip
    figures = decide_trials(
        evidence.enrolled, evidence.development, false_acceptance=0.05, draws=40
    )
    assert table[3][1::2] == [figure.text for figure in figures.values()]


def test_thresholds_are_those_of_the_cards(written, two_seeds):
    page, _ = written
    cards = two_seeds[0].cards
    table = page.tables["table-thresholds"]
    assert [row[0] for row in table[1:]] == list(cards[0]["num_enrolled"]) == ["1", "3", "5"]
    values = [card["num_enrolled"]["3"]["thresholds"]["0.05"] for card in cards]
    assert table[2][3] == f"{min(values):.3f} to {max(values):.3f}"


def test_every_classifier_has_its_figures(written, two_seeds):
    page, _ = written
    table = page.tables["table-back-ends"]
    assert table[0][1::2] == ["accuracy", "macro precision", "UAR", "macro F1"]
    for row, (name, rows) in zip(table[1:], two_seeds[0].back_ends.items(), strict=True):
        figures = score(rows, draws=40).figures
        assert row[0] == name
        assert row[1::2] == [
            figures[metric].text for metric in ("war", "macro_precision", "uar", "macro_f1")
        ]
        assert row[6] == figures["uar"].interval.text


def test_the_nearest_examples_can_be_heard_and_each_recording_is_made_once(written):
    page, made = written
    table = page.tables["table-nearest"][1:]
    assert [row[1].split(":")[0] for row in table[:4]] == [
        "tried", "nearest 1", "nearest 2", "nearest 3"
    ]  # fmt: skip
    assert len(table) == 6 * 4
    sounds = [a["aria-label"] for a in page.all("audio")]
    errors = [row[0] for row in page.tables["table-errors"][1:]]
    assert sounds == [row[0] for row in table] + errors
    assert len(made) == len({row[0] for row in table}) + len(errors)


def test_without_audio_nothing_is_made(tmp_path, two_seeds):
    evidence, rows = two_seeds
    evidence = VerificationEvidence(sides=evidence.sides)
    path = write_report(
        tmp_path / "r.html", rows, title="t", verification=evidence, audio=False, draws=5,
        sounds={row.file: lambda: 1 / 0 for row in rows},
    )  # fmt: skip
    page = Page(path.read_text(encoding="utf-8"))
    assert page.all("audio") == []
    assert "table-nearest" in page.tables
    assert {row[3] for row in page.tables["table-nearest"][2:5]} == {"unknown"}


def test_nearest_examples_are_those_of_the_largest_cosine_and_errors_come_first(two_seeds):
    evidence, rows = two_seeds
    explained = nearest_examples(rows, evidence.sides, number=40, num_nearest=2)
    wrong = [e.prediction.predicted != e.prediction.emotion for e in explained]
    assert wrong == sorted(wrong, reverse=True)
    assert 0 < sum(wrong) < 40
    sure = [e.prediction.probabilities[e.prediction.predicted] for e in explained]
    assert sure[: sum(wrong)] == sorted(sure[: sum(wrong)], reverse=True)
    assert sure[sum(wrong) :] == sorted(sure[sum(wrong) :])
    for one in explained:
        side = evidence.sides[int(one.prediction.fold)]
        own = side.test[side.test_ids.index(one.prediction.file)]
        by_hand = {
            id: float(v @ own / math.sqrt((v @ v) * (own @ own)))
            for id, v in zip(side.train_ids, side.train, strict=True)
        }
        best = sorted(by_hand, key=by_hand.__getitem__, reverse=True)[:2]
        assert [id for id, _ in one.nearest] == best
        assert [cosine for _, cosine in one.nearest] == pytest.approx([by_hand[id] for id in best])
    assert {e.prediction.seed for e in explained} == {0}


def test_embeddings_that_fit_no_predictions_are_refused(two_seeds):
    evidence, rows = two_seeds
    with pytest.raises(PredictionsError, match="fold 0 has embeddings of seed 7"):
        nearest_examples(rows, [replace(evidence.sides[0], seed=7)])
    with pytest.raises(ValueError, match="fold 0: 36 embeddings of 35 training utterances"):
        replace(evidence.sides[0], train_ids=evidence.sides[0].train_ids[1:])


def test_what_there_is_no_evidence_for_has_no_section(two_seeds):
    evidence, rows = two_seeds
    assert verification_sections(VerificationEvidence(), rows) == []
    only = VerificationEvidence(enrolled=evidence.enrolled)
    (section,) = verification_sections(only, rows, draws=5)
    assert [block.name for block in section.blocks] == ["verification", "det", "eer-by-emotion"]
    lacking = [row for row in evidence.development if row.fold != "0"]
    (section,) = verification_sections(replace(only, development=lacking), rows, draws=5)
    assert "decisions" not in [block.name for block in section.blocks]
    (section,) = verification_sections(VerificationEvidence(cards=[{}, *evidence.cards]), rows)
    assert [block.name for block in section.blocks] == ["thresholds"]
    assert verification_sections(VerificationEvidence(cards=[{}]), rows) == []


def test_a_seed_that_is_not_finished_is_left_out_of_every_table(two_seeds):
    evidence, rows = two_seeds
    cut = [row for row in evidence.enrolled if (row.seed, row.fold) != (1, "2")]
    (section,) = verification_sections(
        VerificationEvidence(enrolled=cut, development=evidence.development), rows, draws=5
    )
    alone = score_trials([row for row in evidence.enrolled if row.seed == 0], draws=5)
    assert section.blocks[0].rows[0][2] == alone.figures["eer"].text
