"""Filters: each dialect by table, their algebra by property."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molt.embedded.broker.filters import (
    EVERYTHING,
    All,
    AnyOf,
    Attributes,
    Exact,
    Filter,
    Not,
    Prefix,
    Suffix,
    matches,
    read,
)
from molt.embedded.manifests import ManifestError
from tests.embedded.broker.harness import documents

EVENT = {"type": "io.molt.a", "source": "/s", "remedy": "rotate", "empty": ""}


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        (EVERYTHING, True),
        (Attributes({"type": "io.molt.a", "remedy": "rotate"}), True),
        (Attributes({"type": "io.molt.a", "remedy": "quarantine"}), False),
        (Attributes({"remedy": ""}), True),
        (Attributes({"empty": ""}), False),
        (Attributes({"absent": ""}), False),
        (Exact({"remedy": "rotate"}), True),
        (Exact({"remedy": "rotat"}), False),
        (Exact({"absent": "x"}), False),
        (Prefix({"type": "io.molt."}), True),
        (Prefix({"type": "molt"}), False),
        (Suffix({"type": ".a"}), True),
        (Suffix({"type": "io"}), False),
        (All((Exact({"source": "/s"}), Prefix({"type": "io"}))), True),
        (All((Exact({"source": "/s"}), Prefix({"type": "x"}))), False),
        (AnyOf((Exact({"source": "/x"}), Prefix({"type": "io"}))), True),
        (AnyOf((Exact({"source": "/x"}), Prefix({"type": "x"}))), False),
        (Not(Exact({"remedy": "rotate"})), False),
        (Not(Exact({"absent": "x"})), True),
    ],
)
def test_a_filter_passes_what_it_says(filter_: Filter, *, expected: bool) -> None:
    """Each dialect passes just the events it describes; an attribute that is not there never matches."""
    assert expected is matches(filter_, EVENT)


names = st.sampled_from(["type", "source", "remedy"])
texts = st.text("ab", min_size=1, max_size=3)
values = st.dictionaries(names, texts, min_size=1, max_size=2)
events = st.dictionaries(names, st.text("ab", max_size=3))
filters = st.recursive(
    st.builds(Exact, values) | st.builds(Prefix, values) | st.builds(Suffix, values) | st.builds(Attributes, values),
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(All, st.lists(inner, min_size=1, max_size=3).map(tuple))
        | st.builds(AnyOf, st.lists(inner, min_size=1, max_size=3).map(tuple))
    ),
    max_leaves=6,
)


@given(st.lists(filters, min_size=1, max_size=4).map(tuple), events)
def test_the_algebra_holds(several: tuple[Filter, ...], event: dict[str, str]) -> None:
    """`all` and `any` are each other's dual under `not`, and what passes exactly passes as prefix and suffix."""
    assert matches(Not(All(several)), event) is matches(AnyOf(tuple(map(Not, several))), event)
    assert matches(Not(AnyOf(several)), event) is matches(All(tuple(map(Not, several))), event)
    for name, value in event.items():
        if value:
            assert matches(All((Exact({name: value}), Prefix({name: value}), Suffix({name: value}))), event)


def _read(**spec: Any) -> Filter:
    return read(documents({"apiVersion": "v", "kind": "Trigger", "spec": spec})[0].root.at("spec"))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, EVERYTHING),
        ({"filter": {}}, EVERYTHING),
        ({"filter": {"attributes": {"type": "a", "remedy": ""}}}, Attributes({"type": "a", "remedy": ""})),
        ({"filter": {"attributes": {"type": "a"}}, "filters": []}, Attributes({"type": "a"})),
        (
            {"filter": {"attributes": {"type": "a"}}, "filters": [{"exact": {"type": "b"}}]},
            All((Exact({"type": "b"}),)),
        ),
        (
            {"filters": [{"prefix": {"type": "a"}}, {"suffix": {"type": "b"}}]},
            All((Prefix({"type": "a"}), Suffix({"type": "b"}))),
        ),
        (
            {"filters": [{"any": [{"exact": {"type": "a"}}, {"not": {"all": [{"exact": {"source": "b"}}]}}]}]},
            All((AnyOf((Exact({"type": "a"}), Not(All((Exact({"source": "b"}),))))),)),
        ),
    ],
)
def test_a_specification_is_read(spec: dict[str, Any], expected: Filter) -> None:
    """`filters` overrides `filter`; no filter at all passes everything."""
    assert expected == _read(**spec)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"filters": [{}]}, "spec.filters[0]: must be an object with one dialect"),
        ({"filters": ["exact"]}, "spec.filters[0]: must be an object with one dialect"),
        (
            {"filters": [{"exact": {"type": "a"}, "prefix": {"type": "a"}}]},
            "spec.filters[0]: must be an object with one dialect",
        ),
        ({"filters": [{"regex": {"type": "a"}}]}, "spec.filters[0].regex: is not one of exact, prefix"),
        ({"filters": [{"cesql": "type = 'a'"}]}, "spec.filters[0].cesql: this broker does not speak CloudEvents SQL"),
        ({"filters": [{"exact": {}}]}, "spec.filters[0].exact: must name an attribute"),
        ({"filters": [{"exact": {"type": ""}}]}, "spec.filters[0].exact.type: must not be empty"),
        ({"filters": [{"any": []}]}, "spec.filters[0].any: must hold at least one filter"),
        ({"filters": [{"not": {"prefix": {"Type": "a"}}}]}, "spec.filters[0].not.prefix.Type: is no attribute name"),
        ({"filter": {"attributes": {"type": 1}}}, "spec.filter.attributes.type: must be a string"),
        ({"filter": {"atributes": {}}}, "spec.filter.atributes: is not supported here; known are attributes"),
    ],
)
def test_a_bad_specification_is_refused(spec: dict[str, Any], problem: str) -> None:
    """The error names the field and the problem."""
    with pytest.raises(ManifestError) as refused:
        _read(**spec)
    assert problem in str(refused.value)
