"""The gradient of a concordance over all processes, of which this is perhaps one of two."""

import json
import os
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from serkit.objectives.concordance import concordance_loss
from serkit.trainer.loop import ObjectiveOver, backward, parts

NUM, SAMPLES = 32, 40


class Line(nn.Module):
    """Two values of a waveform, by weights that all start alike."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.first = nn.Linear(SAMPLES, 5)
        self.last = nn.Linear(5, 2)
        self.dropout = nn.Dropout(dropout)

    def forward(self, waveform: Tensor, num_samples: Tensor) -> Tensor:
        return self.last(self.dropout(self.first(waveform).tanh()))


def objective(output: Tensor, target: Tensor) -> dict[str, Tensor]:
    arousal, valence = concordance_loss(output, target)
    return {"arousal": arousal, "valence": valence}


def gradients(
    *, over: ObjectiveOver, micro_batch: int, dropout: float = 0.0
) -> tuple[dict[str, float], list[float]]:
    """Losses and the gradient of all weights, each process with its share of the utterances."""
    torch.manual_seed(0)
    line = Line(dropout)
    waveform, target = torch.randn(NUM, SAMPLES), torch.rand(NUM, 2)
    accelerator = Accelerator(cpu=True)
    network = accelerator.prepare(line)
    own = slice(accelerator.process_index, NUM, accelerator.num_processes)
    heard, wanted = waveform[own], target[own]
    torch.manual_seed(7)  # of the dropout
    losses = backward(
        network,
        objective,
        [
            (heard[part], torch.full((part.stop - part.start,), SAMPLES), wanted[part])
            for part in parts(len(heard), micro_batch)
        ],
        accelerator=accelerator,
        autocast={"device_type": "cpu", "enabled": False},
        over=over,
    )
    found = [p.grad.flatten() for p in line.parameters() if p.grad is not None]
    return {name: float(loss) for name, loss in losses.items()}, torch.cat(found).tolist()


def main(folder: Path) -> None:
    found = json.dumps(gradients(over="batch", micro_batch=8))
    # a file of its own: what processes print together may be mixed
    _ = (folder / f"rank{os.environ['RANK']}.json").write_text(found, encoding="utf-8")
