from collections.abc import Callable
from typing import Literal

from routing.catalog import Catalog, Price, Rule, Target, TenantRules
from routing.selection import (
    Ask,
    Chosen,
    Denied,
    NotAllowed,
    Selection,
    UnknownModel,
    askable_names,
    resolve_alias,
    select,
    visible_models,
)


def target(
    id: int,
    name: str,
    tier: Literal["cheap", "strong"],
    usd: float | None = 1.0,
    *,
    provider: str = "demo",
    aliases: tuple[str, ...] = (),
) -> Target:
    pico = int((usd or 0) * 1_000_000)
    price = Price(
        effective_from=0.0, input_pico=pico, output_pico=pico, cache_read_pico=0, cache_write_pico=0
    )
    return Target(
        id=id,
        provider=provider,
        name=name,
        upstream_name=name,
        tier=tier,
        context_tokens=1000,
        aliases=aliases,
        prices=() if usd is None else (price,),
    )


SMALL = target(1, "small", "cheap", 1.0, aliases=("quick",))
TINY = target(2, "tiny", "cheap", 0.5, provider="other")
LARGE = target(3, "large", "strong", 10.0)
HUGE = target(4, "huge", "strong", 90.0, provider="other")
TARGETS = (SMALL, LARGE, HUGE, TINY)


def rule(
    name: str,
    to: Target | None = None,
    *,
    priority: int = 100,
    model_asked: str = "auto",
    scores: tuple[float, float] = (0.0, 1.0),
    tags: tuple[str, ...] = (),
) -> Rule:
    return Rule(
        name=name,
        priority=priority,
        model_asked=model_asked,
        min_score=scores[0],
        max_score=scores[1],
        tags=tags,
        action="route" if to else "deny",
        target_id=to.id if to else None,
    )


def choose(
    model: str = "auto",
    *,
    score: float = 0.2,
    tags: tuple[str, ...] = (),
    allowed: Callable[[str], bool] = lambda name: True,
    rules: tuple[Rule, ...] = (),
    own: tuple[Rule, ...] = (),
    targets: tuple[Target, ...] = TARGETS,
) -> Selection:
    catalog = Catalog(targets=targets, providers=(), rules=rules)
    label: Literal["simple", "complex"] = "simple" if score < 0.5 else "complex"
    ask = Ask(model_asked=model, score=score, label=label, tags=tags, allowed=allowed)
    return select(catalog, TenantRules(rules=own), ask)


def test_without_rules_simple_calls_go_to_the_cheapest_and_fall_back_upwards() -> None:
    assert choose(score=0.2) == Chosen(targets=(TINY, SMALL, LARGE, HUGE), rule="default-simple")


def test_without_rules_complex_calls_stay_in_the_strong_tier() -> None:
    assert choose(score=0.5) == Chosen(targets=(LARGE, HUGE), rule="default-complex")


def test_a_complex_call_takes_a_cheap_model_where_there_is_no_other() -> None:
    assert choose(score=0.9, targets=(SMALL,)) == Chosen(targets=(SMALL,), rule="default-complex")


def test_a_model_without_a_price_is_taken_last_in_its_tier() -> None:
    unpriced = target(9, "unpriced", "cheap", None)
    chosen = choose(targets=(unpriced, SMALL, LARGE))
    assert chosen == Chosen(targets=(SMALL, unpriced, LARGE), rule="default-simple")


def test_the_lowest_priority_number_wins() -> None:
    rules = (rule("late", SMALL, priority=20), rule("early", LARGE, priority=10))
    assert choose(rules=rules) == Chosen(targets=(LARGE, SMALL), rule="early")


def test_a_tenants_own_rules_come_before_those_of_all_tenants() -> None:
    chosen = choose(own=(rule("own", HUGE, priority=900),), rules=(rule("global", SMALL, priority=1),))
    assert chosen == Chosen(targets=(HUGE,), rule="own")


def test_a_score_range_includes_its_start_and_leaves_out_its_end() -> None:
    rules = (rule("low", SMALL, scores=(0.0, 0.5)), rule("rest", LARGE, priority=200))
    assert choose(score=0.499, rules=rules) == Chosen(targets=(SMALL, LARGE), rule="low")
    assert choose(score=0.5, rules=rules) == Chosen(targets=(LARGE,), rule="rest")
    assert choose(score=1.0, rules=rules) == Chosen(targets=(LARGE,), rule="rest")


def test_a_rule_with_tags_needs_all_of_them_and_never_falls_back_to_rules_without() -> None:
    rules = (rule("eu", HUGE, priority=1, tags=("eu", "legal")), rule("rest", SMALL))
    assert choose(tags=("legal", "x", "eu"), rules=rules) == Chosen(targets=(HUGE,), rule="eu")
    assert choose(tags=("eu",), rules=rules) == Chosen(targets=(SMALL,), rule="rest")


def test_a_refusing_rule_refuses_and_also_ends_a_chain_of_fallbacks() -> None:
    assert choose(rules=(rule("closed"),)) == Denied(rule="closed")
    rules = (rule("a", SMALL, priority=1), rule("stop", priority=2), rule("b", LARGE, priority=3))
    assert choose(rules=rules) == Chosen(targets=(SMALL,), rule="a")


def test_a_rule_whose_target_is_gone_or_not_allowed_is_passed_over() -> None:
    rules = (rule("gone", target(77, "gone", "cheap"), priority=1), rule("next", LARGE))
    assert choose(rules=rules) == Chosen(targets=(LARGE,), rule="next")
    rules = (rule("dear", HUGE, priority=1), rule("next", LARGE))
    assert choose(rules=rules, allowed=lambda name: name == "large") == Chosen(targets=(LARGE,), rule="next")


def test_auto_takes_only_models_on_the_keys_list() -> None:
    assert choose(score=0.9, allowed=lambda name: name == "quick").__class__ is Chosen
    assert choose(score=0.9, allowed=lambda name: name == "quick") == Chosen(
        targets=(SMALL,), rule="default-complex"
    )
    assert choose(allowed=lambda name: False) == NotAllowed()


def test_auto_without_any_model_is_an_unknown_model() -> None:
    assert choose(targets=()) == UnknownModel()


def test_an_explicit_name_alias_or_full_name_goes_there_and_nowhere_else() -> None:
    for name in ("small", "quick", "demo/small"):
        chosen = choose(name, score=0.99, rules=(rule("elsewhere", LARGE, model_asked=name),))
        assert chosen == Chosen(targets=(SMALL,), rule="explicit")


def test_a_full_name_is_meant_before_a_name_and_a_name_before_an_alias() -> None:
    alias = target(7, "x", "cheap", aliases=("large",))
    odd = target(8, "demo/small", "cheap", provider="other")
    assert choose("large", targets=(alias, LARGE)) == Chosen(targets=(LARGE,), rule="explicit")
    assert choose("demo/small", targets=(odd, SMALL)) == Chosen(targets=(SMALL,), rule="explicit")


def test_an_unknown_name_is_not_replaced_by_another_model() -> None:
    assert choose("smal") == UnknownModel()


def test_the_keys_list_may_name_a_model_in_any_way() -> None:
    for listed in ("small", "quick", "demo/small"):
        assert choose("demo/small", allowed=lambda name, listed=listed: name == listed) == Chosen(  # type: ignore[misc]
            targets=(SMALL,), rule="explicit"
        )
    assert choose("small", allowed=lambda name: name == "large") == NotAllowed()


def test_a_refusal_of_a_model_holds_for_all_its_names() -> None:
    no_small = rule("no-small", model_asked="small")
    for name in ("small", "quick", "demo/small"):
        assert choose(name, rules=(no_small,)) == Denied(rule="no-small")
        assert choose(name, own=(no_small,)) == Denied(rule="no-small")
    assert choose("large", rules=(no_small,)) == Chosen(targets=(LARGE,), rule="explicit")


def test_a_refusal_holds_only_under_its_conditions() -> None:
    no_batch = rule("no-batch", model_asked="large", tags=("batch",))
    assert choose("large", rules=(no_batch,)) == Chosen(targets=(LARGE,), rule="explicit")
    assert choose("large", tags=("batch",), rules=(no_batch,)) == Denied(rule="no-batch")


def test_all_names_of_a_model_resolve_to_one() -> None:
    catalog = Catalog(targets=TARGETS, providers=(), rules=())
    assert {resolve_alias(catalog, name) for name in ("small", "quick", "demo/small")} == {"demo/small"}
    assert resolve_alias(catalog, "auto") == "auto"
    assert resolve_alias(catalog, "unheard-of") == "unheard-of"


def test_only_allowed_models_are_visible() -> None:
    catalog = Catalog(targets=TARGETS, providers=(), rules=())
    assert visible_models(catalog, lambda name: name in ("quick", "other/huge")) == (SMALL, HUGE)


def askable(
    *own: Rule, allowed: Callable[[str], bool] = lambda name: True, targets: tuple[Target, ...] = TARGETS
) -> dict[str, Target]:
    return askable_names(Catalog(targets=targets, providers=(), rules=()), TenantRules(rules=own), allowed)


def test_every_askable_name_goes_where_it_is_said_to_go() -> None:
    twin = target(7, "small", "cheap", provider="twin", aliases=("large", "swift"))
    names = askable(targets=(*TARGETS, twin))
    assert list(names)[:4] == ["auto", "demo/small", "small", "quick"]
    for name, meant in names.items():
        chosen = choose(name, targets=(*TARGETS, twin))
        assert isinstance(chosen, Chosen)
        assert name == "auto" or chosen.targets == (meant,)
    assert {"twin/small", "swift"} < set(names)


def test_names_of_models_that_the_key_may_not_use_are_not_askable() -> None:
    assert set(askable(allowed=lambda name: name == "quick")) == {"auto", "demo/small", "small", "quick"}
    assert askable(allowed=lambda name: name == "nothing") == {}


def test_names_that_are_refused_to_every_call_are_not_askable() -> None:
    assert not {"small", "quick", "demo/small"} & set(askable(rule("no", model_asked="quick")))
    assert "small" in askable(rule("no-batch", model_asked="quick", tags=("batch",)))
    assert "auto" not in askable(rule("no", model_asked="auto"))
    assert "auto" in askable(rule("no-simple", model_asked="auto", scores=(0.0, 0.5)))
