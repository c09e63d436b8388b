"""Concordance, correlation and error of predicted values against rated ones.

All three are read off one value that adds: the moments of a test set. Score it in parts (say by
speaker), put the parts together, and every figure is that of the whole. Means of the figures of
parts are something else, and are never taken for it. Everything is computed in float64.
"""

# Shapes: N utterances, S parts of a test set (speakers), D draws of a bootstrap.

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float, Int, Num

Values = Sequence[float] | Sequence[int] | Num[np.ndarray, " _"]
"""One value per utterance."""

STILL = 1e-12
"""A standard deviation this small beside the values themselves is rounding: nothing varies."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Moments:
    """Number, means and squares of two sequences, for each of ``S`` parts; parts can be weighed.

    Squares are about the mean of their own part, so that nothing is lost where values are large
    and vary little (Chan, Golub, LeVeque, "Algorithms for computing the sample variance", The
    American Statistician 37, 1983, equation 2.1).

    Example:
        >>> whole = Moments.of([0, 1, 2, 0], [0, 1, 1, 1])
        >>> parts = Moments.stack([Moments.of([0, 1], [0, 1]), Moments.of([2, 0], [1, 1])])
        >>> round(float(parts.weighed(np.ones((1, 2))).ccc[0] - whole.ccc[0]), 12)
        0.0
    """

    number: Float[np.ndarray, " S"]
    """Utterances."""
    reference: Float[np.ndarray, " S"]
    """Mean rating."""
    predicted: Float[np.ndarray, " S"]
    """Mean prediction."""
    reference_square: Float[np.ndarray, " S"]
    """Sum of squared deviations of the ratings from their mean."""
    predicted_square: Float[np.ndarray, " S"]
    """Sum of squared deviations of the predictions from their mean."""
    product: Float[np.ndarray, " S"]
    """Sum of the products of both deviations."""
    error: Float[np.ndarray, " S"]
    """Sum of squared differences of prediction and rating."""

    @staticmethod
    def of(reference: Values, predicted: Values) -> "Moments":
        """The moments of one sequence against another, as one part.

        Args:
            reference: What each utterance was rated.
            predicted: What was predicted, in the same order.

        Raises:
            ValueError: The sequences differ in length, or hold a value that is not finite.
        """
        x, y = (np.asarray(values, dtype=np.float64) for values in (reference, predicted))
        if x.shape != y.shape:
            raise ValueError(
                f"{len(x)} reference values but {len(y)} predicted ones: "
                "give one of each per utterance, in the same order"
            )
        for side, values in (("reference", x), ("predicted", y)):
            if not np.isfinite(values).all():
                place = int(np.flatnonzero(~np.isfinite(values))[0])
                raise ValueError(
                    f"{side} value of utterance {place} is {values[place]}; leave out what was "
                    "not rated, and repair what was not predicted"
                )
        x_mean, x_apart = _centred(x)
        y_mean, y_apart = _centred(y)
        sums = (x_apart @ x_apart, y_apart @ y_apart, x_apart @ y_apart, (x - y) @ (x - y))
        cells = [np.array([value]) for value in (float(len(x)), x_mean, y_mean, *map(float, sums))]
        return Moments(**dict(zip(_NAMES, cells, strict=True)))

    @staticmethod
    def stack(parts: Sequence["Moments"]) -> "Moments":
        """Several as the parts of one."""
        return Moments(
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in _NAMES}
        )

    def weighed(self, weights: Num[np.ndarray, "D S"]) -> "Moments":
        """The moments of ``D`` test sets, in each of which every part occurs ``weights`` times."""
        counted = weights * self.number
        number = counted.sum(axis=1)
        with np.errstate(invalid="ignore"):  # of nothing: 0 / 0 is NaN, as it should be
            x = counted @ self.reference / number
            y = counted @ self.predicted / number
        x_apart, y_apart = self.reference - x[:, None], self.predicted - y[:, None]
        return Moments(
            number=number,
            reference=x,
            predicted=y,
            reference_square=weights @ self.reference_square + (counted * x_apart**2).sum(axis=1),
            predicted_square=weights @ self.predicted_square + (counted * y_apart**2).sum(axis=1),
            product=weights @ self.product + (counted * x_apart * y_apart).sum(axis=1),
            error=weights @ self.error,
        )

    @property
    def ccc(self) -> Float[np.ndarray, " S"]:
        """Concordance of each part; see ``ccc``."""
        apart = self.number * (self.reference - self.predicted) ** 2
        spread = self.reference_square + self.predicted_square + apart
        values = _ratio(2 * self.product, spread)
        values[self._still_reference | self._still_predicted] = 0.0
        values[self._still_reference & self._still_predicted] = np.nan
        return values

    @property
    def pearson(self) -> Float[np.ndarray, " S"]:
        """Correlation of each part; see ``pearson``."""
        # The root of each square, not of their product, which can underflow.
        spread = np.sqrt(self.reference_square) * np.sqrt(self.predicted_square)
        values = np.clip(_ratio(self.product, spread), -1.0, 1.0)
        values[self._still_reference | self._still_predicted] = np.nan
        return values

    @property
    def rmse(self) -> Float[np.ndarray, " S"]:
        """Root of the mean squared error of each part; see ``rmse``."""
        return np.sqrt(_ratio(self.error, self.number))

    @property
    def _still_reference(self) -> Bool[np.ndarray, " S"]:
        return _still(self.number, self.reference, self.reference_square)

    @property
    def _still_predicted(self) -> Bool[np.ndarray, " S"]:
        return _still(self.number, self.predicted, self.predicted_square)


_NAMES = tuple(field.name for field in fields(Moments))


def ccc(reference: Values, predicted: Values) -> float:
    """Concordance correlation coefficient: correlation, less for a wrong mean or a wrong spread.

    ``2 s_xy / (s_x^2 + s_y^2 + (m_x - m_y)^2)`` with population moments (divided by the number of
    utterances), over the whole test set (Lin, "A concordance correlation coefficient to evaluate
    reproducibility", Biometrics 45, 1989, equation 2). Also called Lin's CCC, concordance.

    Range [-1, 1], higher is better. NaN when neither side varies, never 0; when only one is
    constant it is 0.

    Args:
        reference: What each utterance was rated.
        predicted: What was predicted, in the same order.

    Raises:
        ValueError: The sequences differ in length, or hold a value that is not finite.

    Example:
        >>> round(ccc([0, 1, 2], [0, 1, 1]), 12)
        0.666666666667
        >>> ccc([0.5, 0.5], [0.5, 0.5])
        nan
    """
    return float(Moments.of(reference, predicted).ccc[0])


def pearson(reference: Values, predicted: Values) -> float:
    """Pearson's correlation: how well a straight line through the predictions gives the ratings.

    ``s_xy / (s_x s_y)``; blind to a wrong mean and a wrong spread, which ``ccc`` is not. Also
    called PCC, r.

    Range [-1, 1], higher is better. NaN when either side is constant.

    Args:
        reference: What each utterance was rated.
        predicted: What was predicted, in the same order.

    Raises:
        ValueError: The sequences differ in length, or hold a value that is not finite.

    Example:
        >>> round(pearson([0, 1, 2], [0, 10, 20]), 12)
        1.0
    """
    return float(Moments.of(reference, predicted).pearson[0])


def rmse(reference: Values, predicted: Values) -> float:
    """Root of the mean squared error, in the units of the values.

    ``sqrt(mean((x - y)^2))``. At least 0, lower is better. NaN without utterances.

    Args:
        reference: What each utterance was rated.
        predicted: What was predicted, in the same order.

    Raises:
        ValueError: The sequences differ in length, or hold a value that is not finite.

    Example:
        >>> rmse([0, 0, 0, 0], [0, 0, 0, 1])
        0.5
    """
    return float(Moments.of(reference, predicted).rmse[0])


def _centred(values: Float[np.ndarray, " N"]) -> tuple[float, Float[np.ndarray, " N"]]:
    """Mean, and the deviations from it."""
    if not len(values):
        return 0.0, values
    mean = float(values.mean())
    return mean, values - mean


def _still(
    number: Float[np.ndarray, " S"], mean: Float[np.ndarray, " S"], square: Float[np.ndarray, " S"]
) -> Bool[np.ndarray, " S"]:
    """Where values do not vary, up to the rounding of their mean."""
    return ~(np.sqrt(square) > STILL * np.abs(mean) * np.sqrt(number))


def _ratio(
    above: Float[np.ndarray, " S"], below: Float[np.ndarray, " S"] | Int[np.ndarray, " S"]
) -> Float[np.ndarray, " S"]:
    """Quotient, NaN where nothing is divided by."""
    values = np.full(above.shape, np.nan)
    return np.divide(above, below, out=values, where=below > 0)
