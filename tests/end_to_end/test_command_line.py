"""From recordings to a report, as somebody would type it, each command in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from serkit.corpus import synthetic


@pytest.mark.slow
def test_train_evaluate_predict_report(tmp_path: Path) -> None:
    synthetic.write(tmp_path / "tones", num_speakers=3, takes=3, seconds=0.5)

    def serkit(*words: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "serkit", *words],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    corpus = ("--corpus", "synthetic=tones")
    assert "keeps what it claims" in serkit("audit", *corpus)
    settings = [
        word
        for setting in (
            "size=small",
            "augment=none",
            "epochs=8",
            "batch=4",
            "lr=3e-3",
            "device=cpu",
        )
        for word in ("--set", setting)
    ]
    trained = serkit("train", "crnn", *corpus, *settings, "--out", "run")
    assert "18 utterances, 3 speakers" in trained
    assert "UAR" in serkit("evaluate", "run")

    (tmp_path / "broken.mp3").write_bytes(b"not audio")
    ratings = json.loads(
        serkit("predict", "tones/anger", "broken.mp3", "--model", "run", "--format", "json", code=1)
    )
    assert [rating["status"] for rating in ratings] == ["ok"] * 9 + ["unreadable"]

    (tmp_path / "run" / "report.html").unlink()
    assert "report.html" in serkit("report", "run")
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert page.lstrip().startswith("<!doctype html")
    assert "<script src" not in page


@pytest.mark.slow
def test_the_demo_judges_and_predicts(finished_demo: tuple[Path, str]) -> None:
    folder, printed = finished_demo
    for word in ("119 utterances, 10 speakers", "UAR", "report.html", "never heard", ".flac"):
        assert word in printed, word
    assert "not the state of the art" in printed
    assert (folder / "report.html").is_file()
