import base64

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit.evaluation.embedding_map import (
    EMOTION_COLOURS,
    MARKERS,
    MOST_NAMED,
    MOST_PANELS,
    embedding_picture,
    flattened,
)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), number=st.integers(4, 30), size=st.integers(2, 8))
def test_principal_components_are_those_of_scikit_learn(seed, number, size):
    from sklearn.decomposition import PCA

    vectors = np.random.default_rng(seed).normal(size=(number, size)) * np.arange(1, size + 1)
    plane = flattened(vectors)
    theirs = PCA(2)
    points = theirs.fit_transform(vectors)
    np.testing.assert_allclose(np.abs(plane.points), np.abs(points), atol=1e-8)
    np.testing.assert_allclose(plane.shares, theirs.explained_variance_ratio_, atol=1e-9)


def test_points_of_a_plane_keep_their_distances():
    flat = np.random.default_rng(0).normal(size=(20, 2))
    turned = flat @ np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0][:2] + 7.0
    points = flattened(turned).points

    def distances(of):
        return np.linalg.norm(of[:, None] - of[None], axis=-1)

    np.testing.assert_allclose(distances(points), distances(flat), atol=1e-9)


def test_a_mirrored_or_turned_space_gives_the_same_shares():
    vectors = np.random.default_rng(0).normal(size=(20, 5))
    np.testing.assert_allclose(flattened(-vectors).shares, flattened(vectors).shares)


def test_embeddings_that_are_all_equal_or_of_one_number_are_drawn():
    assert flattened(np.ones((5, 4))).points.tolist() == [[0.0, 0.0]] * 5
    assert flattened(np.arange(5.0)[:, None]).shares == (1.0, 0.0)


def test_neighbours_stay_neighbours_by_tsne():
    generator = np.random.default_rng(0)
    centres = np.repeat(np.eye(3) * 50, 10, axis=0)
    points = flattened(centres + generator.normal(size=(30, 3)), method="tsne").points
    group = np.repeat(np.arange(3), 10)
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1) + np.eye(30) * 1e9
    assert (group[apart.argmin(axis=1)] == group).all()


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.zeros((2, 4)), "at least 3 embeddings, not 2"),
        (np.array([[0.0], [np.nan], [1.0]]), "embedding number 1 holds a value that is not finite"),
    ],
)
def test_what_cannot_be_drawn_is_named(vectors, message):
    with pytest.raises(ValueError, match=message):
        flattened(vectors)


@pytest.fixture
def utterances():
    """Eight folds of four utterances by two speakers, in a space of five dimensions."""
    files = [f"{fold}/{take}" for fold in range(8) for take in range(4)]
    vectors = np.random.default_rng(0).normal(size=(len(files), 5))
    return {
        "embeddings": dict(zip(files, vectors, strict=True)),
        "shown": {file: ("anger", "delight")[file.endswith(("0", "1"))] for file in files},
        "shaped": {file: f"{file[0]}-{int(file[-1]) % 2}" for file in files},
    }


def test_each_fold_has_its_own_map_because_each_has_its_own_system(utterances):
    folds = {file: file[0] for file in utterances["shown"]}
    picture = embedding_picture(**utterances, folds=folds)
    panels = [axes for axes in picture.canvas.axes if axes.collections]
    assert [axes.get_title(loc="left") for axes in panels] == [f"fold {n}" for n in range(6)]
    assert len(panels) == MOST_PANELS
    assert "2 more folds are not drawn." in picture.caption
    assert "its own system and therefore its own map" in picture.caption
    drawn = np.concatenate([c.get_offsets() for c in panels[2].collections])
    own = np.array([v for file, v in utterances["embeddings"].items() if file[0] == "2"])
    expected = flattened(own).points
    np.testing.assert_allclose(sorted(drawn.tolist()), sorted(expected.tolist()))


def test_one_system_has_one_map_coloured_by_emotion_and_marked_by_speaker(utterances):
    picture = embedding_picture(**utterances)
    (axes,) = picture.canvas.axes
    assert sum(len(c.get_offsets()) for c in axes.collections) == 32
    assert len(utterances["shaped"].values()) > len(MARKERS)  # too many shapes to tell apart
    assert "shaped by speaker" not in picture.caption
    assert "anger 16, delight 16" in picture.alt
    names = [text.get_text() for text in picture.canvas.legends[0].get_texts()]
    colours = [line.get_color() for line in picture.canvas.legends[0].get_lines()]
    assert names == ["anger", "delight"]
    assert colours[0] == EMOTION_COLOURS["anger"]
    assert len(set(colours)) == 2


def test_values_are_shown_as_colours_too(utterances):
    shown = {file: number / 31 for number, file in enumerate(utterances["shown"])}
    picture = embedding_picture(
        utterances["embeddings"], shown, utterances["shaped"], shown_as="rated arousal"
    )
    assert "coloured by rated arousal" in picture.caption
    assert base64.b64decode(picture.uri.partition(",")[2]).lstrip().startswith(b"<?xml")


def test_a_second_map_of_the_same_points_is_coloured_by_speaker_and_shaped_by_emotion(utterances):
    by_emotion = embedding_picture(**utterances)
    by_speaker = embedding_picture(
        utterances["embeddings"], utterances["shaped"], utterances["shown"],
        shown_as="speaker", shaped_by="emotion", name="by-speaker",
    )  # fmt: skip
    assert by_speaker.name == "by-speaker"
    assert "coloured by speaker, shaped by emotion" in by_speaker.caption

    def points(picture):
        (axes,) = picture.canvas.axes
        return sorted(p for c in axes.collections for p in c.get_offsets().tolist())

    assert points(by_speaker) == points(by_emotion)
    lines = by_speaker.canvas.legends[0].get_lines()
    assert len(lines) == 16
    assert len({tuple(line.get_color()) for line in lines}) == 16


def test_speakers_that_nobody_could_tell_apart_have_colours_and_no_legend(utterances):
    names = {file: f"speaker {number}" for number, file in enumerate(utterances["shaped"])}
    picture = embedding_picture(utterances["embeddings"], names, utterances["shown"])
    assert len(names) > MOST_NAMED
    assert picture.canvas.legends == []


def test_too_few_embeddings_make_no_map_and_two_spaces_are_refused(utterances):
    few = dict(list(utterances["embeddings"].items())[:2])
    assert embedding_picture(few, utterances["shown"], utterances["shaped"]) is None
    mixed = utterances["embeddings"] | {"0/0": np.zeros(3)}
    with pytest.raises(ValueError, match=r"different lengths \(3, 5\) do not lie in one space"):
        embedding_picture(mixed, utterances["shown"], utterances["shaped"])
