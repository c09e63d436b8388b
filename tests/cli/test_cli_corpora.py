"""``serkit corpora``, its three uses and every way to use it wrongly."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import serkit.corpus.fetch
from serkit.cli import app
from serkit.corpus import CORPORA, excerpt


def serkit_corpora(*words: str | Path) -> Result:
    return CliRunner().invoke(
        app, ["corpora", *(str(word) for word in words)], env={"COLUMNS": "200"}
    )


def test_every_corpus_is_listed_and_cited() -> None:
    said = serkit_corpora().stdout
    for reader in CORPORA.values():
        assert reader.PASSPORT.title[:20] in said
        assert reader.PASSPORT.citation[:20] in said


@pytest.mark.parametrize("words", [("show", "nemo"), ("nemo",)])
def test_a_passport_is_shown(words: tuple[str, ...]) -> None:
    said = serkit_corpora(*words).stdout
    for word in (
        "CC BY-NC-SA 4.0", "4481 by 9 speakers", "neutral 809", "24000 Hz", "data.tsv", "loso",
        "serkit corpora fetch nemo --into DIR", "pl",
    ):  # fmt: skip
        assert word in said


@pytest.mark.parametrize("name", list(CORPORA))
def test_every_passport_can_be_shown(name: str) -> None:
    done = serkit_corpora("show", name)
    assert done.exit_code == 0, done.output
    assert CORPORA[name].PASSPORT.title[:30] in done.stdout


def test_what_the_owners_do_not_say_is_not_made_up() -> None:
    said = serkit_corpora("show", "meld").stdout
    assert "13708 by ? speakers" in said
    assert "Hz" not in said


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("show",), "say serkit corpora"),
        (("fetch",), "say serkit corpora"),
        (("show", "emodb", "nemo"), "'show emodb nemo' is not understood"),
        (("list", "emodb"), "'list emodb' is not understood"),
        (("emodbb",), "did you mean emodb?"),
        (("show", "emodbb"), "did you mean emodb?"),
        (("fetch", "emodb"), "where to? serkit corpora fetch emodb --into DIR"),
        (("show", "emodb", "--into", "x"), "--into goes with fetch"),
        (("--into", "x"), "--into goes with fetch"),
        (("fetch", "emodbb", "--into", "x"), "did you mean emodb?"),
    ],
)
def test_a_wrong_use_is_answered_with_the_right_one(words: tuple[str, ...], hint: str) -> None:
    done = serkit_corpora(*words)
    assert done.exit_code == 2
    assert hint in done.stderr


def test_a_corpus_that_audb_does_not_hold_says_how_to_get_it(tmp_path: Path) -> None:
    done = serkit_corpora("fetch", "savee", "--into", tmp_path / "savee")
    assert done.exit_code == 2
    assert "audb does not hold savee; to get it: register on its home page" in done.stderr
    assert not (tmp_path / "savee").exists()


def test_without_the_extra_fetching_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "audb", None)
    done = serkit_corpora("fetch", "nemo", "--into", tmp_path / "nemo")
    assert done.exit_code == 1
    assert done.stderr == "Error: fetching a corpus takes pip install 'serkit[audb]'\n"


def test_what_was_fetched_is_read_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetched(name: str, into: Path, **_: object) -> str:
        assert name == "emodb"
        (into / "wav").mkdir(parents=True)
        for recording in ("03a01Fa", "08b02Wb"):
            (into / "wav" / f"{recording}.wav").touch()
        return "9.9.9"

    monkeypatch.setattr(serkit.corpus.fetch, "fetch", fetched)
    done = serkit_corpora("fetch", "emodb", "--into", tmp_path / "emodb")
    assert done.exit_code == 0, done.output
    assert "licence: CC BY 4.0" in done.stdout
    assert "emodb 9.9.9: 2 utterances, 2 speakers" in done.stdout
    assert "emodb: 2 utterances, the passport says 535" in done.stdout


def test_a_layout_of_its_own_is_to_be_read_under_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serkit.corpus.fetch, "fetch", lambda name, into, **_: "1.0.0")
    done = serkit_corpora("fetch", "emodb", "--into", tmp_path / "emodb")
    assert done.exit_code == 0, done.output
    assert f"--corpus my-emodb={tmp_path / 'emodb'}" in done.stdout


def test_only_open_corpora_are_offered() -> None:
    offered = {name for name, reader in CORPORA.items() if reader.PASSPORT.audb is not None}
    assert {"emodb", "nemo", "ravdess"} <= offered
    assert not offered & {"iemocap", "casia", "savee", "esd", "meld", "emotale", "synthetic"}
    assert excerpt.PASSPORT.audb is None
