// The type that one invocation works on: a scalar as it stands, a vec4 when the loader sets the aliases (value.ts).
alias Value = f32;
alias Int = i32;
alias Uint = u32;
const WIDTH = 1u; // scalars in a Value
