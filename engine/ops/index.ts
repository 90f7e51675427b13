import { addOp } from './arithmetic.ts';
import { matmulOp } from './matmul.ts';

/** Every op record, by name: what the tests walk over to see that each has its references and gradient check. */
export const ops = { add: addOp, matmul: matmulOp } as const;
