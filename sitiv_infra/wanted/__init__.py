"""What the declared estate asks of each machine: the values that roles and the lab apply."""

from sitiv_infra.wanted.addressing import Leg, full_name, hosts, legs
from sitiv_infra.wanted.nftables import forward_sets
from sitiv_infra.wanted.variables import shared, variables

__all__ = ["Leg", "forward_sets", "full_name", "hosts", "legs", "shared", "variables"]
