"""Any frame of the session, as hypothesis draws it: well-formed, and mostly nonsense."""

from __future__ import annotations

from hypothesis import strategies as st

from schemas.limits import MAX_CREDIT
from schemas.session.frames import (
    PROTOCOL,
    Blob,
    Block,
    Bye,
    Cosign,
    Credit,
    DirectoryUpdate,
    Fetch,
    Frame,
    Hello,
    Item,
    Publish,
    Recover,
    Recovered,
    Result,
    ResultItem,
    SendReceipt,
    Side,
    Submit,
    TreeHead,
    Upload,
    Uploaded,
    Welcome,
    WitnessedHead,
    encode_frame,
)

NUMBER = st.integers(0, 300) | st.integers(0, (1 << 63) - 1)
BYTES = st.binary(max_size=40)
HASH = st.binary(min_size=32, max_size=32)
TEXT = st.text(max_size=20)
AGENCY = st.sampled_from(["hk-customs", "sg-cnb", "zz-nobody", ""])
NAME_OF_BLOB = st.sampled_from([8, 16, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
HASHES = st.lists(HASH, max_size=3).map(tuple)
BLOBS = st.lists(BYTES, max_size=3).map(tuple)
GRANT = st.integers(0, 4) | st.integers(MAX_CREDIT - 2, MAX_CREDIT + 2) | st.just((1 << 63) - 1)

ITEM = st.builds(Item, NUMBER, BYTES, HASHES, BYTES, BLOBS)
ITEMS = st.lists(ITEM, max_size=4).map(tuple)
ACCEPTED = st.builds(ResultItem, st.binary(min_size=16, max_size=16), st.just(True), NUMBER, st.just(""), TEXT, TEXT)
REFUSED = st.builds(
    ResultItem, st.binary(min_size=16, max_size=16), st.just(False), st.just(0), TEXT.filter(bool), TEXT, TEXT
)
BYE = st.builds(Bye, st.sampled_from(["", "fork", "malformed", "storage-in-doubt", "no-such-code"]), TEXT)

FROM_NODE: st.SearchStrategy[Frame] = st.one_of(
    st.builds(Hello, st.just(PROTOCOL), AGENCY, NUMBER, NUMBER, HASH, NUMBER, GRANT),
    st.builds(Submit, BYTES, BYTES, BYTES, BLOBS),
    st.builds(SendReceipt, BYTES, BYTES),
    st.builds(Publish, AGENCY, NUMBER, BYTES),
    st.builds(Upload, HASH, NUMBER, NUMBER, BYTES),
    st.builds(Fetch, NAME_OF_BLOB, NUMBER),
    st.builds(Credit, GRANT),
    st.builds(Cosign, NUMBER, BYTES),
    st.builds(Recover, NUMBER, NUMBER),
    BYE,
)
FROM_HUB: st.SearchStrategy[Frame] = st.one_of(
    st.builds(Welcome, st.just(PROTOCOL), TEXT, NUMBER, NUMBER, NUMBER),
    st.builds(Result, st.lists(ACCEPTED | REFUSED, max_size=3).map(tuple)),
    st.builds(Block, BYTES, HASHES, ITEMS),
    st.builds(DirectoryUpdate, BYTES, HASHES, ITEMS),
    st.builds(TreeHead, BYTES, HASHES, st.booleans()),
    st.builds(WitnessedHead, BYTES, HASHES),
    st.builds(Uploaded, HASH, NUMBER),
    st.builds(Blob, NAME_OF_BLOB, NUMBER, NUMBER, BYTES),
    st.builds(Recovered, BYTES, HASHES, ITEMS, NUMBER),
    BYE,
)
BY_SIDE: dict[Side, st.SearchStrategy[Frame]] = {"node": FROM_NODE, "hub": FROM_HUB}


@st.composite
def damaged(draw: st.DrawFn, frames: st.SearchStrategy[Frame]) -> bytes:
    """The bytes of a frame with a few of them changed, added or cut off."""
    data = encode_frame(draw(frames))
    start = draw(st.integers(0, len(data)))
    end = draw(st.integers(start, min(len(data), start + 4)))
    return data[:start] + draw(st.binary(max_size=4)) + data[end:]


def messages(side: Side) -> st.SearchStrategy[bytes]:
    """What a peer that claims to be `side` may put into one message: a frame of its own or of the other, or junk."""
    return st.one_of(
        BY_SIDE[side].map(encode_frame),
        BY_SIDE[side].map(encode_frame),
        st.one_of(FROM_NODE, FROM_HUB).map(encode_frame),
        damaged(BY_SIDE[side]),
        st.binary(max_size=30),
    )
