import { addOp, divOp, maximumOp, minimumOp, mulOp, subOp } from './arithmetic.ts';
import { augmentOp, standardiseOp } from './augment.ts';
import { biMapOp } from './bi-map.ts';
import { conv2dOp, convTranspose2dOp } from './conv.ts';
import { conv2dMaxPoolOp } from './conv-pool.ts';
import { covarianceOp } from './covariance.ts';
import { chooseSamplesOp } from './covariance-log-eig.ts';
import { l1LossOp, mseLossOp } from './difference-loss.ts';
import { distanceLossOp } from './distance-loss.ts';
import { dropoutOp } from './dropout.ts';
import { eighOp } from './eigh.ts';
import { catOp, permuteOp, reshapeOp, sliceOp } from './layout.ts';
import { linearOp } from './linear.ts';
import { lowRankLogEigOp } from './low-rank-log-eig.ts';
import { matmulOp } from './matmul.ts';
import { argmaxOp, correctCountOp } from './metrics.ts';
import { normOp } from './norm.ts';
import { normMaxPoolOp } from './norm-pool.ts';
import { padOp } from './pad.ts';
import { adaptiveAvgPool2dOp, avgPool2dOp, maxPool2dOp } from './pool.ts';
import { amaxOp, aminOp, meanOp, sumOp } from './reduce.ts';
import { seBlockOp } from './se-block.ts';
import { crossEntropyOp, logSoftmaxOp, softmaxOp } from './softmax.ts';
import { spectralOp } from './spectral.ts';
import { ssimOp } from './ssim.ts';
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
  adaptiveAvgPool2d: adaptiveAvgPool2dOp,
  add: addOp,
  affine: affineOp,
  amax: amaxOp,
  amin: aminOp,
  argmax: argmaxOp,
  augment: augmentOp,
  avgPool2d: avgPool2dOp,
  biMap: biMapOp,
  cat: catOp,
  chooseSamples: chooseSamplesOp,
  clamp: clampOp,
  conv2d: conv2dOp,
  conv2dMaxPool: conv2dMaxPoolOp,
  convTranspose2d: convTranspose2dOp,
  correctCount: correctCountOp,
  covariance: covarianceOp,
  crossEntropy: crossEntropyOp,
  distanceLoss: distanceLossOp,
  div: divOp,
  divide: divideOp,
  dropout: dropoutOp,
  eigh: eighOp,
  exp: expOp,
  l1Loss: l1LossOp,
  leakyRelu: leakyReluOp,
  linear: linearOp,
  log: logOp,
  logSoftmax: logSoftmaxOp,
  lowRankLogEig: lowRankLogEigOp,
  matmul: matmulOp,
  maximum: maximumOp,
  maxPool2d: maxPool2dOp,
  mean: meanOp,
  minimum: minimumOp,
  mseLoss: mseLossOp,
  mul: mulOp,
  norm: normOp,
  normMaxPool: normMaxPoolOp,
  pad2d: padOp,
  permute: permuteOp,
  pow: powOp,
  reciprocal: reciprocalOp,
  relu: reluOp,
  reshape: reshapeOp,
  seBlock: seBlockOp,
  sigmoid: sigmoidOp,
  slice: sliceOp,
  softmax: softmaxOp,
  spectral: spectralOp,
  sqrt: sqrtOp,
  square: squareOp,
  ssim: ssimOp,
  standardise: standardiseOp,
  sub: subOp,
  sum: sumOp,
  tanh: tanhOp,
} as const;
