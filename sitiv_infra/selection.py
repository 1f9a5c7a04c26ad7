"""The same selection everywhere: ``--member --site --domain --only --severity``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sitiv_infra.checking import Check, Verdict
from sitiv_infra.errors import InvalidInput
from sitiv_infra.estate import Estate, Severity
from sitiv_infra.estate.references import unknown


@dataclass(frozen=True)
class Selection:
    """What part of an audit is wanted; an empty field wants all of it.

    only -- check ids, ``*`` for any text. severity -- the least severe that is wanted.
    """

    members: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    severity: Severity | None = None

    def __bool__(self) -> bool:
        """Whether anything is left out."""
        return bool(self.members or self.sites or self.domains or self.only or self.severity)

    def __str__(self) -> str:
        """Show the selection as the options that make it."""
        named = {
            "member": self.members, "site": self.sites, "domain": self.domains, "only": self.only,
            "severity": (self.severity.value,) if self.severity else (),
        }  # fmt: skip
        return " ".join(f"--{name} {value}" for name, values in named.items() for value in values)

    def checks(self, checks: Iterable[Check]) -> list[Check]:
        """Give the checks that are wanted; InvalidInput for a name that is no check or domain."""
        known = list(checks)
        ids = [name for item in known for name in (item.id, *item.aliases)]
        for pattern in self.only:
            if not any(fnmatchcase(name, pattern) for name in ids):
                raise InvalidInput(f"--only {pattern}: {unknown(pattern, ids, 'checks')}")
        domains = {item.domain for item in known}
        for domain in self.domains:
            if domain not in domains:
                raise InvalidInput(f"--domain {domain}: {unknown(domain, domains, 'domains')}")
        return [item for item in known if self._wants(item)]

    def _wants(self, item: Check) -> bool:
        names = (item.id, *item.aliases)
        return (
            (not self.domains or item.domain in self.domains)
            and (not self.only or any(fnmatchcase(n, p) for n in names for p in self.only))
            and (self.severity is None or item.severity.rank >= self.severity.rank)
        )

    def validate(self, estate: Estate) -> None:
        """Raise InvalidInput for a member or a site that isn't declared."""
        for member in self.members:
            if member not in estate.members:
                raise InvalidInput(f"--member: {unknown(member, estate.members, 'members')}")
        for site in self.sites:
            if site not in estate.sites:
                raise InvalidInput(f"--site: {unknown(site, estate.sites, 'sites')}")

    def wants(self, verdict: Verdict) -> bool:
        """Tell whether a verdict concerns a wanted member and site.

        What is nobody's own concerns all: a store that could not be read, a check that raised.
        """
        return (not self.members or _meets(self.members, verdict.members)) and (
            not self.sites or _meets(self.sites, verdict.sites)
        )

    def sources(self, estate: Estate, checks: Iterable[Check]) -> list[str]:
        """Name the sources that the wanted checks need for the wanted members and sites."""
        families = {need for item in checks for need in item.needs}
        return [
            name
            for name, source in estate.sources.items()
            if source.family in families
            and (not self.members or _meets(self.members, estate.members_of(source)))
            and (not self.sites or _meets(self.sites, estate.sites_of(source)))
        ]


def _meets(wanted: tuple[str, ...], has: tuple[str, ...]) -> bool:
    """Tell whether a source or a verdict may concern what is wanted; one that is for all does."""
    return not has or bool(set(wanted) & set(has))
