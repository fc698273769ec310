"""Boards, one `.toml` each: clock, memory, cycles, power and link, each figure with its source; see edgexai.board."""
