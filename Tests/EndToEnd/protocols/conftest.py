"""The server, the upstream and the recording of a golden file."""

import re

import pytest

from followed_session import Golden
from gated_upstream import GatedUpstream


@pytest.fixture
def golden(request, tmp_path):
    kind, _, case = request.node.name.removeprefix("test_").partition("[")
    is_of_an_answer = kind in ("answers", "messages")
    name = case[:-1] if is_of_an_answer else f"{kind}-{case[:-1]}" if case else kind
    with GatedUpstream() as upstream:
        golden = Golden(re.sub("[^a-z0-9]+", "-", name).strip("-"), tmp_path, upstream)
        golden.is_of_an_answer = is_of_an_answer
        yield golden
        golden.server.leave()
