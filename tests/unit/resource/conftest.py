"""Ask this machine, through several shells."""

import shutil
import subprocess

import pytest

from fleetctl.resource.ask import Question, ask, read
from fleetctl.resource.types import TYPES

SHELLS = [["sh"], ["bash"], ["busybox", "sh"], ["mksh"], ["ksh"]]


@pytest.fixture(params=[shell for shell in SHELLS if shutil.which(shell[0])], ids=" ".join)
def judged(request):
    """Return a function that looks at resources on this machine: forms in, verdicts out."""

    def look(*wanted, systems=()):
        made = [TYPES[kind].model_validate(form) for kind, form in wanted]
        questions = [
            Question(name=f"c{number}", resource=resource, systems=systems)
            for number, resource in enumerate(made)
        ]
        done = subprocess.run(request.param, input=ask(questions).encode(), capture_output=True, check=False)
        answers = read(done.stdout)
        assert answers.complete, done.stderr
        return [answers.verdict(question) if answers.asked(question) else None for question in questions]

    return look
