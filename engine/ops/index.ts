import { addOp, divOp, maximumOp, minimumOp, mulOp, subOp } from './arithmetic.ts';
import { augmentOp, standardiseOp } from './augment.ts';
import { biMapOp } from './bi-map.ts';
import { conv2dOp, convTranspose2dOp } from './conv.ts';
import { covarianceOp } from './covariance.ts';
import { distanceLossOp } from './distance-loss.ts';
import { linearOp } from './linear.ts';
import { matmulOp } from './matmul.ts';
import { normOp } from './norm.ts';
import { padOp } from './pad.ts';
import { amaxOp, aminOp, meanOp, sumOp } from './reduce.ts';
import { spectralOp } from './spectral.ts';
import {
  absOp,
  affineOp,
  clampOp,
  divideOp,
  expOp,
  leakyReluOp,
  logOp,
  powOp,
  reciprocalOp,
  reluOp,
  sigmoidOp,
  sqrtOp,
  squareOp,
  tanhOp,
} from './unary.ts';

/** Every op record, by name: what the tests walk over to see that each has its references and gradient check. */
export const ops = {
  abs: absOp,
  add: addOp,
  affine: affineOp,
  amax: amaxOp,
  amin: aminOp,
  biMap: biMapOp,
  augment: augmentOp,
  clamp: clampOp,
  conv2d: conv2dOp,
  convTranspose2d: convTranspose2dOp,
  covariance: covarianceOp,
  distanceLoss: distanceLossOp,
  div: divOp,
  divide: divideOp,
  exp: expOp,
  leakyRelu: leakyReluOp,
  linear: linearOp,
  log: logOp,
  matmul: matmulOp,
  maximum: maximumOp,
  mean: meanOp,
  minimum: minimumOp,
  norm: normOp,
  pad2d: padOp,
  mul: mulOp,
  pow: powOp,
  reciprocal: reciprocalOp,
  relu: reluOp,
  sigmoid: sigmoidOp,
  spectral: spectralOp,
  sqrt: sqrtOp,
  square: squareOp,
  standardise: standardiseOp,
  sub: subOp,
  sum: sumOp,
  tanh: tanhOp,
} as const;
