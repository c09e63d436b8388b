"""FaceNet on Emo-DB, five speaker pairs: pictures and transfer, losses and mining, windows.

    python recipes/facenet_emodb_tables.py [--corpus FOLDER] [--rows NAME,...] [--folds P1]

Writes results/facenet.emodb-5pairs.ablation.csv (with a column ``row``) and its predictions; goes
on where it was stopped. The network is the small one but in the rows of sizes; 30 epochs, of which
every row keeps the best on its development speakers. A GPU trains a row in some minutes.

spectrogram, waveform, mel  from nothing; mel is a spectrogram of 128 mel bins in place of 257
                            linear ones, whose frequencies are not stretched in training; what
                            follows has mel bins unless its name says otherwise
mel-1e-3, waveform-1e-3     the same from nothing, at half the rate: what the next are compared with
A-from-B                    picture A on Emo-DB, at that rate; the network was trained before on
                            RAVDESS, on picture B, by a small row of facenet_ravdess.py (fold 1):
                            everything but the last layer is taken over and goes on learning
triplet, softmax+triplet    other losses
hardest, random-violating   triplets alone, by other mining
0.5-0.25, 1.0-1.0, 2.0-1.0  other windows: seconds, and from one to the next
half, default               wider networks, larger pictures; default is the full-width one
default-softmax+triplet     the full-width network with both losses
plain                       not perturbed in training
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from facenet_ravdess import PICTURES, TRAINING, network

from serkit.experiment import Recipe, ablation

RESULTS = "facenet.emodb-5pairs.ablation"

FINE_TUNING_LR = 1e-3
"""Half the rate of training from nothing, so that what was learnt before is not lost at once."""

SOURCES = {
    "mel": "facenet.ravdess-6fold.small/seed0/fold-1",
    "waveform": "facenet.ravdess-6fold.small.waveform/seed0/fold-1",
}
"""Picture to the model that was trained on it."""

OTHERS: dict[str, dict[str, Any]] = {
    "triplet": {"loss": "triplet"},
    "softmax+triplet": {"loss": "softmax_triplet"},
    "hardest": {"loss": "triplet", "mining": "hardest"},
    "random-violating": {"loss": "triplet", "mining": "random_violating"},
    "0.5-0.25": {"window": 0.5, "hop": 0.25},
    "1.0-1.0": {"window": 1.0, "hop": 1.0},
    "2.0-1.0": {"window": 2.0, "hop": 1.0},
    "half": {"size": "half"},
    "default": {"size": "default"},
    "default-softmax+triplet": {"size": "default", "loss": "softmax_triplet"},
    "plain": {"augment": "none"},
}
"""Row to what it changes of ``mel``."""


def row(name: str, picture: str = "mel", **switches: Any) -> Recipe:
    """From nothing."""
    return Recipe(
        results=f"{RESULTS}/{name}",
        system="facenet",
        corpus="emodb",
        protocol="emodb-5pairs",
        system_settings=network(picture, **switches),
        settings=TRAINING,
    )


def slower(name: str, picture: str) -> Recipe:
    """From nothing, at the rate of those that are not."""
    return replace(row(name, picture), settings=replace(TRAINING, lr=FINE_TUNING_LR))


def transferred(name: str) -> Recipe:
    """From what was learnt on another corpus, perhaps of another picture."""
    picture, _, source = name.partition("-from-")
    model = SOURCES[source]
    return replace(
        slower(name, picture),
        pretrained=model,
        pretrained_by=f"recipes/facenet_ravdess.py --folds 1 --rows {model.partition('/')[0]}",
    )


def recipe() -> Mapping[str, Recipe]:
    """Row to what it runs."""
    return {
        **{picture: row(picture, picture) for picture in PICTURES},
        **{f"{picture}-1e-3": slower(f"{picture}-1e-3", picture) for picture in SOURCES},
        **{
            name: transferred(name)
            for name in (
                "mel-from-mel",
                "waveform-from-mel",
                "waveform-from-waveform",
                "mel-from-waveform",
            )
        },
        **{name: row(name, **switches) for name, switches in OTHERS.items()},
    }


def against() -> dict[str, str]:
    """Row to the row it is compared with."""
    others = {name: f"{name.partition('-from-')[0]}-1e-3" for name in recipe() if "-from-" in name}
    return {
        "mel": "spectrogram",
        "waveform": "mel",
        **{f"{picture}-1e-3": picture for picture in SOURCES},
        **others,
        **dict.fromkeys(OTHERS, "mel"),
        "default-softmax+triplet": "default",
    }


if __name__ == "__main__":
    ablation(__file__, recipe(), results=RESULTS, against=against())
