"""Write the example PKI, keys and directory, or check that the committed files are current.

    python certs/example/generate.py           write every file
    python certs/example/generate.py --check   change nothing; exit 1 and name the files that differ

The output depends on `agencies.yaml`, `rules.yaml`, `requests.yaml` and this code alone. Every key is worthless: see
README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from certs.example.pki import LOOPBACK_NAMES, Identity, authority, leaf
from certs.example.repository import ADMINISTRATORS, GOVERNORS, build
from certs.example.source import (
    AUDITORS,
    BROKER,
    DESK,
    HERE,
    Source,
    agency_document,
    agency_seeds,
    directory_document,
    load_source,
    log_vkey,
)
from schemas.example import example_seed

GENERATED = ("ca.crt", "log.vkey", "keys", "repository")
"""What the generator owns; anything else inside the two folders is out of date."""


def example_files(source: Source | None = None) -> dict[str, bytes]:
    """Return every generated file by its path below the folder, of the example or of another source like it."""
    source = source or load_source()
    root = authority()
    files = {"ca.crt": root.certificate, "log.vkey": log_vkey().encode() + b"\n"} | _identity_files("ca", root)
    files |= _identity_files(BROKER, leaf(BROKER, hosts=LOOPBACK_NAMES))
    files[f"keys/{BROKER}/log.seed"] = example_seed(BROKER, "log").hex().encode() + b"\n"
    files[f"keys/{BROKER}/log-mldsa.seed"] = example_seed(BROKER, "log-mldsa").hex().encode() + b"\n"
    files |= _identity_files(DESK, leaf(DESK, hosts=LOOPBACK_NAMES))
    for auditor in AUDITORS:
        files |= _identity_files(auditor, leaf(auditor))
    for governor in GOVERNORS:
        files[f"keys/{governor}/keys.json"] = _json({"governance": example_seed(governor, "governance").hex()})
    for agency in source.agencies:
        files |= _identity_files(agency, leaf(agency))
        files[f"keys/{agency}/keys.json"] = _json(agency_seeds(agency))
        administrators = {purpose: example_seed(agency, purpose).hex() for purpose in ADMINISTRATORS}
        files[f"keys/{agency}/administrators.json"] = _json(administrators)
    documents = {
        agency: agency_document(agency, source.requests.get(agency), source.contacts.get(agency))
        for agency in source.agencies
    }
    repository = build(directory_document(source), documents)
    return files | {f"repository/{path}": data for path, data in repository.items()}


def differences(files: Mapping[str, bytes], folder: Path) -> list[str]:
    """Return, in words, what in `folder` is not as generated."""
    found = []
    for path, data in files.items():
        target = folder / path
        if not target.is_file():
            found.append(f"{path}: missing")
        elif target.read_bytes() != data:
            found.append(f"{path}: differs")
    there = [file for top in GENERATED for file in (folder / top).rglob("*") if file.is_file()]
    names = (file.relative_to(folder).as_posix() for file in there)
    found += [f"{name}: not generated" for name in names if name not in files]
    return sorted(found)


def write(files: Mapping[str, bytes], folder: Path) -> None:
    """Put all files in place and remove what is no longer generated."""
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    for difference in differences(files, folder):
        (folder / difference.rpartition(": ")[0]).unlink()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="The example PKI, keys and directory; worthless by design.")
    parser.add_argument("--check", action="store_true", help="change nothing, name the files that are not current")
    check: bool = parser.parse_args(arguments).check
    files = example_files()
    if not check:
        write(files, HERE)
        sys.stdout.write(f"{len(files)} files written to {HERE}\n")
        return 0
    found = differences(files, HERE)
    sys.stdout.writelines(f"{line}\n" for line in found)
    sys.stdout.write(f"{len(found)} of {len(files)} files are not current\n" if found else "all files are current\n")
    return 1 if found else 0


def _identity_files(name: str, identity: Identity) -> dict[str, bytes]:
    return {
        f"keys/{name}/tls.crt": identity.certificate,
        f"keys/{name}/tls.key": identity.private_key,
        f"keys/{name}/tls.spki": identity.pin.encode() + b"\n",
    }


def _json(value: Mapping[str, str]) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


if __name__ == "__main__":
    sys.exit(main())
