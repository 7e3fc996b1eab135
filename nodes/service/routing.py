"""What officers and governors ask about the rules in force, and about rules that are proposed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nodes.service.compose import resolution_view
from schemas.directory.documents import parse_directory
from schemas.directory.strict_json import dump_json
from schemas.envelope.header import decode_header
from schemas.errors import NotFound
from schemas.routing.lint import lint
from schemas.routing.plan import plan_of
from schemas.routing.reach import matrix
from schemas.routing.resolve import Resolution, query_of, weigh
from schemas.routing.simulate import proposal, simulate

if TYPE_CHECKING:
    from nodes.service.compose import Composer
    from nodes.standing import Standing
    from nodes.store.database import Tables
    from nodes.store.store import Store

__all__ = ["Routing"]


class Routing:
    """Answers from the directory held and from the headers kept here; nothing is sent or changed."""

    def __init__(self, store: Store, standing: Standing, composer: Composer) -> None:
        self._store = store
        self._standing = standing
        self._composer = composer

    async def explain(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """`POST /v1/route/explain`: of a whole `document`, of its clear facts alone, or of an `alert` by its id.

        An alert is explained by its header, under the directory it was sealed with. Raises as composing does, and
        `NotFound` for an alert that is not here or not sealed yet.
        """
        if isinstance(query.get("alert"), str):
            return resolution_view(await self._explain_header(str(query["alert"])))
        document = query.get("document")
        return resolution_view(self._composer.explain(document if isinstance(document, Mapping) else query))

    async def _explain_header(self, text: str) -> Resolution:
        def look(tables: Tables) -> bytes | None:
            return tables.alerts.content(tables.alerts.find(text).number).header

        data = await self._store.read(look)
        if data is None:
            raise NotFound(f"the alert {text} is not sealed yet", hint="Explain the document: --draft FILE.")
        header = decode_header(data)
        return weigh(plan_of(self._standing.history.version(header.directory)), query_of(header))

    async def matrix(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """`POST /v1/route/matrix`: who can reach whom by name, with an alert of these clear facts.

        Raises `NotReady` before a directory is held, and `Malformed` for a word that is none of the list's.
        """
        plan = plan_of(self._standing.directory)
        found = matrix(plan, self._composer.question(query, ()))
        cells = {
            sender: {recipient: asdict(reach) for recipient, reach in row.items()} for sender, row in found.items()
        }
        return {"agencies": list(plan.agencies), "reach": cells}

    async def lint(self) -> dict[str, Any]:
        """`GET /v1/route/lint`: what the linter finds in the rules in force. Raises `NotReady`."""
        findings = lint(self._standing.directory.require_document())
        return {"findings": [{**asdict(finding), "rules": list(finding.rules)} for finding in findings]}

    async def simulate(self, document: dict[str, Any]) -> dict[str, Any]:
        """`POST /v1/route/simulate`: which of the alerts sent or received here would have gone elsewhere.

        `document` is a proposed `directory.json`. Raises `NotReady`, and `DirectoryInvalid` naming the field at fault.
        """
        plan = proposal(parse_directory(dump_json(document)), self._standing.directory)
        kept = await self._store.read(lambda tables: tables.alerts.headers())
        headers = [(index, decode_header(header)) for index, header in kept]
        return {"alerts": len(headers), "changes": [change.as_dict() for change in simulate(plan, headers)]}
