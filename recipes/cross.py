"""Train on Emo-DB, RAVDESS or EmoTale, test on each: the CRNN and the baseline.

    python recipes/cross.py [--corpora FOLDER] [--systems crnn] [--train emodb]

Writes results/cross.csv and results/predictions/cross.csv.gz; goes on where it was stopped. Only
anger, happiness, neutral and sadness count, which all three corpora have. A training side is judged
on its own corpus under emodb-5pairs, ravdess-6fold or emotale-6fold, and on all of the other two.
EmoTale's sentences are translations of five of Emo-DB's ten, so that between these two corpora the
texts are alike though the languages are not.

The CRNN is the small one and keeps the best development epoch. About an hour on one core.
"""

from collections.abc import Mapping

from serkit.corpus import Corpus
from serkit.experiment import CrossStudy, cross_recipe
from serkit.trainer import Settings


def recipe(corpora: Mapping[str, Corpus]) -> CrossStudy:
    """The matrix over the corpora that were read."""
    return CrossStudy(
        systems=("crnn", "opensmile_svm"),
        corpora=corpora,
        label_map="four",
        protocols={
            "emodb": "emodb-5pairs",
            "ravdess": "ravdess-6fold",
            "emotale": "emotale-6fold",
        },
        system_settings={"crnn": {"size": "small"}},
        settings={"crnn": Settings(epochs=30, batch=16, schedule="one_cycle", patience=None)},
    )


if __name__ == "__main__":
    cross_recipe(__file__, recipe, ("emodb", "ravdess", "emotale"))
