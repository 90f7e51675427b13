import type { Kernel, Slice } from '../../kernels/kernel.ts';
import { KernelError } from '../errors.ts';
import { HostScalar, type KernelCall } from './commands.ts';
import { type Memory, Storage } from './memory.ts';
import type { CompiledShader, Shaders } from './shader.ts';
import type { Choice } from './tuner.ts';

/** A host scalar of one call, with the value it had when the run began. */
export interface HostSlot {
  readonly scalar: HostScalar;
  value: number;
}

/** One dispatch, ready but for its buffers. */
export interface Dispatch {
  readonly shader: CompiledShader;
  /** In the order of `shader.bindings`; `undefined` binds zeros. */
  readonly storages: readonly (Storage | undefined)[];
  /** In the same order: what is read of a storage from a texture, where that is not all. */
  readonly slices: readonly (Slice | undefined)[];
  readonly immediates: DataView<ArrayBuffer> | undefined;
  readonly dynamic: readonly { readonly offset: number; readonly type: string; readonly slot: HostSlot }[];
  readonly workgroups: readonly [number, number, number];
  readonly kernel: Kernel;
  readonly variant: string;
  /** Of the whole call; multi-pass variants carry it on the last pass, which a program leaves out last. */
  readonly cost: { readonly flops: number; readonly bytes: number };
  readonly params: Readonly<Record<string, number>>;
}

const setScalar = (view: DataView, offset: number, type: string, value: number): void => {
  if (type === 'f32') view.setFloat32(offset, value, true);
  else if (type === 'i32') view.setInt32(offset, value, true);
  else view.setUint32(offset, value, true);
};

/** Writes the slots' present values into the dispatch's immediates. */
export function patchImmediates(dispatch: Dispatch): void {
  if (!dispatch.immediates) return;
  for (const { offset, type, slot } of dispatch.dynamic) setScalar(dispatch.immediates, offset, type, slot.value);
}

/** Turns a call into dispatches of the chosen variant; scratch storages are born released. */
export async function lowerCall(
  call: KernelCall,
  choice: Choice,
  shaders: Shaders,
  memory: Memory,
): Promise<{ dispatches: Dispatch[]; slots: HostSlot[] }> {
  const { kernel } = call;
  const slots = new Map<string, HostSlot>();
  const numbers: Record<string, number> = {};
  for (const [name, value] of Object.entries(call.params)) {
    if (value instanceof HostScalar) {
      slots.set(name, { scalar: value, value: Number.NaN });
      numbers[name] = Number.NaN; // a grid that depended on it would be NaN, and be caught below
    } else numbers[name] = value;
  }
  const { variant, tile, traits } = choice;
  const scratch = new Map<string, Storage>();
  for (const [name, bytes] of Object.entries(variant.scratch?.(numbers, tile) ?? {})) {
    const storage = new Storage(memory, bytes, `${kernel.name}.${name}`);
    storage.written = true;
    storage.release();
    scratch.set(name, storage);
  }
  const cost = kernel.cost(numbers);
  const passes = variant.passes(numbers, tile, traits);
  const dispatches = await Promise.all(
    passes.map(async (pass, i): Promise<Dispatch> => {
      const shader = await shaders.get(pass.source, pass.constants);
      const [x, y = 1, z = 1] = pass.workgroups;
      if (![x, y, z].every((n) => Number.isInteger(n) && n > 0 && n <= 65_535)) {
        throw new KernelError(
          `${kernel.name}/${variant.name}: ${x}×${y}×${z} workgroups for ${JSON.stringify(numbers)}.`,
          { remedy: 'Fold the grid with foldWorkgroups(); host scalars must not shape it.' },
        );
      }
      const storages = shader.bindings.map(({ name: inText, readOnly }) => {
        const name = pass.bind?.[inText] ?? inText;
        if (name === '' && readOnly) return undefined;
        const storage = call.buffers[name] ?? scratch.get(name);
        if (storage || (name in kernel.bindings && readOnly)) return storage;
        throw new KernelError(
          `${kernel.name}/${variant.name} binds ${name}, which neither the declaration nor its scratch has.`,
        );
      });
      const immediates = shader.immediateBytes > 0 ? new DataView(new ArrayBuffer(shader.immediateBytes)) : undefined;
      const dynamic: { offset: number; type: string; slot: HostSlot }[] = [];
      for (const { name, type, offset } of shader.params) {
        const fixed = pass.params?.[name];
        const slot = fixed === undefined ? slots.get(name) : undefined;
        if (slot) dynamic.push({ offset, type, slot });
        else {
          const value = fixed ?? numbers[name];
          if (value === undefined)
            throw new KernelError(`${kernel.name}/${variant.name}: Params.${name} has no value.`);
          if (immediates) setScalar(immediates, offset, type, value);
        }
      }
      return {
        shader,
        storages,
        slices: shader.bindings.map(({ name }) => pass.slices?.[name]),
        immediates,
        dynamic,
        workgroups: [x, y, z],
        kernel,
        variant: variant.name,
        cost: i === passes.length - 1 ? cost : { flops: 0, bytes: 0 },
        params: numbers,
      };
    }),
  );
  return { dispatches, slots: [...slots.values()] };
}
