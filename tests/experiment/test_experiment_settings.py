"""``--set NAME=VALUE``."""

import pytest

from serkit.experiment import (
    SettingError,
    UnknownSystemError,
    choices,
    configure,
    resolve,
    system_class,
)
from serkit.trainer import Settings


def test_a_setting_of_the_trainer_is_read_by_its_type() -> None:
    settings = resolve(["epochs=3", "lr=1e-2", "schedule=cosine"], system="crnn").settings
    assert (settings.epochs, settings.lr, settings.schedule) == (3, 1e-2, "cosine")
    assert settings.batch == Settings().batch


def test_a_setting_of_the_system_goes_to_the_system() -> None:
    found = resolve(["size=small", "kernel_widths=3,5", "dropout=0.1"], system="crnn")
    assert found.system_settings == {"size": "small", "kernel_widths": (3, 5), "dropout": 0.1}
    assert found.settings == Settings()


@pytest.mark.parametrize(("text", "value"), [("none", None), ("5", 5)])
def test_none_is_a_value_where_the_field_allows_it(text: str, value: int | None) -> None:
    assert resolve([f"patience={text}"], system="crnn").settings.patience == value


def test_none_is_a_word_where_the_field_has_such_a_word() -> None:
    assert resolve(["balance=none"], system="crnn").settings.balance == "none"


def test_a_name_may_say_whose_it_is() -> None:
    found = resolve(["trainer.epochs=3", "system.size=small", "crnn.dropout=0"], system="crnn")
    assert found.settings.epochs == 3
    assert found.system_settings == {"size": "small", "dropout": 0.0}


def test_what_was_set_before_is_kept_and_overridden() -> None:
    found = resolve(
        ["size=default"],
        system="crnn",
        system_settings={"size": "small", "dropout": 0.5},
        settings=Settings(epochs=7),
    )
    assert found.system_settings == {"size": "default", "dropout": 0.5}
    assert found.settings.epochs == 7


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(SettingError, match=r"no setting 'epoch'; nearest: epochs"):
        resolve(["epoch=3"], system="crnn")


def test_a_wrong_value_gets_the_right_ones() -> None:
    with pytest.raises(
        SettingError, match=r"size=huge cannot be; size takes default, small, acrnn"
    ):
        resolve(["size=huge"], system="crnn")
    with pytest.raises(SettingError, match=r"epochs=many cannot be; epochs takes int"):
        resolve(["epochs=many"], system="crnn")
    with pytest.raises(SettingError, match=r"patience=x cannot be; patience takes int or none"):
        resolve(["patience=x"], system="crnn")


def test_a_value_of_the_right_type_can_still_be_refused() -> None:
    with pytest.raises(ValueError, match=r"epochs: 0 must be at least 1"):
        resolve(["epochs=0"], system="crnn")


@pytest.mark.parametrize("text", ["epochs", "=3", ""])
def test_it_takes_a_name_and_a_value(text: str) -> None:
    with pytest.raises(SettingError, match=r"--set takes NAME=VALUE"):
        resolve([text], system="crnn")


def test_the_owner_is_checked() -> None:
    with pytest.raises(SettingError, match=r"begins with 'model'"):
        resolve(["model.size=small"], system="crnn")
    with pytest.raises(SettingError, match=r"no setting 'size'"):
        resolve(["trainer.size=small"], system="crnn")


def test_the_protocol_decides_the_emotions() -> None:
    with pytest.raises(SettingError, match=r"follows from protocol and system"):
        resolve(["emotions=anger,sadness"], system="crnn")
    assert configure("crnn", ("anger", "fear"), {}).emotions == ("anger", "fear")


def test_a_recipe_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(SettingError, match=r"crnn has no setting 'siz'; nearest: size"):
        configure("crnn", ("anger", "fear"), {"siz": "small"})


def test_an_unknown_system_gets_the_nearest_one() -> None:
    with pytest.raises(UnknownSystemError, match=r"no system 'crn'; nearest: crnn"):
        system_class("crn")


def test_everything_that_can_be_set_is_listed_with_its_default() -> None:
    listed = {name: (kind, default) for name, kind, default in choices("crnn")}
    assert listed["size"] == ("default, small, acrnn", "default")
    assert listed["patience"] == ("int or none", "12")
    assert "emotions" not in listed
    for name in listed:  # each default can be given back
        if listed[name][1] != "-":
            resolve([f"{name}={listed[name][1]}"], system="crnn")
