"""One minus the concordance correlation coefficient, as a loss."""

from jaxtyping import Float
from torch import Tensor

# Shapes: B utterances, A dimensions of affect.


def concordance_loss(
    predicted: Float[Tensor, "B A"], target: Float[Tensor, "B A"]
) -> Float[Tensor, " A"]:
    r"""How far each dimension is from agreeing over the batch: 0 for equality, 2 for the opposite.

    .. math:: 1 - \frac{2 s_{y\hat y}}{s_y^2 + s_{\hat y}^2 + (m_y - m_{\hat y})^2 + 10^{-8}}

    with means and population moments over the utterances given (Lin, "A concordance correlation
    coefficient to evaluate reproducibility", Biometrics 45, 1989). The loss of a batch is not the
    mean of the losses of its parts. Computed in float32 at least, where the constant does not
    vanish.

    Args:
        predicted: Values of the system.
        target: Ratings.

    Returns:
        One loss per dimension.

    Example:
        >>> import torch
        >>> ratings = torch.tensor([[0.0], [0.5], [1.0]])
        >>> [round(concordance_loss(x, ratings).item(), 3) for x in (ratings, 1 - ratings)]
        [0.0, 2.0]
    """
    predicted = predicted.double() if predicted.element_size() == 8 else predicted.float()
    target = target.to(predicted)
    mean, mean_target = predicted.mean(0), target.mean(0)
    apart, apart_target = predicted - mean, target - mean_target
    both = (apart * apart_target).mean(0)
    spread = apart.square().mean(0) + apart_target.square().mean(0)
    return 1 - 2 * both / (spread + (mean - mean_target).square() + 1e-8)
