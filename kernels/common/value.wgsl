// The type that one invocation works on: a scalar as it stands, a vec4 when the loader sets the aliases (value.ts).
alias Value = f32;
alias Int = i32;
alias Uint = u32;
const WIDTH = 1u; // scalars in a Value

fn bitsOf(v: Value) -> Uint { return bitcast<Uint>(v); }

/** All bits but the sign: above 0x7f800000 is NaN, equal is infinite, 0 is zero. Compilers fold v != v to false. */
fn magnitudeBits(v: Value) -> Uint { return bitsOf(v) & Uint(0x7fffffffu); }
