"""An agency's operator and its administrators at their commands, over a running exchange."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.demo.exchange import EXAMPLE, Exchange, run, script


@dataclass(frozen=True)
class Agency:
    """One agency of an exchange: its node's commands, and the key file of its first administrator."""

    exchange: Exchange
    name: str

    @property
    def home(self) -> Path:
        """Its node's home."""
        return self.exchange.home(self.name)

    @property
    def admin(self) -> Path:
        """The first administrator's key file, made when first asked for."""
        path = self.exchange.root / f"{self.name}-administrator.key"
        if not path.exists():
            seeds = json.loads((EXAMPLE / "keys" / self.name / "administrators.json").read_text(encoding="utf-8"))
            seed = path.with_suffix(".seed")
            seed.touch(mode=0o600)
            seed.write_text(seeds["administrator-1"], encoding="ascii")
            run("bearing", "keys", "administrator", path, "--seed", seed, *self._its_passphrase)
        return path

    @property
    def _its_passphrase(self) -> tuple[str, Path]:
        return "--admin-passphrase-file", self.exchange.passphrase

    @property
    def signed(self) -> tuple[str | Path, ...]:
        """The options that sign at once."""
        return "--admin", self.admin, *self._its_passphrase

    def keys(self, command: str, *arguments: str | Path) -> dict[str, Any]:
        """`bearing keys COMMAND`, with the keystore's passphrase where it takes one; its answer."""
        changes = command in ("rotate", "retire", "emergency", "contact")
        its = ("--passphrase-file", self.exchange.passphrase) if changes else ()
        answer: dict[str, Any] = json.loads(run(*self.command(command, *arguments, *its)) or "{}")
        return answer

    def command(self, command: str, *arguments: str | Path) -> tuple[str, ...]:
        """The words of such a command."""
        words = ("keys", command, *arguments, "--home", self.home, "--json")
        return ("bearing", *map(str, words))

    def start(self, command: str, *arguments: str | Path) -> subprocess.Popen[bytes]:
        """Such a command in a process of its own, to be killed."""
        its = ("--passphrase-file", self.exchange.passphrase)
        _, *words = self.command(command, *arguments, *map(str, its))
        return subprocess.Popen([str(script("bearing")), *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def states(self, kind: str) -> dict[str, str]:
        """The keys of a kind, by id, with how they stand at this node."""
        return {
            key["id"]: key["state"] for key in self.exchange.client(self.name).keys()["keys"] if key["kind"] == kind
        }
