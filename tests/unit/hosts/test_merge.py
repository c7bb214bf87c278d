"""Who wins, and what is a contradiction."""

import pytest


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("defaults: {user: d}\nhosts: {a: }", "d"),
        ("defaults: {user: d}\ngroups: {g: {user: g, hosts: [a]}}", "g"),
        ("groups: {p: {user: p, children: [c]}, c: {user: c, hosts: [a]}}", "c"),
        ("groups: {p: {user: p, children: [c], hosts: [a]}, c: {user: c, hosts: [a]}}", "c"),
        ("groups: {g: {user: g, children: [p]}, p: {children: [c]}, c: {user: c, hosts: [a]}}", "c"),
        ("groups: {g: {user: g, hosts: {a: {user: h}}}}", "h"),
        ("groups: {g: {user: x, hosts: [a]}, f: {user: y, hosts: [a]}}\nhosts: {a: {user: h}}", "h"),
        ("groups: {g: {user: x, hosts: [a]}, f: {user: x, hosts: [a]}}", "x"),
        ("groups: {g: {user: x, hosts: {a: {user: h}}}}\nhosts: {a: {user: h}}", "h"),
    ],
)
def test_the_nearer_wins(inventory, text, user):
    assert inventory(text).hosts["a"].user == user


def test_tags_and_vars_are_merged_name_by_name(inventory):
    text = """\
defaults: {tags: {a: d, b: d}, vars: {x: {deep: 1}, y: d}}
groups: {g: {tags: {b: g, c: g}, vars: {x: {other: 2}}, hosts: {h: {tags: {c: h}}}}}
"""
    host = inventory(text).hosts["h"]
    assert host.tags == {"a": "d", "b": "g", "c": "h"}
    assert host.vars == {"x": {"other": 2}, "y": "d"}


def test_groups_stand_children_before_parents(inventory):
    text = (
        "groups: {top: {children: [mid, low]}, low: {hosts: [a]}, mid: {children: [low]}, side: {hosts: [a]}}"
    )
    groups = inventory(text).hosts["a"].groups
    assert set(groups) == {"top", "mid", "low", "side"}
    assert groups.index("low") < groups.index("mid") < groups.index("top")


def test_groups_know_their_hosts_through_children_in_inventory_order(inventory):
    text = "hosts: {c: , a: }\ngroups: {p: {children: [g], hosts: [a]}, g: {hosts: [b, c]}}"
    groups = inventory(text).groups
    assert groups["p"].hosts == ("c", "a", "b")
    assert groups["p"].members == ("a",)
    assert groups["p"].children == ("g",)


def test_files_are_merged(inventory):
    found = inventory(
        one="groups: {web: {tags: {role: web}, hosts: [a]}}",
        two="groups: {web: {zone: eu, hosts: [b]}, eu: {children: [web]}}\nhosts: {a: {port: 1}}",
    )
    assert found.hosts["a"].zone == "eu"
    assert found.hosts["b"].tags == {"role": "web"}
    assert found.hosts["a"].port == 1
    assert found.files == ("one.yaml", "two.yaml")


def test_defaults_apply_to_the_hosts_of_their_file(inventory):
    found = inventory(one="defaults: {user: one}\nhosts: {a: }", two="defaults: {user: two}\nhosts: {b: }")
    assert (found.hosts["a"].user, found.hosts["b"].user) == ("one", "two")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "groups:\n  f: {user: x, hosts: [a, b]}\n  g: {user: y, hosts: [a, b]}\n",
            "inv.yaml:3:7: hosts.a and 1 more: group 'g' says user is 'y', group 'f' says 'x' at inv.yaml:2:7",
        ),
        (
            "groups: {g: {hosts: {a: {port: 1}}}}\nhosts:\n  a: {port: 2}\n",
            "inv.yaml:3:7: hosts.a: port is 2 here and 1 at inv.yaml:1:26",
        ),
        (
            "hosts:\n  web-[1-3]: {tags: {env: a}}\n  web-2: {tags: {env: b}}\n",
            "inv.yaml:3:18: hosts.web-2: tags.env is 'b' here and 'a' at inv.yaml:2:22",
        ),
        (
            "groups: {a: {children: [b]}, b: {children: [a]}}",
            "inv.yaml:1:45: groups.b: a group cannot be in itself: a > b > a",
        ),
        ("groups: {a: {children: [a]}}", "groups.a: a group cannot be in itself: a > a"),
        ("groups: {a: {children: [bb]}, b: }", "inv.yaml:1:25: groups.a: unknown child group 'bb'"),
        (
            "hosts: {a: {jump: b}, b: {jump: 'me@c:22'}, c: {jump: a}, d: {jump: a}}",
            "hosts.a: jump hosts in a circle: a > b > c > a",
        ),
    ],
)
def test_a_contradiction_names_both_places(problems, text, problem):
    (found,) = problems(text)
    assert problem in found


def test_files_that_contradict_one_another_are_named(problems):
    (found,) = problems(one="hosts: {a: {port: 1}}", two="hosts: {a: {port: 2}}")
    assert found == "two.yaml:1:13: hosts.a: port is 2 here and 1 at one.yaml:1:13"
    (found,) = problems(one="defaults: {user: x}\nhosts: {a: }", two="defaults: {user: y}\nhosts: {a: }")
    assert found == "two.yaml:1:12: hosts.a: user is 'y' here and 'x' at one.yaml:1:12"


def test_one_and_true_are_two_values(problems):
    assert len(problems(one="hosts: {a: {vars: {x: 1}}}", two="hosts: {a: {vars: {x: true}}}")) == 1


def test_a_jump_host_in_its_own_group_is_no_circle(inventory):
    hosts = inventory("groups: {eu: {jump: bastion, hosts: [bastion, a]}}").hosts
    assert hosts["bastion"].jump == "bastion"


def test_a_child_in_a_later_file_is_known(inventory):
    found = inventory(one="groups: {all-web: {children: [web]}}", two="groups: {web: {hosts: [a]}}")
    assert found.groups["all-web"].hosts == ("a",)


def test_a_deep_tree_of_groups_is_no_trouble(inventory):
    groups = "\n".join(f"  g{n}: {{children: [g{n + 1}]}}" for n in range(1500))
    found = inventory(f"groups:\n{groups}\n  g1500: {{user: x, hosts: [a]}}\n")
    assert len(found.hosts["a"].groups) == 1501
