"""The page, the data and the pictures of an audit."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from serkit.corpus import Audit, Corpus, Rating, Utterance, audit
from serkit.corpus.audit import Verdict, judge
from serkit.evaluation.agreement import agreement
from serkit.evaluation.audit_page import audit_pictures, fold_table, said, write_audit

EMOTIONS = ("anger", "sadness")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Three speakers, two sentences, two raters of emotion and arousal; speaker 3 is never sad."""
    folder, generator = tmp_path_factory.mktemp("rated"), np.random.default_rng(0)
    utterances: list[Utterance] = []
    for number in range(24):
        path = folder / f"{number:02d}.wav"
        soundfile.write(path, generator.uniform(-0.3, 0.3, 4000 + 100 * number), 8000)
        speaker = number % 3 + 1
        emotion = "anger" if speaker == 3 else EMOTIONS[number // 3 % 2]
        utterances.append(
            Utterance(
                id=f"mine/{number:02d}",
                path=path,
                speaker=f"mine/{speaker}",
                sentence=f"<{number // 12}>",
                ratings=tuple(
                    Rating(rater=rater, emotion={emotion: 1.0}, affect={"arousal": value})
                    for rater, value in (("anna", number / 24), ("ben", (number % 7) / 7))
                ),
            )
        )
    return Corpus(name="mine", utterances=tuple(utterances))


@pytest.fixture(scope="module")
def found(corpus: Corpus) -> Audit:
    return audit(corpus)


def test_the_page_loads_nothing_and_the_pictures_lie_beside_it(
    corpus: Corpus, found: Audit, tmp_path: Path
) -> None:
    written = write_audit(
        tmp_path / "new",
        found,
        verdicts=[judge("loso", corpus), judge("kfold-9", corpus)],
        agreement=agreement(corpus),
        command="serkit audit mine=a<b",
    )
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "affect.svg", "audit.html", "audit.json", "classes.svg", "durations.svg", "rates.svg",
    ]  # fmt: skip
    page = written["page"].read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert page.count('src="data:image/svg+xml;base64,') == 4
    assert "serkit audit mine=a&lt;b" in page
    assert "kfold-9: K is at least 3" in page.replace("cannot be used: ", "")
    assert "Krippendorff" in page
    for name in ("affect", "classes", "durations", "rates"):
        assert written[name].read_text(encoding="utf-8").startswith("<?xml")


def test_the_data_say_what_the_page_says(corpus: Corpus, found: Audit, tmp_path: Path) -> None:
    verdict = judge("loso", corpus)
    written = write_audit(tmp_path, found, verdicts=[verdict], agreement=agreement(corpus))
    data = json.loads(written["data"].read_text(encoding="utf-8"))
    assert data["audit"]["table"]["mine/3"] == {"anger": 8, "sadness": 0}
    assert data["audit"]["affect"]["arousal"]["mine/12"] == 0.5
    assert data["protocols"][0]["folds"][0]["num_shared_sentences"] == 2
    assert data["agreement"]["raters"] == ["anna", "ben"]


def test_what_is_not_defined_is_null_in_the_data(
    corpus: Corpus, found: Audit, tmp_path: Path
) -> None:
    agreed = agreement(corpus)
    odd = replace(agreed, affect={"arousal": replace(agreed.affect["arousal"], alpha=math.nan)})
    data = json.loads(
        write_audit(tmp_path, found, agreement=odd)["data"].read_text(),
        parse_constant=lambda word: pytest.fail(word),
    )
    assert data["agreement"]["affect"]["arousal"]["alpha"] is None


def test_leaks_and_faults_stand_on_top(found: Audit, tmp_path: Path) -> None:
    bad = replace(found, missing=(Path("gone.wav"),))
    verdicts = [
        Verdict(protocol="one", leak="x on two sides", kind="speaker"),
        Verdict(protocol="two", allowed=("LEAK (take), allowed by hand: y",)),
    ]
    page = write_audit(tmp_path, bad, verdicts=verdicts)["page"].read_text(encoding="utf-8")
    top = page[: page.index("</header>")]
    for words in ("1 fault:", "LEAK (speaker), a run stops. x on two sides", "LEAK (take)"):
        assert words in top
    clean = write_audit(tmp_path, found)["page"].read_text(encoding="utf-8")
    assert "Please read first" not in clean


def test_the_same_audit_gives_the_same_bytes(found: Audit, tmp_path: Path) -> None:
    one, two = (write_audit(tmp_path / name, found) for name in ("one", "two"))
    assert {n: p.read_bytes() for n, p in one.items()} == {
        n: p.read_bytes() for n, p in two.items()
    }


def test_pictures_say_in_words_what_they_show(found: Audit) -> None:
    words = {picture.name: picture.alt + picture.caption for picture in audit_pictures(found)}
    assert "Nothing of: 3 sadness." in words["classes"]
    assert "shortest 0.50 s, median 0.64 s, longest 0.79 s" in words["durations"]
    assert "arousal 0.48 (sd 0.29) over 24 utterances" in words["affect"]
    assert "24 files at 8000 Hz" in words["rates"]


def test_a_corpus_of_many_speakers_without_affect_has_no_names_in_its_picture() -> None:
    many = tuple(
        Utterance(
            id=f"mine/{n:03d}",
            path=Path(f"{n}.wav"),
            speaker=f"mine/{n % 60:02d}",
            ratings=(Rating(rater="intended", emotion={EMOTIONS[n // 60]: 1.0}),),
        )
        for n in range(120)
    )
    (picture,) = audit_pictures(audit(Corpus(name="mine", utterances=many)))
    assert picture.name == "classes"
    assert "60 speakers, in the order of their ids" in picture.drawn("svg").decode()
    assert picture.caption.endswith("Every speaker has every emotion.")


def test_an_empty_corpus_has_a_page_and_no_pictures(tmp_path: Path) -> None:
    written = write_audit(tmp_path, audit(Corpus(name="mine")))
    assert set(written) == {"page", "data"}


def test_unknown_sentences_are_not_counted_as_new(corpus: Corpus) -> None:
    silent = replace(corpus, utterances=tuple(replace(u, sentence=None) for u in corpus.utterances))
    assert fold_table(judge("loso", corpus)).rows[0][4:] == ("0 of 1", "2 of 2", "8 of 8")
    assert fold_table(judge("loso", silent)).rows[0][4:] == ("0 of 1", "-", "-")


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Verdict(protocol="p", unusable="too few"), "cannot be used: too few"),
        (Verdict(protocol="p", leak="s", kind="take"), "LEAK (take), stops a run: s"),
        (Verdict(protocol="p", allowed=("a", "b")), "a; b"),
        (Verdict(protocol="p", labelled="l"), "keeps what it claims (l)"),
    ],
)
def test_a_verdict_is_a_sentence(verdict: Verdict, words: str) -> None:
    assert said(verdict) == words
