"""Corpus, protocol, system and seeds become rows, predictions and a report."""

from serkit.experiment.cross import Cell, CrossStudy, cross_recipe, write_cross
from serkit.experiment.folder import (
    ExperimentError,
    Finished,
    FoldRecord,
    gather,
    read_experiment,
    rows_of,
)
from serkit.experiment.fusion import fusion
from serkit.experiment.quality import quality_study, retest
from serkit.experiment.run import Experiment, Refit, UnknownFoldError
from serkit.experiment.settings import (
    Resolved,
    SettingError,
    UnknownSystemError,
    choices,
    configure,
    resolve,
    system_class,
)
from serkit.experiment.study import Recipe, RecipeError, ablation, study
from serkit.experiment.watch import ConsoleWatch, Watch, console_watch
from serkit.experiment.waveforms import Waveforms

__all__ = [
    "Cell",
    "ConsoleWatch",
    "CrossStudy",
    "Experiment",
    "ExperimentError",
    "Finished",
    "FoldRecord",
    "Recipe",
    "RecipeError",
    "Refit",
    "Resolved",
    "SettingError",
    "UnknownFoldError",
    "UnknownSystemError",
    "Watch",
    "Waveforms",
    "ablation",
    "choices",
    "configure",
    "console_watch",
    "cross_recipe",
    "fusion",
    "gather",
    "quality_study",
    "read_experiment",
    "resolve",
    "retest",
    "rows_of",
    "study",
    "system_class",
    "write_cross",
]
