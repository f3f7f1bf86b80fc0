"""Keys and tokens in a text, known by their own form: what no memory should hold.

Every pattern is anchored by a prefix that its issuer chose (`ghp_`, `AKIA`, `-----BEGIN ...`), or by
a form that prose does not take; there is no guessing by entropy, which flags every other sentence.
What people tell on purpose (the word for the Wi-Fi, the code of a bicycle lock) has no such form and
is a memory like any other.
"""

# ruff: noqa: E501
# A table of forms reads better unwrapped.

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEYS: Final = (
    ("an AWS access key", r"(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z2-7]{16}(?![A-Za-z0-9])"),
    ("an AWS secret key", r"aws_?secret_?(?:access_?)?key['\"]?\s*[=:]\s*['\"]?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])"),
    ("a GitHub token", r"gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    ("a GitLab token", r"gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent)-[\w-]{20,}"),
    ("a Slack token", r"xox[abeoprs]-(?:\d+-)?[A-Za-z0-9-]{10,}|xapp-\d-[A-Z0-9]+-\d+-[a-z0-9]+"),
    ("a Slack webhook", r"https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{20,}"),
    ("a Discord webhook", r"https://(?:\w+\.)?discord(?:app)?\.com/api/webhooks/\d{17,20}/[\w-]{60,}"),
    ("a Discord token", r"[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,38}(?![\w-])"),
    ("a Stripe key", r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/]{24,}"),
    ("an Anthropic key", r"sk-ant-[\w-]{20,}"),
    ("an OpenAI key", r"sk-(?:proj|svcacct|admin|or-v1)-[\w-]{20,}|sk-[A-Za-z0-9]{32,}"),
    ("a Google key", r"AIza[\w-]{35}(?![\w-])|GOCSPX-[\w-]{28}|ya29\.[\w-]{20,}"),
    ("a Google service account", r"\"private_key_id\"\s*:\s*\"[0-9a-f]{40}\""),
    ("a Hugging Face token", r"(?:hf|api_org)_[A-Za-z]{30,}"),
    ("an npm token", r"npm_[A-Za-z0-9]{36}"),
    ("a PyPI token", r"pypi-AgE[\w-]{50,}"),
    ("a RubyGems key", r"rubygems_[0-9a-f]{48}"),
    ("a Telegram bot token", r"\d{8,10}:AA[\w-]{33}(?![\w-])"),
    ("a Twilio key", r"SK[0-9a-f]{32}(?![0-9a-f])"),
    ("a SendGrid key", r"SG\.[\w-]{22}\.[\w-]{43}"),
    ("a Mailgun key", r"key-[0-9a-f]{32}(?![0-9a-f])"),
    ("a Mailchimp key", r"[0-9a-f]{32}-us\d{1,2}\b"),
    ("a DigitalOcean token", r"do[opr]_v1_[0-9a-f]{64}"),
    ("a Shopify token", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    ("a Square token", r"sq0(?:atp|csp|idp)-[\w-]{22,43}"),
    ("a Databricks token", r"dapi[0-9a-f]{32}"),
    ("a Vault token", r"hv[sbr]\.[\w-]{24,}"),
    ("a Terraform token", r"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,}"),
    ("a Grafana token", r"glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}|glc_[A-Za-z0-9+/]{32,}={0,2}"),
    ("a New Relic key", r"NRAK-[A-Z0-9]{27}"),
    ("a Linear key", r"lin_api_[A-Za-z0-9]{40}"),
    ("a Notion token", r"(?:secret_[A-Za-z0-9]{43}|ntn_[A-Za-z0-9]{43,46})(?![A-Za-z0-9])"),
    ("an Atlassian token", r"ATATT3[\w=-]{50,}"),
    ("a Groq key", r"gsk_[A-Za-z0-9]{48,}"),
    ("an xAI key", r"xai-[A-Za-z0-9]{60,}"),
    ("a Replicate token", r"r8_[A-Za-z0-9]{37}"),
    ("an Azure key", r"AccountKey=[A-Za-z0-9+/]{86}=="),
    ("an age key", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    ("a private key", r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d"),
    ("a signed token", r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
    ("an authorization header", r"Authorization:\s*(?:Bearer\s+[\w.~+/=-]{16,}|Basic\s+[A-Za-z0-9+/]{12,}={0,2})"),
    ("a password in an address", r"[a-z][a-z0-9+.-]{1,20}://[^\s:/@'\"<>$\{]+:(?!\*|<|\$|\{|(?:password|passwd|pass|pwd|secret|xxx+)@)[^\s/@'\"]{3,}@[\w.-]+"),
    ("a secret setting", r"(?<![^\s;'\"`])[A-Z][A-Z0-9_]*(?:KEY|SECRET|TOKEN|PASSWORD|PASSWD|PWD)\s?=\s?['\"]?(?!\$|<|\*|\{|your|xxx|changeme|example)(?=[^\s'\"]*\d)(?=[^\s'\"]*[A-Za-z])[^\s'\"]{12,}"),
)  # fmt: skip
# Letters before a prefix make it part of a longer word; the few that begin otherwise say so.
_ALL: Final = re.compile(
    "|".join(f"(?P<k{i}>(?<![A-Za-z0-9_])(?:{form}))" for i, (_, form) in enumerate(_KEYS))
)
_CARD: Final = re.compile(
    r"(?<![\w.-])(?:[2-6]\d{3}([ -]?)\d{4}\1\d{4}\1\d{4}|3[47]\d{2}([ -]?)\d{6}\2\d{5})(?![\w-]|\.\d)"
)
MARK: Final = ", not kept]"  # what a masked text holds in place of a secret ends so
_PEM_REST: Final = re.compile(r"[\s\S]*?-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|[\s\S]*")


@dataclass(frozen=True, slots=True)
class Secret:
    """What kind of secret ("a GitHub token") stands at `text[start:end]`."""

    kind: str
    start: int
    end: int


def find(text: str) -> tuple[Secret, ...]:
    """The secrets in `text`, in their order. Card numbers count when their check digit is right."""
    return tuple(sorted({*_keys(text), *_cards(text)}, key=lambda secret: secret.start))


def mask(text: str) -> tuple[str, tuple[str, ...]]:
    """`text` with each secret replaced by its kind in brackets, and the kinds."""
    pieces, at, kinds = [], 0, []
    for secret in find(text):
        if secret.start >= at:
            pieces += [text[at : secret.start], masked(secret.kind)]
            at = secret.end
            kinds.append(secret.kind)
    return "".join([*pieces, text[at:]]), tuple(dict.fromkeys(kinds))


def masked(kind: str) -> str:
    """What stands in a transcript where a secret of this kind was."""
    return f"[{kind.split(' ', 1)[1]}{MARK}"


def _keys(text: str) -> Iterator[Secret]:
    at = 0
    while match := _ALL.search(text, at):
        kind = _KEYS[int((match.lastgroup or "k0")[1:])][0]
        end = match.end()
        if "PRIVATE KEY" in match.group() and (rest := _PEM_REST.match(text, end)):
            end = rest.end()
        yield Secret(kind, match.start(), end)
        at = end


def _cards(text: str) -> Iterator[Secret]:
    for match in _CARD.finditer(text):
        if _luhn(match.group()):
            yield Secret("a card number", match.start(), match.end())


def _luhn(number: str) -> bool:
    """Whether the check digit of a card number is right (ISO/IEC 7812-1, annex B)."""
    digits = [int(c) for c in number if c.isdigit()]
    doubled = [sum(divmod(2 * d, 10)) for d in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
