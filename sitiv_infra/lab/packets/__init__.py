"""The proof by packets: what passes between VLANs, seen on the wire, against the declaration.

Each VLAN has an end of its own for the while of the proof, at an address that nobody uses. Every
packet is followed by its number: where it entered a firewall, where it left one, where it came out.
"""
