"""Parts that more than one system is built from."""

from serkit.models.classifiers import KINDS, Choice, Classifier, ClassifierError, Kind

__all__ = ["KINDS", "Choice", "Classifier", "ClassifierError", "Kind"]
