"""What YAML text becomes, and where its parts and faults are."""

import gc

import pytest

from fleetctl.errors import ConfigError, NotFoundError, ProblemsError, Where
from fleetctl.spec import compose
from fleetctl.spec.yaml import load_document, parse_document


def data(text, **options):
    return parse_document(text, file="f.yaml", **options).data


def problems(text, **options):
    with pytest.raises(ProblemsError) as caught:
        parse_document(text, file="f.yaml", **options)
    return caught.value.problems


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"),
        ("off", "off"),
        ("Yes", "Yes"),
        ("22:30", "22:30"),
        ("0755", 755),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b1", "0b1"),
        ("1_000", "1_000"),
        ("2026-11-23", "2026-11-23"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("NULL", None),
        ("-12", -12),
        ("1.10", 1.1),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("'true'", "true"),
        ('"5"', "5"),
        ("!!str 5", "5"),
        ("!!int '5'", 5),
        ("!!float 5", 5.0),
        ("=", "="),
        ("nowhere", "nowhere"),
        ("1.2.3", "1.2.3"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_scalars_mean_what_yaml_1_2_says(written, meant):
    value = data(f"a: {written}")["a"]
    assert value == meant
    assert type(value) is type(meant)


def test_not_a_number_is_one_float():
    value = data("a: .nan")["a"]
    assert value != value  # noqa: PLR0124


def test_keys_are_text_as_written():
    assert data("1: a\nyes: b\n1.0: c\n~: d") == {"1": "a", "yes": "b", "1.0": "c", "~": "d"}


def test_words_of_yaml_1_1_are_booleans_where_asked_for():
    assert data("a: yes\nb: Off\nc: 'no'", yes_no=True) == {"a": True, "b": False, "c": "no"}


def test_an_empty_file_has_no_data():
    assert data("# nothing\n") is None


def test_anchors_and_merge_keys_work():
    text = "base: &b {a: 1, b: 2}\nmore: &m {b: 3, c: 4}\nuse: {<<: [*b, *m], a: 9}\nlist: [*b]"
    found = data(text)
    assert found["use"] == {"a": 9, "b": 2, "c": 4}
    assert found["list"] == [{"a": 1, "b": 2}]


def test_a_quoted_merge_key_is_a_key():
    assert data("a: {'<<': 1}") == {"a": {"<<": 1}}


def test_json_with_tabs_is_read():
    assert data('{\n\t"a": "b\\/c"\n}') == {"a": "b/c"}


def test_duplicate_keys_are_all_found_with_the_first_place():
    found = problems("a: 1\nb: {x: 1, x: 2}\na: 3\n")
    assert [str(problem) for problem in found] == [
        "f.yaml:2:11: duplicate key 'x', first at line 2",
        "f.yaml:3:1: duplicate key 'a', first at line 1",
    ]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: [1, 2", (2, 1), "did not find expected ',' or ']'"),
        ("a:\n  b: [1,", (3, 1), "brackets that are not closed"),
        ("a: 1\n\tb: 2", (2, 1), "tab"),
        ("a: b: c", (1, 5), "a second ': '"),
        ("a: @x", (1, 4), "'@' cannot begin a value"),
        ("a: &x 1\nb: &x 2", (2, 4), "the same anchor twice"),
        ("a: *x", (1, 4), "undefined alias"),
        ("a: \x00", (1, 4), "#x0000"),
        ("a: 1\n---\nb: 2", (2, 1), "more than one YAML document"),
        ("a: &x [*x]", (1, 4), "contains itself"),
        ("? [a]\n: 1", (1, 3), "a key must be plain text"),
        ("a: !!python/object:os.system x", (1, 4), "!!python/object:os.system is not supported"),
        ("a: !vault x", (1, 4), "!vault is not supported"),
        ("a: !!int x", (1, 4), "'x' is not !!int"),
        ("a: {<<: 1}", (1, 9), "'<<' takes a map"),
        ("[" * 100_000, (1, 100), "nested more than 100 levels"),
        ("\n".join("  " * depth + "a:" for depth in range(2000)), (100, 199), "nested more than 100 levels"),
    ],
)
def test_faults_have_a_place_and_words(text, place, words):
    (problem,) = problems(text)
    assert (problem.where.line, problem.where.column) == place
    assert words in problem.message


def test_aliases_that_multiply_are_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    (problem,) = problems("\n".join(lines))
    assert "multiply" in problem.message


def test_merges_that_multiply_are_refused():
    pairs = ", ".join(f"k{n}: 1" for n in range(100))
    lines = [f"a0: &a0 {{{pairs}}}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 9)]
    (problem,) = problems("\n".join(lines))
    assert "multiply" in problem.message


def test_places_are_found_by_path():
    text = "hosts:\n  web-1:\n    port: 22\n    keys: [a, b]\n"
    document = parse_document(text, file="f.yaml")
    assert document.where(("hosts", "web-1", "port")) == Where("f.yaml", 3, 11)
    assert document.where(("hosts", "web-1", "port"), key=True) == Where("f.yaml", 3, 5)
    assert document.where(("hosts", "web-1", "keys", 1)) == Where("f.yaml", 4, 15)
    assert document.where(("hosts", "web-1", "none", "x")) == Where("f.yaml", 3, 5)
    assert document.where() == Where("f.yaml", 1, 1)


def test_places_in_merged_maps_are_where_they_were_written():
    document = parse_document("base: &b\n  port: 1\nuse:\n  <<: *b\n  user: x\n", file="f.yaml")
    assert document.where(("use", "port"), key=True).line == 2
    assert document.where(("use", "user"), key=True).line == 5


def test_columns_count_characters_not_bytes():
    document = parse_document("é: {ü: 1}", file="f.yaml")
    assert document.where(("é", "ü")) == Where("f.yaml", 1, 8)


def test_scalars_are_kept_as_written():
    document = parse_document("a: 0755\nb: [1.10]\nc: {}", file="f.yaml")
    assert document.written(("a",)) == "0755"
    assert document.written(("b", 0)) == "1.10"
    assert document.written(("c",)) is None
    assert document.written(("nowhere",)) is None


def test_other_data_keeps_its_places():
    document = parse_document("a: 1\nb: 2", file="f.yaml").with_data({"b": 3})
    assert document.data == {"b": 3}
    assert document.where(("b",)).line == 2


def test_tags_of_ones_own():
    assert data("a: !vault |\n  xyz\n", tags={"!vault": str.upper}) == {"a": "XYZ\n"}


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(NotFoundError, match="there is no file"):
        load_document(tmp_path / "none.yaml")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_document(tmp_path)


def test_bytes_that_are_not_utf8_are_named_with_their_line(tmp_path):
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"a: 1\nb: \xe9\n")
    with pytest.raises(ConfigError) as caught:
        load_document(path)
    assert caught.value.where == Where(str(path), 2)


def test_a_byte_order_mark_does_not_matter(tmp_path):
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert load_document(path).data == {"a": 1}


def test_the_garbage_collector_works_on_after_a_fault():
    assert gc.isenabled()
    problems("a: [")
    assert gc.isenabled()


@pytest.mark.parametrize(
    "text",
    ["a: [1, no, '2', 0x10]\nb: &x {c: 1}\nd: {<<: *x}", "a: b: c", "\ta: 1", "a: \x00", "a: @", "[" * 200],
)
def test_without_libyaml_the_same_comes_out(monkeypatch, text):
    def outcome():
        try:
            return data(text)
        except ProblemsError as exc:
            return [(problem.where.line, problem.message) for problem in exc.problems]

    fast = outcome()
    monkeypatch.setattr(compose.yaml, "__with_libyaml__", False)
    assert outcome() == fast
