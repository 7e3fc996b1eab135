"""Every target, and for every function that decodes what it was given, which target it is reached by.

`test_targets.py` finds those functions in the sources: a decoder without a target fails it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.fuzz.governed import GOVERNED
from tests.fuzz.local import LOCAL
from tests.fuzz.promise import Target
from tests.fuzz.sealed import SEALED
from tests.fuzz.signed_text import SIGNED_TEXT
from tests.fuzz.wire import WIRE

TARGETS: Final[Mapping[str, Target]] = {**SIGNED_TEXT, **WIRE, **GOVERNED, **SEALED, **LOCAL}
"""Every target by the name of its folder in the corpus."""

DECODERS: Final[Mapping[str, str]] = {
    "broker.config.load_config": "settings",
    "broker.config.parse_address": "settings-text",
    "broker.config.parse_config": "settings",
    "broker.governance.source.read_source": "source",
    "broker.governance.yaml_lines.load_lines": "source",
    "nodes.auditor.bundles.split": "split",
    "nodes.auditor.fetch.open_checkpoint": "served-note",
    "nodes.auditor.seen.read_seen": "served-note",
    "nodes.auditor.text.parse_moment": "settings-text",
    "nodes.config.load_config": "settings",
    "nodes.config.parse_config": "settings",
    "nodes.config.parse_pin": "settings-text",
    "nodes.handlers.settings.parse_handlers": "settings",
    "nodes.keys.request.read_request": "key-request",
    "nodes.service.requests.read_object": "request",
    "nodes.witness.config.load_config": "settings",
    "nodes.witness.config.parse_address": "settings-text",
    "nodes.witness.config.parse_config": "settings",
    "schemas.alert.canonical.read_canonical": "alert",
    "schemas.alert.document.alert_from_wire": "alert",
    "schemas.alert.loading.load_document": "document-yaml",
    "schemas.carrier.records.decode_manifest": "carrier-manifest",
    "schemas.carrier.records.decode_record": "carrier-record",
    "schemas.codec.decode": "codec",
    "schemas.directory.agency_keys.parse_agency_keys": "agency-keys",
    "schemas.directory.authority.parse_public_key": "public-key",
    "schemas.directory.contacts.parse_contacts": "contacts",
    "schemas.directory.documents.parse_directory": "directory-json",
    "schemas.directory.documents.read_item": "source",
    "schemas.directory.metadata.decode_bundle": "directory-bundle",
    "schemas.directory.metadata.read_root": "root",
    "schemas.directory.metadata.read_targets": "targets",
    "schemas.directory.strict_json.load_json": "strict-json",
    "schemas.directory.witnesses.read_witnesses": "witnesses",
    "schemas.envelope.attachment.open_attachment": "attachment",
    "schemas.envelope.body.open_body": "body",
    "schemas.envelope.disclosure.decode_disclosure": "disclosure",
    "schemas.envelope.disclosure.known_lines": "known-lines",
    "schemas.envelope.header.decode_header": "header",
    "schemas.envelope.header_wire.read_good": "header",
    "schemas.envelope.opener.open_opener": "opener",
    "schemas.envelope.opener.unwrap": "opener",
    "schemas.envelope.opening.open_alert": "partner",
    "schemas.envelope.peek.peek": "peek",
    "schemas.errors.refusal_from_code": "told",
    "schemas.ids.parse_id": "id",
    "schemas.log.checkpoint.claimed_checkpoint": "served-note",
    "schemas.log.checkpoint.parse_checkpoint": "checkpoint",
    "schemas.log.checkpoint.parse_tree": "checkpoint",
    "schemas.log.entry.decode_entry": "entry",
    "schemas.log.evidence.decode_evidence": "evidence",
    "schemas.log.evidence.read_path": "path",
    "schemas.log.note.decode_base64": "base64",
    "schemas.log.note.parse_note": "note",
    "schemas.log.note.parse_signatures": "signatures",
    "schemas.log.note.parse_vkey": "vkey",
    "schemas.log.policy.parse_policy": "policy",
    "schemas.log.proof.parse_proof": "proof",
    "schemas.log.receipt.decode_receipt": "receipt",
    "schemas.log.tiles.parse_tile_path": "tile-path",
    "schemas.log.tiles.split_bundle": "bundle",
    "schemas.log.witness.parse_request": "witness-request",
    "schemas.log.witness.parse_size": "witness-size",
    "schemas.log.witness.read_answer": "witness-answer",
    "schemas.log.witnessed.read_witnessed": "served-note",
    "schemas.routing.address.parse_address": "address",
    "schemas.routing.requests.parse_requests": "requests",
    "schemas.routing.rules.parse_rule": "rule",
    "schemas.sealed.open_secrets": "keystore",
    "schemas.session.frames.decode_frame": "frame-of-node",
}
"""By the decoder's full name."""

OWN_FILES: Final[Mapping[str, str]] = {
    "broker.engines.sqlite_parts.read_waiting": "reads the hub's own file, whose pages carry tags",
    "broker.keyfiles.parse_seed": "reads the hub's own key, which nobody else writes",
    "nodes.officer.words.read": "words for an alert that the node has opened",
}
"""Why a function that looks like a decoder needs no target of its own."""
