import { describe, expect, it } from 'vitest';
import { backward, type Tensor, tensor } from '../../engine/node.ts';
import { expectClose, type Tolerance } from '../expect-close.ts';
import { type ReferenceCase, referenceCases } from '../reference.ts';

/** What an op needs to be held against its reference cases. */
export interface Checked {
  /** Runs the op; inputs by the reference's names. `constant` names those that want no gradient. */
  readonly run: (inputs: Record<string, Tensor>, attributes: Record<string, unknown>) => Tensor;
  readonly constant?: readonly string[];
  /** Inputs that are state: compared with the case's output of that name after the run. */
  readonly state?: readonly string[];
  readonly tolerance?: (one: ReferenceCase) => Tolerance;
  /** One-dimensional inputs that are class indices. */
  readonly labels?: readonly string[];
  /** The engine's order of an input: reference [out, in] becomes [in, out]. */
  readonly transposed?: readonly string[];
}

const transpose = (data: ArrayLike<number>, rows: number, columns: number): Float32Array =>
  Float32Array.from({ length: rows * columns }, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]);

/** One test per op: every case of the family, forward, backward and state. */
export function checkAgainstReference(family: string, ops: Record<string, Checked>): void {
  describe(`${family} against PyTorch`, () => {
    for (const [op, checked] of Object.entries(ops)) {
      it(op, async () => {
        const cases = referenceCases(family, op);
        expect(cases.length).toBeGreaterThan(0);
        for (const one of cases) await check(one, checked);
      });
    }
  });
}

async function check(one: ReferenceCase, checked: Checked): Promise<void> {
  const { constant = [], state = [], transposed = [], labels = [], tolerance = () => ({}) } = checked;
  const inputs: Record<string, Tensor> = {};
  for (const [name, { shape, data }] of one.inputs) {
    if (labels.includes(name) && shape.length === 1) {
      inputs[name] = tensor(Uint32Array.from(data), shape);
      continue;
    }
    const turned = transposed.includes(name);
    const values = turned ? transpose(data, shape[0], shape[1]) : data;
    const wantsGradient = one.grads.has(name) && !constant.includes(name);
    inputs[name] = tensor(Float32Array.from(values), turned ? [shape[1], shape[0]] : shape, {
      requiresGrad: wantsGradient,
    });
  }
  const output = checked.run(inputs, { ...one.attributes });
  const expected = one.outputs.get('');
  if (!expected) throw new Error(`${one.name} has no output`);
  expect(output.shape, one.name).toEqual(expected.shape);
  const label = (what: string): Tolerance => ({ ...tolerance(one), label: `${one.name} ${what}` });
  expectClose(await output.data(), expected.data, label('output'));
  for (const name of state) {
    const after = one.outputs.get(name);
    if (after) expectClose(await inputs[name].floats(), after.data, label(name));
  }
  const seed = one.gradOutputs.get('');
  if (!seed) return;
  const gradient = tensor(Float32Array.from(seed.data), output.shape);
  backward(output, gradient);
  for (const [name, grad] of one.grads) {
    const leaf = inputs[name];
    if (!leaf?.grad) throw new Error(`${one.name}: ${name} got no gradient`);
    const found = await leaf.grad.floats();
    const [rows, columns] = leaf.shape;
    expectClose(transposed.includes(name) ? transpose(found, rows, columns) : found, grad.data, label(`d${name}`));
    leaf.grad.dispose();
  }
  for (const made of [...Object.values(inputs), output, gradient]) made.dispose();
}
