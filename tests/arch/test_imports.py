"""The layout's import rules, read off the syntax trees of every module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = {"broker", "nodes", "schemas"}
IMPURE = {"aiohttp", "apsw", "asyncio", "logging", "random", "secrets", "socket", "sqlite3", "structlog", "time"}
CLOCKS = {"now", "utcnow", "today", "urandom"}
AIOHTTP_ADAPTERS = {
    "broker/front.py",
    "broker/server.py",
    "broker/websocket.py",
    "broker/log_http.py",
    "broker/desk.py",
    "broker/witness_client.py",
    "broker/health.py",
    "nodes/front.py",
    "nodes/link.py",
    "nodes/api.py",
    "nodes/handlers/webhook.py",
    "nodes/witness/server.py",
}
SQLITE_ADAPTERS = ("broker/engines/sqlite", "nodes/store/")


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the architecture"
            yield node.module or ""


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def offences(package: str, allowed: set[str]) -> list[str]:
    return [
        f"{relative(path)} imports {name}"
        for path in modules(package)
        for name in imports(path)
        if name.split(".")[0] in PROJECT and not any(name == a or name.startswith(a + ".") for a in allowed)
    ]


def test_every_package_has_modules() -> None:
    assert all(len(modules(package)) > 10 for package in PROJECT)


def test_schemas_import_no_other_package() -> None:
    assert offences("schemas", {"schemas"}) == []


def test_broker_and_nodes_never_import_each_other() -> None:
    assert offences("broker", {"schemas", "broker"}) == []
    assert offences("nodes", {"schemas", "nodes"}) == []


def test_auditor_imports_schemas_and_itself_only() -> None:
    assert offences("nodes/auditor", {"schemas", "nodes.auditor"}) == []


def test_officer_reaches_the_node_through_its_client_only() -> None:
    assert offences("nodes/officer", {"schemas", "nodes.officer", "nodes.client"}) == []


def test_governance_knows_nothing_of_the_hub() -> None:
    """But for its command line, which hands what was signed to a hub on the same machine."""
    own = {"schemas", "broker.governance", "broker.durable", "broker.evidence", "broker.keyfiles"}
    command = {"broker.explain_cli", "broker.config", "broker.handover"}
    found = offences("broker/governance", own | command)
    found += [o for o in offences("broker/governance", own) if not o.startswith("broker/governance/cli.py")]
    assert found == []


def test_schemas_have_no_input_output_clock_or_chance() -> None:
    bad = [
        f"{relative(path)} imports {name}"
        for path in modules("schemas")
        for name in imports(path)
        if name.split(".")[0] in IMPURE and not relative(path).startswith("schemas/vectors/")
    ]
    bad += [
        f"{relative(path)}:{node.lineno} calls {node.func.attr}()"
        for path in modules("schemas")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS
    ]
    assert bad == []


@pytest.mark.parametrize("package", ["broker", "nodes"])
def test_aiohttp_and_sqlite_stay_in_their_adapters(package: str) -> None:
    bad = []
    for path in modules(package):
        where = relative(path)
        names = {name.split(".")[0] for name in imports(path)}
        if "aiohttp" in names and where not in AIOHTTP_ADAPTERS:
            bad.append(f"{where} imports aiohttp")
        if "apsw" in names and not where.startswith(SQLITE_ADAPTERS):
            bad.append(f"{where} imports apsw")
    assert bad == []


def test_only_command_line_modules_print_and_exit() -> None:
    bad = []
    for package in ("broker", "nodes", "schemas"):
        for path in modules(package):
            where = relative(path)
            if where.endswith("cli.py") or where.startswith(("nodes/officer/", "schemas/vectors/")):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    name = ast.unparse(node.func)
                    if name in {"print", "exit", "sys.exit", "os._exit", "click.echo"}:
                        bad.append(f"{where}:{node.lineno} calls {name}")
    assert bad == []


def test_tests_never_sleep() -> None:
    """But for the simulation, where time is simulated."""
    bad = [
        f"{relative(path)}:{node.lineno}"
        for path in modules("tests")
        if not relative(path).startswith("tests/simulation/")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"time.sleep", "asyncio.sleep"}
        and not (node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0)
    ]
    assert bad == []
