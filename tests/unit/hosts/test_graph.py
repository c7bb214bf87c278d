"""The tree of groups."""

from fleetctl.hosts.graph import graph


def test_groups_are_drawn_as_a_tree(inventory):
    text = """\
groups:
  eu: {children: [web, db]}
  web: {hosts: ['web-[1-3]']}
  db: {hosts: [db-1]}
  empty:
hosts: {loose: }
"""
    assert graph(inventory(text)) == (
        "all (5 hosts)\n"
        "├── eu (4 hosts)\n"
        "│   ├── web (3 hosts): web-[1-3]\n"
        "│   └── db (1 host): db-1\n"
        "├── empty (0 hosts)\n"
        "└── ungrouped (1 host): loose\n"
    )
