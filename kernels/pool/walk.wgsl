// How an invocation finds its windows: `rows` lines of windows side by side, each in `chunks` of `chunk`, of which it takes one Value.
struct Walk { line: u32, start: u32, c: u32 }

fn walkOf(index: u32) -> Walk {
  let block = index / params.channels;
  let line = block / params.chunks;
  return Walk(line, (block - line * params.chunks) * params.chunk, index - block * params.channels);
}
