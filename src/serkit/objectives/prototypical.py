"""Angular prototypical loss: a query must be nearest to the prototype of its own emotion."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

# Shapes: S episodes, E emotions in an episode, M utterances of each, D embedding.

LEAST_SCALE = 1e-6
"""Below it the loss would learn to repel what is alike."""


def similarities(embedding: Float[Tensor, "S E M D"], *, query: int = 0) -> Float[Tensor, "S E E"]:
    """Cosine of the query of each emotion with the prototype of each emotion of its episode.

    The prototype is the mean of the other M - 1 embeddings, unnormalised.

    Args:
        embedding: Stacked episodes; at least 2 utterances of each emotion.
        query: Which utterance of each emotion is the query.

    Returns:
        Row j, column k: query of emotion j, prototype of emotion k.

    Example:
        >>> embedding = torch.eye(2).view(1, 2, 1, 2).expand(1, 2, 2, 2)
        >>> similarities(embedding).tolist()
        [[[1.0, 0.0], [0.0, 1.0]]]
    """
    num_utterances = embedding.shape[2]
    if num_utterances < 2:
        raise ValueError(
            f"an episode has {num_utterances} utterance of each emotion; one query and at least "
            "one enrolled are needed"
        )
    enrolled = [place for place in range(num_utterances) if place != query]
    queries = functional.normalize(embedding[:, :, query], dim=2)
    prototypes = functional.normalize(embedding[:, :, enrolled].mean(2), dim=2)
    return queries @ prototypes.transpose(1, 2)


def angular_prototypical(
    embedding: Float[Tensor, "S E M D"],
    *,
    scale: Float[Tensor, ""],
    offset: float = -5.0,
    symmetric: bool = False,
) -> Float[Tensor, ""]:
    """Mean over queries of ``-log softmax_k(w cos(x_j1, c_k) + b)_j``, episode by episode.

    ``c_k`` is the prototype of emotion k (Chung et al., "In defence of metric learning for speaker
    recognition", Interspeech 2020, section 2.3). There ``b`` is learned too, but a softmax cannot
    feel it, so here it is a constant. Chance is log E.

    Args:
        embedding: Stacked episodes.
        scale: w; used as no less than 1e-6.
        offset: b.
        symmetric: Let every utterance be the query in turn, and average.

    Example:
        >>> same = torch.ones(1, 3, 2, 4)
        >>> round(angular_prototypical(same, scale=torch.tensor(10.0)).item(), 4)
        1.0986
    """
    num_episodes, num_emotions, num_utterances = embedding.shape[:3]
    own = torch.arange(num_emotions, device=embedding.device).repeat(num_episodes)
    losses = [
        functional.cross_entropy(
            (scale.clamp(min=LEAST_SCALE) * similarities(embedding, query=query) + offset)
            .flatten(0, 1), own,
        )
        for query in (range(num_utterances) if symmetric else [0])
    ]  # fmt: skip
    return torch.stack(losses).mean()
