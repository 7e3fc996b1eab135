"""The modules that are mutated, and the tests that have to notice: those of the module, and no whole programs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]

VECTORS: Final = "tests/vectors/test_envelope_vectors.py"

OPTIONS: Final = ("-p", "no:cacheprovider", "-p", "tests.mutation.profile", "--hypothesis-profile=mutation")

MODULES: Final[dict[str, tuple[str, ...]]] = {
    "schemas/envelope/opening.py": ("tests/unit/schemas/envelope/test_opening.py", f"{VECTORS}::test_envelope"),
    "schemas/routing/resolve.py": (
        "tests/unit/schemas/routing/test_resolve.py",
        "tests/unit/schemas/routing/test_properties.py",
        f"{VECTORS}::test_routing",
    ),
    "schemas/routing/address.py": ("tests/unit/schemas/routing/test_address.py",),
    "schemas/routing/rules.py": ("tests/unit/schemas/routing/test_rules.py",),
    "schemas/session/machine.py": (
        "tests/playbooks/test_session_playbook.py",
        "tests/playbooks/test_session_properties.py",
    ),
    "broker/apply.py": (
        "tests/unit/broker/test_apply.py",
        "tests/unit/broker/test_purging.py",
        "tests/unit/broker/test_escalating.py",
    ),
    "broker/admission.py": ("tests/unit/broker/test_admission.py",),
    "broker/acknowledgement.py": ("tests/unit/broker/test_acknowledgement.py",),
    "broker/escalating.py": ("tests/unit/broker/test_escalating.py",),
    "nodes/store/relations.py": ("tests/unit/nodes/store/test_relations.py", "tests/unit/nodes/store/test_outbox.py"),
    "broker/quota.py": ("tests/unit/broker/test_quota.py",),
    "broker/sequencer.py": ("tests/unit/broker/test_sequencer.py",),
    "broker/committer.py": ("tests/unit/broker/test_committer.py", "tests/unit/broker/test_restored.py"),
    "broker/recovery.py": ("tests/unit/broker/test_recovery.py", "tests/unit/broker/test_restored.py"),
    "broker/delivery.py": ("tests/unit/broker/test_delivery.py",),
    "schemas/session/frames.py": ("tests/unit/schemas/session/test_frames.py",),
    "nodes/witness/state.py": ("tests/unit/nodes/witness/test_state.py",),
    "nodes/receive.py": ("tests/unit/nodes/test_receive.py",),
    "nodes/taking.py": ("tests/unit/nodes/test_receive.py",),
    "nodes/receipts.py": ("tests/unit/nodes/test_receipts.py",),
    "schemas/envelope/header.py": ("tests/unit/schemas/envelope/test_header.py",),
    "schemas/envelope/header_wire.py": ("tests/unit/schemas/envelope/test_header.py",),
    "schemas/envelope/seal.py": ("tests/unit/schemas/envelope/test_seal.py",),
    "schemas/log/entry.py": ("tests/unit/schemas/log/test_entry.py",),
    "schemas/log/receipt.py": ("tests/unit/schemas/log/test_receipt.py",),
    "schemas/typed.py": ("tests/unit/schemas/test_typed.py",),
}
