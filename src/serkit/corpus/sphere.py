"""Arousal, valence and dominance on a sphere: radius, elevation, azimuth, and regions of it.

Around the middle of every scale a rating has a direction, which kind of feeling it is, and a
distance, how much of it there is (Cho et al., "EmoSphere-TTS", Interspeech 2024, and
"EmoSphere-SER", Interspeech 2025, section 2.1). Regions are equal steps of both angles; the eight
largest are the octants, told apart by the signs of the three dimensions alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from serkit.corpus.utterance import AFFECT

# Shapes: B points, their three values in the order of AFFECT: arousal, valence, dominance.

AXES = ("valence", "arousal", "dominance")
"""Dimensions along x, y and z. The sources disagree on the order; octants do not depend on it."""
NUM_REGIONS = (8, 18, 32, 72)
"""Regions of grids of 90, 60, 45 and 30 degrees."""
OCTANTS = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII")
SIGNS: tuple[tuple[int, int, int], ...] = (
    *((1, 1, 1), (-1, 1, 1), (-1, -1, 1), (1, -1, 1)),
    *((1, 1, -1), (-1, 1, -1), (-1, -1, -1), (1, -1, -1)),
)
"""Signs of arousal, valence and dominance in each octant."""
MINUS = "\N{MINUS SIGN}"
AT_CENTRE = 1e-9
"""A point no further from the centre lies in the region of the origin, where there is one."""
ON_BORDER = 1e-9
"""Steps from a border within which a point lies on it, so that rounding moves no tie across."""


def to_sphere(
    affect: Float[np.ndarray, "B 3"], *, axes: Sequence[str] = AXES
) -> Float[np.ndarray, "B 3"]:
    r"""Radius, elevation and azimuth of ratings.

    With n = 2 u - 1 for each value u, and x, y, z the values of n along the axes:

    .. math:: r = \sqrt{x^2 + y^2 + z^2},\quad \theta = \arccos(z / r),\quad
              \phi = \operatorname{atan2}(y, x)

    Args:
        affect: Values in [0, 1], the middle of the scale at 0.5.
        axes: Dimensions along x, y and z.

    Returns:
        Radius in [0, sqrt 3], elevation in [0, pi] from the end of the z axis, azimuth in
        (-pi, pi]. The centre has the angles 0.

    Raises:
        ValueError: ``axes`` are not the three dimensions.

    Example:
        >>> to_sphere(np.array([[0.5, 1.0, 0.5], [0.5, 0.5, 0.5]])).round(3).tolist()
        [[1.0, 1.571, 0.0], [0.0, 0.0, 0.0]]
    """
    # adding 0 turns a negative zero, whose azimuth would be -pi, into a positive one
    x, y, z = (2 * affect[:, _places(axes)].astype(np.float64).T - 1) + 0.0
    radius = np.sqrt(x**2 + y**2 + z**2)
    share = np.divide(z, radius, out=np.ones_like(z), where=radius > 0)
    return np.stack([radius, np.arccos(share.clip(-1, 1)), np.arctan2(y, x)], axis=1)


def from_sphere(
    point: Float[np.ndarray, "B 3"], *, axes: Sequence[str] = AXES
) -> Float[np.ndarray, "B 3"]:
    """Inverse of ``to_sphere``; values may leave [0, 1] where the radius leaves the cube.

    Args:
        point: Radius, elevation, azimuth.
        axes: Dimensions along x, y and z.

    Example:
        >>> from_sphere(to_sphere(np.array([[0.2, 0.9, 0.4]]))).round(6).tolist()
        [[0.2, 0.9, 0.4]]
    """
    radius, elevation, azimuth = point.T
    flat = radius * np.sin(elevation)
    values = np.stack(
        [flat * np.cos(azimuth), flat * np.sin(azimuth), radius * np.cos(elevation)], axis=1
    )
    return (values[:, np.argsort(_places(axes))] + 1) / 2


def octant(affect: Float[np.ndarray, "B 3"]) -> Int[np.ndarray, " B"]:
    """Place in ``OCTANTS`` of ratings; the middle of a scale counts as positive.

    Example:
        >>> [OCTANTS[place] for place in octant(np.array([[0.9, 0.5, 0.7], [0.1, 0.1, 0.1]]))]
        ['I', 'VII']
    """
    positive = affect >= 0.5
    same = positive[:, None, :] == (np.array(SIGNS) > 0)[None]
    return same.all(axis=2).argmax(axis=1)


@dataclass(frozen=True, slots=True)
class Grid:
    """Regions of the sphere: the eight octants, or 18, 32 or 72 of equal steps of both angles.

    With N azimuth steps and M = N / 2 elevation steps a point lies in region ``j N + i`` with
    ``i = min(floor((phi + pi) / (2 pi / N)), N - 1)`` and
    ``j = clamp(ceil(theta / (pi / M)) - 1, 0, M - 1)``.

    Raises:
        ValueError: another number of regions, or ``axes`` that are not the three dimensions.

    Example:
        >>> Grid(18).of(np.array([[0.9, 0.5, 0.7], [0.1, 0.1, 0.1]])).tolist()
        [10, 12]
        >>> Grid(8).label(0)
        'I (arousal +, valence +, dominance +)'
    """

    num_regions: int = 8
    """8, 18, 32 or 72, without that of the origin."""
    axes: tuple[str, ...] = AXES
    """Dimensions along x, y and z."""
    origin_region: bool = False
    """Whether the centre is a region of its own, the last one."""

    def __post_init__(self) -> None:
        """Refuse what is no grid."""
        if self.num_regions not in NUM_REGIONS:
            raise ValueError(
                f"regions: {self.num_regions} must be one of {', '.join(map(str, NUM_REGIONS))}"
            )
        _ = _places(self.axes)

    def __len__(self) -> int:
        """Regions, with that of the origin where there is one."""
        return self.num_regions + self.origin_region

    @property
    def steps(self) -> tuple[int, int]:
        """Steps of azimuth and of elevation."""
        elevation = math.isqrt(self.num_regions // 2)
        return 2 * elevation, elevation

    def of(self, affect: Float[np.ndarray, "B 3"]) -> Int[np.ndarray, " B"]:
        """The region of each rating, in [0, 1]."""
        radius, elevation, azimuth = to_sphere(affect, axes=self.axes).T
        if self.num_regions == len(OCTANTS):
            # by signs: differs from the grid where x is 0 and y above it, as many ratings are
            region = octant(affect)
        else:
            across, down = self.steps
            i = np.floor((azimuth + np.pi) / (2 * np.pi / across) + ON_BORDER).astype(int)
            j = np.ceil(elevation / (np.pi / down) - ON_BORDER).astype(int) - 1
            region = j.clip(0, down - 1) * across + i.clip(0, across - 1)
        if self.origin_region:
            region = np.where(radius <= AT_CENTRE, self.num_regions, region)
        return region

    def centre(self, region: int) -> Float[np.ndarray, "3"]:
        """Arousal, valence and dominance in [0, 1] at distance 1 amid a region.

        Raises:
            ValueError: There is no such region.

        Example:
            >>> Grid(8).centre(6).round(3).tolist()
            [0.211, 0.211, 0.211]
        """
        self._check(region)
        if region == self.num_regions and self.origin_region:
            return np.full(3, 0.5)
        if self.num_regions == len(OCTANTS):
            return (np.array(SIGNS[region]) / math.sqrt(3) + 1) / 2
        across, down = self.steps
        j, i = divmod(region, across)
        azimuth = (i + 0.5) * 2 * math.pi / across - math.pi
        elevation = (j + 0.5) * math.pi / down
        return from_sphere(np.array([[1.0, elevation, azimuth]]), axes=self.axes)[0]

    def label(self, region: int) -> str:
        """What a region is called.

        Raises:
            ValueError: There is no such region.

        Example:
            >>> Grid(18).label(4)
            'elevation 0° to 60°, azimuth 60° to 120°'
        """
        self._check(region)
        if region == self.num_regions and self.origin_region:
            return "origin"
        if self.num_regions == len(OCTANTS):
            signs = ("+" if sign > 0 else MINUS for sign in SIGNS[region])
            words = (f"{name} {sign}" for name, sign in zip(AFFECT, signs, strict=True))
            return f"{OCTANTS[region]} ({', '.join(words)})"
        across, down = self.steps
        j, i = divmod(region, across)
        wide, high = 360 // across, 180 // down
        return (
            f"elevation {j * high}° to {(j + 1) * high}°, "
            f"azimuth {i * wide - 180}° to {(i + 1) * wide - 180}°"
        )

    def _check(self, region: int) -> None:
        if not 0 <= region < len(self):
            raise ValueError(f"region: {region} must be 0 to {len(self) - 1}")


def _places(axes: Sequence[str]) -> list[int]:
    """Where the dimension of each axis stands in AFFECT."""
    if sorted(axes) != sorted(AFFECT):
        raise ValueError(f"axes: {tuple(axes)} must be {', '.join(AFFECT)} in some order")
    return [AFFECT.index(name) for name in axes]
