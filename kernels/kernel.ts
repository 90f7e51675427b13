/**
 * The declaration of a kernel: what it computes, what it binds, and its ladder of variants. This folder knows nothing
 * of tensors, tapes or devices: the engine hands it shapes and traits, and it answers with WGSL and workgroup counts.
 */

/** How a kernel touches a buffer. `write` promises that every element is written, whatever was there before. */
export type Access = 'read' | 'write' | 'update';

/** A field of the `Params` struct that every pass may read as `params.<name>` (immediates, at most 64 bytes). */
export type ParamType = 'u32' | 'i32' | 'f32';

/** What the choice of a variant may depend on. Taken from `adapter.info`, features and limits. */
export interface DeviceTraits {
  /**
   * `lanes`: subgroups of 8 on a CPU (lavapipe), where operands belong in lanes and workgroup memory is slow;
   * `tiled`: GPUs, where workgroup-memory tiles pay.
   */
  readonly family: 'lanes' | 'tiled';
  /** Software rasteriser: no speed of it is a GPU's speed. */
  readonly software: boolean;
  readonly subgroups: boolean;
  readonly subgroupMinSize: number;
  readonly subgroupMaxSize: number;
  readonly shaderF16: boolean;
  /** Sizes of the f16 products with f32 sums that subgroups do at once; undefined without such units, or not asked for. */
  readonly subgroupMatrix?: { readonly m: number; readonly n: number; readonly k: number } | undefined;
  /** Winograd convolutions may be chosen (WINOGRAD=0 forbids them: their rounding error is larger). */
  readonly winograd: boolean;
  /** Reading arrays from copies in textures pays and may be chosen (kernels/common/vec4-input.ts; TEXTURES=0 forbids it). */
  readonly textures: boolean;
  readonly maxWorkgroupStorage: number;
  readonly maxInvocations: number;
  readonly maxStorageBuffers: number;
}

/** WGSL text: a file beside the declaration, or text made by a few lines of TypeScript under a key that names it fully. */
export type WgslSource =
  | { readonly kind: 'file'; readonly url: URL }
  | { readonly kind: 'generated'; readonly key: string; readonly base: URL; readonly generate: () => string };

/** `wgsl(import.meta.url, 'matmul-naive.wgsl')`: the file beside the declaration. */
export function wgsl(base: string, file: string): WgslSource {
  return { kind: 'file', url: new URL(file, base) };
}

/**
 * Unrolled text. The key must change whenever the text does: the pipeline cache and the tuner's cache go by it.
 * `base` (import.meta.url) is where its `#include` lines start from.
 */
export function generated(base: string, key: string, generate: () => string): WgslSource {
  return { kind: 'generated', key, base: new URL(base), generate };
}

/**
 * Values of `const NAME = …;` lines (tile sizes, flags) that the loader writes into the text. A string sets the type of
 * an `alias NAME = …;` line instead: one text serves f32 and vec4f (kernels/common/value.ts).
 */
export type Constants = Readonly<Record<string, number | boolean | string>>;

/**
 * One dispatch. The WGSL names its buffers; the engine binds to each name the call's buffer of that name, or the
 * variant's scratch buffer. `params` overrides or adds to the call's own parameters for this pass only.
 */
export interface Pass {
  readonly source: WgslSource;
  readonly constants?: Constants;
  readonly params?: Readonly<Record<string, number>>;
  /** Buffers bound under another name, WGSL's to the call's: a second pass may read the first's `partial` as `x`. '' binds zeros. */
  readonly bind?: Readonly<Record<string, string>>;
  /** Of what the text reads from a texture, the part that is copied there: the texture begins with the buffer's vec4 `first`. */
  readonly slices?: Readonly<Record<string, Slice>>;
  readonly workgroups: readonly [x: number, y?: number, z?: number];
}

/** Some vec4 of a buffer. */
export interface Slice {
  readonly first: number;
  readonly count: number;
}

/** One rung of the ladder. */
export interface Variant<P extends string = string> {
  readonly name: string;
  /** What it adds to the rung before, in one sentence, with the measurement that justifies it. */
  readonly adds: string;
  /** Where it is correct; absent: everywhere. Speed is the tuner's business, not this predicate's. */
  readonly supports?: (params: Readonly<Record<P, number>>, traits: DeviceTraits) => boolean;
  /**
   * Where it is expected to beat the rungs before it: the untuned choice skips it elsewhere, the tuner measures it all
   * the same. Absent: wherever it is supported.
   */
  readonly suits?: (params: Readonly<Record<P, number>>, traits: DeviceTraits) => boolean;
  /** Made for devices of this family: on others it is correct, but not worth a measurement. */
  readonly family?: DeviceTraits['family'];
  /** Tile space for the tuner; the first is the untuned choice. */
  readonly tiles?: (params: Readonly<Record<P, number>>, traits: DeviceTraits) => readonly Constants[];
  /** Scratch buffers by name, in bytes; they live for this call only. */
  readonly scratch?: (params: Readonly<Record<P, number>>, tile: Constants) => Readonly<Record<string, number>>;
  readonly passes: (params: Readonly<Record<P, number>>, tile: Constants, traits: DeviceTraits) => readonly Pass[];
}

export interface Kernel<B extends string = string, P extends string = string> {
  readonly name: string;
  /** The formula, one line. */
  readonly computes: string;
  /** Buffers by the name that the WGSL uses, with access. A call may leave out a `read` buffer: it then binds zeros. */
  readonly bindings: Readonly<Record<B, Access>>;
  readonly params: Readonly<Record<P, ParamType>>;
  /**
   * Outputs that may take an input's place, by binding, the inputs in order of preference: in every rung each invocation
   * reads an element of that input before it writes the same element of the output, and no other invocation reads it.
   * Programs do so where the input is not needed afterwards.
   */
  readonly inPlace?: Readonly<Partial<Record<NoInfer<B>, readonly NoInfer<B>[]>>>;
  /** Floating-point operations and bytes that any algorithm must move, for GFLOP/s and GB/s. */
  readonly cost: (params: Readonly<Record<P, number>>) => { readonly flops: number; readonly bytes: number };
  /** Its inputs may be any floats, so the tuner may measure its rungs on random ones. */
  readonly tunable?: true;
  /** From naive (the truth in tests, correct for every parameter) to best. Untuned, the last one that supports and suits runs. */
  readonly variants: readonly Variant<P>[];
}

/** Checks nothing, infers everything: keeps the literal names of bindings and parameters as types. */
export function defineKernel<B extends string, P extends string>(kernel: Kernel<B, P>): Kernel<B, P> {
  return kernel;
}

/** Workgroups per dimension that WebGPU guarantees. */
const MAX_WORKGROUPS = 65_535;

/**
 * Folds a one-dimensional count of workgroups into two dimensions. The kernel recovers its index as
 * `workgroup_id.y * num_workgroups.x + workgroup_id.x` and must guard against the few indices past the count.
 */
export function foldWorkgroups(count: number): [number, number, number] {
  const n = Math.max(1, Math.ceil(count));
  if (n <= MAX_WORKGROUPS) return [n, 1, 1];
  const y = Math.ceil(n / MAX_WORKGROUPS);
  return [Math.ceil(n / y), y, 1];
}

/** Workgroups for `elements` at `perWorkgroup` each, folded. */
export function workgroupsFor(elements: number, perWorkgroup: number): [number, number, number] {
  return foldWorkgroups(Math.ceil(elements / perWorkgroup));
}
