import { ShapeError } from '../errors.ts';
import type { Device } from '../runtime/device.ts';
import { currentDevice, formatShape, type Shape, sizeOf, Tensor } from '../tensor.ts';

/**
 * How a parameter looks in a state dict (PyTorch's shape and order) against how the engine keeps it. Both functions
 * take and return row-major values.
 */
export interface Layout {
  readonly torchShape: (shape: Shape) => Shape;
  /** For each engine index in order, the index in PyTorch's order. */
  readonly torchIndex: (shape: Shape) => Uint32Array;
}

/** Same shape, same order: biases, norms, BiMap weights, centres. */
export const sameLayout: Layout = {
  torchShape: (shape) => shape,
  torchIndex: (shape) => Uint32Array.from({ length: sizeOf(shape) }, (_, i) => i),
};

/** Convolution: engine [kh, kw, cin, cout], PyTorch [cout, cin, kh, kw]. */
export const convLayout: Layout = {
  torchShape: ([kh, kw, cin, cout]) => [cout, cin, kh, kw],
  torchIndex: ([kh, kw, cin, cout]) => {
    const index = new Uint32Array(kh * kw * cin * cout);
    let i = 0;
    for (let y = 0; y < kh; y++)
      for (let x = 0; x < kw; x++)
        for (let c = 0; c < cin; c++) for (let o = 0; o < cout; o++) index[i++] = ((o * cin + c) * kh + y) * kw + x;
    return index;
  },
};

/** Transposed convolution: engine [kh, kw, cout, cin], as its input-gradient reads it; PyTorch [cin, cout, kh, kw]. */
export const convTransposeLayout: Layout = {
  torchShape: ([kh, kw, cout, cin]) => [cin, cout, kh, kw],
  torchIndex: ([kh, kw, cout, cin]) => {
    const index = new Uint32Array(kh * kw * cin * cout);
    let i = 0;
    for (let y = 0; y < kh; y++)
      for (let x = 0; x < kw; x++)
        for (let o = 0; o < cout; o++) for (let c = 0; c < cin; c++) index[i++] = ((c * cout + o) * kh + y) * kw + x;
    return index;
  },
};

/** Linear: engine [in, out], PyTorch [out, in]. */
export const linearLayout: Layout = {
  torchShape: ([features, out]) => [out, features],
  torchIndex: ([features, out]) => {
    const index = new Uint32Array(features * out);
    for (let f = 0; f < features; f++) for (let o = 0; o < out; o++) index[f * out + o] = o * features + f;
    return index;
  },
};

/**
 * Linear behind a flattened picture [height, width, channels]: PyTorch flattens channels first, the engine last, so
 * the input features are permuted as well (VGG16's first classifier layer).
 */
export const flattenedLinearLayout = (height: number, width: number, channels: number): Layout => ({
  torchShape: ([features, out]) => [out, features],
  torchIndex: ([features, out]) => {
    const index = new Uint32Array(features * out);
    for (let f = 0; f < features; f++) {
      const c = f % channels;
      const position = Math.floor(f / channels);
      const torchFeature = c * height * width + position;
      for (let o = 0; o < out; o++) index[f * out + o] = o * features + torchFeature;
    }
    return index;
  },
});

/**
 * What an optimiser may treat differently (docs/models.md: L2 on `weight` only, QR retraction on `stiefel`).
 * `statistic`: running means and variances and fixed biases, in the state dict but never trained.
 */
export type ParameterRole = 'weight' | 'bias' | 'norm' | 'stiefel' | 'centre' | 'statistic';

/** A tensor that a module owns and an optimiser may change. */
export class Parameter extends Tensor {
  readonly role: ParameterRole;
  readonly layout: Layout;

  /** `values` in the engine's order. */
  constructor(
    values: Float32Array,
    shape: Shape,
    options: { role?: ParameterRole; layout?: Layout; requiresGrad?: boolean; label?: string; device?: Device } = {},
  ) {
    const device = options.device ?? currentDevice();
    if (values.length !== sizeOf(shape)) {
      throw new ShapeError(`${values.length} values do not fill a parameter of shape ${formatShape(shape)}.`);
    }
    super(
      shape,
      'f32',
      device,
      device.createStorage(values.byteLength, `${options.label ?? 'parameter'} ${formatShape(shape)}`),
    );
    this.role = options.role ?? 'weight';
    this.layout = options.layout ?? sameLayout;
    this.requiresGrad = options.requiresGrad ?? this.role !== 'statistic';
    this.storage.stable = true;
    this.keep();
    this.write(values);
  }

  get torchShape(): Shape {
    return this.layout.torchShape(this.shape);
  }

  /** Values in PyTorch's order. */
  async toTorch(): Promise<Float32Array> {
    const values = await this.floats();
    if (this.layout === sameLayout) return values;
    const index = this.layout.torchIndex(this.shape);
    const out = new Float32Array(values.length);
    for (let i = 0; i < values.length; i++) out[index[i]] = values[i];
    return out;
  }

  /** Overwrites the values with some in PyTorch's order. */
  fromTorch(torch: ArrayLike<number>): void {
    if (this.layout === sameLayout) {
      this.write(torch);
      return;
    }
    const index = this.layout.torchIndex(this.shape);
    if (torch.length !== index.length) {
      throw new ShapeError(`${this.label} has ${index.length} elements; ${torch.length} were given.`);
    }
    const values = new Float32Array(index.length);
    for (let i = 0; i < index.length; i++) values[i] = torch[index[i]];
    this.write(values);
  }
}
