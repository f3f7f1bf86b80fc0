"""Secrets are known by their form, and prose is left alone."""

# ruff: noqa: E501, S311
# Made-up secrets, one a line.

from __future__ import annotations

import random
import string
import sysconfig
from pathlib import Path

import pytest

from memos_cli.core.secrets import find, mask

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
URL = ALNUM + "-_"


def _of(rng: random.Random, letters: str, n: int) -> str:
    return "".join(rng.choice(letters) for _ in range(n))


def synthetic(rng: random.Random) -> list[str]:
    """One made-up secret of each common form."""
    r = lambda letters, n: _of(rng, letters, n)  # noqa: E731
    up = string.ascii_uppercase + "234567"
    return [
        "AKIA" + r(up, 16),
        "aws_secret_access_key = " + r(ALNUM + "/+", 40),
        "ghp_" + r(ALNUM, 36),
        "gho_" + r(ALNUM, 36),
        "github_pat_" + r(ALNUM, 22) + "_" + r(ALNUM, 59),
        "glpat-" + r(URL, 20),
        "xoxb-" + r(string.digits, 12) + "-" + r(string.digits, 12) + "-" + r(ALNUM, 24),
        "https://hooks.slack.com/services/T" + r(up, 8) + "/B" + r(up, 8) + "/" + r(ALNUM, 24),
        "sk_live_" + r(ALNUM, 24),
        "sk-ant-api03-" + r(URL, 93),
        "sk-proj-" + r(URL, 74),
        "sk-" + r(ALNUM, 48),
        "AIza" + r(URL, 35),
        "hf_" + r(string.ascii_letters, 34),
        "npm_" + r(ALNUM, 36),
        "pypi-AgEIcHlwaS5vcmc" + r(URL, 60),
        r(string.digits, 9) + ":AA" + r(URL, 33),
        "SK" + r(HEX, 32),
        "SG." + r(URL, 22) + "." + r(URL, 43),
        "dop_v1_" + r(HEX, 64),
        "shpat_" + r(HEX, 32),
        "dapi" + r(HEX, 32),
        "hvs." + r(URL, 24),
        "lin_api_" + r(ALNUM, 40),
        "gsk_" + r(ALNUM, 52),
        "AccountKey=" + r(ALNUM, 86) + "==",
        "-----BEGIN OPENSSH PRIVATE KEY-----\n" + r(ALNUM, 70) + "\n-----END OPENSSH PRIVATE KEY-----",
        "eyJ" + r(URL, 30) + ".eyJ" + r(URL, 40) + "." + r(URL, 43),
        "Authorization: Bearer " + r(ALNUM, 30),
        "postgres://app:" + r(ALNUM, 12) + "@db.internal:5432/app",
        "DEPLOY_TOKEN=" + r(ALNUM, 20) + "1a",
        "export API_KEY='" + r(ALNUM, 20) + "a1'",
        _card(rng),
    ]  # fmt: skip


def _card(rng: random.Random) -> str:
    digits = "4" + _of(rng, string.digits, 14)
    for last in string.digits:
        whole = [int(c) for c in digits + last]
        if (sum(whole[-1::-2]) + sum(sum(divmod(2 * d, 10)) for d in whole[-2::-2])) % 10 == 0:
            return " ".join((digits + last)[i : i + 4] for i in range(0, 16, 4))
    raise AssertionError


def test_made_up_secrets_are_found_and_masked() -> None:
    rng = random.Random(7)
    made = [secret for _ in range(12) for secret in synthetic(rng)]
    frames = ("{}", "my key is {}", "use {} for the deploy.", "it's `{}`, ok?")
    missed = []
    for secret in made:
        text = rng.choice(frames).format(secret)
        clean, kinds = mask(text)
        if not kinds or secret[12:] in clean:
            missed.append(secret)
    assert len(made) >= 300
    assert len(missed) <= 0.02 * len(made), missed


@pytest.mark.parametrize(
    "text",
    [
        "The wifi password is tulip-boat-77.",
        "My PIN is 4821 and the gate code is 90-17-3.",
        "password: hunter2",
        "I keep my tokens in the second drawer.",
        "postgres://user:password@localhost/db is only an example",
        "set API_KEY=$KEY before you run it, or API_KEY=<yours>",
        "The risk-averse task-force met at the desk-sharing office.",
        "Order 4111 1111 1111 1112 was lost.",
        "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
        "call me at +49 170 1234567 or 0800 123 4567 890",
        "ISBN 978-3-16-148410-0",
        "id 123e4567-e89b-12d3-a456-426614174000",
        "https://example.com/a/b?token=abc",
        "My eyJafjallajokull trip was great.",
        "DE89 3704 0044 0532 0130 00",
    ],
)
def test_what_people_tell_is_no_secret(text: str) -> None:
    assert find(text) == ()


@pytest.mark.slow
def test_prose_is_left_alone() -> None:
    """At most one line in two hundred of ten thousand and more of documentation and code."""
    lines: list[str] = []
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        lines += [line for line in path.read_text("utf-8", "ignore").split("\n") if len(line) > 20]
    for path in sorted(Path(__file__).parents[2].glob("docs/**/*.md")):
        lines += [line for line in path.read_text().split("\n") if len(line) > 20]
    flagged = [line for line in lines if find(line)]
    assert len(lines) > 10_000
    assert len(flagged) <= 0.0005 * len(lines), flagged


def test_a_key_block_is_masked_to_its_end() -> None:
    text = "a -----BEGIN PRIVATE KEY-----\nabc\ndef\n-----END PRIVATE KEY----- b"
    assert mask(text) == ("a [private key, not kept] b", ("a private key",))
    assert mask("-----BEGIN RSA PRIVATE KEY-----\nabc")[0] == "[private key, not kept]"


def test_a_text_without_secrets_is_the_same() -> None:
    assert mask("I like tea.") == ("I like tea.", ())
