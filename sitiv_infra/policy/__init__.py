"""Segmentation, exactly: what a live rule base lets through against what is declared."""

from sitiv_infra.policy.cells import refused
from sitiv_infra.policy.hosts import Deviation, closed, filtered, opened
from sitiv_infra.policy.matrix import Carried, Difference, blocked, carried, undeclared
from sitiv_infra.policy.nftables import forward_policies, read
from sitiv_infra.policy.rules import RuleBase

__all__ = [
    "Carried",
    "Deviation",
    "Difference",
    "RuleBase",
    "blocked",
    "carried",
    "closed",
    "filtered",
    "forward_policies",
    "opened",
    "read",
    "refused",
    "undeclared",
]
