"""Inception-ResNet-v1, the network of the public FaceNet implementations, in any width.

Szegedy, Ioffe, Vanhoucke, Alemi, "Inception-v4, Inception-ResNet and the impact of residual
connections on learning", AAAI 2017, arXiv 1602.07261, figures 10 to 14, with the sizes and the
ending of D. Sandberg's FaceNet. Parts are named as in T. Esler's port (facenet-pytorch), so that
weights trained on faces load by their names.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

# Shapes: W pictures, P planes or channels, H x V pixels, D embedding.

Kernel = int | tuple[int, int]

PARTS = (
    "conv2d_1a", "conv2d_2a", "conv2d_2b", "maxpool_3a", "conv2d_3b", "conv2d_4a", "conv2d_4b",
    "repeat_1", "mixed_6a", "repeat_2", "mixed_7a", "repeat_3", "block8", "avgpool_1a", "dropout",
    "last_linear", "last_bn",
)  # fmt: skip
"""From the picture to the embedding, in order."""

HEAD = "logits."
"""A classifier over the people of the training corpus, in files of face weights."""


MOST_LISTED = 5  # of tensors that do not fit, in an error


class WeightsError(ValueError):
    """Weights do not fit the network; the message lists which."""


class BasicConv(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(
        self, inward: int, outward: int, kernel: Kernel, stride: int = 1, padding: Kernel = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inward, outward, kernel, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(outward, eps=1e-3, momentum=0.1)

    def forward(self, x: Float[Tensor, "W P H V"]) -> Float[Tensor, "W Q I U"]:
        """Not negative."""
        return torch.relu_(self.bn(self.conv(x)))


class Residual(nn.Module):
    """``ReLU(x + scale * up(branches side by side))``: Block35, Block17 and Block8.

    Args:
        channels: Of x.
        branches: Named ``branch0``, ``branch1``, ... in this order.
        inward: Channels of all branches together.
        scale: How much of a block is added.
        is_last: Leave out the ReLU.
    """

    def __init__(
        self, channels: int, branches: Sequence[nn.Module], inward: int, scale: float, is_last: bool
    ) -> None:
        super().__init__()
        self.num_branches = len(branches)
        for place, branch in enumerate(branches):
            setattr(self, f"branch{place}", branch)
        self.conv2d = nn.Conv2d(inward, channels, 1)
        self.scale = scale
        self.is_last = is_last

    def forward(self, x: Float[Tensor, "W P H V"]) -> Float[Tensor, "W P H V"]:
        """Of the same size."""
        branches = [getattr(self, f"branch{place}")(x) for place in range(self.num_branches)]
        x = torch.add(x, self.conv2d(torch.cat(branches, dim=1)), alpha=self.scale)
        return x if self.is_last else x.relu_()


class Reduction(nn.Module):
    """Branches of stride 2 side by side, the last of them a max-pool: Mixed 6a and 7a."""

    def __init__(self, branches: Sequence[nn.Module]) -> None:
        super().__init__()
        self.num_branches = len(branches) + 1
        for place, branch in enumerate([*branches, nn.MaxPool2d(3, stride=2)]):
            setattr(self, f"branch{place}", branch)

    def forward(self, x: Float[Tensor, "W P H V"]) -> Float[Tensor, "W Q I U"]:
        """Half as high and wide."""
        branches = [getattr(self, f"branch{place}")(x) for place in range(self.num_branches)]
        return torch.cat(branches, dim=1)


class InceptionResNet(nn.Module):
    """Pictures to embeddings, which are not normalised.

    Args:
        width: Every number of channels is multiplied by it; a multiple of 1/16.
        in_channels: Planes of a picture.
        embedding: D.
        dropout: Before the last layer.

    Example:
        >>> network = InceptionResNet()
        >>> sum(parameter.numel() for parameter in network.parameters())
        23482624
    """

    def __init__(
        self,
        *,
        width: float = 1.0,
        in_channels: int = 3,
        embedding: int = 512,
        dropout: float = 0.6,
    ) -> None:
        super().__init__()

        def w(channels: int) -> int:
            scaled = channels * width
            if scaled != int(scaled) or scaled < 1:
                raise ValueError(f"width: {width} leaves {scaled} of {channels} channels")
            return int(scaled)

        def conv(
            inward: int, outward: int, kernel: Kernel, stride: int = 1, padding: Kernel = 0
        ) -> BasicConv:
            return BasicConv(w(inward), w(outward), kernel, stride, padding)

        def block35() -> nn.Module:
            branches = [
                conv(256, 32, 1),
                nn.Sequential(conv(256, 32, 1), conv(32, 32, 3, padding=1)),
                nn.Sequential(
                    conv(256, 32, 1), conv(32, 32, 3, padding=1), conv(32, 32, 3, padding=1)
                ),
            ]
            return Residual(w(256), branches, w(96), 0.17, is_last=False)

        def block17() -> nn.Module:
            branches = [
                conv(896, 128, 1),
                nn.Sequential(
                    conv(896, 128, 1),
                    conv(128, 128, (1, 7), padding=(0, 3)),
                    conv(128, 128, (7, 1), padding=(3, 0)),
                ),
            ]
            return Residual(w(896), branches, w(256), 0.10, is_last=False)

        def block8(scale: float = 0.20, *, is_last: bool = False) -> nn.Module:
            branches = [
                conv(1792, 192, 1),
                nn.Sequential(
                    conv(1792, 192, 1),
                    conv(192, 192, (1, 3), padding=(0, 1)),
                    conv(192, 192, (3, 1), padding=(1, 0)),
                ),
            ]
            return Residual(w(1792), branches, w(384), scale, is_last)

        self.conv2d_1a = BasicConv(in_channels, w(32), 3, stride=2)
        self.conv2d_2a = conv(32, 32, 3)
        self.conv2d_2b = conv(32, 64, 3, padding=1)
        self.maxpool_3a = nn.MaxPool2d(3, stride=2)
        self.conv2d_3b = conv(64, 80, 1)
        self.conv2d_4a = conv(80, 192, 3)
        self.conv2d_4b = conv(192, 256, 3, stride=2)
        self.repeat_1 = nn.Sequential(*(block35() for _ in range(5)))
        self.mixed_6a = Reduction(
            [
                conv(256, 384, 3, stride=2),
                nn.Sequential(
                    conv(256, 192, 1), conv(192, 192, 3, padding=1), conv(192, 256, 3, stride=2)
                ),
            ]
        )
        self.repeat_2 = nn.Sequential(*(block17() for _ in range(10)))
        self.mixed_7a = Reduction(
            [
                nn.Sequential(conv(896, 256, 1), conv(256, 384, 3, stride=2)),
                nn.Sequential(conv(896, 256, 1), conv(256, 256, 3, stride=2)),
                nn.Sequential(
                    conv(896, 256, 1), conv(256, 256, 3, padding=1), conv(256, 256, 3, stride=2)
                ),
            ]
        )
        self.repeat_3 = nn.Sequential(*(block8() for _ in range(5)))
        self.block8 = block8(1.0, is_last=True)
        self.avgpool_1a = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.last_linear = nn.Linear(w(1792), embedding, bias=False)
        self.last_bn = nn.BatchNorm1d(embedding, eps=1e-3, momentum=0.1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                _ = nn.init.xavier_normal_(layer.weight)

    def forward(self, picture: Float[Tensor, "W P H V"]) -> Float[Tensor, "W D"]:
        """Every row of the table in turn."""
        x = self.features(picture)
        return self.last_bn(self.last_linear(self.dropout(self.avgpool_1a(x).flatten(1))))

    def features(self, picture: Float[Tensor, "W P H V"]) -> Float[Tensor, "W Q I U"]:
        """What stands before the average: channels that still know where."""
        # Faster, but torch 2.13's batch norm of a batch is less exact in this layout: gradients in
        # float32 are off by about 1 % (a test bounds it), a fraction of what bfloat16 does.
        x = self.conv2d_1a(picture).contiguous(memory_format=torch.channels_last)
        for name in PARTS[1 : PARTS.index("avgpool_1a")]:
            x = self.get_submodule(name)(x)
        return x

    def multiply_accumulates(self, *, size: int) -> int:
        """Multiply-accumulates of convolutions and the linear layer for a picture of ``size``.

        Example:
            >>> network = InceptionResNet(width=0.25, in_channels=1, embedding=128)
            >>> round(network.multiply_accumulates(size=96) / 1e6, 2)
            23.65
        """
        total = 0

        def count(layer: nn.Module, heard: tuple[Tensor, ...], said: Tensor) -> None:
            nonlocal total
            total += layer.get_parameter("weight").numel() * said[0, 0].numel()

        layers = [x for x in self.modules() if isinstance(x, nn.Conv2d | nn.Linear)]
        hooks = [layer.register_forward_hook(count) for layer in layers]
        was_training = self.training
        weight = self.conv2d_1a.conv.weight
        with torch.no_grad():
            _ = self.eval()(weight.new_zeros(1, weight.shape[1], size, size))
        for hook in hooks:
            hook.remove()
        _ = self.train(was_training)
        return total


def load_by_name(network: nn.Module, weights: Mapping[str, Any]) -> None:
    """Fill a network with tensors of the same names, such as those trained on faces.

    A classifier (``logits``) in the file is left out; what batch norm counts may be missing.

    Raises:
        WeightsError: Tensors are missing, unknown, or of another size; some of each are listed.

    Example:
        >>> network = nn.Linear(3, 2, bias=False)
        >>> load_by_name(network, {"weight": torch.ones(2, 3), "logits.weight": torch.ones(9, 2)})
        >>> network.weight.sum().item()
        6.0
        >>> load_by_name(network, {"weights": torch.ones(2, 3)})
        Traceback (most recent call last):
        ...
        serkit.models.inception_resnet.WeightsError: missing: weight; unknown: weights
    """
    expected = network.state_dict()  # its tensors are those of the network
    given = {name: value for name, value in weights.items() if not name.startswith(HEAD)}
    counted = {name for name in expected if name.endswith("num_batches_tracked")}
    both = expected.keys() & given.keys()
    found = {
        "missing": sorted(expected.keys() - given.keys() - counted),
        "unknown": sorted(given.keys() - expected.keys()),
        "of another size": [
            f"{name} ({_size(given[name])} instead of {_size(expected[name])})"
            for name in sorted(both)
            if _size(given[name]) != _size(expected[name])
        ],
    }
    if any(found.values()):
        raise WeightsError(
            "; ".join(f"{what}: {_listed(names)}" for what, names in found.items() if names)
        )
    with torch.no_grad():
        for name in both:
            _ = expected[name].copy_(given[name])


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def _size(value: Any) -> str:
    return "x".join(map(str, value.shape)) or "one" if isinstance(value, Tensor) else "no tensor"
