import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from serkit.corpus import Rating, Utterance, load, synthetic
from serkit.corpus.manifest import (
    corpus_of,
    decoded_sha256,
    entry,
    header,
    read_manifest,
    write_manifest,
)


def test_the_hash_is_of_the_samples_of_the_first_channel(tmp_path: Path):
    samples = np.arange(-400, 400, dtype=np.int16)
    both = np.stack([samples, np.zeros_like(samples)], axis=1)
    expected = hashlib.sha256(samples.astype("<i2").tobytes()).hexdigest()
    for name in ("a.wav", "a.flac"):
        soundfile.write(tmp_path / name, both, 8000)
        found = entry(Utterance(id=f"mine/{name}", path=tmp_path / name))
        assert found.sha256 == expected
        assert (found.sample_rate, found.channels, found.duration) == (8000, 2, 0.1)


def test_only_the_stretch_of_the_utterance_counts(tmp_path: Path):
    samples = np.arange(800, dtype=np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 8000)
    whole = Utterance(id="mine/a", path=tmp_path / "a.wav")
    part = replace(whole, start=0.025, end=0.05)
    assert entry(part).duration == pytest.approx(0.025)
    expected = hashlib.sha256(samples[200:400].astype("<i2").tobytes()).hexdigest()
    assert decoded_sha256(part) == expected


def test_a_manifest_is_read_back_as_it_was_written(tmp_path: Path):
    corpus = load("synthetic", synthetic.write(tmp_path / "corpus", takes=1, seconds=0.05))
    rated = replace(
        corpus.utterances[0],
        ratings=(
            Rating(rater="ann", emotion={"anger": 0.7, "fear": 0.3}, affect={"arousal": 0.5}),
        ),
        age=31.0,
        end=0.02,
    )
    entries = tuple(entry(u) for u in (rated, *corpus.utterances[1:]))
    path = write_manifest(tmp_path / "manifest.jsonl", entries)
    assert read_manifest(path) == entries
    assert corpus_of(entries, name="synthetic").speakers == corpus.speakers
    first = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    assert first["path"].startswith("corpus/anger/")
    assert {"id", "speaker", "ratings", "duration", "sample_rate", "channels", "sha256"} <= set(
        first
    )


def test_a_line_that_is_no_entry_is_named(tmp_path: Path):
    path = tmp_path / "manifest.jsonl"
    path.write_text('{"id": "mine/a"}\n')
    with pytest.raises(ValueError, match=r"manifest\.jsonl, line 1: not a manifest entry"):
        read_manifest(path)
    path.write_text("hello\n")
    with pytest.raises(ValueError, match="line 1: not a manifest entry"):
        read_manifest(path)


def test_a_file_that_is_not_there_or_no_recording_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"gone\.wav: no such file"):
        header(tmp_path / "gone.wav")
    (tmp_path / "text.wav").write_text("hello")
    with pytest.raises(OSError, match=r"text\.wav: not a recording that soundfile opens"):
        header(tmp_path / "text.wav")


def test_different_files_of_floats_have_different_hashes(tmp_path):
    generator = np.random.default_rng(0)
    utterances = []
    for name in ("one", "other"):
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, generator.uniform(-0.5, 0.5, 800), 16000, subtype="FLOAT")
        utterances.append(Utterance(id=name, path=path))
    one, other = map(decoded_sha256, utterances)
    assert one != other
