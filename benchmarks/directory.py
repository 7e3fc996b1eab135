"""A directory for measuring: the example's, of any size, with allowances that no measurement meets.

    python -m benchmarks.directory FOLDER [--recipients 30]

The example allows an agency some hundred alerts a minute, as governors would; a sender that measures would soon wait
for its allowance instead of for the hub. The keys are of the example's kind: derived from names, worthless, and
refused anywhere but on loopback.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from certs.example.generate import example_files, write
from certs.example.source import Source, load_source
from deploy.demo.exchange import Exchange
from schemas.envelope.words import PRECEDENCES
from schemas.limits import MAX_ALERTS_PER_MINUTE, MAX_BODY, MAX_BYTES_PER_DAY

SENDER = "hk-customs"
RECEIPTS_PER_MINUTE = 1_000_000
"""Goes into the hub's `broker.toml`: the operator sets it, not the governors."""


def measuring_source(recipients: int) -> Source:
    """The example's governed documents for one sender and so many recipients: fewer than its 31 agencies, or more.

    Rules, requests and contacts stay as they are, except those that name an agency which is not there.
    """
    source = load_source()
    listed: list[dict[str, Any]] = source.lists["agencies"]
    count = recipients + 1
    agencies = [*listed, *(_more(listed[n % len(listed)], n) for n in range(len(listed), count))][:count]
    there = {agency["id"] for agency in agencies}
    gone = {agency["id"] for agency in listed} - there
    return replace(
        source,
        lists={**source.lists, "agencies": agencies},
        rules={
            "rules": [rule for rule in source.rules["rules"] if not gone & set(_words(rule))],
            "limits": {
                "alerts_per_minute": dict.fromkeys(PRECEDENCES, MAX_ALERTS_PER_MINUTE),
                "bytes_per_day": dict.fromkeys(PRECEDENCES, MAX_BYTES_PER_DAY),
                "body_bytes": MAX_BODY,
            },
        },
        requests={agency: value for agency, value in source.requests.items() if agency in there},
        contacts={agency: value for agency, value in source.contacts.items() if agency in there},
    )


def write_directory(folder: Path, recipients: int) -> list[str]:
    """Write keys and repository to `folder`; the agencies, of which `SENDER` is the first."""
    source = measuring_source(recipients)
    write(example_files(source), folder)
    return source.agencies


def create_exchange(root: Path, recipients: int) -> Exchange:
    """An exchange under `root` that nothing throttles: its folders are made, nothing runs yet."""
    keys = root / "directory"
    exchange = Exchange(root / "exchange", write_directory(keys, recipients), example=keys)
    exchange.create()
    with (exchange.broker_data / "broker.toml").open("a", encoding="utf-8") as settings:
        settings.write(f"\n[limits]\nreceipts_per_minute = {RECEIPTS_PER_MINUTE}\n")
    return exchange


def _more(like: Mapping[str, Any], number: int) -> dict[str, Any]:
    """One more agency, of the country and region of another."""
    return {**like, "id": f"{like['id'][:2]}-bench-{number}", "name": f"Agency {number} for measuring"}


def _words(value: object) -> Sequence[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [word for each in value for word in _words(each)]
    return [value] if isinstance(value, str) else []


def main() -> None:
    """Write the folder that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--recipients", type=int, default=30)
    options = parser.parse_args()
    agencies = write_directory(options.folder, options.recipients)
    sys.stdout.write(f"{len(agencies)} agencies in {options.folder}\n")


if __name__ == "__main__":
    main()
