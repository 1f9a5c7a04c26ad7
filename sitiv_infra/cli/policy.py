"""``sitiv policy``: rule bases as devices print them, and as they should be."""

from __future__ import annotations

from sitiv_infra.cli.commands import Later, group

COMMANDS = (
    Later(
        "analyse",
        "bases:analyse",
        "Say which rules of a dump no packet reaches, and which change nothing; exit code 0.",
    ),
    Later(
        "compare",
        "bases:compare_command",
        "Say where two dumps treat packets otherwise; exit code 1 if they do, 2 if that is not"
        " known.",
    ),
    Later(
        "what-if",
        "bases:what_if",
        "Say what changes when rules of a dump go, together; exit codes as for compare.",
    ),
    Later(
        "explain",
        "bases:explain",
        "Say for each chain whether new connections pass, and which rules decide it.",
    ),
    Later(
        "render",
        "render:render",
        "Print the flows that an estate declares, as rules for a firewall of another kind.",
    ),
    Later(
        "prove",
        "prove:prove",
        "Prove the declaration between zones, and what is rendered of it; with dumps, what is"
        " live.",
    ),
    Later(
        "verify",
        "violations:verify",
        "Say what a dump lets through between zones and their matrix does not take.",
    ),
    Later(
        "diff",
        "changes:diff",
        "Say in plain words what a change of the declaration opens and closes between zones.",
    ),
    Later(
        "campaign",
        "flows:campaign",
        "Ask each team which of its flows stay: those that end before a day, and those without an"
        " end.",
    ),
    Later(
        "answers",
        "flows:answers_command",
        "Turn a campaign's answers into a patch of the declaration; nothing is changed here.",
    ),
)
app = group(
    """Rule bases of firewalls: what is too much in them, where two part, what passes.

    Read are iptables-save, nft -j, show of FortiOS, and NSRPC commands and lists of Stormshield.

    Examples:
      sitiv policy analyse dump.txt --from iptables-save
      sitiv policy compare before.json after.json --from nft-json
      sitiv policy explain dump.txt --from iptables-save 10.1.0.7 10.2.0.0/24 tcp/443
      sitiv policy verify dump.txt --from fortios --zones zones.csv --matrix matrix.csv
      sitiv policy render --to sns
    """,
    *COMMANDS,
)
