// Window, stride and padding of a pooling, and the sizes; channels and outputs in Values.
const KH = 2u;
const KW = 2u;
const SH = 2u;
const SW = 2u;
const PH = 0u;
const PW = 0u;

struct Params { outputs: u32, inputs: u32, height: u32, width: u32, channels: u32, outHeight: u32, outWidth: u32, walk: u32 }
var<immediate> params: Params;

struct Place { n: u32, y: u32, x: u32, c: u32 }

/** The place of element `index` of [n, height, width, channels]. */
fn placeOf(index: u32, height: u32, width: u32) -> Place {
  let column = index / params.channels;
  let row = column / width;
  let n = row / height;
  return Place(n, row - n * height, column - row * width, index - column * params.channels);
}
