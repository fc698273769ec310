"""What the page's views show beyond a finding's sentence: each a pure function of decoded frames, with its JSON."""
