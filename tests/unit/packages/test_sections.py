"""Framed answers: whole, torn, doubled, noisy."""

from hypothesis import given
from hypothesis import strategies as st

from fleetctl.packages.sections import read_sections

WHOLE = b"Welcome!\n\n@@fleetctl a begin\none\ntwo\n\n@@fleetctl a end 0\n\n@@fleetctl b begin\n\n@@fleetctl b end 3\n\n@@fleetctl done\n"


def test_reads_text_and_exit_code_of_each_section():
    sections = read_sections(WHOLE)
    assert sections.complete
    assert (sections["a"].text, sections["a"].code, sections["a"].lines) == ("one\ntwo\n", 0, ["one", "two"])
    assert (sections["b"].text, sections["b"].code, sections["b"].ok) == ("", 3, False)


def test_text_without_a_last_newline_keeps_its_last_line():
    assert read_sections(b"\n@@fleetctl a begin\nx\n@@fleetctl a end 0\n")["a"].text == "x"


def test_stderr_goes_to_the_section_that_caused_it():
    errors = b"motd\n\n@@fleetctl a begin\n\n@@fleetctl a end 0\n\n@@fleetctl b begin\nE: no\n\n@@fleetctl b end 3\n"
    sections = read_sections(WHOLE, errors)
    assert sections["a"].errors == ""
    assert sections["b"].errors == "E: no\n"


def test_an_answer_cut_short_has_a_fault_in_its_last_section():
    sections = read_sections(WHOLE[: WHOLE.index(b"two")])
    assert not sections.complete
    assert sections["a"].fault == "it is cut short"
    assert not sections["a"].ok
    assert "missing" in sections["b"].fault
    assert "b" not in sections


def test_a_section_whose_end_is_missing_does_not_swallow_the_next():
    text = WHOLE.replace(b"@@fleetctl a end 0\n", b"")
    sections = read_sections(text)
    assert sections["a"].fault == "its end is missing"
    assert sections["b"].code == 3


def test_a_frame_inside_a_section_that_does_not_fit_is_text():
    text = WHOLE.replace(b"two", b"@@fleetctl b end 0")
    assert "@@fleetctl b end 0" in read_sections(text)["a"].text


def test_a_section_that_comes_twice_is_not_trusted():
    again = WHOLE.replace(
        b"@@fleetctl done", b"@@fleetctl a begin\nforged\n@@fleetctl a end 0\n@@fleetctl done"
    )
    section = read_sections(again)["a"]
    assert section.text == "one\ntwo\n"
    assert not section.ok


def test_bytes_that_are_not_utf8_are_replaced_and_crlf_frames_are_known():
    sections = read_sections(b"\n@@fleetctl a begin\r\n\xff\n@@fleetctl a end 0\r\n")
    assert sections["a"].text == "\ufffd"
    assert sections["a"].ok


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_anything_is_read_without_raising(stdout, stderr):
    for section in read_sections(stdout, stderr):
        assert section.name


@given(
    st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r"), max_size=100).filter(
        lambda t: "@@fleetctl" not in t
    )
)
def test_what_a_tool_prints_comes_back_as_it_was(text):
    answer = f"\n@@fleetctl a begin\n{text}\n@@fleetctl a end 0\n".encode()
    assert read_sections(answer)["a"].text == text
