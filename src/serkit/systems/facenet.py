"""FaceNet: short windows of an utterance drawn as pictures, and a network made for faces.

Paper:      Shuhua Liu, Mengyu Zhang, Ming Fang, Jianwei Zhao, Kun Hou, Chih-Cheng Hung, "Speech
            emotion recognition based on transfer learning from the FaceNet framework", J. Acoust.
            Soc. Am. 149(2), 1338-1345, 2021, doi 10.1121/10.0003530.
Claims:     accuracy 68.96 % on IEMOCAP, after pre-training on CASIA (the Mandarin corpus, not the
            faces of CASIA-WebFace), fine-tuned with waveforms; 90 % on CASIA. Splits and classes
            are not stated in what is public; on CASIA almost certainly speaker-dependent.
Reproduced: a reconstruction, not a reproduction: see docs/systems/facenet.md.
Departures: windows, pictures, network, losses, training and voting are not public. What is built is
            the network of the public FaceNet implementations (DS: D. Sandberg; PT: T. Esler),
            losses of FN (Schroff, Kalenichenko, Philbin, "FaceNet", CVPR 2015) and DS, and our
            choice elsewhere. The cosine falls to 0; weight decay is decoupled and on all weights;
            the class prototypes of ``triplet`` are running means, not computed afterwards; batch
            norm begins with moments of the training side.
            docs/systems/facenet.md marks each.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from serkit.features.raster import (
    Amplitude,
    Picture,
    Raster,
    Standardise,
    Style,
    blanked,
    cut,
    num_windows,
    standardise,
    stretched,
)
from serkit.models.grad_cam import grad_cam
from serkit.models.inception_resnet import PARTS, InceptionResNet, load_by_name
from serkit.objectives.cross_entropy import cross_entropy
from serkit.objectives.episode import episodes
from serkit.objectives.triplet import Mining, triplet

# Shapes: B utterances, N samples, G windows of an utterance, W windows of all, S samples of a
# window, P planes and R rows and columns of a picture, D embedding, C emotions.

Waveform = Float[np.ndarray, " _"]

SAMPLE_RATE = 16000  # Hz
MOST_WINDOWS = 60  # of an utterance in one epoch
AT_ONCE = 4  # windows of an utterance in a batch
PICTURES_AT_ONCE = {"cpu": 64, "cuda": 1024}  # so that long recordings do not fill the memory
EXPLAINED_AT_ONCE = 16  # the same where a gradient is followed
SAMPLES_AT_ONCE = 2**22  # of utterances heard side by side, padding included; 4 minutes
PROTOTYPE_SCALE = 10.0  # of a cosine to a prototype, before the softmax
CENTRE_STEP = 0.05  # how far a class centre moves towards what was heard
CENTRE_WEIGHT = 2e-5
NEIGHBOURS = 10
EXPLAINED_BY = "repeat_2"
"""The part of the network whose output Grad-CAM weighs: the last that tells places apart in every
size, 4 x 4 of them in ``small`` and 8 x 8 in the others. What follows sees 1 x 1 or 3 x 3."""
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
MOMENTS_OF = 64  # utterances that batch norm begins with
TIE = 1e-3  # votes that differ by less of all votes are tied
LEAST = 1e-7  # what a probability of 0 counts for in a logarithm


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """Widths of the network, and how large its pictures are."""

    width: float
    """Channels, as a share of the published numbers."""
    picture: int
    """Rows and columns."""
    planes: int
    """A picture is repeated so often."""
    embedding: int
    dropout: float


SIZES = {
    "default": Size(width=1.0, picture=160, planes=3, embedding=512, dropout=0.6),
    "half": Size(width=0.5, picture=160, planes=3, embedding=256, dropout=0.3),
    "small": Size(width=0.25, picture=96, planes=1, embedding=128, dropout=0.3),
}

Loss = Literal["softmax", "triplet", "softmax_triplet"]
Augment = Literal["none", "vtlp", "specaugment", "vtlp+specaugment"]
Aggregate = Literal["mean", "product", "max", "majority", "knn"]
Freeze = Literal["none", "stem", "to_6a", "all"]

FROZEN: dict[Freeze, tuple[str, ...]] = {
    "none": (),
    "stem": PARTS[: PARTS.index("repeat_1")],
    "to_6a": PARTS[: PARTS.index("repeat_2")],
    "all": PARTS,
}
"""Parts of the network that do not learn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """The switches of the system; ``docs/systems/facenet.md`` argues the defaults."""

    emotions: tuple[str, ...]
    """Labels, in the order of the logits."""
    picture: Picture = "spectrogram"
    """What is drawn of a window."""
    window: float = 1.0
    """Seconds; 0 draws the whole utterance as one picture, stretched."""
    hop: float = 0.5
    """Seconds from one window to the next."""
    jitter: bool = True
    """Shift the windows of an utterance by up to a hop, anew each time in training."""
    style: Style = "envelope"
    """Of a waveform diagram: lowest to highest sample of each column, or its mean alone."""
    connect: bool = True
    """Of a waveform diagram: a line that does not break."""
    mel: bool = False
    """Of a spectrogram: 128 mel bins instead of 257 linear ones."""
    amplitude: Amplitude = "utterance"
    """What is white: the loudest of the utterance, of the window, or full scale."""
    trim: float = 0.0
    """Leave out silence before and after speech: dB below the loudest frame; 0 keeps it."""
    standardise: Standardise = "fixed"
    """Pictures between -1 and 1, or each with mean 0 and deviation 1."""
    augment: Augment = "none"
    """In training, stretch the frequencies of a spectrogram as another vocal tract would, blank a
    band of columns and one of rows of a picture, or both."""
    size: Literal["default", "half", "small"] = "small"
    """Widths of the network and size of the pictures; ``default`` is for a GPU."""
    loss: Loss = "softmax"
    """Cross entropy, triplets of embeddings, or the sum of both."""
    mining: Mining = "semi_hard"
    """Which negative completes a triplet."""
    alpha: float = 0.2
    """Margin of the triplets."""
    utterances: int = 15
    """Of each emotion in a batch that triplets are found in."""
    centre: bool = False
    """Also draw embeddings to the running centre of their emotion."""
    aggregate: Aggregate = "mean"
    """How the posteriors of the windows become that of the utterance."""
    freeze: Freeze = "none"
    """What of a pre-trained network does not learn: nothing, up to its first blocks, up to
    ``mixed_6a``, or all but ``logits``."""
    face_weights: str = ""
    """File of weights of a face network, by the names of PT, that training begins from."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if len(self.emotions) < 2 or len(set(self.emotions)) < len(self.emotions):
            raise ValueError(f"emotions: {self.emotions} must be two or more different labels")
        for name, kind in (
            ("picture", Picture), ("style", Style), ("amplitude", Amplitude),
            ("standardise", Standardise), ("augment", Augment), ("loss", Loss), ("mining", Mining),
            ("aggregate", Aggregate), ("freeze", Freeze),
        ):  # fmt: skip
            if getattr(self, name) not in get_args(kind):
                raise ValueError(
                    f"{name}: {getattr(self, name)!r} is not one of {', '.join(get_args(kind))}"
                )
        if self.size not in SIZES:
            raise ValueError(f"size: {self.size!r} is not one of {', '.join(SIZES)}")
        if self.window != 0 and not 0.1 <= self.window <= 60:
            raise ValueError(
                f"window: {self.window} must be from 0.1 to 60 s, or 0 for the whole utterance"
            )
        if self.window and not 0.01 <= self.hop <= self.window:
            raise ValueError(
                f"hop: {self.hop} must be from 0.01 s to the window ({self.window} s), or some of "
                "the utterance would not be seen"
            )
        if "vtlp" in self.augment and (self.mel or self.picture == "waveform"):
            raise ValueError(
                f"augment: {self.augment} stretches frequencies, and needs a spectrogram of linear "
                "bins (picture=spectrogram, mel=False)"
            )
        if not 0 <= self.trim < 200:
            raise ValueError(f"trim: {self.trim} must be at least 0 and below 200 dB")
        if not 0 < self.alpha <= 4:
            raise ValueError(f"alpha: {self.alpha} must be above 0 and at most 4")
        if self.utterances < 2:
            raise ValueError(f"utterances: {self.utterances} must be at least 2")
        if self.freeze == "all" and (self.loss != "softmax" or self.centre):
            raise ValueError(
                "freeze: with all of the network frozen, embeddings do not move, so that triplets "
                "and centres have nothing to learn; choose loss=softmax and centre=no"
            )


class FaceNet(nn.Module):
    """Windows to pictures to embeddings to logits; the windows of an utterance vote.

    In training ``forward`` draws some windows of each utterance, and ``objective`` is taken over
    windows; ``cuts`` lets a long utterance come several times in an epoch. Otherwise all windows
    are seen, and weigh as many of their samples as the utterance has.

    Example:
        >>> system = FaceNet(Config(emotions=("anger", "sadness")))
        >>> posterior = system.posterior([np.zeros(24000, np.float32)])
        >>> posterior.shape, round(posterior.sum().item(), 3)
        (torch.Size([1, 2]), 1.0)
    """

    name: ClassVar[str] = "facenet"
    task: ClassVar[Literal["emotion"]] = "emotion"
    trained_by_gradient: ClassVar[bool] = True
    sample_rate: ClassVar[int] = SAMPLE_RATE
    settings: ClassVar[dict[str, Any]] = {
        "epochs": 40,
        "patience": 12,
        "batch": 24,
        "schedule": "cosine",
        "balance": "none",
        "weight_decay": 5e-4,
        "clip": 5.0,
    }
    """Of the trainer, where nothing else is asked for. A batch is of utterances, each with up to
    four windows."""
    Config = Config

    centres: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        size = SIZES[config.size]
        self.window = round(config.window * SAMPLE_RATE)
        self.hop = round(config.hop * SAMPLE_RATE)
        self.raster = Raster(
            picture=config.picture,
            size=size.picture,
            style=config.style,
            connect=config.connect,
            mel=config.mel,
            amplitude=config.amplitude,
            trim=config.trim,
            sample_rate=SAMPLE_RATE,
        )
        self.network = InceptionResNet(
            width=size.width,
            in_channels=size.planes,
            embedding=size.embedding,
            dropout=size.dropout,
        )
        if "softmax" in config.loss:
            self.logits = nn.Linear(size.embedding, len(config.emotions))
        self.num_triplets = 0  # since it was last asked
        # Running means of the embeddings of each emotion in training.
        self.register_buffer("centres", torch.zeros(len(config.emotions), size.embedding))
        if config.aggregate == "knn":
            self.neighbours = Neighbours(len(config.emotions), size.embedding)
        for name in FROZEN[config.freeze]:
            _ = self.network.get_submodule(name).requires_grad_(False)

    def train(self, mode: bool = True) -> "FaceNet":
        """Frozen parts stay as in evaluation: batch norm would go on moving, dropout drawing."""
        _ = super().train(mode)
        for name in FROZEN[self.config.freeze]:
            _ = self.network.get_submodule(name).eval()
        return self

    def front_end(self) -> dict[str, Any]:
        """The definition of the pictures."""
        return {
            **self.raster.definition(),
            "windows": self.window,
            "hop": self.hop,
            "standardise": self.config.standardise,
        }

    def prepare(
        self,
        waveforms: Iterable[Waveform],
        emotions: Sequence[int],
        *,
        speakers: Sequence[str | None] | None = None,
    ) -> None:
        """What batch norm begins with: moments of a window of some utterances of the training side.

        They would begin at 0 and 1, far from the truth, and of 112 batch norms in a row a little of
        that, left over after some hundred steps, is enough to change every answer.
        """
        heard = list(waveforms)
        step = max(1, -(-len(heard) // MOMENTS_OF))
        pictures = [self._middle(waveform) for waveform in heard[::step]]
        if len(pictures) < 2:
            return
        norms = [x for x in self.network.modules() if isinstance(x, NORMS)]
        momentum = [norm.momentum for norm in norms]
        was_training = self.training
        _ = self.network.train()
        _ = self.network.dropout.eval()
        for norm in norms:
            norm.momentum = 1.0
        with torch.no_grad():
            _ = self.network(torch.cat(pictures))
        for norm, before in zip(norms, momentum, strict=True):
            norm.momentum = before
        _ = self.train(was_training)

    @torch.no_grad()
    def _middle(self, waveform: Waveform) -> Float[Tensor, "1 P R R"]:
        """Picture of the window in the middle of an utterance."""
        samples = torch.from_numpy(waveform).to(self.centres).unsqueeze(0)
        length = torch.tensor([len(waveform)], device=samples.device)
        samples, length, _ = self.raster.heard(samples, length)
        grid = self._grid(int(length))
        start = torch.tensor([grid[len(grid) // 2]], device=samples.device)
        level = self.raster.level(samples, length)
        return self._pictures(samples, length, level, torch.zeros_like(start), start)

    # -- windows --------------------------------------------------------------------------------

    def _grid(self, num_samples: int, shift: int = 0) -> list[int]:
        """First samples of the windows of an utterance."""
        if self.window == 0:
            return [0]
        count = num_windows(num_samples - shift, window=self.window, hop=self.hop)
        return [shift + place * self.hop for place in range(count)]

    def _draw(self, lengths: Sequence[int], most: int) -> tuple[list[int], list[int]]:
        """Windows to train on, ``most`` of each utterance at most: places ``b most + g``, starts.

        A grid is shifted where the utterance is longer than a window and a hop. Random numbers are
        those of the processor, wherever the network is.
        """
        shifts = torch.randint(max(1, self.hop), (len(lengths),)).tolist()
        order = torch.rand(len(lengths), MOST_WINDOWS).argsort(1).tolist()
        places: list[int] = []
        starts: list[int] = []
        for owner, length in enumerate(lengths):
            is_shifted = self.config.jitter and length > self.window + self.hop
            grid = self._grid(length, shifts[owner] if is_shifted else 0)
            if len(grid) > MOST_WINDOWS:
                even = np.linspace(0, len(grid) - 1, MOST_WINDOWS).round().astype(int)
                grid = [grid[place] for place in even]
            chosen = [place for place in order[owner] if place < len(grid)][:most]
            places += range(owner * most, owner * most + len(chosen))
            starts += [grid[place] for place in chosen]
        return places, starts

    def _pictures(
        self,
        waveform: Float[Tensor, "B N"],
        num_samples: Int[Tensor, " B"],
        level: Float[Tensor, " B"],
        owner: Int[Tensor, " W"],
        start: Int[Tensor, " W"],
        augment: Augment = "none",
    ) -> Float[Tensor, "W P R R"]:
        """What the network sees of windows."""
        return self._standardised(self._drawn(waveform, num_samples, level, owner, start, augment))

    def _drawn(
        self,
        waveform: Float[Tensor, "B N"],
        num_samples: Int[Tensor, " B"],
        level: Float[Tensor, " B"],
        owner: Int[Tensor, " W"],
        start: Int[Tensor, " W"],
        augment: Augment = "none",
    ) -> Float[Tensor, "W 1 R R"]:
        """Pictures of windows, from 0 to 1."""
        if self.window == 0:
            least = max(self.raster.frames.win_length, self.raster.size)
            lengths = num_samples.clamp(min=least).tolist()
            whole = functional.pad(waveform, (0, max(0, least - waveform.shape[1])))
            picture = torch.cat(
                [self.raster(whole[[i], : lengths[i]], level[[i]]) for i in owner.tolist()]
            )
        else:
            samples = cut(waveform, num_samples, owner=owner, start=start, window=self.window)
            picture = self.raster(samples, level[owner])
        if "vtlp" in augment:
            alpha = (0.9 + 0.2 * torch.rand(len(picture))).to(picture)
            picture = stretched(picture, alpha)
        if "specaugment" in augment:
            picture = blanked(picture, most=self.raster.size // 5)
        return picture

    def _standardised(self, picture: Float[Tensor, "W 1 R R"]) -> Float[Tensor, "W P R R"]:
        picture = standardise(picture, self.config.standardise)
        return picture.expand(-1, SIZES[self.config.size].planes, -1, -1)

    def _answers(self, picture: Float[Tensor, "W P R R"]) -> Float[Tensor, "W E"]:
        """Logits and embedding of each window, side by side."""
        embedding = self.network(picture)
        if "softmax" in self.config.loss:
            logits = self.logits(embedding)
        else:
            cosines = functional.normalize(embedding, dim=1) @ unit(self.centres).T
            logits = PROTOTYPE_SCALE * cosines
        return torch.cat([logits, embedding], dim=1).float()

    def _split(
        self, answers: Float[Tensor, "W E"]
    ) -> tuple[Float[Tensor, "W C"], Float[Tensor, "W D"]]:
        return answers[:, : self.num_classes], answers[:, self.num_classes :]

    # -- training -------------------------------------------------------------------------------

    @property
    def compares_utterances(self) -> bool:
        """Whether the objective needs batches of its own."""
        return "triplet" in self.config.loss

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.config.emotions)

    def batches(
        self,
        classes: Sequence[int],
        *,
        speakers: Sequence[str | None],
        generator: np.random.Generator,
    ) -> list[list[int]]:
        """Batches of triplets: of each emotion as many utterances, all different.

        An utterance is in four batches of an epoch, each time with another window.
        """
        names, counts = np.unique(classes, return_counts=True)
        for name, count in zip(names.tolist(), counts.tolist(), strict=True):
            if count < self.config.utterances:
                raise ValueError(
                    f"{self.config.emotions[name]} has {count} training utterances, but a batch "
                    f"takes {self.config.utterances} different ones: lower utterances, or leave "
                    "the emotion out with a label map"
                )
        return [
            batch
            for _ in range(AT_ONCE)
            for batch in episodes(
                classes,
                num_episodes=1,
                num_utterances=self.config.utterances,
                generator=generator,
            )
        ]

    def cuts(self, num_samples: int, generator: np.random.Generator) -> list[tuple[int, int]]:
        """The whole utterance, whose loudness is the scale, once for about four windows.

        Those of silence that ``trim`` leaves out count, so that a recording with much of it comes
        more often. As long as its copies, it is in one batch with them.
        """
        windows = 1 if self.compares_utterances else len(self._grid(num_samples))
        times = round(min(windows, MOST_WINDOWS) / AT_ONCE)
        return [(0, num_samples)] * max(1, times)

    def forward(
        self, waveform: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]
    ) -> Float[Tensor, "B ..."]:
        """In training, windows drawn of each utterance; else its logarithmic posterior.

        Returns:
            ``B C``, or in training ``B G C+D+1``: logits, embedding, and 1 where there is a window.
        """
        if not self.training:
            return self._posterior(self._seen(waveform, num_samples)).clamp(min=LEAST).log()
        most = 1 if self.compares_utterances else AT_ONCE
        with torch.no_grad(), torch.autocast(waveform.device.type, enabled=False):
            waveform, num_samples, _ = self.raster.heard(waveform, num_samples)
            level = self.raster.level(waveform, num_samples)
            places, starts = self._draw(num_samples.tolist(), most)
            place, start = torch.tensor([places, starts], device=waveform.device)
            picture = self._pictures(
                waveform, num_samples, level, place // most, start, self.config.augment
            )
        if len(picture) == 1:  # batch norm has nothing to normalise by but what it remembers
            _ = self.network.eval()
            answers = self._answers(picture)
            _ = self.train()
        else:
            answers = self._answers(picture)
        answers = torch.cat([answers, answers.new_ones(len(answers), 1)], dim=1)
        empty = answers.new_zeros(len(waveform) * most, answers.shape[1])
        return empty.index_copy(0, place, answers).unflatten(0, (-1, most))

    def objective(
        self,
        answers: Float[Tensor, "B G E"],
        emotion: Float[Tensor, "B C"],
        *,
        weight: Float[Tensor, " C"] | None = None,
        label_smoothing: float = 0.0,
    ) -> dict[str, Tensor]:
        """Losses by name, each a mean over windows (or triplets of them)."""
        owner, slot = answers[:, :, -1].nonzero(as_tuple=True)
        logits, embedding = self._split(answers[owner, slot, :-1])
        target = emotion[owner]
        kind, losses = target.argmax(1), dict[str, Tensor]()
        if "softmax" in self.config.loss:
            losses["cross_entropy"] = cross_entropy(
                logits, target, weight=weight, label_smoothing=label_smoothing
            )
        if "triplet" in self.config.loss:
            losses["triplet"], number = triplet(
                embedding, kind, owner, alpha=self.config.alpha, mining=self.config.mining
            )
            self.num_triplets += number
        if self.config.centre:
            distance = (embedding - self.centres[kind]).square().sum(1).mean()
            losses["centre"] = CENTRE_WEIGHT * distance
        if self.training and (self.config.centre or self.config.loss == "triplet"):
            self._move_centres(embedding.detach(), kind)
        return losses

    def counts(self) -> dict[str, int]:
        """Triplets that the losses since the last call were means of, where there are any."""
        number, self.num_triplets = self.num_triplets, 0
        return {"num_triplets": number} if self.compares_utterances else {}

    @torch.no_grad()
    def _move_centres(self, embedding: Float[Tensor, "W D"], emotion: Int[Tensor, " W"]) -> None:
        """Each centre a step towards the mean of what was heard of its emotion."""
        is_emotion = functional.one_hot(emotion, self.num_classes).to(embedding.dtype)
        count = is_emotion.sum(0).unsqueeze(1)
        mean = is_emotion.T @ embedding / count.clamp(min=1)
        self.centres += CENTRE_STEP * (count > 0) * (mean - self.centres)

    # -- transfer -------------------------------------------------------------------------------

    def adopt(self, pretrained: nn.Module) -> None:
        """Take over the network of a system trained elsewhere, on whatever picture and emotions.

        Raises:
            ValueError: It is another system, or its network has another size.
        """
        if not isinstance(pretrained, FaceNet):
            raise ValueError(f"it is no facenet, but {type(pretrained).__name__}")
        if pretrained.config.size != self.config.size:
            raise ValueError(
                f"its network has size={pretrained.config.size}, not {self.config.size}"
            )
        load_by_name(self.network, pretrained.network.state_dict())

    def begin_from_faces(self, weights: dict[str, Tensor]) -> None:
        """Fill the network with weights of a face network, by their names.

        Raises:
            ValueError: Some are missing, unknown or of another size.
        """
        load_by_name(self.network, weights)

    # -- whole utterances -----------------------------------------------------------------------

    def _seen(self, waveform: Float[Tensor, "B N"], num_samples: Int[Tensor, " B"]) -> "Seen":
        """All windows of utterances, in evaluation mode."""
        device = waveform.device
        waveform, num_samples, begin = self.raster.heard(waveform, num_samples)
        level = self.raster.level(waveform, num_samples)
        grids = [self._grid(length) for length in num_samples.tolist()]
        owner = torch.tensor([b for b, grid in enumerate(grids) for _ in grid], device=device)
        start = torch.tensor([first for grid in grids for first in grid], device=device)
        span = torch.full_like(start, self.window) if self.window else num_samples[owner]
        end = (start + span).minimum(num_samples[owner])
        at_once = PICTURES_AT_ONCE.get(device.type, PICTURES_AT_ONCE["cpu"])
        answers = torch.cat(
            [
                self._answers(self._pictures(waveform, num_samples, level, *part))
                for part in zip(owner.split(at_once), start.split(at_once), strict=True)
            ]
        )
        logits, embedding = self._split(answers)
        return Seen(
            posterior=logits.softmax(1),
            embedding=embedding,
            owner=owner,
            start=start + begin[owner],
            end=end + begin[owner],
            weight=(end - start) / span,
            num=len(waveform),
        )

    def _posterior(self, seen: "Seen") -> Float[Tensor, "B C"]:
        rule = self.config.aggregate
        if rule == "knn":
            if len(self.neighbours.embedding):
                return self.neighbours(self._embedding(seen))
            rule = "mean"  # until training is over
        return aggregate(seen.posterior, seen.owner, seen.weight, num=seen.num, rule=rule)

    def _embedding(self, seen: "Seen") -> Float[Tensor, "B D"]:
        vectors = seen.weight.unsqueeze(1) * unit(seen.embedding)
        empty = vectors.new_zeros(seen.num, vectors.shape[1])
        return unit(empty.index_add(0, seen.owner, vectors))

    def posterior(self, waveforms: Sequence[Waveform]) -> Float[Tensor, "B C"]:
        """Probabilities of whole utterances, in evaluation mode."""
        return self._in_batches(waveforms, self._posterior, self.num_classes)

    def embed(self, waveforms: Sequence[Waveform]) -> Float[Tensor, "B D"]:
        """One unit vector per utterance: the mean of those of its windows, in evaluation mode."""
        return self._in_batches(waveforms, self._embedding, self.centres.shape[1])

    @torch.no_grad()
    def window_posteriors(
        self, waveform: Waveform
    ) -> tuple[list[float], list[float], Float[Tensor, "W C"]]:
        """What each window of an utterance says, in evaluation mode: a timeline.

        Their mean, weighted by the samples that each has of the utterance, is ``posterior`` where
        windows are aggregated by their mean.

        Returns:
            Starts and ends in seconds, and probabilities.

        Example:
            >>> system = FaceNet(Config(emotions=("anger", "sadness")))
            >>> starts, ends, posterior = system.window_posteriors(np.zeros(20000, np.float32))
            >>> starts, ends, tuple(posterior.shape)
            ([0.0, 0.5], [1.0, 1.25], (2, 2))
        """
        was_training = self.training
        _ = self.eval()
        samples = torch.from_numpy(waveform).to(self.centres).unsqueeze(0)
        seen = self._seen(samples, torch.tensor([len(waveform)], device=samples.device))
        _ = self.train(was_training)
        starts, ends = ((time / SAMPLE_RATE).tolist() for time in (seen.start, seen.end))
        return starts, ends, seen.posterior.cpu()

    def explain(self, waveform: Waveform, emotion: int | None = None) -> "Explanation":
        """Where in each picture of an utterance an answer comes from: Grad-CAM.

        The maps say what spoke for the emotion at ``EXPLAINED_BY``, drawn up to the size of the
        pictures; 1 is the highest of all windows. What is explained is how far its logit lies above
        the mean of all, since what all logits share decides nothing. They say where, not how much
        of the posterior goes with it, and are as coarse as that part of the network.

        Args:
            waveform: An utterance.
            emotion: Which answer is explained, by its place in ``emotions``; None: the given one.

        Example:
            >>> system = FaceNet(Config(emotions=("anger", "sadness")))
            >>> found = system.explain(np.sin(np.arange(20000, dtype=np.float32)))
            >>> tuple(found.map.shape), found.starts, found.ends
            ((2, 96, 96), [0.0, 0.5], [1.0, 1.25])
        """
        was_training = self.training
        _ = self.eval()
        samples = torch.from_numpy(waveform).to(self.centres).unsqueeze(0)
        length = torch.tensor([len(waveform)], device=samples.device)
        with torch.no_grad():
            seen = self._seen(samples, length)
            chosen = int(self._posterior(seen).argmax()) if emotion is None else emotion
            samples, length, begin = self.raster.heard(samples, length)
            level, start = self.raster.level(samples, length), seen.start - begin
            windows = zip(
                seen.owner.split(EXPLAINED_AT_ONCE), start.split(EXPLAINED_AT_ONCE), strict=True
            )
            drawn = [self._drawn(samples, length, level, *part) for part in windows]
        layer = self.network.get_submodule(EXPLAINED_BY)

        def answer(picture: Tensor) -> Tensor:
            logits, _ = self._split(self._answers(self._standardised(picture)))
            return logits[:, chosen] - logits.mean(1)

        maps = [grad_cam(layer, lambda picture=picture: answer(picture)) for picture in drawn]
        _ = self.train(was_training)
        size = (self.raster.size, self.raster.size)
        coarse = torch.cat(maps).unsqueeze(1)
        fine = functional.interpolate(coarse, size, mode="bilinear", align_corners=False)
        return Explanation(
            emotion=chosen,
            starts=(seen.start / SAMPLE_RATE).tolist(),
            ends=(seen.end / SAMPLE_RATE).tolist(),
            span=(self.window or int(length)) / SAMPLE_RATE,
            sees="mel spectrogram" if self.raster.mel else self.raster.picture,
            posterior=seen.posterior.cpu(),
            picture=torch.cat(drawn)[:, 0].cpu(),
            map=(fine / fine.max().clamp(min=LEAST))[:, 0].cpu(),
        )

    @torch.no_grad()
    def _in_batches(
        self,
        waveforms: Sequence[Waveform],
        answer: Callable[["Seen"], Float[Tensor, "B _"]],
        width: int,
    ) -> Float[Tensor, "B _"]:
        """Answers to utterances, heard beside others of similar length, in their order."""
        order = sorted(range(len(waveforms)), key=lambda index: -len(waveforms[index]))
        found = [torch.zeros(0, width)]
        place = 0
        was_training = self.training
        _ = self.eval()
        while place < len(order):
            longest = len(waveforms[order[place]])
            chosen = order[place : place + max(1, SAMPLES_AT_ONCE // max(1, longest))]
            padded = np.zeros((len(chosen), longest), dtype=np.float32)
            for row, index in zip(padded, chosen, strict=True):
                row[: len(waveforms[index])] = waveforms[index]
            lengths = torch.tensor([len(waveforms[index]) for index in chosen])
            samples = torch.from_numpy(padded).to(self.centres)
            found.append(answer(self._seen(samples, lengths.to(samples.device))).cpu())
            place += len(chosen)
        _ = self.train(was_training)
        return torch.cat(found)[torch.tensor(order, dtype=torch.long).argsort()]

    # -- neighbours -----------------------------------------------------------------------------

    @property
    def concludes(self) -> bool:
        """Whether training utterances are remembered after training."""
        return self.config.aggregate == "knn"

    def conclude(
        self,
        waveforms: Sequence[Waveform],
        emotions: Sequence[int],
        *,
        development: tuple[Sequence[Waveform], Sequence[int]] | None,
        speakers: Sequence[str | None],
        seed: int,
    ) -> None:
        """Remember the embeddings of the training side, which ``knn`` asks; else nothing."""
        if self.concludes:
            self.neighbours.remember(self.embed(waveforms), torch.tensor(list(emotions)))

    @classmethod
    def multiply_accumulates(cls, config: Config) -> int:
        """Multiply-accumulates of the network for a second of speech, half overlapped or not.

        Example:
            >>> emotions = ("anger", "sadness")
            >>> round(FaceNet.multiply_accumulates(Config(emotions=emotions)) / 1e6, 1)
            47.3
        """
        each = cls(config).network.multiply_accumulates(size=SIZES[config.size].picture)
        return round(each / config.hop) if config.window else each


# ----------------------------------------------------------------------- windows to the utterance


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """All windows of some utterances."""

    posterior: Float[Tensor, "W C"]
    embedding: Float[Tensor, "W D"]
    owner: Int[Tensor, " W"]
    """The utterance of each."""
    start: Int[Tensor, " W"]
    """First sample."""
    end: Int[Tensor, " W"]
    """After the last sample that is of the utterance."""
    weight: Float[Tensor, " W"]
    """Share of its samples that are of the utterance."""
    num: int
    """B."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """What a network saw of an utterance, and what of it spoke for an emotion."""

    emotion: int
    """Place in ``emotions``."""
    starts: list[float]
    """Of the windows, in seconds."""
    ends: list[float]
    """Where a window or the utterance ends."""
    span: float
    """Seconds that a picture covers, silence after the utterance included."""
    sees: str
    """What the pictures are: a ``spectrogram`` (0 to 8 kHz), ``mel spectrogram``, ``waveform``."""
    posterior: Float[Tensor, "W C"]
    picture: Float[Tensor, "W R R"]
    """From 0 to 1."""
    map: Float[Tensor, "W R R"]
    """From 0 to 1."""


def aggregate(
    posterior: Float[Tensor, "W C"],
    owner: Int[Tensor, " W"],
    weight: Float[Tensor, " W"],
    *,
    num: int,
    rule: Literal["mean", "product", "max", "majority"] = "mean",
) -> Float[Tensor, "B C"]:
    """Posteriors of utterances from those of their windows.

    - ``mean``: weighted;
    - ``product``: the weighted mean of logarithms, brought to a sum of 1;
    - ``max``: of each emotion the largest of weight times posterior, brought to a sum of 1;
    - ``majority``: weighted votes for the most probable emotion of each window. Where two emotions
      have as many (to a thousandth of all), the one with the higher mean goes first.

    Args:
        posterior: Of each window.
        owner: The utterance of each window, from 0.
        weight: Of each window, above 0.
        num: B.
        rule: See above.

    Example:
        >>> posterior = torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
        >>> owner, weight = torch.zeros(3, dtype=torch.long), torch.ones(3)
        >>> mean = aggregate(posterior, owner, weight, num=1)
        >>> majority = aggregate(posterior, owner, weight, num=1, rule="majority")
        >>> [[round(value, 2) for value in found[0].tolist()] for found in (mean, majority)]
        [[0.57, 0.43], [0.33, 0.67]]
    """

    def total(x: Tensor) -> Tensor:
        return x.new_zeros(num, x.shape[1]).index_add(0, owner, x)

    share = weight.unsqueeze(1) / total(weight.unsqueeze(1))[owner]
    mean = total(share * posterior)
    if rule == "mean":
        return mean
    if rule == "product":
        return total(share * posterior.clamp(min=LEAST).log()).softmax(1)
    if rule == "max":
        index = owner.unsqueeze(1).expand_as(posterior)
        weighted = weight.unsqueeze(1) * posterior
        most = torch.zeros_like(mean).scatter_reduce(0, index, weighted, "amax")
        return most / most.sum(1, keepdim=True)
    vote = functional.one_hot(posterior.argmax(1), posterior.shape[1]).to(posterior.dtype)
    return (total(share * vote) + TIE * mean) / (1 + TIE)


class Neighbours(nn.Module):
    """The training utterances nearest to an embedding vote by how near they are.

    Args:
        num_emotions: C.
        width: D.
    """

    embedding: Tensor
    emotion: Tensor

    def __init__(self, num_emotions: int, width: int) -> None:
        super().__init__()
        self.num_emotions = num_emotions
        # As many as there are training utterances, so not of a size that a reader could expect.
        self.register_buffer("embedding", torch.zeros(0, width), persistent=False)
        self.register_buffer("emotion", torch.zeros(0, dtype=torch.long), persistent=False)

    def remember(self, embedding: Float[Tensor, "V D"], emotion: Int[Tensor, " V"]) -> None:
        """Unit vectors and their emotions, in place of what was remembered before."""
        self.embedding = embedding.to(self.embedding)
        self.emotion = emotion.to(self.emotion)

    def forward(self, embedding: Float[Tensor, "B D"]) -> Float[Tensor, "B C"]:
        """Shares of the votes of 10 neighbours; a vote counts ``(1 + cos) / 2``."""
        nearest = (embedding @ self.embedding.T).topk(min(NEIGHBOURS, len(self.embedding)), dim=1)
        vote = (1 + nearest.values.clamp(min=-1)) / 2 + LEAST
        shares = vote.new_zeros(len(vote), self.num_emotions)
        shares = shares.scatter_add(1, self.emotion[nearest.indices], vote)
        return shares / shares.sum(1, keepdim=True)

    def get_extra_state(self) -> Tensor:
        """Vectors, each with its emotion behind it."""
        return torch.cat([self.embedding, self.emotion.unsqueeze(1).to(self.embedding)], dim=1)

    def set_extra_state(self, state: Tensor) -> None:
        """What ``get_extra_state`` gave."""
        self.remember(state[:, :-1], state[:, -1].long())


def unit(vector: Float[Tensor, "W D"]) -> Float[Tensor, "W D"]:
    """Each brought to length 1."""
    return functional.normalize(vector, dim=1)
