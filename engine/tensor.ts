import { DeviceError, ShapeError } from './errors.ts';
import { Device } from './runtime/device.ts';
import type { Storage } from './runtime/memory.ts';
import type { TapeNode } from './tape.ts';

export type Shape = readonly number[];
export type DType = 'f32' | 'i32' | 'u32' | 'u8';

const BYTES: Record<DType, number> = { f32: 4, i32: 4, u32: 4, u8: 1 };
const ARRAYS = { f32: Float32Array, i32: Int32Array, u32: Uint32Array, u8: Uint8Array } as const;
export type TensorData = Float32Array | Int32Array | Uint32Array | Uint8Array;

/** Elements of a tensor of that shape. */
export const sizeOf = (shape: Shape): number => shape.reduce((n, d) => n * d, 1);
/** `[2, 3]`, as messages write it. */
export const formatShape = (shape: Shape): string => `[${shape.join(', ')}]`;

let defaultDevice: Device | undefined;

/** Opens the adapter that new tensors live on. Call it once, first. */
export async function openDevice(options: { powerPreference?: GPUPowerPreference } = {}): Promise<Device> {
  defaultDevice = await Device.open(options);
  return defaultDevice;
}

/** The device opened last. */
export function currentDevice(): Device {
  if (!defaultDevice) {
    throw new DeviceError('No device is open.', { remedy: 'Call `await openDevice()` before creating tensors.' });
  }
  return defaultDevice;
}

/** Makes `device` the one that new tensors live on. */
export function setDevice(device: Device): void {
  defaultDevice = device;
}

const scopes: Set<Tensor>[] = [];

/** Gives GPU memory back when a tensor is garbage-collected that nobody disposed: late, but no leak. */
const collected = new FinalizationRegistry<Storage>((storage) => storage.release());

/**
 * An n-dimensional array on the GPU, row-major. Pictures are NHWC. Holds a reference to its storage; `dispose()` or the
 * end of the enclosing `scope()` gives it back.
 */
export class Tensor {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly device: Device;
  readonly storage: Storage;
  /** Gradients flow into it: `backward()` fills `grad`. */
  requiresGrad = false;
  grad: Tensor | undefined;
  /** The operation that made it, while the tape is recording. */
  node: TapeNode | undefined;
  #disposed = false;

  constructor(shape: Shape, dtype: DType, device: Device, storage: Storage) {
    this.shape = shape;
    this.dtype = dtype;
    this.device = device;
    this.storage = storage;
    collected.register(this, storage, this);
    scopes[scopes.length - 1]?.add(this);
  }

  /** An uninitialised tensor; the next command must write it. */
  static empty(shape: Shape, options: { dtype?: DType; device?: Device; label?: string } = {}): Tensor {
    const { dtype = 'f32', device = currentDevice(), label = 'tensor' } = options;
    for (const d of shape) {
      if (!Number.isInteger(d) || d < 0) {
        throw new ShapeError(`${formatShape(shape)} is not a shape.`, { remedy: 'Dimensions are integers ≥ 0.' });
      }
    }
    const bytes = sizeOf(shape) * BYTES[dtype];
    return new Tensor(shape, dtype, device, device.createStorage(bytes, `${label} ${formatShape(shape)}`));
  }

  get size(): number {
    return sizeOf(this.shape);
  }

  get ndim(): number {
    return this.shape.length;
  }

  get label(): string {
    return this.storage.label;
  }

  set label(label: string) {
    this.storage.label = `${label} ${formatShape(this.shape)}`;
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  /** Another tensor on the same bytes. */
  alias(shape: Shape = this.shape): Tensor {
    if (this.storage.references === 0) this.#checkAlive();
    if (sizeOf(shape) !== this.size) {
      throw new ShapeError(
        `${formatShape(this.shape)} (${this.size} elements) cannot be viewed as ${formatShape(shape)}.`,
      );
    }
    return new Tensor(shape, this.dtype, this.device, this.storage.retain());
  }

  /** The same values, cut off from the tape. */
  detach(): Tensor {
    return this.alias();
  }

  #checkAlive(): void {
    if (this.#disposed) {
      throw new ShapeError(`${this.label} was disposed.`, { remedy: 'keep() it, or return it from its scope.' });
    }
  }

  /** Overwrites the values from the host. In order with recorded operations and replayed programs. */
  write(data: ArrayLike<number>): this {
    this.#checkAlive();
    if (data.length !== this.size) {
      throw new ShapeError(`${this.label} has ${this.size} elements; ${data.length} were given.`);
    }
    const Type = ARRAYS[this.dtype];
    const typed = data instanceof Type ? data : Type.from(data as ArrayLike<number>);
    const bytes = new Uint8Array(typed.buffer as ArrayBuffer, typed.byteOffset, typed.byteLength);
    this.device.upload(this.storage, bytes);
    return this;
  }

  /** Reads the values back (waits for the GPU). Float32Array for f32, and so on. */
  async data(): Promise<TensorData> {
    const values = new ARRAYS[this.dtype](this.size);
    await this.#read(values);
    return values;
  }

  /** Like `data()`, for f32 tensors; `into`, of this size, is filled and returned instead of a new array. */
  async floats(into = new Float32Array(this.size)): Promise<Float32Array<ArrayBuffer>> {
    if (this.dtype !== 'f32') throw new ShapeError(`${this.label} is ${this.dtype}, not f32.`);
    if (into.length !== this.size) {
      throw new ShapeError(`${this.label} has ${this.size} elements; the array to fill has ${into.length}.`);
    }
    await this.#read(into);
    return into;
  }

  async #read({ buffer, byteOffset, byteLength }: TensorData): Promise<void> {
    this.#checkAlive();
    return this.device.read(this.storage, new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength));
  }

  /** The one value of a one-element tensor. */
  async item(): Promise<number> {
    if (this.size !== 1) throw new ShapeError(`item() needs one element; ${this.label} has ${this.size}.`);
    return (await this.data())[0];
  }

  /** Takes the tensor out of the enclosing scope, which then does not dispose it. */
  keep(): this {
    for (const scope of scopes) scope.delete(this);
    return this;
  }

  /** Gives the memory back; the tensor must not be used afterwards. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    collected.unregister(this);
    scopes[scopes.length - 1]?.delete(this);
    // The node stays: gradients still flow through a disposed tensor to what it was made from.
    this.storage.release();
  }

  toString(): string {
    return `Tensor(${this.label}, ${this.dtype}${this.requiresGrad ? ', requiresGrad' : ''})`;
  }
}

const release = (value: unknown, from: Set<Tensor>, to: Set<Tensor> | undefined): void => {
  if (value instanceof Tensor) {
    if (from.delete(value)) to?.add(value);
  } else if (Array.isArray(value)) for (const v of value) release(v, from, to);
  else if (value instanceof Map) for (const v of value.values()) release(v, from, to);
  else if (value && typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) {
    for (const v of Object.values(value)) release(v, from, to);
  }
};

/**
 * Disposes every tensor made inside `body`, except those it returns (also inside arrays, maps and plain objects) and
 * those that were `keep()`-ed. An async body must not run interleaved with other tensor-making code.
 */
export function scope<T>(body: () => T): T {
  const made = new Set<Tensor>();
  scopes.push(made);
  const end = (result: unknown): void => {
    const at = scopes.indexOf(made);
    scopes.splice(at, 1);
    release(result, made, scopes[at - 1]);
    for (const tensor of made) tensor.dispose();
  };
  let result: T;
  try {
    result = body();
  } catch (error) {
    end(undefined);
    throw error;
  }
  if (result instanceof Promise) {
    return result.then(
      (value) => {
        end(value);
        return value;
      },
      (error) => {
        end(undefined);
        throw error;
      },
    ) as T;
  }
  end(result);
  return result;
}

const flatten = (value: unknown, out: number[], depth: number, shape: number[]): void => {
  if (typeof value === 'number') {
    if (depth !== shape.length) throw new ShapeError('Nested arrays have different depths.');
    out.push(value);
    return;
  }
  const list = value as ArrayLike<unknown>;
  if (shape.length === depth) {
    if (out.length > 0) throw new ShapeError('Nested arrays have different depths.');
    shape.push(list.length);
  }
  if (shape[depth] !== list.length) {
    throw new ShapeError(`Nested arrays have different lengths: ${shape[depth]} and ${list.length}.`);
  }
  for (let i = 0; i < list.length; i++) flatten(list[i], out, depth + 1, shape);
};

export type NestedNumbers = number | readonly NestedNumbers[];

/**
 * A tensor from numbers: `tensor([[1, 2], [3, 4]])`, or flat values with a shape: `tensor(new Float32Array(6), [2, 3])`.
 */
export function tensor(
  values: NestedNumbers | TensorData,
  shape?: Shape,
  options: { dtype?: DType; device?: Device; label?: string; requiresGrad?: boolean } = {},
): Tensor {
  let data: ArrayLike<number>;
  let dims: Shape;
  if (ArrayBuffer.isView(values)) {
    data = values as TensorData;
    dims = shape ?? [data.length];
  } else {
    const flat: number[] = [];
    const found: number[] = [];
    flatten(values, flat, 0, found);
    data = flat;
    dims = shape ?? found;
  }
  const dtype =
    options.dtype ??
    (values instanceof Uint8Array
      ? 'u8'
      : values instanceof Uint32Array
        ? 'u32'
        : values instanceof Int32Array
          ? 'i32'
          : 'f32');
  if (sizeOf(dims) !== data.length) {
    throw new ShapeError(
      `${data.length} values do not fill the shape ${formatShape(dims)} (${sizeOf(dims)} elements).`,
    );
  }
  const made = Tensor.empty(dims, { ...options, dtype }).write(data);
  made.requiresGrad = options.requiresGrad ?? false;
  return made;
}
