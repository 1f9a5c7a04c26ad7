"""Segmentation, exactly: what a live rule base lets through against what is declared."""

from sitiv_infra.policy.matrix import Carried, Difference, blocked, carried, undeclared
from sitiv_infra.policy.nftables import forward_policies, read
from sitiv_infra.policy.rules import RuleBase

__all__ = [
    "Carried",
    "Difference",
    "RuleBase",
    "blocked",
    "carried",
    "forward_policies",
    "read",
    "undeclared",
]
