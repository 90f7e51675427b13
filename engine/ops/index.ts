import { addOp } from './arithmetic.ts';
import { conv2dOp, convTranspose2dOp } from './conv.ts';
import { linearOp } from './linear.ts';
import { matmulOp } from './matmul.ts';

/** Every op record, by name: what the tests walk over to see that each has its references and gradient check. */
export const ops = {
  add: addOp,
  conv2d: conv2dOp,
  convTranspose2d: convTranspose2dOp,
  linear: linearOp,
  matmul: matmulOp,
} as const;
