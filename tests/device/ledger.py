"""What guests were answered, kept outside the machine that answered, and what that says of the machine after a cut.

A code or a logout that was ordered and not answered is in doubt: both outcomes are right, until one has been seen.
"""

import json
from dataclasses import dataclass, field

HOUR = 3600.0
# Seconds in which a login, a look and a line of the serial port may be apart.
SLACK = 2.0


@dataclass
class Guest:
    """One phone, and the one code that it is given."""

    number: int
    code: str
    known: bool | None = False  # whether the gateway knows the code; None: in doubt
    redeemed: bool | None = False
    online: bool | None = False
    # Bounds of what is left online: less was not used, and more was written down. What runs since is not written yet:
    # what was left at a moment of this boot.
    least: float = HOUR
    most: float = HOUR
    seen: float = HOUR
    since: float | None = None

    @property
    def mac(self) -> str:
        return f"02:00:00:00:{self.number // 256:02x}:{self.number % 256:02x}"

    @property
    def hint(self) -> str:
        return self.code[-3:]


@dataclass
class Ledger:
    """Everything that was promised on one disk, and what was found broken."""

    guests: dict[int, Guest] = field(default_factory=dict)
    ordered: list[tuple[str, Guest]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    answered: int = 0

    def power_is_back(self) -> None:
        """What ran since the last checkpoint may be lost, in the guests' favour."""
        for guest in self.guests.values():
            guest.since = None

    def order(self, word: str, number: int) -> str:
        """The line of an order to the phone of a guest."""
        self.ordered.append((word, self.guests[number]))
        return f"{word} {number} {self.guests[number].code}"

    def orders_are_out(self) -> None:
        """From now on what was ordered may have been done; to be called after the look, which comes first."""
        for word, guest in self.ordered:
            guest.online = None
            if word == "login":
                guest.redeemed = None

    def power_is_gone(self) -> None:
        """What was not answered may have been done, and will not be answered any more."""
        self.orders_are_out()
        self.ordered = []

    def _answered(self, word: str, number: str) -> Guest:
        guest = self.guests[int(number)]
        self.ordered.remove((word, guest))
        return guest

    def hear(self, words: list[str]) -> None:
        """An answer that a guest, or the operator, has had."""
        self.answered += 1
        match words:
            case ["login", number, _, "303", at]:
                guest = self._answered("login", number)
                guest.known = guest.redeemed = True
                # Ended again, as it may have been by now.
                guest.online = None if ("logout", guest) in self.ordered else True
                guest.since = float(at) / 100
            case ["logout", number, "303", _]:
                self._answered("logout", number).online = False
            case ["codes"]:
                for guest in self.guests.values():
                    guest.known = True
            case ["again", _, "409"]:
                pass
            case ["checkpoint", at]:
                for guest in self.guests.values():
                    if guest.since is not None and guest.online:
                        guest.most = guest.seen - max(0.0, float(at) / 100 - guest.since)
            case _:
                self.broken.append(f"a guest was answered {' '.join(words)}")

    def see_vouchers(self, listed: str) -> None:
        """Each code is there once, and redeemed or not."""
        states = {}
        for row in json.loads(listed):
            hint = row["hint"][-3:]
            if hint in states:
                self.broken.append(f"two codes end in {hint}")
            states[hint] = row["state"]
        for guest in self.guests.values():
            state = states.pop(guest.hint, None)
            if state is None and guest.known:
                self.broken.append(f"the code of guest {guest.number} is lost")
            guest.known = state is not None
            redeemed = state not in (None, "unused")
            if guest.redeemed is not None and guest.redeemed != redeemed:
                self.broken.append(f"guest {guest.number}: {state}, though redeemed is {guest.redeemed}")
            guest.redeemed = redeemed
        for hint in states:
            self.broken.append(f"a code that nobody made: {hint}")

    def see_sessions(self, listed: str, ran: float, at: float) -> None:
        """Who is online, after `ran` seconds of power at most; `at` is the moment of this boot. After the vouchers."""
        left = {row["mac"]: float(row["seconds_left"]) for row in json.loads(listed)}
        for guest in self.guests.values():
            seconds = left.pop(guest.mac, None)
            online = seconds is not None
            if guest.online is not None and guest.online != online:
                self.broken.append(f"guest {guest.number}: online is {online}, promised {guest.online}")
            if online and not guest.redeemed:
                self.broken.append(f"guest {guest.number} is online, unpaid")
            guest.online = online
            if seconds is None:
                continue
            if not guest.least - ran - SLACK <= seconds <= guest.most + SLACK:
                self.broken.append(
                    f"guest {guest.number} has {seconds} s, not {guest.least - ran} to {guest.most}"
                )
            guest.least = guest.seen = seconds
            guest.since = at
        for mac in left:
            self.broken.append(f"{mac} is online and has never paid")

    def see_online(self, macs: list[str]) -> None:
        """The kernel lets through who is online, and nobody else. After the sessions."""
        online = {it.mac for it in self.guests.values() if it.online}
        if online != set(macs):
            self.broken.append(f"open in the kernel: {sorted(online ^ set(macs))} differ")
