"""The words of a file around its tables, coded one after another: which of a few guesses holds, or else the four bytes.

A flatbuffer repeats its records with other offsets: a word is as it was in the last like record, or as far from where
it points to (offsets count from where they stand), or goes on as numbers do that count up or down.
"""

from edgexai.transit.mixing import Mixed
from edgexai.transit.numbers import Port

MASK = 0xFFFFFFFF
LOST = 3
"""Wrong guesses in a row after which another record is looked for."""
SLOWEST = 60
BYTES, UNKNOWN = 8, 9
"""How a word was coded, beside the number of the guess: in full; nothing is known."""


class Words:
    """Passes words through a port, one at a time; a reader gives any word and gets the one that was written."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._guessed, self._spelt = Mixed(SLOWEST), Mixed(SLOWEST)
        self._words: list[int] = []
        self._places: list[int] = []
        self._ways: list[int] = []
        self._seen: dict[tuple[int, ...], int] = {}
        self._like = -1
        self._wrong = 0

    def code(self, word: int, place: int) -> int:
        """The next word, which stands at a byte of the file."""
        words, ways = self._words, self._ways
        n = len(words)
        self._look(n)
        way = ways[self._like] if self._like >= 0 else UNKNOWN
        recent = tuple(ways[-2:])
        found, how = 0, BYTES
        tried: list[int] = []
        for number, guess in self._guesses(n, place):
            if guess in tried:
                continue
            tried.append(guess)
            contexts = (number, (number, way), (number, recent), (number, way, recent), (number, self._wrong, way))
            if self._port(self._guessed.look(number, contexts), int(guess == word)):
                found, how = guess, number
                break
        if how == BYTES:
            found = self._spell(word, words[self._like] if self._like >= 0 else 0, words[-1] if words else 0, way)
        for order in (1, 2, 3):
            self._seen[tuple(words[max(0, n - order) :])] = n
        words.append(found)
        ways.append(how)
        self._places.append(place)
        self._wrong = 0 if how <= 2 else self._wrong + 1
        self._like += self._like >= 0
        return found

    def _look(self, n: int) -> None:
        """Another record that is like this one, where the last proved unlike."""
        if self._like >= 0 and self._wrong < LOST:
            return
        for order in (3, 2, 1):
            at = self._seen.get(tuple(self._words[max(0, n - order) :]), n)
            if at < n:
                self._like, self._wrong = at, 0
                return

    def _guesses(self, n: int, place: int) -> list[tuple[int, int]]:
        words, at = self._words, self._like
        found = []
        if at >= 0:
            found.append((0, words[at]))
            found.append((1, (words[at] + self._places[at] - place) & MASK))
            before = 2 * at - n
            if before >= 0:
                found.append((2, (2 * words[at] - words[before]) & MASK))
        other = self._seen.get(tuple(words[n - 2 :]), n) if n > 1 else n
        if other < n:
            found.append((3, words[other]))
            found.append((4, (words[other] + self._places[other] - place) & MASK))
        if n > 1:
            found.append((5, (2 * words[-1] - words[-2]) & MASK))
        if n > 0:
            found.append((6, words[-1]))
        return [*found, (7, 0)]

    def _spell(self, word: int, like: int, last: int, way: int) -> int:
        found = 0
        for shift in (24, 16, 8, 0):
            node = 1
            for bit in range(7, -1, -1):
                contexts = (
                    (shift, node),
                    (shift, node, found & 255),
                    (shift, node, like >> shift & 255),
                    (shift, node, last >> shift & 255),
                    (shift, node, way),
                )
                node = 2 * node + self._port(self._spelt.look(shift, contexts), word >> (shift + bit) & 1)
            found = found << 8 | node & 255
        return found
