"""Hosts in network namespaces of their own, and the wire between them in our hands: packets late, lost, twice, never.

Each host has one TUN device; a thread here carries packets from one to the other. So both ends run the kernel's own
TCP, as over any network, and the wire can do what no `tc` of every kernel can. Needs root, Linux's TUN, iproute2.

The hosts have addresses in 127.0.0.0/8, routed over the wire instead of `lo`, which stays down: the example keys and
certificates are made for loopback addresses and refused elsewhere. Nothing of the machine's own network is touched.
"""

from __future__ import annotations

import fcntl
import heapq
import os
import random
import selectors
import shutil
import struct
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

TUN = Path("/dev/net/tun")
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
HUB_ADDRESS = "127.0.0.1"
"""The one that the example's certificate for the hub names."""
MTU = 1500
TCP = 6

Flow = tuple[bytes, int, bytes, int]
_NUMBERS = count()


def unavailable() -> str:
    """Why this machine cannot do it; empty if it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not TUN.exists() or shutil.which("ip") is None:
        return "network namespaces need /dev/net/tun and iproute2"
    return ""


@dataclass
class Host:
    """One namespace. The faults are those of its line, and may be changed at any time."""

    name: str
    address: str
    device: int
    delay: float = 0.0
    """Seconds each way."""
    jitter: float = 0.0
    """Up to so many seconds more for each packet by itself, so that later ones overtake it."""
    loss: float = 0.0
    """Share of packets that vanish."""
    doubled: float = 0.0
    """Share of packets that come twice."""
    silent: bool = False
    """Nothing passes, and nobody is told: no reset, no carrier lost."""
    forgotten: set[Flow] = field(default_factory=set)
    """Connections that a box on the way has forgotten: their packets vanish, others pass."""
    flows: set[Flow] = field(default_factory=set)

    def command(self, *words: str | Path) -> list[str]:
        """The command, run on this host."""
        return ["ip", "netns", "exec", self.name, *map(str, words)]

    def forget(self) -> None:
        """Every connection there is now goes dead without a word, as when a firewall lost its state."""
        self.forgotten |= self.flows

    def unplug(self) -> None:
        """Take the interface down; this end knows."""
        _ip("-n", self.name, "link", "set", "wire0", "down")

    def plug(self) -> None:
        """Bring it up."""
        _ip("-n", self.name, "link", "set", "wire0", "up")
        _ip("-n", self.name, "route", "replace", "127.0.0.0/8", "dev", "wire0", "src", self.address)


class Wire:
    """The hosts by name, and the thread that carries their packets until `close`. `seed` decides on loss and jitter."""

    def __init__(self, hub: str, others: Sequence[str], *, seed: int = 0) -> None:
        self.hosts: dict[str, Host] = {}
        self._dice = random.Random(seed)
        self._late: list[tuple[float, int, bytes, Host]] = []
        self._sent = count()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._carry, name="wire", daemon=True)
        try:
            self._add(hub, HUB_ADDRESS)
            for number, name in enumerate(others, start=1):
                self._add(name, f"127.9.0.{number}")
        except BaseException:
            self._remove()
            raise
        self._by_address = {bytes(map(int, host.address.split("."))): host for host in self.hosts.values()}
        self._thread.start()

    def close(self) -> None:
        """Remove the namespaces. What runs in them must have ended."""
        self._stopping.set()
        self._thread.join()
        self._remove()

    def _add(self, name: str, address: str) -> None:
        space, device = f"xb{os.getpid()}-{next(_NUMBERS)}", f"xb{os.getpid() % 10**6}n{next(_NUMBERS)}"
        _ip("netns", "add", space)
        handle = os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.hosts[name] = host = Host(space, address, handle)
        fcntl.ioctl(handle, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
        _ip("link", "set", device, "netns", space, "name", "wire0", "mtu", str(MTU))
        settings = "for name in all wire0; do echo 1 > /proc/sys/net/ipv4/conf/$name/route_localnet; done"
        subprocess.run(host.command("sh", "-c", settings), check=True)
        _ip("-n", space, "address", "add", f"{address}/32", "dev", "wire0")
        host.plug()

    def _remove(self) -> None:
        for host in self.hosts.values():
            os.close(host.device)
            _ip("netns", "delete", host.name)

    def _carry(self) -> None:
        with selectors.DefaultSelector() as ready:
            for host in self.hosts.values():
                ready.register(host.device, selectors.EVENT_READ, host)
            while not self._stopping.is_set():
                wait = self._late[0][0] - time.monotonic() if self._late else 0.1
                for key, _ in ready.select(max(0.0, min(wait, 0.1))):
                    self._take(key.data)
                self._deliver()

    def _take(self, origin: Host) -> None:
        for _ in range(64):
            try:
                packet = os.read(origin.device, MTU)
            except OSError:
                return  # no more for now, or the interface is down
            target = self._by_address.get(packet[16:20])
            if target is None or packet[0] >> 4 != 4:
                continue
            line = target if origin.address == HUB_ADDRESS else origin
            for _ in range(self._copies(line, packet)):
                due = time.monotonic() + line.delay + self._dice.random() * line.jitter
                heapq.heappush(self._late, (due, next(self._sent), packet, target))

    def _copies(self, line: Host, packet: bytes) -> int:
        flow = _flow(packet)
        if flow is not None:
            line.flows.add(flow)
        if line.silent or flow in line.forgotten or self._dice.random() < line.loss:
            return 0
        return 2 if self._dice.random() < line.doubled else 1

    def _deliver(self) -> None:
        now = time.monotonic()
        while self._late and self._late[0][0] <= now:
            _, _, packet, target = heapq.heappop(self._late)
            try:
                os.write(target.device, packet)
            except OSError:
                continue  # the interface is down: the packet is lost


def _flow(packet: bytes) -> Flow | None:
    """The two ends of a TCP packet over IPv4 (RFC 791, RFC 9293), the same for both directions."""
    if packet[9] != TCP:
        return None
    start = (packet[0] & 0x0F) * 4
    source, target = struct.unpack_from("!HH", packet, start)
    ends = sorted([(packet[12:16], source), (packet[16:20], target)])
    return (*ends[0], *ends[1])


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
