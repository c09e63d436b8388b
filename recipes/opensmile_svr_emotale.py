"""openSMILE functionals and linear regression of affect on EmoTale, six folds of three speakers.

    python recipes/opensmile_svr_emotale.py [--corpus FOLDER]

Writes results/opensmile-svr.emotale-6fold.csv (ComParE_2016) and its predictions; goes on where it
was stopped. Trained on all speakers outside the test fold (refit "full"); the complexity of each
dimension's machine is chosen inside that training side, on speakers held out. One seed, because
nothing is random. Needs the extra serkit[opensmile], for non-commercial use only.
"""

from serkit.experiment import Recipe, study


def recipe() -> Recipe:
    """What decides the rows."""
    return Recipe(
        results="opensmile-svr.emotale-6fold",
        system="opensmile_svr",
        corpus="emotale",
        protocol="emotale-6fold",
        refit="full",
    )


if __name__ == "__main__":
    study(__file__, recipe())
