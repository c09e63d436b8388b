"""``serkit demo``: everything once, on the shipped recordings."""

from pathlib import Path
from typing import Annotated

import typer

from serkit.cli.shell import SMALL, new_console
from serkit.cli.show import show_finished, show_written

DEMO_SETTINGS = ("size=small", "epochs=24", "schedule=one_cycle", "batch=16", "patience=none")
"""Quick rather than good: some minutes on two cores."""


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to.")] = Path("demo"),
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="As of train.")
    ] = None,
) -> None:
    """Train the CRNN on the shipped recordings, judge it on unheard speakers, predict one."""
    from serkit.corpus import default_protocol, load, protocol
    from serkit.experiment import Experiment, console_watch, resolve
    from serkit.experiment.folder import fold_folder
    from serkit.predictor import load as load_model

    console = new_console()
    excerpt = load("excerpt")
    pairs = protocol(default_protocol(excerpt), excerpt)
    resolved = resolve([*DEMO_SETTINGS, *(set_ or ())], system="crnn")
    with console_watch().shown() as watch:
        watch.say(
            f"CRNN on {len(excerpt.utterances)} recordings of Emo-DB (CC BY 4.0): "
            f"{len(pairs.folds)} folds; each time two speakers test, two choose the epoch and "
            "six train."
        )
        finished = Experiment(
            system="crnn",
            corpus=excerpt,
            protocol=pairs,
            out=out,
            system_settings=resolved.system_settings,
            settings=resolved.settings,
            recipe="demo",
            changed=tuple(set_ or ()),
        ).run(watch=watch)
    fold = pairs.folds[0]
    utterance = fold.test[0]
    model = fold_folder(out, 0, fold.name)
    rating = load_model(model).predict(utterance.path)
    show_finished(console, finished)
    shares = ", ".join(f"{name} {value:.2f}" for name, value in rating.emotion.items())
    console.print(
        f"\nA speaker that this model never heard ({utterance.speaker}; the actor meant "
        f"{utterance.emotion()}):\n{utterance.path.name}: {shares}\n",
    )
    show_written(console, {"recording": utterance.path, "its model": model})
    console.print(f"your turn:   serkit predict FILE --model {out}", markup=False, soft_wrap=True)
    console.print(SMALL, style="bold")
