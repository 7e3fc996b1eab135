from __future__ import annotations

import copy
import pickle
import re
from dataclasses import dataclass

import pytest

from schemas import errors
from schemas.errors import (
    REGISTRY,
    BadDocument,
    BadSignature,
    CrossbearingError,
    Fault,
    Refusal,
    StorageFull,
    UnknownRefusal,
    refusal_from_code,
)
from schemas.limits import MAX_MESSAGE


@dataclass(frozen=True)
class Problem:
    path: str = "subjects[0].number"
    code: str = "check-digit"
    message: str = "The check digit is wrong."
    hint: str = "Expected 3."
    severity: str = "error"


@pytest.mark.parametrize("code", sorted(REGISTRY))
def test_a_class_is_named_after_its_code_and_has_a_hint(code: str) -> None:
    cls = REGISTRY[code]
    assert cls.__name__ == "".join(part.capitalize() for part in code.split("-"))
    assert getattr(errors, cls.__name__) is cls
    assert cls.code == code
    assert cls.hint.endswith(".")
    assert cls.__doc__
    assert issubclass(cls, Refusal | Fault)


def test_groups_have_no_code() -> None:
    groups = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, CrossbearingError) and value not in REGISTRY.values()
    ]
    assert {group.code for group in groups} == {""}
    assert {group.__name__ for group in groups} >= {"Refusal", "Fault", "EncodingRefusal", "LogRefusal"}


def test_the_tree_atop_the_module_names_every_group() -> None:
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or ""))
    groups = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, CrossbearingError) and not value.code
    }
    assert drawn == groups - {"CrossbearingError"} | {"UnknownRefusal"}


def test_an_error_is_shown_with_code_message_and_hint() -> None:
    error = BadSignature("the signature does not verify")
    assert str(error) == "the signature does not verify"
    assert error.as_dict() == {
        "code": "bad-signature",
        "message": "the signature does not verify",
        "hint": BadSignature.hint,
    }


def test_hint_and_context_can_be_given() -> None:
    error = BadSignature("no", hint="Ask again.", step=5, agency="hk-customs")
    assert error.as_dict()["hint"] == "Ask again."
    assert error.as_dict()["context"] == {"step": 5, "agency": "hk-customs"}
    assert BadSignature.hint != "Ask again."


def test_a_document_error_lists_its_problems() -> None:
    error = BadDocument("1 problem", problems=(Problem(),), path="alert.yaml")
    assert error.problems == (Problem(),)
    assert error.as_dict()["problems"] == [vars(Problem())]
    assert error.as_dict()["context"] == {"path": "alert.yaml"}


@pytest.mark.parametrize("error", [BadSignature("no", hint="Ask.", step=5), BadDocument("x", problems=(Problem(),))])
def test_errors_can_be_copied_and_pickled(error: CrossbearingError) -> None:
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(twin) is type(error)
        assert twin.as_dict() == error.as_dict()


def test_a_code_is_used_once() -> None:
    with pytest.raises(TypeError, match="slug used once"):
        type("Again", (Refusal,), {}, code="malformed", hint="None.")
    assert REGISTRY["malformed"] is errors.Malformed


@pytest.mark.parametrize(("code", "hint"), [("Not A Slug", "Do."), ("no-hint", "")])
def test_a_code_is_a_slug_with_a_hint(code: str, hint: str) -> None:
    with pytest.raises(TypeError, match="slug"):
        type("Odd", (Refusal,), {}, code=code, hint=hint)
    assert code not in REGISTRY


def test_an_error_is_rebuilt_from_the_wire() -> None:
    error = refusal_from_code("storage-full", "the disk is full", "Free space.")
    assert type(error) is StorageFull
    assert (error.message, error.hint) == ("the disk is full", "Free space.")
    assert refusal_from_code("storage-full", "x").hint == StorageFull.hint


def test_a_code_from_the_future_is_kept() -> None:
    error = refusal_from_code("tide-too-low", "the tide is too low")
    assert type(error) is UnknownRefusal
    assert error.code == "tide-too-low"
    assert UnknownRefusal.code == "unknown-refusal"


@pytest.mark.parametrize("code", ["", "Tide Too Low", "-", "x" * 33, "\x1b[2J"])
def test_a_code_that_is_none_is_not_kept(code: str) -> None:
    assert refusal_from_code(code, "x").code == "unknown-refusal"


def test_texts_from_a_peer_are_cut_and_cannot_steer_a_terminal() -> None:
    error = refusal_from_code("quota", "\x1b[2Jslow\u202edown\n" + "x" * 2 * MAX_MESSAGE, "\x07wait")
    assert error.message.isprintable()
    assert error.message.startswith(" [2Jslow down ")
    assert len(error.message) == MAX_MESSAGE
    assert error.hint == " wait"
