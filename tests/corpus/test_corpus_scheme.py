import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serkit.corpus.scheme import (
    ALIASES,
    EMOTIONS,
    LABEL_MAPS,
    UnknownLabelError,
    canonical,
    from_unit,
    in_order,
    label_map,
    num_outside,
    read_aliases,
    to_unit,
)

FINITE = st.floats(-100, 100)
SCALES = st.tuples(st.floats(-10, 10), st.floats(0.5, 20)).map(lambda s: (s[0], s[0] + s[1]))


def test_every_emotion_is_its_own_name_and_every_alias_leads_to_one():
    assert all(canonical(emotion) == emotion for emotion in EMOTIONS)
    assert all(canonical(alias) in EMOTIONS for alias in ALIASES)


@pytest.mark.parametrize(
    ("label", "emotion"),
    [
        ("Joy", "happiness"),
        (" ANGRY ", "anger"),
        ("no agreement", "no_agreement"),
        ("xxx", "no_agreement"),
    ],
)
def test_a_label_is_recognised_whatever_its_case_and_spaces(label: str, emotion: str):
    assert canonical(label) == emotion


def test_an_unknown_label_is_named_with_the_nearest_names():
    with pytest.raises(
        UnknownLabelError, match=r"'angr' \(did you mean .*ang.*sarcasm=other|'angr'"
    ):
        canonical("angr")
    with pytest.raises(UnknownLabelError, match="did you mean sadness"):
        canonical("sadnes")


def test_own_aliases_come_first_and_must_lead_to_an_emotion():
    assert canonical("calm", aliases={"Calm": "neutral"}) == "neutral"
    assert canonical("Wut", aliases={"wut": "angry"}) == "anger"
    with pytest.raises(UnknownLabelError, match="alias Wut=furore: no such emotion: 'furore'"):
        canonical("Wut", aliases={"wut": "furore"})


def test_a_scheme_file_is_read_and_its_faults_are_named(tmp_path: Path):
    file = tmp_path / "scheme.json"
    file.write_text(json.dumps({"Freude": "joy"}))
    assert read_aliases(file) == {"Freude": "happiness"}
    file.write_text("{Freude}")
    with pytest.raises(ValueError, match=r"scheme\.json: not JSON"):
        read_aliases(file)
    file.write_text("[1]")
    with pytest.raises(ValueError, match="one JSON object"):
        read_aliases(file)
    file.write_text('{"Freude": "bliss"}')
    with pytest.raises(UnknownLabelError, match=r"scheme\.json: no such emotion: 'bliss'"):
        read_aliases(file)


def test_label_maps_merge_only_what_their_name_says():
    four = label_map("four")
    assert [four(emotion) for emotion in ("calm", "excitement", "fear")] == [None, None, None]
    assert label_map("four+exc")("excitement") == "happiness"
    assert label_map("four+exc")("calm") is None
    assert label_map("four+calm")("calm") == "neutral"
    assert len(label_map("ravdess7").emotions) == 7
    for mapping in LABEL_MAPS.values():
        assert mapping.emotions == in_order(mapping.emotions)


def test_an_unknown_label_map_is_answered_with_the_list():
    with pytest.raises(LookupError, match=r"no label map 'five'; there are four, four\+exc"):
        label_map("five")


@given(scale=SCALES, share=st.floats(0, 1))
def test_a_scale_map_goes_there_and_back(scale: tuple[float, float], share: float):
    assert to_unit(from_unit(share, *scale), *scale) == pytest.approx(share, abs=1e-12)


@given(scale=SCALES, values=st.lists(FINITE))
def test_a_mapped_value_is_within_the_unit_and_what_is_clamped_is_counted(
    scale: tuple[float, float], values: list[float]
):
    low, high = scale
    assert all(0 <= to_unit(value, low, high) <= 1 for value in values)
    inside = [value for value in values if low <= value <= high]
    assert num_outside(values, low, high) == len(values) - len(inside)


@given(scale=SCALES, one=FINITE, other=FINITE)
def test_a_scale_map_keeps_the_order(scale: tuple[float, float], one: float, other: float):
    lower, higher = sorted((one, other))
    assert to_unit(lower, *scale) <= to_unit(higher, *scale)


def test_zero_and_eight_on_a_scale_of_one_to_seven_are_clamped_and_counted():
    assert [to_unit(value, 1.0, 7.0) for value in (0.0, 8.0)] == [0.0, 1.0]
    assert [from_unit(value, 1.0, 7.0) for value in (-0.5, 1.5)] == [1.0, 7.0]
    assert num_outside([0.0, 4.0, 8.0], 1.0, 7.0) == 2


def test_a_scale_that_goes_down_is_refused():
    with pytest.raises(ValueError, match="from low to high; got 7,1"):
        to_unit(1.0, 7.0, 1.0)
