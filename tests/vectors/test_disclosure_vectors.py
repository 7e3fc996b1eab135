"""Every committed disclosure vector gives exactly its result, read as another implementation would read it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schemas.envelope.disclosure import STEPS, verify_disclosure
from schemas.errors import CrossbearingError
from schemas.log.note import parse_vkey
from tests.vectors.generate import ROOT

VECTORS = sorted((ROOT / "disclosure").glob("*.json"))


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in VECTORS])
def test_disclosure(path: Path) -> None:
    vector = json.loads(path.read_bytes())
    told, expected = vector["input"], vector["expected"]
    file, root = bytes.fromhex(told["file"]), bytes.fromhex(told["trusted_root"])
    if "code" not in expected:
        assert (
            verify_disclosure(file, keys=[parse_vkey(told["log_vkey"])], trusted_root=root).alert.id
            == expected["alert"]
        )
        return
    with pytest.raises(CrossbearingError) as refused:
        verify_disclosure(file, keys=[parse_vkey(told["log_vkey"])], trusted_root=root)
    assert {"code": refused.value.code, "step": refused.value.context.get("step")} == expected


def test_every_step_has_its_vectors() -> None:
    expected = [json.loads(path.read_bytes())["expected"] for path in VECTORS]
    assert {outcome["step"] for outcome in expected if "code" in outcome} == set(STEPS)
    assert sum("code" not in outcome for outcome in expected) == 1
