import { ConfigError } from './errors.ts';
import { platform } from './platform.ts';

/** The settings of `setFloat32MatmulPrecision`, as in PyTorch. */
export const MATMUL_PRECISIONS = ['highest', 'high', 'medium'] as const;
export type MatmulPrecision = (typeof MATMUL_PRECISIONS)[number];

let current: MatmulPrecision | undefined;

function checked(precision: string, asked: string): MatmulPrecision {
  const found = MATMUL_PRECISIONS.find((p) => p === precision);
  if (!found) {
    throw new ConfigError(`${asked} is not a precision of matrix products.`, {
      remedy: `Use one of ${MATMUL_PRECISIONS.join(', ')}.`,
    });
  }
  return found;
}

/**
 * How precise `matmul`, `linear`, `conv2d` and `convTranspose2d`, with their gradients, must be inside; results are f32
 * in any case. As torch.set_float32_matmul_precision, it permits and does not demand:
 *
 * - `'highest'` (the default): f32.
 * - `'high'`: about 16 bits or more. No algorithm here is both that precise and faster than f32, so it is f32.
 * - `'medium'`: operands may be rounded to halves (11 bits), with f32 sums, where that is expected to be faster.
 *
 * It holds for operations recorded from now on: a program keeps the precision it was traced with. MATMUL_PRECISION in the
 * environment sets it from outside.
 * Throws ConfigError for anything else.
 */
export function setFloat32MatmulPrecision(precision: MatmulPrecision): void {
  current = checked(precision, JSON.stringify(precision));
}

/** What `setFloat32MatmulPrecision` set, else what MATMUL_PRECISION says, else 'highest'. */
export function getFloat32MatmulPrecision(): MatmulPrecision {
  if (current === undefined) {
    const asked = platform().env('MATMUL_PRECISION');
    current = asked === undefined || asked === '' ? 'highest' : checked(asked, `MATMUL_PRECISION=${asked}`);
  }
  return current;
}

/** Whether a product recorded now may round its operands to halves: then its kernel has the parameter `half`. */
export const mayRoundToHalves = (): boolean => getFloat32MatmulPrecision() === 'medium';
