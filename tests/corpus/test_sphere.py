import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from serkit.corpus import AFFECT
from serkit.corpus.scheme import to_unit
from serkit.corpus.sphere import (
    AXES,
    MINUS,
    NUM_REGIONS,
    OCTANTS,
    SIGNS,
    Grid,
    from_sphere,
    octant,
    to_sphere,
)

ORDERS = list(itertools.permutations(AFFECT))
REGION_OF_OCTANT = [2, 1, 0, 3, 6, 5, 4, 7]
"""Octants I to VIII in the grid of 4 x 2, by the table of the specification."""
LATTICE = np.array(list(itertools.product(range(-6, 7), repeat=3)))
"""Ratings on a scale of 13 steps, from -6 to 6, in the order of AFFECT: full of ties."""

points = arrays(np.float64, (5, 3), elements=st.floats(0, 1))


def affect_of(*, arousal: float = 0.0, valence: float = 0.0, dominance: float = 0.0) -> np.ndarray:
    """One point by its places around the middle, in [-1, 1]."""
    return (np.array([[arousal, valence, dominance]]) + 1) / 2


def on_lattice() -> np.ndarray:
    return (LATTICE / 6 + 1) / 2


def by_formula(sphere: np.ndarray, across: int, down: int) -> np.ndarray:
    """Regions by the equations of the specification, for points off every border."""
    _, theta, phi = sphere.T
    i = np.minimum(np.floor((phi + np.pi) / (2 * np.pi / across)), across - 1)
    j = np.clip(np.ceil(theta / (np.pi / down)) - 1, 0, down - 1)
    return (j * across + i).astype(int)


def amid(region: int, across: int, down: int, *, radius: float = 1.0) -> np.ndarray:
    """Radius and angles of the middle of a region."""
    j, i = divmod(region, across)
    steps = (j + 0.5) * math.pi / down, (i + 0.5) * 2 * math.pi / across - math.pi
    return np.array([[radius, *steps]])


def test_there_and_back_is_where_it_was():
    inside = np.random.default_rng(0).uniform(0, 1, (10_000, 3))
    axes = np.array([vector for k in range(3) for s in (-1, 1) for vector in [s * np.eye(3)[k]]])
    corners = np.array(list(itertools.product((-1, 1), repeat=3)))
    known = (np.concatenate([axes, corners, np.zeros((1, 3))]) + 1) / 2
    for order in ORDERS:
        for affect in (inside, known, on_lattice()):
            back = from_sphere(to_sphere(affect, axes=order), axes=order)
            assert np.abs(back - affect).max() < 1e-12


@given(points)
def test_radius_and_angles_stay_in_their_ranges(affect):
    radius, theta, phi = to_sphere(affect).T
    assert ((radius >= 0) & (radius <= math.sqrt(3) + 1e-12)).all()
    assert ((theta >= 0) & (theta <= math.pi)).all()
    assert ((phi >= -math.pi) & (phi <= math.pi)).all()
    assert radius == pytest.approx(np.linalg.norm(2 * affect - 1, axis=1))


@given(points)
def test_axes_only_say_which_dimension_is_which(affect):
    """x, y and z of another order are those of the dimensions put in that order."""
    for order in ORDERS:
        put = affect[:, [AFFECT.index(order[AXES.index(name)]) for name in AFFECT]]
        assert to_sphere(affect, axes=order) == pytest.approx(to_sphere(put), abs=0)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, (0.0, 0.0, 0.0)),
        ({"valence": 1}, (1.0, math.pi / 2, 0.0)),
        ({"valence": -1}, (1.0, math.pi / 2, math.pi)),
        ({"arousal": 1}, (1.0, math.pi / 2, math.pi / 2)),
        ({"arousal": -1}, (1.0, math.pi / 2, -math.pi / 2)),
        ({"dominance": 1}, (1.0, 0.0, 0.0)),
        ({"dominance": -1}, (1.0, math.pi, 0.0)),
        ({"valence": 0.5, "arousal": 0.5}, (math.sqrt(0.5), math.pi / 2, math.pi / 4)),
    ],
)
def test_origin_axes_and_poles_have_known_angles(where, expected):
    assert to_sphere(affect_of(**where))[0] == pytest.approx(expected, abs=1e-15)


def test_a_negative_zero_is_a_zero():
    zeros = np.array(list(itertools.product((0.0, -0.0), repeat=3)))
    for corner in (0.0, -1.0, 1.0):
        sphere = to_sphere((zeros + [corner, 0, 0] + 1) / 2)
        assert (sphere == sphere[0]).all()
        assert (to_sphere(zeros) == to_sphere(np.zeros((1, 3)))).all()
    # on the half-line where the azimuth of a negative zero would be -pi
    assert to_sphere(affect_of(valence=-1, arousal=-0.0))[0, 2] == math.pi


def test_the_eight_patterns_of_signs_are_the_octants_in_their_order():
    assert octant((np.array(SIGNS) * 0.7 + 1) / 2).tolist() == list(range(8))
    named = {
        "I": "+++", "II": "-++", "III": "--+", "IV": "+-+",
        "V": "++-", "VI": "-+-", "VII": "---", "VIII": "+--",
    }  # fmt: skip
    for name, signs in named.items():
        affect = np.array([[0.5 + 0.1 * (1 if sign == "+" else -1) for sign in signs]])
        assert OCTANTS[octant(affect)[0]] == name


@pytest.mark.parametrize(("low", "middle", "high"), [(1.0, 4.0, 7.0), (1.0, 3.0, 5.0)])
def test_the_middle_of_a_scale_counts_as_positive(low, middle, high):
    u = to_unit(middle, low, high)
    assert u == 0.5
    assert OCTANTS[octant(np.array([[u, u, u]]))[0]] == "I"
    below = np.full((3, 3), u) - 1e-9 * np.eye(3)
    assert [OCTANTS[place] for place in octant(below)] == ["II", "IV", "V"]


def test_octants_are_the_grid_of_4_by_2_but_where_valence_is_at_its_middle_and_arousal_above():
    affect = np.concatenate([np.random.default_rng(1).uniform(0, 1, (10_000, 3)), on_lattice()])
    expected = by_formula(to_sphere(affect), 4, 2)
    found = np.array(REGION_OF_OCTANT)[octant(affect)]
    tied = (affect[:, 1] == 0.5) & (affect[:, 0] > 0.5)
    assert tied.sum() == 6 * 13
    assert (found == expected)[~tied].all()
    assert (found != expected)[tied].all()
    assert set(octant(affect[tied]).tolist()) == {OCTANTS.index("I"), OCTANTS.index("V")}
    assert (Grid(8).of(affect) == octant(affect)).all()


@pytest.mark.parametrize("num_regions", NUM_REGIONS)
def test_regions_are_equal_steps_that_part_the_sphere(num_regions):
    grid = Grid(num_regions)
    across, down = grid.steps
    assert across * down == len(grid) == num_regions
    assert 360 / across == 180 / down
    affect = np.random.default_rng(2).uniform(0, 1, (20_000, 3))
    found = grid.of(affect)
    assert set(found.tolist()) == set(range(num_regions))
    if num_regions > 8:
        assert (found == by_formula(to_sphere(affect), across, down)).all()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("num_regions", NUM_REGIONS)
def test_the_centre_of_a_region_lies_in_it_at_every_distance(num_regions, order):
    grid = Grid(num_regions, axes=order)
    across, down = grid.steps
    for region in range(num_regions):
        centre = grid.centre(region)
        assert np.linalg.norm(2 * centre - 1) == pytest.approx(1)
        for radius in (0.01, 1.0, math.sqrt(3)):
            there = (radius * (2 * centre - 1) + 1) / 2
            assert grid.of(there[None]).tolist() == [region]
        if num_regions > 8:
            expected = from_sphere(amid(region, across, down), axes=order)[0]
            assert centre == pytest.approx(expected)


@given(st.integers(0, 71), st.floats(0.02, 0.98), st.floats(0.02, 0.98), st.floats(0.05, 1.0))
def test_whatever_lies_between_the_borders_of_a_region_belongs_to_it(region, along, up, radius):
    j, i = divmod(region, 12)
    sphere = np.array([[radius, (j + up) * math.pi / 6, (i + along) * math.pi / 6 - math.pi]])
    assert Grid(72).of(from_sphere(sphere)).tolist() == [region]


@pytest.mark.parametrize("num_regions", NUM_REGIONS[1:])
def test_the_first_and_the_last_azimuth_meet_at_low_valence(num_regions):
    grid = Grid(num_regions)
    across, down = grid.steps
    last, first = (
        grid.of(from_sphere(np.array([[1.0, 0.5 * math.pi / down, phi]])))[0]
        for phi in (math.pi, -math.pi + 1e-9)
    )
    assert (last, first) == (across - 1, 0)


def test_ratings_on_a_border_fall_to_the_same_side_whatever_their_size():
    """On borders at 45 degrees, told by whole numbers: the rule, not rounding, decides."""
    found = Grid(32).of(on_lattice())
    y, x, z = LATTICE.T
    flat = x**2 + y**2
    # elevation: a border belongs to what is above it; 0, 45, 90 and 135 degrees
    above = np.select([(z > 0) & (z**2 >= flat), z >= 0, z**2 <= flat], [0, 1, 2], 3)
    above[(flat == 0) & (z == 0)] = 0
    # azimuth: a border belongs to the side it opens, anticlockwise; -x itself is the last
    opened = [(y < 0) & (x < 0) & (y > x), (y < 0) & (x < 0), (y < 0) & (-y > x), y < 0,
              (x > y), x > 0, -x < y]  # fmt: skip
    around = np.select(opened, range(7), 7)
    around[(x == 0) & (y == 0)] = 4  # on the z axis the azimuth is 0
    assert found.tolist() == (above * 8 + around).tolist()


def test_on_the_equator_of_an_even_grid_the_upper_side_wins():
    equator = on_lattice()[LATTICE[:, 2] == 0]
    for num_regions in (8, 32, 72):
        grid = Grid(num_regions)
        across, down = grid.steps
        off_centre = equator[(equator != 0.5).any(axis=1)]
        rows = Grid(num_regions).of(off_centre) // across
        expected = down // 2 - 1
        if num_regions == 8:
            rows = np.array(REGION_OF_OCTANT)[octant(off_centre)] // across
        assert (rows == expected).all()


def test_the_origin_may_be_a_region_of_its_own():
    for num_regions in NUM_REGIONS:
        plain, own = Grid(num_regions), Grid(num_regions, origin_region=True)
        affect = np.random.default_rng(3).uniform(0, 1, (100, 3))
        assert (plain.of(affect) == own.of(affect)).all()
        assert len(own) == num_regions + 1
        assert own.of(np.full((1, 3), 0.5)).tolist() == [num_regions]
        assert plain.of(np.full((1, 3), 0.5))[0] < num_regions
        assert own.centre(num_regions).tolist() == [0.5, 0.5, 0.5]
        assert own.label(num_regions) == "origin"


@pytest.mark.parametrize("num_regions", NUM_REGIONS)
def test_every_region_has_a_name_of_its_own(num_regions):
    grid = Grid(num_regions)
    assert len({grid.label(region) for region in range(num_regions)}) == num_regions
    assert Grid(8).label(6) == f"VII (arousal {MINUS}, valence {MINUS}, dominance {MINUS})"
    assert Grid(72).label(0) == "elevation 0° to 30°, azimuth -180° to -150°"


def test_corners_of_a_scale_are_i_and_vii_at_the_greatest_distance():
    low, high = (np.full((1, 3), to_unit(value, 1.0, 7.0)) for value in (1.0, 7.0))
    assert [OCTANTS[octant(corner)[0]] for corner in (low, high)] == ["VII", "I"]
    for corner in (low, high):
        assert to_sphere(corner)[0, 0] == pytest.approx(math.sqrt(3), abs=1e-15)


@given(st.floats(1, 5))
def test_proportional_values_of_two_scales_are_one_value(value):
    on_seven = 1 + (value - 1) * 1.5
    assert to_unit(value, 1.0, 5.0) == pytest.approx(to_unit(on_seven, 1.0, 7.0), abs=1e-12)


@pytest.mark.parametrize("num_regions", [0, 4, 9, 16, 19, -8])
def test_another_number_of_regions_is_refused_with_those_there_are(num_regions):
    with pytest.raises(ValueError, match=rf"{num_regions} must be one of 8, 18, 32, 72"):
        _ = Grid(num_regions)


@pytest.mark.parametrize(
    "axes", [("valence", "arousal"), ("x", "y", "z"), ("valence", "valence", "arousal"), ()]
)
def test_axes_that_are_not_the_dimensions_are_refused(axes):
    with pytest.raises(ValueError, match="must be arousal, valence, dominance in some order"):
        _ = Grid(8, axes=axes)
    for turned in (to_sphere, from_sphere):
        with pytest.raises(ValueError, match="must be arousal, valence, dominance in some order"):
            _ = turned(np.zeros((1, 3)), axes=axes)


@pytest.mark.parametrize(("grid", "region"), [(Grid(8), 8), (Grid(18), -1), (Grid(32), 99)])
def test_a_region_that_is_not_there_is_refused(grid, region):
    for ask in (grid.centre, grid.label):
        with pytest.raises(ValueError, match=rf"region: {region} must be 0 to {len(grid) - 1}"):
            _ = ask(region)
