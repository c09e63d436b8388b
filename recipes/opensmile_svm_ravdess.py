"""openSMILE functionals and a linear machine on RAVDESS, six folds of four actors.

    python recipes/opensmile_svm_ravdess.py [--corpus FOLDER]

Writes results/opensmile-svm.ravdess-6fold.csv (ComParE_2016, 6373 functionals) and
results/opensmile-svm.ravdess-6fold.eGeMAPSv02.csv (88 functionals), and the predictions of both;
goes on where it was stopped.

Trained on all speakers outside the test fold: nothing is chosen on development speakers (refit
"full"), and the complexity of the machine is that of docs/systems/opensmile_svm.md. There is one
seed because nothing is random. Needs the extra serkit[opensmile], for non-commercial use only.
"""

from serkit.experiment import Recipe, study


def recipe() -> tuple[Recipe, Recipe]:
    """What decides the rows, for each set of functionals."""
    return (
        functionals("ComParE_2016", results="opensmile-svm.ravdess-6fold"),
        functionals("eGeMAPSv02", results="opensmile-svm.ravdess-6fold.eGeMAPSv02"),
    )


def functionals(feature_set: str, *, results: str) -> Recipe:
    """The recipe for one set of functionals."""
    return Recipe(
        results=results,
        system="opensmile_svm",
        corpus="ravdess",
        protocol="ravdess-6fold",
        system_settings={"feature_set": feature_set},
        refit="full",
    )


if __name__ == "__main__":
    study(__file__, *recipe())
