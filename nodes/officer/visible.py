"""Make received text harmless on a terminal: nothing in it may move the cursor, hide or reorder what the officer reads.

A partner's title or narrative is foreign input. C0 and C1 controls drive terminals, bidirectional overrides make text
read differently from what it says (the "Trojan source" trick), and invisible characters make two different names look
the same. All of them are shown as escapes; letters of every script stay as they are.
"""

from __future__ import annotations

import json
import re

_DANGEROUS = (
    "\x00-\x1f\x7f-\x9f"  # C0 controls, DEL and C1 controls (U+009B alone starts a control sequence)
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u3164\uffa0"  # drawn as nothing, or as a blank that is not a space
    "\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"  # line separators, bidirectional marks, overrides, isolates
    "\ufeff\ufff9-\ufffb"  # byte order mark, interlinear annotation
    "\ud800-\udfff"  # lone surrogates: cannot be written out at all
    "\U000e0000-\U000e0fff"  # tag characters and variation selectors that carry hidden text
)
_HIDDEN = re.compile(f"[{_DANGEROUS}]")
_HIDDEN_BUT_NEWLINE = re.compile(f"(?!\n)[{_DANGEROUS}]")
_NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def visible(text: str) -> str:
    """`text` on one line, every control or invisible character replaced by an escape such as `\\x1b` or `\\u202e`."""
    return _HIDDEN.sub(_escape, text)


def visible_lines(text: str) -> list[str]:
    """The lines of `text`, each made visible; `\\r\\n` counts as one line end and tabs become spaces."""
    unified = text.replace("\r\n", "\n").replace("\t", "    ")
    return _HIDDEN_BUT_NEWLINE.sub(_escape, unified).split("\n")


def visible_json(value: object, *, indent: int | None = 2) -> str:
    """`value` as JSON that is safe to print: same meaning for a parser, dangerous characters as `\\u` escapes."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    # json.dumps has escaped C0 itself; a newline left in the text is its own layout, outside any string.
    return _HIDDEN_BUT_NEWLINE.sub(_json_escape, text)


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    if character in _NAMED:
        return _NAMED[character]
    point = ord(character)
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def _json_escape(match: re.Match[str]) -> str:
    point = ord(match.group())
    if point < 0x10000:
        return f"\\u{point:04x}"
    point -= 0x10000
    return f"\\u{0xD800 + (point >> 10):04x}\\u{0xDC00 + (point & 0x3FF):04x}"
