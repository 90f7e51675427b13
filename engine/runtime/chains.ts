import {
  type ChainOperand,
  type ChainStep,
  chainOperands,
  chainPass,
  MOST_INPUTS,
  MOST_STEPS,
  mayContract,
} from '../../kernels/elementwise/chain.ts';
import type { DeviceTraits } from '../../kernels/kernel.ts';
import { platform } from '../platform.ts';
import { type IsTemporary, type Uses, usesOf, written } from './dataflow.ts';
import type { Dispatch } from './lower.ts';
import type { Storage } from './memory.ts';
import type { Shaders } from './shader.ts';

/** A run of dispatches that become one. */
interface Chain {
  readonly dispatches: Dispatch[];
  readonly steps: ChainStep[];
  readonly inputs: Storage[];
}

const bound = ({ shader, storages }: Dispatch, name: string): Storage | undefined =>
  storages[shader.bindings.findIndex((binding) => binding.name === name)];

/** The chain with `dispatch` at its end; undefined where it cannot go on so. */
function extended(chain: Chain, dispatch: Dispatch, contracts: boolean): Chain | undefined {
  const names = chainOperands(dispatch.kernel.name, dispatch.variant);
  if (!names || dispatch.dynamic.length > 0 || chain.steps.length === MOST_STEPS) return undefined;
  if (chain.dispatches.some(({ params }) => params.size !== dispatch.params.size)) return undefined;
  const inputs = [...chain.inputs];
  const operands: ChainOperand[] = [];
  for (const name of names) {
    const storage = bound(dispatch, name);
    if (!storage) return undefined;
    const step = chain.dispatches.findIndex((earlier) => written(earlier)[0] === storage);
    if (step < 0 && !inputs.includes(storage)) inputs.push(storage);
    operands.push(step < 0 ? { input: inputs.indexOf(storage) } : { step });
  }
  const { op, alpha = 0, beta = 0 } = dispatch.params;
  const step: ChainStep = { kernel: dispatch.kernel.name, op, alpha, beta, operands };
  const [last] = chain.steps.slice(-1);
  if (inputs.length > MOST_INPUTS || (last && contracts && mayContract(last, step))) return undefined;
  return { dispatches: [...chain.dispatches, dispatch], steps: [...chain.steps, step], inputs };
}

/** Whether nothing but the dispatch after `position` reads what the one at `position` makes. */
function goesOnAlone(dispatch: Dispatch, position: number, uses: Uses, isTemporary: IsTemporary): boolean {
  const [output] = written(dispatch);
  const touched = uses.touched.get(output) ?? [];
  return isTemporary(output) && touched.length === 2 && touched[0] === position && touched[1] === position + 1;
}

async function fused({ dispatches, steps, inputs }: Chain, shaders: Shaders): Promise<Dispatch> {
  const [last] = dispatches.slice(-1);
  const { pass, numbers } = chainPass(steps, inputs.length, last.variant, last.params.size);
  const { size, walk } = pass.params ?? {};
  const shader = await shaders.get(pass.source, pass.constants);
  const immediates = new DataView(new ArrayBuffer(shader.immediateBytes));
  immediates.setUint32(0, size, true);
  immediates.setUint32(4, walk, true);
  for (const [i, number] of numbers.entries()) immediates.setFloat32(4 * (i + 2), number, true);
  return {
    ...last,
    shader,
    immediates,
    workgroups: [pass.workgroups[0], pass.workgroups[1] ?? 1, pass.workgroups[2] ?? 1],
    storages: [...inputs, ...written(last)],
    slices: [],
    variant: `chain of ${steps.length}`,
    cost: {
      flops: dispatches.reduce((sum, { cost }) => sum + cost.flops, 0),
      bytes: 4 * last.params.size * (inputs.length + 1),
    },
  };
}

/**
 * Elementwise operations that follow each other, each the only reader of the one before, as one kernel: their values go from
 * step to step in registers. On llvmpipe, which rounds every operation, the results are the same bits. Any other compiler may
 * round a product and the sum after it once instead of twice. Where they are two operations they stay apart there, since
 * after cancellation such a difference is large; within a formula (exp, tanh) each text is compiled as it comes, so that
 * results are the same but for rounding. `CHAINS=0` runs each by itself.
 */
export async function fuseChains(
  dispatches: readonly Dispatch[],
  isTemporary: IsTemporary,
  shaders: Shaders,
  traits: DeviceTraits,
): Promise<readonly Dispatch[]> {
  if (platform().env('CHAINS') === '0') return dispatches;
  const uses = usesOf(dispatches);
  const contracts = traits.family !== 'lanes';
  const none: Chain = { dispatches: [], steps: [], inputs: [] };
  const out: Dispatch[] = [];
  let chain = none;
  const close = async (): Promise<void> => {
    if (chain.steps.length > 1) out.push(await fused(chain, shaders));
    else out.push(...chain.dispatches);
    chain = none;
  };
  for (const [i, dispatch] of dispatches.entries()) {
    const goesOn = chain.steps.length > 0 && goesOnAlone(dispatches[i - 1], i - 1, uses, isTemporary);
    const longer = goesOn ? extended(chain, dispatch, contracts) : undefined;
    if (longer) {
      chain = longer;
      continue;
    }
    await close();
    const fresh = extended(none, dispatch, contracts);
    if (fresh) chain = fresh;
    else out.push(dispatch);
  }
  await close();
  return out;
}
