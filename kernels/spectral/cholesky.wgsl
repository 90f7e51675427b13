// gram ← R with gram = Rᵀ R, R upper triangular with a positive diagonal, in place; columns divisible by 4. Left-looking: row j
// of R is that of gram less what the rows above explain. One workgroup; an invocation owns every 64th vec4 of a row.
// dependent[0] = 1 where a pivot is so small a share of its diagonal that R would be mostly rounding (or NaN): the columns of the
// matrix behind are then nearly dependent, of condition 100 and more.
requires immediate_address_space;

struct Params { columns: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read_write> gram: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> dependent: array<u32>;

const SIZE = 64u;
const LEAST_PIVOT = 1e-4;
var<workgroup> pivot: f32;

@compute @workgroup_size(SIZE)
fn main(@builtin(local_invocation_index) lane: u32) {
  let width = params.columns / 4u;
  var failed = 0u;
  for (var j = 0u; j < params.columns; j++) {
    let own = j / 4u;
    for (var c = own + lane; c < width; c += SIZE) {
      var rest = gram[j * width + c];
      let before = rest[j % 4u];
      for (var k = 0u; k < j; k++) { rest -= gram[k * width + own][j % 4u] * gram[k * width + c]; }
      if (c == own) {
        let left = rest[j % 4u];
        let small = !(left > LEAST_PIVOT * before);
        failed = select(failed, 1u, small);
        pivot = select(left, 1.0, small);
        let column = vec4u(4u * c) + vec4u(0u, 1u, 2u, 3u);
        rest = select(rest, vec4f(0.0), column < vec4u(j));
      }
      gram[j * width + c] = rest;
    }
    workgroupBarrier();
    let scale = 1.0 / sqrt(pivot);
    for (var c = own + lane; c < width; c += SIZE) { gram[j * width + c] = gram[j * width + c] * scale; }
    storageBarrier();
    workgroupBarrier();
  }
  // The first invocation has met every pivot.
  if (lane == 0u) { dependent[0] = failed; }
}
