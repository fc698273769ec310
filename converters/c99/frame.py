"""The heatmap frame in C: a map that explaining gave -> the bytes that `edgexai.encode` gives for it."""

from dataclasses import dataclass
from importlib.resources import files
from math import prod

from edgexai.errors import ConfigError

ENCODER = files("edgexai.heatmap").joinpath("c")
PARTS = (
    "edgexai_heatmap.c",
    "edgexai_heatmap.h",
    *(
        f"edgexai_heatmap_{part}.h"
        for part in ("coder", "head", "map", "numbers", "stream", "tables", "tree", "wavelet")
    ),
)
"""All but the basis, which generated firmware does not use."""
LONGEST = 512
STATE = 2200
"""Bytes of `edgexai_heatmap_state`, and a few to spare."""
LEAST, MOST = 40, 1 << 16
"""Bytes of a frame: what comes before a stream takes up to 39."""


@dataclass(frozen=True)
class Frame:
    """Frames of at most ``size`` bytes, of maps of ``shape``, that name the model by the start of its SHA-256."""

    size: int
    shape: tuple[int, ...]
    model: bytes
    kept: int = 0
    """Bytes at the beginning of the arena that stay as they are."""

    def __post_init__(self) -> None:
        if not LEAST <= self.size <= MOST:
            raise ConfigError(f"a frame takes {LEAST} to {MOST} bytes, not {self.size}; --frame 64 is usual")
        if not 1 <= len(self.shape) <= 3 or max(self.shape) > LONGEST or prod(self.shape) > 1 << 18:
            form = "×".join(map(str, self.shape))
            raise ConfigError(f"no frame holds a map of {form}; at most 3 axes of {LONGEST}: write it without --frame")

    @property
    def memory(self) -> int:
        """Bytes of RAM while it encodes: a word a value, and the encoder's state where pointers have eight bytes."""
        return 4 * prod(self.shape) + STATE

    def prototype(self, name: str) -> str:
        """The function's head."""
        return (
            f"int32_t {name}_frame({name}_explain_arena *arena, const float *relevance, int32_t target, float score,\n"
            f"                  uint64_t sequence, uint32_t seconds, uint8_t *frame)"
        )

    def header(self, name: str) -> list[str]:
        """What the model's header says of it."""
        return [
            f"#define {name.upper()}_FRAME {self.size} /* bytes of a frame, at most */",
            "\n/* A map as a heatmap frame of at most that many bytes. `sequence` counts frames, `seconds` are those",
            " * since 2020-01-01 00:00 UTC; each may be 0. Returns the frame's bytes, or less than 0 where there is",
            " * none: -2, the map is not finite; -3, no room before the map; -5, a sequence of 2^53. */",
            f"{self.prototype(name)};\n",
        ]

    def source(self, name: str) -> list[str]:
        """The function."""
        upper, count = name.upper(), prod(self.shape)
        model = ", ".join(str(byte) for byte in self.model)
        return [
            "typedef struct {",
            "    edgexai_heatmap_state state;",
            f"    int32_t work[{count}];",
            f"}} {name}_frame_memory;",
            "",
            f"typedef char {name}_the_arena_holds_a_frame"
            f"[sizeof({name}_frame_memory) + {self.kept} <= {upper}_EXPLAIN_ARENA ? 1 : -1];",
            "",
            f"{self.prototype(name)} {{",
            f"    static const uint8_t model[{len(self.model)}] = {{{model}}};",
            f"    {name}_frame_memory *const memory = (void *)(arena->bytes + {self.kept});",
            "    edgexai_heatmap_map map = {0};",
            "    edgexai_heatmap_frame about = {0};",
            "    float total = 0.0f;",
            f"    for (int i = 0; i < {count}; i++) total += relevance[i];",
            "    map.values = relevance;",
            "    map.target = target;",
            "    map.score = score;",
            "    map.has_conservation = (uint8_t)(score < 0.0f || score > 0.0f);",
            "    map.conservation = map.has_conservation ? total / score : 0.0f;",
            "    about.maps = &map;",
            "    about.count = 1;",
            f"    about.axes = {len(self.shape)};",
            *(f"    about.shape[{axis}] = {n};" for axis, n in enumerate(self.shape)),
            "    about.model = model;",
            f"    about.model_size = {len(self.model)};",
            "    about.sequence = sequence;",
            "    about.seconds = seconds;",
            "    return edgexai_heatmap_encode(&about, memory->work, &memory->state, frame, "
            f"{upper}_FRAME, {upper}_FRAME);",
            "}",
            "",
        ]

    def sources(self) -> dict[str, bytes]:
        """The encoder's own files, the same for all models, so that one program may hold several."""
        return {name: ENCODER.joinpath(name).read_bytes() for name in PARTS}
