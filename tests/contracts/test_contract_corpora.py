"""What every corpus keeps: run over every entry of CORPORA and every reader of own data."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import serkit.corpus
from serkit.corpus import (
    AFFECT,
    CORPORA,
    EMOTIONS,
    Corpus,
    MissingCorpusError,
    Passport,
    check,
    excerpt,
    load,
    protocol,
    protocol_names,
    synthetic,
)
from serkit.corpus.protocol import FOLDER

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:audformat")

PARTS = {
    "audformat", "audit", "consensus", "corpus", "duplicates", "fetch", "folder", "manifest",
    "protocol", "scheme", "sphere", "table", "trials", "union", "utterance",
}  # fmt: skip
"""Files of the room that are no corpora."""


def tone(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = 0.3 * np.sin(2 * np.pi * (220 + 20 * number) * np.arange(800) / 16000)
    soundfile.write(path, wave, 16000, subtype="PCM_16")


def write_emodb(root: Path) -> Path:
    names = [f"{s}{t}{e}a" for s in ("03", "08", "10") for t, e in (("a01", "W"), ("b02", "T"))]
    for number, name in enumerate(names):
        tone(root / "wav" / f"{name}.wav", number)
    return root


def write_cremad(root: Path) -> Path:
    (root / "processedResults").mkdir(parents=True, exist_ok=True)
    rows = ['"","A","D","F","H","N","S","fileName","numResponses"']
    demographics = ['"ActorID","Age","Sex","Race","Ethnicity"']
    for number, actor in enumerate((1001, 1002, 1003)):
        demographics.append(f'{actor},{20 + number},"Male","Caucasian","Not Hispanic"')
        for place, code in enumerate(("IEO_ANG_HI", "TIE_SAD_XX")):
            tone(root / "AudioWAV" / f"{actor}_{code}.wav", 2 * number + place)
            rows.append(f'"{100001 + 2 * number + place}",3,0,0,0,{place},1,"{actor}_{code}",4')
    (root / "processedResults" / "tabulatedVotes.csv").write_text("\n".join(rows) + "\n")
    (root / "VideoDemographics.csv").write_text("\n".join(demographics) + "\n")
    return root


def write_emotale(root: Path) -> Path:
    columns = [f"a{n}_{what}" for n in (1, 2, 3) for what in ("A", "V", "D", "cat")]
    rows = [",".join(["file", *columns, "gt_emotion"])]
    for number, speaker in enumerate(("001", "003", "004")):
        for place, name in enumerate((f"DK_{speaker}_A_1", f"EN_{speaker}_S_2")):
            tone(root / "wav" / f"{name}.wav", 2 * number + place)
            rows.append(f"{name}.wav,4.0,1.5,4.5,A,4.0,2.5,5.0,A,5.0,1.0,4.5,S,{name[7]}")
    (root / "annotations.csv").write_text("\n".join(rows) + "\n")
    (root / "speaker_info.csv").write_text("speaker,gender,age\n001,F,22\n003,F,23\n004,M,24\n")
    return root


def write_emovo(root: Path) -> Path:
    for number, speaker in enumerate(("f1", "f2", "m1")):
        for place, (code, sentence) in enumerate((("rab", "b1"), ("tri", "n5"))):
            tone(root / speaker / f"{code}-{speaker}-{sentence}.wav", 2 * number + place)
    return root


def write_esd(root: Path) -> Path:
    for number, speaker in enumerate(("0001", "0011", "0012")):
        lines = ""
        for place, folder in ((351, "Angry"), (1051, "Sad")):
            path = root / speaker / folder / f"{speaker}_{place:06d}.wav"
            tone(path, 2 * number + (folder == "Sad"))
            lines += f"{speaker}_{place:06d}\tThe nine the eggs.\t{folder}\n"
        (root / speaker / f"{speaker}.txt").write_text(lines, encoding="utf-8")
    return root


def write_meld(root: Path) -> Path:
    folders = {
        "train": "train_splits",
        "dev": "dev_splits_complete",
        "test": "output_repeats_splits_test",
    }
    for place, (side, folder) in enumerate(folders.items()):
        lines = ["Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID"]
        for number, (speaker, emotion) in enumerate((("Ross", "joy"), ("Monica", "anger"))):
            person = speaker if side == "train" else f"{speaker} of {side}"
            lines.append(f'{number + 1},"Oh, no.",{person},{emotion},positive,0,{number}')
            tone(root / folder / f"dia0_utt{number}.wav", 2 * place + number)
        (root / f"{side}_sent_emo.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def write_nemo(root: Path) -> Path:
    lines = ["file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage"]
    for number, speaker in enumerate(("EB0", "KS0", "WR0")):
        for emotion, sentence in (("anger", 1), ("surprised", 64)):
            name = f"{speaker}_{emotion}_{sentence}.wav"
            tone(root / "samples" / name, 2 * number + (sentence == 64))
            lines.append(f"{name}\t{emotion}\tUcho.\tucho\t        {speaker}\tmale\t23")
    (root / "data.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def write_ravdess(root: Path) -> Path:
    names = [
        f"03-01-{e}-01-{s}-01-{a}"
        for a in ("01", "02", "03")
        for e, s in (("04", "01"), ("05", "02"))
    ]
    for number, name in enumerate(names):
        tone(root / "Audio_Speech_Actors_01-24" / f"Actor_{name[-2:]}" / f"{name}.wav", number)
    return root


def write_casia(root: Path) -> Path:
    names = [f"{s}/{e}/{n}" for s in ("liuchanhg", "wangzhe", "ZhaoZuoxiang")
             for e, n in (("angry", 201), ("sad", 202))]  # fmt: skip
    for number, name in enumerate(names):
        tone(root / f"{name}.wav", number)
    return root


def write_iemocap(root: Path) -> Path:
    for session in (1, 2):
        dialogue = f"Ses0{session}F_impro01"
        blocks = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
        for number, (letter, code) in enumerate(
            [("F", "ang"), ("F", "sad"), ("M", "ang"), ("M", "sad")]
        ):
            name = f"{dialogue}_{letter}{number:03d}"
            blocks += [
                f"[{number}.0000 - {number}.5000]\t{name}\t{code}\t[2.0000, 3.5000, 5.0000]",
                "C-E1:\tAnger; Sadness;\t()",
                "A-E1:\tval 2; act 4; dom  5;\t()",
                "",
            ]
            audio = root / f"Session{session}" / "sentences" / "wav" / dialogue / f"{name}.wav"
            tone(audio, 4 * session + number)
        labels = root / f"Session{session}" / "dialog" / "EmoEvaluation" / f"{dialogue}.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text("\n".join(blocks))
    return root


def write_msp_podcast(root: Path) -> Path:
    root = root / "MSP-PODCAST-Publish-1.12"
    rows = ["FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set"]
    detailed = ["FileName,WorkerID,EmoClass_Major,EmoClass_Second,EmoAct,EmoVal,EmoDom"]
    for number in range(6):
        name = f"MSP-PODCAST_000{number // 2}_000{number}.wav"
        tone(root / "Audios" / name, number)
        rows.append(f"{name},{'AS'[number % 2]},5.5,2.5,4.0,{number // 2},Female,Train")
        detailed.append(f'{name},WORKER00000001,Angry,"Angry,Sad",6,2,4')
    (root / "Labels").mkdir(parents=True, exist_ok=True)
    (root / "Labels" / "labels_consensus.csv").write_text("\n".join(rows) + "\n")
    (root / "Labels" / "labels_detailed.csv").write_text("\n".join(detailed) + "\n")
    return root


def write_savee(root: Path) -> Path:
    for number, speaker in enumerate(("DC", "JE", "JK", "KL")):
        for place, name in enumerate(("a01", "n30", "sa15")):
            tone(root / "AudioData" / speaker / f"{name}.wav", 3 * number + place)
    return root


def write_tess(root: Path) -> Path:
    names = [
        f"{s}_{w}_{e}"
        for s in ("OAF", "YAF")
        for w in ("back", "bar", "base")
        for e in ("angry", "ps")
    ]
    for number, name in enumerate(names):
        folder = f"{name[:3]}_{'angry' if name.endswith('angry') else 'Pleasant_surprise'}"
        tone(root / folder / f"{name}.wav", number)
    return root


def write_synthetic(root: Path) -> Path:
    return synthetic.write(root, num_speakers=3, takes=1, seconds=0.05)


def write_table(root: Path) -> Path:
    rows = ["file,start,end,speaker,sentence,emotion,rater,arousal"]
    for number in range(6):
        tone(root / "audio" / f"{number}.wav", number)
        emotion = ("anger", "sad")[number % 2]
        head = f"audio/{number}.wav,0,0.04,s{number // 2},x,{emotion}"
        rows += [f"{head},ann,{number}", f"{head},bob,5"]
    (root / "mine.csv").write_text("\n".join(rows) + "\n")
    return root / "mine.csv"


def write_audformat(root: Path) -> Path:
    audformat = pytest.importorskip("audformat")
    files = [f"{number}.wav" for number in range(6)]
    for number, file in enumerate(files):
        tone(root / file, number)
    mine = audformat.Database("mine")
    mine["all"] = audformat.Table(audformat.filewise_index(files))
    for column, values in (
        ("emotion", ["anger", "sadness"] * 3),
        ("speaker", ["a", "a", "b", "b", "c", "c"]),
    ):
        mine.schemes[column] = audformat.Scheme(labels=sorted(set(values)))
        mine["all"][column] = audformat.Column(scheme_id=column)
        mine["all"][column].set(values)
    mine.save(str(root))
    return root


KNOWN: dict[str, Callable[[Path], Path]] = {
    "casia": write_casia,
    "cremad": write_cremad,
    "emodb": write_emodb,
    "emotale": write_emotale,
    "emovo": write_emovo,
    "esd": write_esd,
    "excerpt": lambda root: excerpt.ROOT,
    "iemocap": write_iemocap,
    "meld": write_meld,
    "msp-podcast": write_msp_podcast,
    "nemo": write_nemo,
    "ravdess": write_ravdess,
    "savee": write_savee,
    "synthetic": write_synthetic,
    "tess": write_tess,
}
OWN: dict[str, Callable[[Path], Path]] = {
    "table": write_table,
    "folder": write_synthetic,
    "audformat": write_audformat,
}


def read(kind: str, root: Path) -> Corpus:
    if kind in KNOWN:
        return load(kind, KNOWN[kind](root))
    pattern = r"(?P<speaker>s\d+)_\d+\.wav$" if kind == "folder" else None
    return load("mine", OWN[kind](root), scale=(0.0, 10.0), speaker_pattern=pattern)


@pytest.fixture(params=[*KNOWN, *OWN])
def corpus(request: pytest.FixtureRequest, tmp_path: Path) -> Corpus:
    return read(request.param, tmp_path)


@pytest.fixture(params=list(CORPORA))
def passport(request: pytest.FixtureRequest) -> Passport:
    found = CORPORA[request.param].PASSPORT
    assert found.name == request.param
    return found


def test_every_corpus_file_has_its_line_and_every_line_a_fixture_here():
    folder = Path(serkit.corpus.__file__).parent
    files = {path.stem for path in folder.glob("*.py") if path.stem != "__init__"}
    folders = {path.parent.name for path in folder.glob("*/__init__.py")}
    modules = {module.__name__.rpartition(".")[2] for module in CORPORA.values()}
    assert (files | folders) - PARTS == modules
    assert set(KNOWN) == set(CORPORA)
    assert list(CORPORA) == sorted(CORPORA)


def test_ids_are_unique_begin_with_the_corpus_and_are_in_order(corpus: Corpus):
    ids = [utterance.id for utterance in corpus.utterances]
    assert ids
    assert ids == sorted(set(ids))
    assert all(id.startswith(f"{corpus.name}/") for id in ids)
    assert all(speaker.startswith(f"{corpus.name}/") for speaker in corpus.speakers)


def test_every_utterance_ends_after_it_begins_in_a_file_that_is_there(corpus: Corpus):
    for utterance in corpus.utterances:
        assert utterance.path.is_file()
        assert utterance.start >= 0
        assert utterance.end is None or utterance.end > utterance.start


def test_every_rating_is_of_the_scheme_and_has_a_rater(corpus: Corpus):
    for utterance in corpus.utterances:
        assert utterance.ratings
        for rating in utterance.ratings:
            assert rating.rater
            assert set(rating.emotion) <= set(EMOTIONS)
            assert rating.emotion or rating.affect
            assert not rating.emotion or sum(rating.emotion.values()) == pytest.approx(1)
            assert set(rating.affect) <= set(AFFECT)
            assert all(0 <= value <= 1 for value in rating.affect.values())
    assert set(corpus.emotions) <= set(EMOTIONS)


def test_reading_twice_gives_the_same(corpus: Corpus, request: pytest.FixtureRequest):
    kind = request.node.callspec.params["corpus"]
    again = read(kind, request.getfixturevalue("tmp_path"))
    assert again == corpus


def test_every_protocol_that_cuts_it_keeps_its_claims(corpus: Corpus):
    alone = len(corpus.speakers) < 3  # too few to be apart, so sentences are
    generic = ["text-kfold-3"] if alone else ["loso", "kfold-3"]
    cuts = [protocol(name, corpus) for name in generic]
    if corpus.name == "excerpt":
        cuts.extend(protocol(name, corpus) for name in protocol_names(corpus))
    for cut in cuts:
        check(cut)
        assert cut.independent_sentence if alone else cut.independent_speaker
        assert cut.corpus == corpus.name
        for fold in cut.folds:
            assert fold.test
            assert all(u.emotion() in cut.emotions for u in fold.test)


def test_a_passport_says_whose_it_is_and_what_may_be_done(passport: Passport):
    for text in (
        passport.title, passport.citation, passport.licence, passport.url, passport.obtain,
        passport.language, passport.layout,
    ):  # fmt: skip
        assert text.strip()
    assert passport.layout.startswith("ROOT/")


def test_the_counts_of_a_passport_add_up(passport: Passport):
    assert sum(passport.emotions.values()) == passport.num_utterances
    assert list(passport.emotions) == [e for e in EMOTIONS if e in passport.emotions]
    assert passport.num_speakers is None or passport.num_speakers > 0
    assert passport.sample_rate is None or passport.sample_rate > 0


def test_the_protocols_of_a_passport_are_its_files(passport: Passport):
    files = {
        path.stem
        for path in FOLDER.glob("*.json")
        if json.loads(path.read_text(encoding="utf-8"))["corpus"] == passport.name
    }
    assert files == set(passport.protocols)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_a_protocol_file_has_its_fields(path: Path):
    content = json.loads(path.read_text(encoding="utf-8"))
    assert set(content) - {"task"} == {
        "name", "corpus", "edition", "label_map", "keep", "folds", "independent",
        "development_shares", "labelled", "source",
    }  # fmt: skip
    assert content["name"] == path.stem
    assert all(name in CORPORA for name in content["corpus"].split("+"))
    recognised = (
        content["label_map"] is not None,
        "emotions" in (content["keep"] or {}),
        content.get("task") == "affect",
    )
    assert sum(recognised) == 1  # what is recognised is said once
    names = [fold["name"] for fold in content["folds"]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", list(CORPORA))
def test_a_missing_corpus_is_reported_with_its_layout(name: str, tmp_path: Path):
    with pytest.raises(MissingCorpusError, match="ROOT/"):
        load(name, tmp_path / "nowhere")
    if name != "excerpt":
        with pytest.raises(MissingCorpusError, match=rf"say {name}=PATH; expected ROOT/"):
            load(name)
