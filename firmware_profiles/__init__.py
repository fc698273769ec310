"""Boards, one `.toml` each: clock, memory, cycles, power and link, every figure with its source. Read by edgexai.board."""
