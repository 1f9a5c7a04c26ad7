"""Rules that ask a set, as the rules that they stand for: one for each flow that the set names.

A set of nftables may name, by the comments of its elements, what each of them is for, and count
packets by element. Such a rule is judged, named and counted flow by flow, as if each were written
as a rule of its own; packets fare the same, for whatever element they are in, what follows is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

Body = Mapping[str, object]
SINGLE = {"==", "in"}


class Unfolded(list[dict[str, object]]):
    """A ruleset whose rules look into no set with comments."""


def unfolded(ruleset: Iterable[Body]) -> Unfolded:
    """Give a ruleset whose rules look into no set with comments; its rules are numbered by this."""
    if isinstance(ruleset, Unfolded):
        return ruleset
    listed = tuple(ruleset)
    sets = {
        _place(body, f"@{body.get('name')}"): named
        for item in listed
        for kind, body in item.items()
        if kind == "set" and isinstance(body, dict) and (named := _by_comment(body.get("elem")))
    }
    found = Unfolded()
    for item in listed:
        body = item.get("rule")
        whole = list(_rules(body, sets)) if sets and isinstance(body, dict) else []
        found += [{"rule": one} for one in whole] or [dict(item)]
    return found


Sets = Mapping[tuple[object, ...], Mapping[str, list[object]]]


def _place(body: Body, name: object) -> tuple[object, ...]:
    return body.get("family"), body.get("table"), name


def _by_comment(elements: object) -> dict[str, list[object]]:
    """Give elements by their comments; nothing where none has one."""
    found: dict[str, list[object]] = {}
    for element in elements if isinstance(elements, list) else []:
        inner = element.get("elem") if isinstance(element, dict) else None
        comment = inner.get("comment") if isinstance(inner, dict) else None
        found.setdefault(str(comment or ""), []).append(element)
    return found if found.keys() != {""} else {}


def _rules(body: dict[str, object], sets: Sets) -> Iterator[dict[str, object]]:
    """Yield what a rule stands for; nothing where it asks no such set, or more than one."""
    expressions = body.get("expr")
    statements = expressions if isinstance(expressions, list) else []
    asked = [(n, key) for n, one in enumerate(statements) if (key := _asked(body, one)) in sets]
    if len(asked) != 1:
        return
    (place, key), *_ = asked
    before, after = (
        [one for one in some if not _counts(one)]
        for some in (statements[:place], statements[place + 1 :])
    )
    for comment, elements in sets[key].items():
        match = {**statements[place]["match"], "right": {"set": elements}}
        asks = [{"match": match}, *_counter(elements)]
        name = {"comment": comment} if comment else {}
        handle = f"{body.get('handle')} {key[-1]}"
        yield {**body, **name, "handle": handle, "expr": [*before, *asks, *after]}


def _asked(body: Body, statement: object) -> tuple[object, ...]:
    match = statement.get("match") if isinstance(statement, dict) else None
    if isinstance(match, dict) and match.get("op") in SINGLE:
        return _place(body, match.get("right")) if isinstance(match.get("right"), str) else ()
    return ()


def _counts(statement: object) -> bool:
    """Whether a statement counts all that a rule stands for."""
    return isinstance(statement, dict) and "counter" in statement


def _counter(elements: Iterable[object]) -> Iterator[dict[str, object]]:
    """Yield what elements have counted together, where each tells."""
    packets: list[int] = []
    for element in elements:
        inner = element.get("elem") if isinstance(element, dict) else None
        counter = inner.get("counter") if isinstance(inner, dict) else None
        number = counter.get("packets") if isinstance(counter, dict) else None
        if not isinstance(number, int):
            return
        packets.append(number)
    yield {"counter": {"packets": sum(packets)}}
