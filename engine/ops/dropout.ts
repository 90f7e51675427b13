import { dropoutKernel } from '../../kernels/elementwise/dropout.ts';
import { ConfigError } from '../errors.ts';
import { defaultGenerator, type Generator } from '../random.ts';
import { HostScalar } from '../runtime/commands.ts';
import { Tensor } from '../tensor.ts';
import { apply, defineOp } from './op.ts';

export interface DropoutOptions {
  /** Share of elements that become 0. Default 0.5. */
  readonly p?: number;
  /** Nothing happens when false. Default true. */
  readonly training?: boolean;
  /** One draw a call, a new one at every replay of a program. */
  readonly generator?: Generator;
}

export interface DropoutAttributes {
  readonly rate: number;
  readonly key: readonly [number, number];
  /** The forward's draw, taken when it runs; `again` is the same number for the backward of the same run. */
  readonly call: HostScalar;
  readonly again: HostScalar;
}

function run(x: Tensor, out: Tensor, call: HostScalar, { rate, key }: DropoutAttributes): void {
  x.device.run(
    dropoutKernel,
    { x: x.storage, out: out.storage },
    { size: x.size, rate, call, key0: key[0], key1: key[1] },
  );
}

export const dropoutOp = defineOp<DropoutAttributes>({
  name: 'dropout',
  outputShape: ([x]) => x,
  forward: ([x], out, attributes) => {
    run(x, out, attributes.call, attributes);
    return [];
  },
  backward: (gradient, _saved, attributes) => {
    const out = Tensor.empty(gradient.shape, { device: gradient.device, label: 'dropout gradient' });
    run(gradient, out, attributes.again, attributes);
    return [out];
  },
});

/** Sets elements to 0 with probability p and divides the others by 1 − p (Srivastava et al. 2014, inverted form). */
export function dropout(x: Tensor, options: DropoutOptions = {}): Tensor {
  const { p = 0.5, training = true, generator = defaultGenerator() } = options;
  if (!(p >= 0 && p < 1)) throw new ConfigError(`dropout: p is ${p}.`, { remedy: 'Use a number from 0 to below 1.' });
  if (!training || p === 0) return x;
  let drawn = 0;
  const call = new HostScalar(() => {
    drawn = generator.next();
    return drawn;
  });
  return apply(dropoutOp, [x], { rate: p, key: generator.key, call, again: new HostScalar(() => drawn) });
}
