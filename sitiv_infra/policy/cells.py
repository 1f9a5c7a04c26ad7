"""Whether the matrix of zones takes a flow."""

from __future__ import annotations

from sitiv_infra.estate import Access, Estate, Flow
from sitiv_infra.policy.services import beyond, shared
from sitiv_infra.policy.telling import services_of


def refused(estate: Estate, flow: Flow) -> tuple[str, ...]:
    """Name the services of a flow that its cell of the matrix does not take; none when all pass.

    A pair of zones without a cell takes nothing.
    """
    cell = estate.matrix.get((flow.source, flow.destination))
    if cell is not None and cell.access is Access.ALLOW_ALL:
        return ()
    if cell is None or cell.access is Access.BLOCK_ALL:
        return flow.services
    find = beyond if cell.access is Access.ALLOW_ONLY else shared
    return services_of(find(flow.services, cell.services))
