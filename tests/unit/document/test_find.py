import pytest

from fleetctl.document.find import find, listed, read_source
from fleetctl.errors import DocumentError, NotFoundError

TEXT = """
schemaVersion: '2.2'
mainSteps:
- {action: aws:runShellScript, name: a, inputs: {runCommand: ['true']}}
"""


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "restart.yaml").write_text(TEXT)
    (folder / "notes.txt").write_text("not a document")
    return tmp_path


@pytest.mark.parametrize("name", ["AWS-RunShellScript", "AWS-RunPowerShellScript"])
def test_built_ins_are_found_without_a_project(name):
    document = find(name)
    assert document.name == name
    assert document.source == f"builtin:{name}"
    assert set(document.parameters) == {"commands", "workingDirectory", "executionTimeout"}


def test_a_document_of_the_project_is_found_by_its_name(project):
    assert find("restart", project).source == str(project / "documents/restart.yaml")


def test_a_file_is_found_by_its_path(project):
    assert find(str(project / "documents/restart.yaml")).name == "restart"


def test_a_file_name_is_looked_up_in_the_project_too(project):
    assert find("restart.yaml", project).name == "restart"


def test_documents_are_listed_the_project_s_first(project):
    assert [(item.name, item.origin) for item in listed(project)] == [
        ("restart", "project"),
        ("AWS-RunPowerShellScript", "built-in"),
        ("AWS-RunShellScript", "built-in"),
    ]


def test_an_unknown_name_is_told_with_what_was_near(project):
    with pytest.raises(NotFoundError) as caught:
        find("restrat", project)
    assert "did you mean 'restart'" in caught.value.hint


def test_an_unknown_file_is_told_with_what_was_near(project):
    with pytest.raises(NotFoundError) as caught:
        find(str(project / "documents/restar.yaml"))
    assert "restart.yaml" in caught.value.hint


def test_a_folder_is_no_document(project):
    with pytest.raises(NotFoundError, match="folder"):
        find(str(project / "documents/"))


def test_two_files_of_one_name_are_refused(project):
    (project / "documents/restart.json").write_text("{}")
    with pytest.raises(DocumentError, match=r"restart\.json and .*restart\.yaml"):
        find("restart", project)


def test_a_file_cannot_take_a_built_in_s_name(project):
    (project / "documents/AWS-RunShellScript.yaml").write_text(TEXT)
    with pytest.raises(DocumentError, match="built-in"):
        find("AWS-RunShellScript", project)


def test_the_text_of_a_document_is_given_as_it_is(project):
    assert read_source("restart", project) == TEXT
    assert "{{ commands }}" in read_source("AWS-RunShellScript")
