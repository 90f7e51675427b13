/** Builds ONNX graphs node by node. Field numbers are those of onnx.proto3 (IR version 8). */
import { bytes, float, integer, integers, join, type Message, text } from './protobuf.ts';

/** ONNX opset the graphs are written for. */
export const opset = 17;

const elementTypes = { float: 1, int64: 7, bool: 9 } as const;
type ElementType = keyof typeof elementTypes;

/** Sizes; a string is a size known only at run time. */
type Dimensions = readonly (number | string)[];

export type Attribute = number | string | readonly number[] | { readonly graph: Message } | { readonly real: number };

function attribute(name: string, value: Attribute): Message {
  const typed = (type: number, field: Message): Message => bytes(5, join([text(1, name), field, integer(20, type)]));
  if (typeof value === 'number') return typed(2, integer(3, value));
  if (typeof value === 'string') return typed(3, text(4, value));
  if ('graph' in value) return typed(5, bytes(6, value.graph));
  if ('real' in value) return typed(1, float(2, value.real));
  return typed(7, integers(8, value));
}

function tensor(name: string, type: ElementType, shape: readonly number[], data: Uint8Array): Message {
  return join([integers(1, shape), integer(2, elementTypes[type]), text(8, name), bytes(9, data)]);
}

function valueInfo(field: number, name: string, type: ElementType, shape: Dimensions): Message {
  const sizes = shape.map((size) => bytes(1, typeof size === 'number' ? integer(1, size) : text(2, size)));
  const tensorType = join([integer(1, elementTypes[type]), bytes(2, join(sizes))]);
  return bytes(field, join([text(1, name), bytes(2, bytes(1, tensorType))]));
}

/** Names stand for values: every method returns the name of what it made. */
export class GraphBuilder {
  readonly #name: string;
  readonly #nodes: Message[] = [];
  readonly #initialisers: Message[] = [];
  readonly #ends: Message[] = [];
  readonly #constants = new Map<string, string>();
  #count = 0;

  /** `name` prefixes every value, so that a loop's body never shadows a value outside. */
  constructor(name: string) {
    this.#name = name;
  }

  input(name: string, type: ElementType, shape: Dimensions): string {
    this.#ends.push(valueInfo(11, name, type, shape));
    return name;
  }

  output(name: string, value: string, type: ElementType, shape: Dimensions): void {
    this.#nodes.push(bytes(1, join([text(1, value), text(2, name), text(4, 'Identity')])));
    this.#ends.push(valueInfo(12, name, type, shape));
  }

  /** A stored tensor of the model, under its own name. */
  weight(name: string, shape: readonly number[], values: Float32Array): string {
    const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.#initialisers.push(bytes(5, tensor(name, 'float', shape, data)));
    return name;
  }

  #constant(type: ElementType, shape: readonly number[], data: Uint8Array): string {
    const key = `${type} ${shape} ${data.length < 4096 ? data : this.#count}`;
    const known = this.#constants.get(key);
    if (known) return known;
    const name = `${this.#name}/constant${this.#count++}`;
    this.#initialisers.push(bytes(5, tensor(name, type, shape, data)));
    this.#constants.set(key, name);
    return name;
  }

  floats(values: readonly number[] | Float32Array, shape: readonly number[] = []): string {
    return this.#constant('float', shape, new Uint8Array(Float32Array.from(values).buffer));
  }

  integers(values: readonly number[], shape: readonly number[] = [values.length]): string {
    return this.#constant('int64', shape, new Uint8Array(BigInt64Array.from(values, BigInt).buffer));
  }

  /** One node with one output. */
  node(op: string, inputs: readonly string[], attributes: Record<string, Attribute> = {}): string {
    return this.nodes(op, inputs, 1, attributes)[0] ?? '';
  }

  /** One node with several outputs. */
  nodes(op: string, inputs: readonly string[], count: number, attributes: Record<string, Attribute> = {}): string[] {
    const outputs = Array.from({ length: count }, () => `${this.#name}/${op}${this.#count++}`);
    const fields = [
      ...inputs.map((name) => text(1, name)),
      ...outputs.map((name) => text(2, name)),
      text(4, op),
      ...Object.entries(attributes).map(([name, value]) => attribute(name, value)),
    ];
    this.#nodes.push(bytes(1, join(fields)));
    return outputs;
  }

  add = (a: string, b: string): string => this.node('Add', [a, b]);
  sub = (a: string, b: string): string => this.node('Sub', [a, b]);
  mul = (a: string, b: string): string => this.node('Mul', [a, b]);
  div = (a: string, b: string): string => this.node('Div', [a, b]);
  matmul = (a: string, b: string): string => this.node('MatMul', [a, b]);
  reshape = (x: string, shape: readonly number[]): string => this.node('Reshape', [x, this.integers(shape)]);
  transpose = (x: string, perm: readonly number[]): string => this.node('Transpose', [x], { perm });

  build(): Message {
    return join([...this.#nodes, text(2, this.#name), ...this.#initialisers, ...this.#ends]);
  }
}

/** The file: a graph with what it was made by and free metadata. */
export function onnxModel(graph: Message, producerVersion: string, metadata: Record<string, string>): Uint8Array {
  return join([
    integer(1, 8),
    text(2, 'kindergrad'),
    text(3, producerVersion),
    bytes(7, graph),
    bytes(8, join([text(1, ''), integer(2, opset)])),
    ...Object.entries(metadata).map(([key, value]) => bytes(14, join([text(1, key), text(2, value)]))),
  ]);
}
