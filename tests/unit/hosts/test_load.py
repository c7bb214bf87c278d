"""What `-i` takes, and how it is told apart."""

import gc
import os
import stat
import weakref

import pytest

from fleetctl.errors import FleetError, InventoryError, NotFoundError, ProblemsError
from fleetctl.hosts import load, native
from fleetctl.hosts.detect import Kind, kind_of_data, kind_of_file


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    def write(name, text, mode=0o644):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(stat.S_IMODE(mode))
        return path

    return write


@pytest.mark.parametrize(
    ("name", "text", "mode", "hosts"),
    [
        ("own.yaml", "hosts: {a: , b: }", 0o644, ["a", "b"]),
        ("own.yml", "groups: {g: {hosts: [a]}}", 0o644, ["a"]),
        ("own", "# mine\n\nhosts:\n  a:\n", 0o644, ["a"]),
        ("own.json", '{\n\t"hosts": {"a": {"port": 22}}\n}', 0o644, ["a"]),
        ("own.yaml", "hosts: {a: }", 0o755, ["a"]),
        ("hosts.ini", "[web]\na\nb:22\n", 0o644, ["a", "b"]),
        ("hosts", "a\nb\n", 0o644, ["a", "b"]),
        ("hosts", "; old\n# older\na ansible_user=x\n", 0o755, ["a"]),
        ("inventory.yml", "all: {hosts: {a: , b: }}", 0o644, ["a", "b"]),
        ("inventory", "---\nweb:\n  hosts:\n    a:\n", 0o644, ["a"]),
        ("list.json", '{"_meta": {"hostvars": {"a": {}}}, "web": {"hosts": ["b"]}}', 0o644, ["b", "a"]),
        ("config", "# ssh\nHost a b\n  User x\n", 0o644, ["a", "b"]),
        ("config", "ServerAliveInterval 5\n\nHost=a\n", 0o644, ["a"]),
        ("program", '#!/bin/sh\necho \'{"g": ["a"]}\'\n', 0o755, ["a"]),
        ("with,comma.yaml", "hosts: {a: }", 0o644, ["a"]),
    ],
)
def test_files_are_told_apart_by_what_is_in_them(write, name, text, mode, hosts):
    assert list(load([str(write(name, text, mode))]).hosts) == hosts


def test_a_script_that_may_not_be_run_is_not_run(write):
    write("program", "#!/bin/sh\ntouch ran\n")
    with pytest.raises(FleetError):
        load(["program"])
    assert not os.path.exists("ran")  # noqa: PTH110


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("a,", ["a"]),
        ("web-[1-3],db1,", ["web-1", "web-2", "web-3", "db1"]),
        ("a,b", ["a", "b"]),
        ("10.0.0.1, 10.0.0.2", ["10.0.0.1", "10.0.0.2"]),
        ("r[1,3],", ["r1", "r3"]),
    ],
)
def test_hosts_may_stand_on_the_command_line(write, text, hosts):
    assert list(load([text]).hosts) == hosts


@pytest.mark.parametrize("text", ["a,,b", "web-[1-x],", "a b,", "../x,", ","])
def test_what_is_no_list_of_hosts_is_refused(write, text):
    with pytest.raises(FleetError):
        load([text])


@pytest.mark.parametrize(
    ("text", "hosts"), [("hosts: {a: }", ["a"]), ('{"_meta": {}, "g": ["a"]}', ["a"]), ("[g]\na\n", None)]
)
def test_yaml_may_come_from_a_pipe(text, hosts):
    reading, writing = os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    try:
        if hosts is None:
            with pytest.raises(InventoryError, match="is no file"):
                load([f"/dev/fd/{reading}"])
        else:
            assert list(load([f"/dev/fd/{reading}"]).hosts) == hosts
    finally:
        os.close(reading)


def test_a_folder_is_its_yaml_files_by_name(write, tmp_path):
    write("inv/20.yml", "hosts: {c: }")
    write("inv/10.yaml", "hosts: {a: , b: }")
    write("inv/.hidden.yaml", "nonsense")
    write("inv/notes.txt", "nonsense: [")
    write("inv/group_vars/all.yaml", "x: 1")
    inventory = load([tmp_path / "inv"])
    assert list(inventory.hosts) == ["a", "b", "c"]
    assert len(inventory.files) == 2


def test_a_folder_of_ansible_works_with_its_group_vars(write, tmp_path):
    write("prod/hosts", "[web]\na\n")
    write("prod/group_vars/web.yml", "x: 1\n")
    assert load([tmp_path / "prod"]).hosts["a"].vars == {"x": 1}


def test_a_folder_without_inventories_is_said(tmp_path):
    with pytest.raises(InventoryError, match="no inventory files in"):
        load([tmp_path])


def test_several_inventories_are_one(write):
    write("one.yaml", "hosts: {a: }")
    write("two.ini", "[g]\na\nb\n")
    inventory = load(["one.yaml", "two.ini", "c,"])
    assert list(inventory.hosts) == ["a", "b", "c"]
    assert inventory.hosts["a"].groups == ("g",)


def test_a_file_that_is_not_there_is_said_with_the_way_to_name_hosts():
    with pytest.raises(NotFoundError) as caught:
        load(["web-1"])
    assert "put a comma behind" in caught.value.hint


def test_all_that_is_wrong_with_several_files_comes_at_once(write):
    write("one.yaml", "host: {}\nhosts: {a: {prot: 1}}\n")
    write("two.yaml", "hosts: [")
    with pytest.raises(ProblemsError) as caught:
        load(["one.yaml", "two.yaml", "none.yaml"])
    assert len(caught.value.problems) == 4


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00h", b"hosts: {a: \xe9}", b"\x00\x00", b"[" * 5000, b"hosts: " + b"{" * 500]
)
@pytest.mark.parametrize("name", ["x.yaml", "x.ini", "x"])
def test_garbage_is_refused_with_words(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FleetError):
        load([tmp_path / name])


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (None, Kind.OWN),
        ({}, Kind.OWN),
        ([], Kind.OWN),
        ({"hosts": {}}, Kind.OWN),
        ({"hosst": {"a": None}}, Kind.OWN),
        ({"defaults": {}, "all": {}}, Kind.OWN),
        ({"all": None}, Kind.ANSIBLE),
        ({"web": {"hosts": {"a": None}}}, Kind.ANSIBLE),
        ({"web": {"hosts": {}}, "x": 5}, Kind.OWN),
        ({"_meta": {}}, Kind.ANSIBLE_LIST),
    ],
)
def test_yaml_is_told_apart_by_its_keys(data, kind):
    assert kind_of_data(data) is kind


def test_an_ini_section_is_stronger_than_a_line_that_looks_like_ssh(tmp_path):
    assert kind_of_file(tmp_path / "x", b"[web]\nhost ansible_port=1\n") is Kind.ANSIBLE


def test_loading_leaves_no_cycles_that_keep_the_text_s_tree_alive(write, monkeypatch):
    write("one.yaml", "groups: {g: {hosts: {a: {port: 1}}}}")
    seen = []

    class Watched(native._Reader):
        def __init__(self, document, **options):
            seen.append(weakref.ref(self))
            super().__init__(document, **options)

    monkeypatch.setattr(native, "_Reader", Watched)
    gc.disable()
    try:
        inventory = load(["one.yaml"])
        assert inventory.hosts
        assert [reference() for reference in seen] == [None]
    finally:
        gc.enable()
