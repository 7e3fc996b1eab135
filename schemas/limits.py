"""The caps every party applies, each with its reason. Sizes are bytes and times ms unless a name says otherwise."""

from __future__ import annotations

from typing import Final

# -- encoding ----------------------------------------------------------------------------------------------------------

MAX_DEPTH: Final = 12
"""Nesting of lists and maps in any value; the deepest real document (an alert in a body in a frame) needs nine."""
MAX_ITEMS: Final = 16_384
"""Items in one list or map, so that a claimed count cannot reserve much memory before the items are there."""
MAX_LISTS: Final = 65_536
"""Lists and maps in one value. Empty ones take a byte each to send and 64 to hold: a frame of nothing else would take
270 MB and a second of everybody's time. A frame full of receipts has 25,000."""
MAX_FRAME: Final = 4_194_304
"""One session frame: a full body with its header and openers, or a block of several, and no more in memory per peer."""
MAX_MESSAGE: Final = 1_000
"""Characters of an error's sentence or hint received from a peer; it ends up on a terminal."""
MAX_DOCUMENT: Final = 262_144
"""An alert document as an officer or a system hands it over, as YAML or JSON text."""

MAX_REMEMBERED: Final = 4_096
"""Agency ids, and addresses, that were found good and are not looked at again: those of 300 agencies many times over,
and less than a megabyte."""

# -- envelope ----------------------------------------------------------------------------------------------------------

MAX_ENTRY: Final = 65_535
"""A log entry: tlog-tiles bundles give an entry's length in two bytes."""
MAX_HEADER: Final = 60_000
"""A header: the entry that carries it adds a signature, two numbers and field names, and must stay within MAX_ENTRY."""
MAX_BODY: Final = 1_048_576
"""A sealed and padded body; larger material belongs into attachments, which can be resumed."""
MAX_RECIPIENTS: Final = 300
"""Recipients of one alert: at about 110 bytes each they fill half a header."""
MAX_OPENERS: Final = 300
"""Openers sent with one alert: at most one for each recipient."""
MAX_ADDRESSES: Final = 300
"""Addresses as the sender wrote them; naming more than every recipient one by one serves nobody."""
MAX_ATTACHMENTS: Final = 16
"""Attachments of one alert: images, spectra and papers of one case."""
MAX_ATTACHMENT: Final = 67_108_864
"""One sealed attachment (64 MiB): a set of X-ray images, not a video archive."""
CHUNK: Final = 262_144
"""Plaintext per attachment chunk; the unit of upload, so that a cut line costs little."""
PAIR_KEY_LIFE_MS: Final = 86_400_000
"""A pair key lives 24 hours, which bounds what its theft opens."""
PAIR_KEY_ALERTS: Final = 10_000
"""And at most so many alerts, whichever comes first."""

# -- time --------------------------------------------------------------------------------------------------------------

CLOCK_SKEW_MS: Final = 300_000
"""Five minutes: what a clock without NTP drifts in weeks, and short enough to make replay pointless."""
SPREAD_MS: Final = 300_000
"""For so long a new directory version leaves the one before it in use: a node that is connected hears of it within
seconds, and what was sealed longer ago is refused for its age anyway."""
MAX_EXPIRY_MS: Final = 366 * 86_400_000
"""An alert asks to be delivered for a year at most; after that its facts need a new look."""
MAX_TIME_MS: Final = (1 << 48) - 1
"""The largest time a UUIDv7 can hold (the year 10889)."""

# -- log ---------------------------------------------------------------------------------------------------------------

MAX_INDEX: Final = (1 << 63) - 1
"""Log indexes and sizes fit a signed 64-bit integer, as SQLite keeps them and tlog-proof demands."""
MAX_NOTE: Final = 1_048_576
"""A signed note: 100 ML-DSA-44 cosignature lines are 325 kB."""
MAX_NOTE_SIGNATURES: Final = 100
"""Signature lines on a note; signed-note demands at least 16, golang.org/x/mod refuses beyond 100."""
MAX_PROOF_HASHES: Final = 128
"""Hashes in one Merkle proof: twice the levels of a tree of 2^63 leaves, which is the longest consistency proof."""
MAX_SIGNED_NAME: Final = 255
"""Bytes of an origin or a signer's name: ML-DSA-44 signatures of the log family give its length in one byte."""
MAX_WITNESS_PROOF: Final = 63
"""Hashes in a witness request; tlog-witness allows no more, and a tree of 2^63 leaves has no more levels."""
MAX_WITNESS_REQUEST: Final = 131_072
"""A request to a witness: the proof, and a checkpoint with up to 38 ML-DSA-44 lines, where a log sends one or two."""
MAX_POLICY: Final = 1_048_576
"""A policy file: a thousand Ed25519 keys, or five hundred of ML-DSA-44."""
MAX_POLICY_ITEMS: Final = 1_024
"""Logs, witnesses and groups of one policy, of each kind; tlog-policy asks for at least 32."""
MAX_RECEIPT_ITEMS: Final = 256
"""Alerts one receipt covers; at about 75 bytes each it stays well within an entry."""
MAX_BASIS: Final = 1_000
"""Characters of the legal basis in a purge entry."""
MAX_APPROVERS: Final = 16
"""Approvers of one purge."""
MAX_EVIDENCE: Final = 4_000_000
"""The evidence for one alert: it must fit one frame. At 700 bytes for each version of the directory, 5,000 of them."""
MAX_DISCLOSURE: Final = 67_108_864
"""A disclosure file: two copies of a body, and a directory's whole history of a thousand versions of 60 kB."""
DAY_MS: Final = 86_400_000
"""The day in which retention and allowances are counted; UTC has no other that a clock in ms could show."""
RETENTION_DAYS: Final = 30
"""How long the hub keeps a body that nobody waits for any more, unless the governors say otherwise: a month in which a
recipient can still fetch what it lost."""
MAX_RETENTION_DAYS: Final = 3_660
"""Ten years: the longest that governors can ask for."""
FLASH_SECONDS: Final = 120
"""For so long a recipient may leave a flash alert unstored, unless the governors say otherwise, before its duty desk is
called: a node that is up stores within a second, and one that restarts within a minute."""
MIN_FLASH_SECONDS: Final = 10
"""The shortest that governors can ask for: less would call desks because of a reconnecting line."""
MAX_FLASH_SECONDS: Final = 86_400
"""A day; an alert that can wait longer is no flash."""
MAX_PURGE_ORDERS: Final = 256
"""Deletions that one version of the directory orders; an order that was carried out can be taken out again."""

# -- carrier -----------------------------------------------------------------------------------------------------------

CARRIED_DAYS: Final = 7
"""How long after its sealing an alert may arrive on removable media, unless the governors say otherwise: a line cut for
some days, and a courier who waits for a flight."""
MAX_CARRIED_DAYS: Final = 31
"""The longest that governors can ask for: what was sealed under keys and rules of a month ago is better sealed anew."""
MAX_CARRIER: Final = 4_294_967_295
"""A file on removable media: a FAT32 stick holds none larger. What does not fit comes with the next one."""
MAX_CARRIER_HEAD: Final = 65_536
"""The clear head of such a file: one sealed key for each of up to sixteen hubs takes a third of it."""
MAX_SEGMENT: Final = 1_048_576
"""Leaf hashes of the log in one such file, 32 MiB in memory while it is read: months of a busy exchange."""

# -- allowances --------------------------------------------------------------------------------------------------------

MINUTE_MS: Final = 60_000
"""The minute in which rates are counted."""
MAX_ALERTS_PER_MINUTE: Final = 1_000_000
"""The most that governors can allow of one precedence: beyond what one log can take in."""
MIN_BYTES_PER_DAY: Final = 1_048_576
"""The least volume that governors can allow of one precedence: one body."""
MAX_BYTES_PER_DAY: Final = 1 << 40
"""And the most: a terabyte, a disk of its own."""
PUBLICATIONS_PER_DAY: Final = 24
"""New key documents of one agency: every node keeps and replays each of them for good, the evidence for an alert
holds 5,000 versions at most, and an agency needs a few in a year."""
PUBLICATION_ATTEMPTS_PER_DAY: Final = 96
"""And those looked at, refused ones included: verifying one takes the hub as long as ten alerts."""
RECEIPT_BYTES_PER_DAY: Final = 1_073_741_824
"""Receipts of one agency: 800,000 alerts with five receipts each; one padded to 20 kB is no use."""
MAX_RETRY_MS: Final = 86_400_000
"""A refusal asks to wait for a day at most: every allowance is whole again after one."""
LONGEST_WAIT_MS: Final = 3_600_000
"""And a node asks again after an hour, whatever it was told: governors may have allowed more meanwhile."""

# -- session -----------------------------------------------------------------------------------------------------------

MAX_CASES: Final = 64
"""Cases of evidence that one witness holds another history: the first ones tell what happened, and whoever claims it
again for every block would fill the disk."""
MAX_CONFLICTING: Final = 8
"""Files kept of one version of a role: two prove that its signers signed twice."""
MAX_QUARANTINE: Final = 1_000
"""Refused alerts that a node keeps for inspection; each is in the log all the same, and its sender was told."""
MAX_QUARANTINE_BYTES: Final = 268_435_456
"""And their bytes, the newest first: a partner that sends rubbish of a megabyte each does not fill the disk."""
WINDOW: Final = 64
"""Alerts of a node under way at once: enough to fill the hub's blocks, few enough to bound memory at both ends."""
WINDOW_RESERVE: Final = 16
"""Of these kept for `flash` and `immediate`, so that one of them is sent at once."""
UNDER_WAY_BYTES: Final = 1_048_576
"""Bytes under way of what is neither, beyond which no further one is sent: over a line of 1 Mbit/s they take eight
seconds, which is what a `flash` waits there."""
MAX_OUTBOX: Final = 8_192
"""Alerts that wait at a node for the log, before it takes in no more that are not urgent: an officer's work of weeks,
or a loop in a system that sends. `flash`, `immediate`, recalls and corrections have as much again."""
MAX_OUTBOX_BYTES: Final = 4_294_967_296
"""And their bytes with attachments, likewise: a photograph of 5 MB every two minutes for a day without the hub."""
MAX_JOBS: Final = 4_096
"""Alerts that wait for one handler of a node; the later ones stay in the journal until some are done."""
MAX_DEAD_LETTERS: Final = 4_096
"""Deliveries given up, of one handler, that wait for a person; beyond them none is given up, it is tried every half
hour instead: nothing of it may be lost, and a person reads no more."""
MAX_LOCAL_CONNECTIONS: Final = 128
"""Connections to a node's own socket at once: commands, handlers and systems of one agency. A further one is cut."""
MAX_LOCAL_REQUESTS: Final = 64
"""Requests at once on the node's socket: all of them with 1 MiB take 64 MiB of memory."""
MAX_LOCAL_STREAMS: Final = 32
"""Event streams at once, each a connection that stays: officers' live screens, and systems that follow."""
MAX_LARGE_REQUESTS: Final = 4
"""Requests at once that are larger than 1 MiB: with files each takes up to three times 96 MiB while it is read."""
RANK_WAIT_MS: Final = 5_000
"""For how long at most a refusal for want of allowance holds back the others of its precedence: one of them may be
smaller, and be allowed."""
UPLOAD_LIFE_MS: Final = 2 * DAY_MS
"""For how long the hub keeps an attachment that no alert names, from the last piece on: longer than an alert waits for
an allowance. What is uploaded again begins anew."""
MAX_PENDING_UPLOADS: Final = 256
"""Attachments of one agency that no alert names: those of sixteen alerts. Their bytes are the operator's to bound."""
MAX_PENDING: Final = 2_048
"""Submissions that wait for the hub's next block before it refuses what is not urgent: two seconds' worth. With the
reserve, for what is urgent and for agencies that have nothing waiting, twice as many."""
MAX_PENDING_BYTES: Final = 67_108_864
"""And their bytes, likewise: what the hub holds in memory that no disk holds yet."""
MAX_WAITING_READS: Final = 64
"""Requests over HTTP that wait for the hub's reading thread: some seconds' worth; a further one is answered 503."""
MAX_UNSENT_PIECES: Final = 4
"""Pieces of attachments taken from a node, or read for it, and not answered or taken yet: 4 MiB at most."""
MAX_DELIVERY_QUEUE: Final = 4_096
"""Alerts for one node that the hub has in memory, some bytes of each; the later ones are read when it is their
turn."""
MAX_BLOCK_ALERTS: Final = 64
"""Alerts in one frame, which the node works through as one; large bodies fill it sooner."""
PARCEL_CACHE_BYTES: Final = 16_777_216
"""Recent alerts made ready for their recipients: two thousand of 1 KiB to thirty, some seconds of a flood. For a node
that is further behind the log is read."""
CACHED_PLANS: Final = 64
"""Directories compiled for routing, some 100 kB each: two of each node where many nodes run in one process."""
CACHED_TILES: Final = 128
"""About 5 MB: enough for the proofs of everything a node that was away for a day catches up on."""
WITNESS_ROUNDS: Final = 16
"""Rounds of cosigning remembered, so that what comes late still counts: a slow witness is a quarter of a minute
behind."""
MAX_NEW_ESCALATIONS: Final = 256
"""Alerts of one agency that become due at one look, one second after the other; more follow at the next."""
MAX_ALERTS_IN_CALL: Final = 16
"""Alerts of one agency in one call to its desk: as many proofs as a pager's gateway swallows (some 3 kB each)."""
MAX_DESK_CALLS: Final = 8
"""Desks called at the same time: each call holds a connection for ten seconds at most."""
RECEIPT_WINDOW: Final = 32
"""Receipts of a node under way at once; each covers up to 256 alerts."""
MAX_INBOUND: Final = 16
"""Frames read and not yet worked through, 64 MiB of them at most; then the connection waits until there is room."""
MAX_KNOWN_OPENERS: Final = 1_024
"""Secrets of pair keys in a node's memory: a day's worth from 300 agencies, some of which changed keys."""
DEFAULT_CREDIT: Final = 256
"""Alerts in flight to a node before it grants more."""
CREDIT_RESERVE: Final = 8
"""One in so many of the credit that a node gives at first is kept for `flash` and `immediate`, so that these need not
wait for room behind a backlog."""
CREDIT_SHARE: Final = 4
"""A node grants anew when one in so many of its credit was used up: an alert that comes alone costs no message for it,
and the hub has always enough left for a whole frame."""
MAX_CREDIT: Final = 65_536
"""The most a node can grant, so that credit cannot turn flow control off."""

# -- listeners ---------------------------------------------------------------------------------------------------------

MAX_HANDSHAKES: Final = 256
"""TLS handshakes under way at a hub: all of 31 nodes eight times over, and 25 MB at most."""
MAX_HANDSHAKES_PER_ADDRESS: Final = 64
"""Of them from one address: 31 nodes may come back at once from behind one."""
HANDSHAKE_MS: Final = 10_000
"""A handshake takes two round trips; over a bad line, seconds."""
REQUEST_MS: Final = 10_000
"""A request's head is a few hundred bytes; so long, too, a connection without a request is kept."""
ANSWER_MS: Final = 120_000
"""The largest answer is a full bundle of entries, 16 MiB: over a line of a megabit it takes this long."""
MAX_PARTY_CONNECTIONS: Final = 8
"""Connections with certificates of one party: a session, its successor, and a few of an auditor's tool."""
MAX_STRANGER_CONNECTIONS: Final = 32
"""Connections with certificates that the directory pins for nobody, all together: they are only told so."""
MAX_REQUEST_LINE: Final = 512
"""Bytes of a request's first line; the longest path that is served has 120."""
MAX_REQUEST_FIELD: Final = 2_048
"""Bytes of one header field of a request; an ordinary client's longest has 100."""
MAX_REQUEST_FIELDS: Final = 32
"""Header fields of a request; an ordinary client sends ten."""
MAX_WITNESS_CONNECTIONS: Final = 64
"""Connections to a witness at once: it serves a few logs, and knows nobody apart from any other."""
MAX_LOG_LINES: Final = 120
"""Lines a minute that one event may put into the log; the rest are counted, so that no peer can fill the disk."""

# -- directory ---------------------------------------------------------------------------------------------------------

MAX_METADATA: Final = 1_048_576
"""One TUF metadata file or target; 31 agencies with full key histories need about 100 kB."""
MAX_NAME: Final = 100
"""Characters of a person's or an office's name where one is shown."""
MAX_SLUG: Final = 32
"""Characters of an agency id, region, operation, rule id or error code: typed by hand, repeated in every header."""
