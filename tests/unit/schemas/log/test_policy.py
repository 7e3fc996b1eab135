from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadPolicy
from schemas.keys import MlDsaKey, SigningKey, WitnessKey
from schemas.limits import MAX_POLICY, MAX_POLICY_ITEMS
from schemas.log.note import ED25519_COSIGNATURE, ML_DSA_44, NoteKey, note_key, vkey
from schemas.log.policy import Group, KnownLog, KnownWitness, Policy, format_policy, parse_policy

LOG = note_key("log.example", SigningKey(b"\x01" * 32).public)
LOG_PQ = note_key("log.example", MlDsaKey(b"\x02" * 32).public, ML_DSA_44)
PQ = note_key("pq.example", MlDsaKey(b"\x03" * 32).public, ML_DSA_44)


def witness_key(number: int) -> NoteKey:
    return note_key(f"w{number}.example", WitnessKey(number.to_bytes(32, "big")).public, ED25519_COSIGNATURE)


KEYS = {name: witness_key(number) for number, name in enumerate(("X1", "X2", "X3", "Y1", "Y2", "Y3"), start=1)}
X1, X2, X3, Y1, Y2, Y3 = KEYS.values()
LINES = "".join(f"witness {name} {key.vkey}\n" for name, key in KEYS.items())
EXAMPLE = f"""\
log {LOG.vkey}

{LINES}
group X-witnesses 2 X1 X2 X3
group Y-witnesses any Y1 Y2 Y3
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def parse(text: str) -> Policy:
    return parse_policy(text.encode())


def test_the_example_of_tlog_policy() -> None:
    policy = parse(EXAMPLE)
    assert policy.logs == (KnownLog(LOG),)
    assert policy.witnesses == {name: KnownWitness(key) for name, key in KEYS.items()}
    assert policy.groups["X-witnesses"] == Group(2, ("X1", "X2", "X3"))
    assert policy.groups["Y-witnesses"].threshold == 1
    assert policy.groups["X-and-Y"].threshold == 2
    assert policy.log_keys("log.example") == (LOG,)
    assert policy.log_keys("other.example") == ()
    assert policy.witness_keys() == tuple(KEYS.values())


@pytest.mark.parametrize(
    ("cosigners", "reached"),
    [
        ([], False),
        ([X1, X2], False),
        ([Y1, Y2, Y3], False),
        ([X1, Y1], False),
        ([X1, X2, Y1], True),
        ([X1, X3, Y3], True),
        ([X1, X2, X3, Y1, Y2, Y3], True),
        ([LOG, PQ, Y1, X1], False),
    ],
)
def test_a_quorum_of_groups(cosigners: list[NoteKey], reached: bool) -> None:
    assert parse(EXAMPLE).reached_by(cosigners) is reached


def test_a_quorum_may_be_one_witness_or_none() -> None:
    one = parse(f"{LINES}quorum X1\n")
    assert one.reached_by([X1])
    assert not one.reached_by([X2, Y1])
    none = parse("quorum none\n")
    assert none.reached_by([])
    assert none.logs == ()


def test_one_agency_may_cosign_with_either_of_two_keys() -> None:
    policy = parse(f"witness ed {X1.vkey}\nwitness pq {PQ.vkey}\ngroup agency any ed pq\nquorum agency\n")
    assert policy.reached_by([X1])
    assert policy.reached_by([PQ])
    assert not policy.reached_by([X2])


@given(st.sets(st.sampled_from(sorted(KEYS))), st.integers(1, 6))
def test_k_of_n_counts_members(cosigned: set[str], threshold: int) -> None:
    policy = parse(f"{LINES}group all-of-them {threshold} {' '.join(KEYS)}\nquorum all-of-them\n")
    assert policy.reached_by([KEYS[name] for name in cosigned]) is (len(cosigned) >= threshold)


def test_spaces_tabs_comments_and_urls() -> None:
    policy = parse_policy(
        b"# who we know\n \t\n\t# and more \xff\n  log\t%b   https://log.example/ \t\n"
        b"witness  \xe2\x84\xaa %b http://w\xff\nquorum none\n" % (LOG.vkey.encode(), X1.vkey.encode())
    )
    assert policy.logs == (KnownLog(LOG, "https://log.example/"),)
    assert policy.witnesses["\N{KELVIN SIGN}"].url == "http://w\udcff"
    assert "K" not in policy.witnesses
    assert parse_policy(format_policy(policy)) == policy


def test_a_log_may_have_several_keys() -> None:
    policy = parse(f"log {LOG.vkey}\nlog {LOG_PQ.vkey}\nquorum none\n")
    assert policy.log_keys("log.example") == (LOG, LOG_PQ)


def test_a_policy_is_written_as_it_is_read() -> None:
    policy = parse(EXAMPLE)
    assert parse_policy(format_policy(policy)) == policy
    assert format_policy(parse_policy(format_policy(policy))) == format_policy(policy)


@pytest.mark.parametrize(
    "policy",
    [
        Policy((), {}, {}, "nobody"),
        Policy((), {"a b": KnownWitness(X1)}, {}, "none"),
        Policy((), {}, {"none": Group(1, ("x",))}, "none"),
        Policy((KnownLog(LOG, "a b"),), {}, {}, "none"),
        Policy((KnownLog(LOG, ""),), {}, {}, "none"),
        Policy((KnownLog(X1),), {}, {}, "none"),
        Policy((), {"#": KnownWitness(X1), "x": KnownWitness(X1)}, {}, "none"),
    ],
)
def test_what_cannot_be_read_back_is_not_written(policy: Policy) -> None:
    with pytest.raises(BadPolicy):
        format_policy(policy)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("log\n", 1),
        (f"log {LOG.vkey} https://a b\n", 1),
        (f"log {X1.vkey}\n", 1),
        ("log log.example+00000000+AQ==\n", 1),
        (f"log {LOG.vkey}\nlog {LOG.vkey}\n", 2),
        (f"log {LOG.vkey}\nlog {vkey('other.example', 1, LOG.public)}\n", 2),
        (f"witness X1 {LOG.vkey}\n", 1),
        (f"witness {X1.vkey}\n", 1),
        (f"witness X1 {X1.vkey} https://a b\n", 1),
        (f"witness none {X1.vkey}\n", 1),
        (f"{LINES}witness X1 {PQ.vkey}\n", 7),
        (f"{LINES}witness Z1 {X1.vkey}\n", 7),
        (f"{LINES}witness Z1 {vkey('renamed.example', 4, X1.public)}\n", 7),
        (f"{LINES}group g\n", 7),
        (f"{LINES}group g all\n", 7),
        (f"{LINES}group X1 all X2\n", 7),
        (f"{LINES}group none all X2\n", 7),
        (f"{LINES}group g all none\n", 7),
        (f"{LINES}group g all g\n", 7),
        (f"{LINES}group g all X1 X1\n", 7),
        (f"{LINES}group g any X1\ngroup h any X1\n", 8),
        (f"{LINES}group g any h\ngroup h any X1\n", 7),
        (f"{LINES}group g 0 X1\n", 7),
        (f"{LINES}group g 2 X1\n", 7),
        (f"{LINES}group g 01 X1\n", 7),
        (f"{LINES}group g +1 X1\n", 7),
        (f"{LINES}group g 1_0 X1\n", 7),
        (f"{LINES}group g -1 X1\n", 7),
        (f"{LINES}group g ALL X1\n", 7),
        (f"{LINES}group g \N{ARABIC-INDIC DIGIT ONE} X1\n", 7),
        ("quorum X1\n", 1),
        ("quorum none\nquorum none\n", 2),
        ("quorum none none\n", 1),
        ("quorum\n", 1),
        ("Quorum none\n", 1),
        (f"witness X1 {X1.vkey}\N{NO-BREAK SPACE}\n", 1),
    ],
)
def test_other_lines_are_refused_by_their_number(text: str, line: int) -> None:
    with pytest.raises(BadPolicy) as caught:
        parse(text)
    assert caught.value.context == {"line": line}
    assert caught.value.message.startswith(f"line {line}: ")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"# nothing\n",
        b"quorum none",
        b"quorum none\r\n",
        b"quorum none\x00\n",
        b"quorum none\x7f\n",
        b"quorum none\x0c\n",
        b"# a comment\x0b\nquorum none\n",
        b"#" * (MAX_POLICY - 12) + b"\nquorum none\n",
        b"".join(b"group g%d any w\n" % n for n in range(2)) + b"quorum none\n",
    ],
)
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(BadPolicy):
        parse_policy(data)


def test_as_large_as_allowed() -> None:
    assert parse_policy(b"#" * (MAX_POLICY - 13) + b"\nquorum none\n").quorum == "none"


def test_no_more_items_than_allowed() -> None:
    keys = (witness_key(number) for number in range(MAX_POLICY_ITEMS + 1))
    lines = [f"witness w{number} {key.vkey}\n" for number, key in enumerate(keys)]
    assert len(parse("".join(lines[:-1]) + "quorum none\n").witnesses) == MAX_POLICY_ITEMS
    with pytest.raises(BadPolicy, match="more than"):
        parse("".join(lines) + "quorum none\n")


@given(st.binary(max_size=60), st.integers(0, len(EXAMPLE)))
def test_any_bytes_are_a_policy_or_refused(data: bytes, at: int) -> None:
    example = EXAMPLE.encode()
    for candidate in (data, example[:at] + data, example[:at] + data + example[at:]):
        try:
            policy = parse_policy(candidate)
        except BadPolicy:
            continue
        assert parse_policy(format_policy(policy)) == policy
