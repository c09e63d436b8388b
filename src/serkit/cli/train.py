"""``serkit train``: a system under a protocol, judged on speakers it never heard."""

from pathlib import Path
from typing import Annotated

import typer

from serkit.cli.shell import (
    SMALL,
    AliasOption,
    AllowLeakOption,
    CorpusOption,
    ProtocolOption,
    RaterOption,
    ScaleOption,
    SpeakerOption,
    misunderstood,
    new_console,
    new_table,
    read_corpus,
    whole_numbers,
)
from serkit.cli.show import show_finished


def train(
    system: Annotated[
        str,
        typer.Argument(
            help="crnn, verify_to_classify, facenet, emosphere, encoder_classifier, opensmile_svm, "
            "opensmile_svr, opensmile_lda"
        ),
    ],
    corpus: CorpusOption = None,
    protocol: ProtocolOption = None,
    seeds: Annotated[str, typer.Option("--seeds", metavar="N,N,...", help="One run each.")] = "0",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Gone on with if there. Default: below runs/."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Try a setting of the system or the trainer; may be repeated. Marks the run.",
        ),
    ] = None,
    refit: Annotated[
        bool,
        typer.Option("--refit", help="Then train anew on training and development side together."),
    ] = False,
    refit_full: Annotated[
        bool,
        typer.Option(
            "--refit-full", help="Train once on both sides, for all epochs, choosing nothing."
        ),
    ] = False,
    folds: Annotated[
        str, typer.Option("--folds", metavar="A,B,...", help="Only these folds.")
    ] = "",
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write losses for TensorBoard (extra).")
    ] = False,
    list_settings: Annotated[
        bool, typer.Option("--list-settings", help="List what --set takes, and stop.")
    ] = False,
    train_quality: Annotated[
        str,
        typer.Option(
            "--train-quality",
            metavar="CONDITION",
            help="Hear training and development side so: high, low, both, telephone, ...",
        ),
    ] = "high",
    test_quality: Annotated[
        str,
        typer.Option("--test-quality", metavar="CONDITION", help="Hear the test side so."),
    ] = "high",
    pretrained: Annotated[
        Path | None,
        typer.Option("--pretrained", metavar="MODEL", help="Begin from a model trained before."),
    ] = None,
    frozen: Annotated[
        bool,
        typer.Option("--frozen", help="Leave the pre-trained network as it is."),
    ] = False,
    clean: Annotated[
        bool,
        typer.Option(
            "--clean", help="Neither train on nor choose by what people hear no one emotion in."
        ),
    ] = False,
    allow_leak: AllowLeakOption = None,
    scale: ScaleOption = None,
    speaker_pattern: SpeakerOption = None,
    alias: AliasOption = None,
    rater: RaterOption = None,
) -> None:
    """Train a system under a protocol and judge it on speakers it never heard.

    A run that was stopped goes on when the same command is given again.
    """
    if refit and refit_full:
        misunderstood("--refit and --refit-full exclude each other.")
    if frozen and pretrained is None:
        misunderstood("--frozen keeps what was learnt before: name it with --pretrained MODEL.")
    numbers = whole_numbers(seeds, "--seeds")
    from serkit.audio import condition_name, parse_condition
    from serkit.corpus import default_protocol
    from serkit.corpus import protocol as cut
    from serkit.experiment import Experiment, choices, console_watch, resolve, system_class

    console = new_console()
    system = system_class(system).name  # opensmile-svm is opensmile_svm
    if list_settings:
        table = new_table("--set NAME", "VALUE", "default")
        for row in choices(system):
            table.add_row(*row)
        console.print(table)
        return
    resolved = resolve(set_ or [], system=system)
    read = read_corpus(
        corpus, scale=scale, speaker_pattern=speaker_pattern, aliases=alias, rater=rater
    )
    heard = parse_condition(train_quality), parse_condition(test_quality)
    task = system_class(system).task
    chosen = cut(protocol or default_protocol(read), read, task=task)
    experiment = Experiment(
        system=system,
        corpus=read,
        protocol=chosen,
        out=out
        or Path("runs")
        / _run_name(
            *(system, read.name, chosen.name),
            *([condition_name(one) for one in heard], pretrained, clean),
        ),
        system_settings=resolved.system_settings,
        settings=resolved.settings,
        seeds=numbers,
        folds=tuple(name.strip() for name in folds.split(",") if name.strip()),
        refit="full" if refit_full else "chosen" if refit else "no",
        changed=tuple(set_ or ()),
        tensorboard=tensorboard,
        allow_leaks=tuple(allow_leak or ()),
        train_quality=heard[0],
        test_quality=heard[1],
        pretrained=pretrained,
        frozen=frozen,
        clean=clean,
    )
    with console_watch().shown() as watch:
        watch.say(
            f"{system} on {read.name}, {chosen.name}: {len(experiment.chosen_folds)} folds, "
            f"seeds {', '.join(map(str, numbers))}; writing {experiment.out}"
        )
        for problem in read.problems:
            watch.say(problem)
        finished = experiment.run(watch=watch)
    show_finished(console, finished)
    if read.name == "excerpt":
        console.print(SMALL)


def _run_name(
    system: str,
    corpus: str,
    protocol: str,
    heard: list[str],
    pretrained: Path | None,
    clean: bool,
) -> str:
    """``crnn.emodb-loso``; generic protocols are named after the corpus as well."""
    name = f"{system}.{protocol if protocol.startswith(corpus) else f'{corpus}-{protocol}'}"
    if heard != ["hq", "hq"]:
        name += f".{'-'.join(heard)}"
    if pretrained is not None:
        name += ".pretrained"
    return f"{name}.clean" if clean else name
