"""Where a call goes: rules and the caller's wish in, targets in order of fallback out.

`auto` is the caller's leave to choose. The first rule that matches (the tenant's own by priority, then those
of all tenants) decides; the later matching rules of the same owner, with the same tags, are its fallbacks: a
call never goes anywhere that no rule names. Without a matching rule the tier decides.

Any other name (a model's, `provider/model` or an alias) goes exactly there, without fallback, unless a rule
that matches refuses it. A refusal holds for all names of that model, so that an alias is no way around it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from routing.catalog import Catalog, Rule, Target, TenantRules

AUTO = "auto"
EXPLICIT = "explicit"
DEFAULT_SIMPLE = "default-simple"
DEFAULT_COMPLEX = "default-complex"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """What selection needs to know of a call."""

    model_asked: str
    score: float
    """Complexity, 0 to 1."""
    label: Literal["simple", "complex"]
    tags: tuple[str, ...]
    allowed: Callable[[str], bool]
    """The key's list of models: is this name on it? A target is allowed if any of its names is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """Where to ask: the first target, then the others one after another if it fails."""

    targets: tuple[Target, ...]
    rule: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Denied:
    """A rule refuses the call."""

    rule: str


@dataclass(frozen=True, kw_only=True, slots=True)
class UnknownModel:
    """No active model has that name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NotAllowed:
    """There are models, but none that this key may use."""


Selection = Chosen | Denied | UnknownModel | NotAllowed


def select(catalog: Catalog, tenant_rules: TenantRules, ask: Ask) -> Selection:
    """Return where the call goes, or why it goes nowhere."""
    owners = (_in_order(tenant_rules.rules), _in_order(catalog.rules))
    if ask.model_asked == AUTO:
        return _select_freely(catalog, owners, ask)
    return _select_explicitly(catalog, owners, ask)


def resolve_alias(catalog: Catalog, name: str) -> str:
    """Return the name by which a model is known in fingerprints: `provider/model`.

    `auto` and unknown names are returned as they are.
    """
    target = None if name == AUTO else find_target(catalog, name)
    return target.full_name if target else name


def find_target(catalog: Catalog, name: str) -> Target | None:
    """Return the active target of that name: full names come before names, names before aliases.

    Where two providers have a model of the same name, the first in the catalog's order is meant.
    """
    full = (target for target in catalog.targets if target.full_name == name)
    plain = (target for target in catalog.targets if target.name == name)
    alias = (target for target in catalog.targets if name in target.aliases)
    return next(full, None) or next(plain, None) or next(alias, None)


def visible_models(catalog: Catalog, allowed: Callable[[str], bool]) -> tuple[Target, ...]:
    """Return the targets that a key may use, in the catalog's order."""
    return tuple(target for target in catalog.targets if _is_allowed(target, allowed))


def askable_names(
    catalog: Catalog, tenant_rules: TenantRules, allowed: Callable[[str], bool]
) -> dict[str, Target]:
    """Return every name that a call of this key may ask for, with the target it means (for `auto`: one of them).

    A name that only some calls are refused (by tags or complexity) is among them.
    """
    usable = visible_models(catalog, allowed)
    owners = (_in_order(tenant_rules.rules), _in_order(catalog.rules))
    refused = {rule.model_asked for rules in owners for rule in rules if _refuses_every_call(rule)}
    meant = {name: target for names in _names_by_rank(catalog.targets) for name, target in reversed(names)}
    asked = [name for target in usable for name in _names(target) if meant[name] == target]
    names = {name: meant[name] for name in asked if not refused.intersection(_names(meant[name]))}
    if usable and any(_auto_goes_somewhere(catalog, owners, allowed, score) for score in (0.0, 1.0)):
        return {AUTO: usable[0], **names}
    return names


def usable_names(catalog: Catalog, allowed: Callable[[str], bool]) -> frozenset[str]:
    """Return the bare names of the models whose answers a key may get.

    Stored answers know their model by its bare name, so a name that two providers share counts only if the key
    may use both.
    """
    usable = visible_models(catalog, allowed)
    others = {target.name for target in catalog.targets if target not in usable}
    return frozenset(target.name for target in usable) - others


def _select_explicitly(catalog: Catalog, owners: tuple[list[Rule], ...], ask: Ask) -> Selection:
    target = find_target(catalog, ask.model_asked)
    if target is None:
        return UnknownModel()
    if not _is_allowed(target, ask.allowed):
        return NotAllowed()
    for rule in (rule for rules in owners for rule in rules if rule.action == "deny"):
        if rule.model_asked in {ask.model_asked, *_names(target)} and _conditions_hold(rule, ask):
            return Denied(rule=rule.name)
    return Chosen(targets=(target,), rule=EXPLICIT)


def _select_freely(catalog: Catalog, owners: tuple[list[Rule], ...], ask: Ask) -> Selection:
    if not catalog.targets:
        return UnknownModel()
    usable = {target.id: target for target in visible_models(catalog, ask.allowed)}
    if not usable:
        return NotAllowed()
    for rules in owners:
        matching = [rule for rule in rules if rule.model_asked == AUTO and _conditions_hold(rule, ask)]
        if decided := _first_decision(matching, usable):
            return decided
    return _by_tier(usable.values(), ask)


def _first_decision(matching: list[Rule], usable: dict[int, Target]) -> Chosen | Denied | None:
    """Return what the rules say. A rule whose target is inactive or not allowed is passed over."""
    for position, rule in enumerate(matching):
        if rule.action == "deny":
            return Denied(rule=rule.name)
        if rule.target_id in usable:
            return Chosen(targets=_chain(matching[position:], usable), rule=rule.name)
    return None


def _chain(rules: list[Rule], usable: dict[int, Target]) -> tuple[Target, ...]:
    """Return the targets of the deciding rule (the first) and of its fallbacks; a refusal ends them."""
    targets: dict[int, Target] = {}
    for rule in rules:
        if rule.action == "deny":
            break
        if rule.target_id in usable and set(rule.tags) == set(rules[0].tags):
            targets.setdefault(rule.target_id, usable[rule.target_id])
    return tuple(targets.values())


def _by_tier(usable: Iterable[Target], ask: Ask) -> Chosen:
    """Simple calls go to the cheapest of the cheap tier, others to the strong one; fallbacks never weaken."""
    ordered = sorted(usable, key=_list_price)
    cheap = [target for target in ordered if target.tier == "cheap"]
    strong = [target for target in ordered if target.tier == "strong"]
    if ask.label == "simple":
        return Chosen(targets=tuple(cheap + strong), rule=DEFAULT_SIMPLE)
    return Chosen(targets=tuple(strong or cheap), rule=DEFAULT_COMPLEX)


def _names_by_rank(targets: tuple[Target, ...]) -> list[list[tuple[str, Target]]]:
    """Return names and whom they mean, the weakest kind of name first (see find_target)."""
    return [
        [(alias, target) for target in targets for alias in target.aliases],
        [(target.name, target) for target in targets],
        [(target.full_name, target) for target in targets],
    ]


def _refuses_every_call(rule: Rule) -> bool:
    return rule.action == "deny" and rule.min_score <= 0.0 and rule.max_score >= 1.0 and not rule.tags


def _auto_goes_somewhere(
    catalog: Catalog, owners: tuple[list[Rule], ...], allowed: Callable[[str], bool], score: float
) -> bool:
    ask = Ask(
        model_asked=AUTO,
        score=score,
        label="complex" if score > 0 else "simple",
        tags=(),
        allowed=allowed,
    )
    return isinstance(_select_freely(catalog, owners, ask), Chosen)


def _in_order(rules: tuple[Rule, ...]) -> list[Rule]:
    return sorted(rules, key=lambda rule: (rule.priority, rule.name))


def _conditions_hold(rule: Rule, ask: Ask) -> bool:
    below = ask.score < rule.max_score or rule.max_score >= 1.0
    return rule.min_score <= ask.score and below and set(rule.tags) <= set(ask.tags)


def _names(target: Target) -> tuple[str, ...]:
    return (target.full_name, target.name, *target.aliases)


def _is_allowed(target: Target, allowed: Callable[[str], bool]) -> bool:
    return any(allowed(name) for name in _names(target))


def _list_price(target: Target) -> tuple[bool, int, int]:
    """Sort key: the latest price; a model without any price comes last, since its cost is unknown."""
    if not target.prices:
        return (True, 0, target.id)
    return (False, target.prices[0].input_pico + target.prices[0].output_pico, target.id)
