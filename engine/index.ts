export * from './errors.ts';
export { floatToHalf, halfToFloat } from './half.ts';
export { HistoryPool, type PoolDecision } from './history-pool.ts';
export {
  type Fan,
  type Initializer,
  kaimingNormal,
  kaimingUniform,
  normalInit,
  truncatedNormalInit,
  xavierUniform,
  zerosInit,
} from './nn/init.ts';
export {
  BatchNorm,
  type BatchNormLayerOptions,
  Conv2d,
  ConvTranspose2d,
  InstanceNorm2d,
  Linear,
  type WeightOptions,
} from './nn/layers.ts';
export { type LoadReport, Module, Sequential, type StateDict } from './nn/module.ts';
export {
  convLayout,
  convTransposeLayout,
  flattenedLinearLayout,
  type Layout,
  linearLayout,
  Parameter,
  type ParameterRole,
  sameLayout,
} from './nn/parameter.ts';
export { add, addInto, copyInto, div, maximum, minimum, mul, sub } from './ops/arithmetic.ts';
export { type AugmentOptions, augment, standardise } from './ops/augment.ts';
export { biMap } from './ops/bi-map.ts';
export { type Conv2dOptions, type ConvTranspose2dOptions, conv2d, convTranspose2d, type Pair } from './ops/conv.ts';
export { type Conv2dMaxPoolOptions, conv2dMaxPool2d } from './ops/conv-pool.ts';
export { type CovarianceOptions, covariance, covarianceWithTrace } from './ops/covariance.ts';
export { type CovarianceLogEigOptions, covarianceLogEig } from './ops/covariance-log-eig.ts';
export { type DifferenceLossOptions, l1Loss, mseLoss } from './ops/difference-loss.ts';
export {
  type CentreReduction,
  centreLoss,
  type DistanceLossOptions,
  distanceLoss,
  updateCentres,
} from './ops/distance-loss.ts';
export { type DropoutOptions, dropout } from './ops/dropout.ts';
export { eigh } from './ops/eigh.ts';
export type { Activation, EpilogueOptions } from './ops/epilogue.ts';
export { fill, fillInto, ones, zeros } from './ops/fill.ts';
export { cat, flatten, permute, reshape, slice, transpose } from './ops/layout.ts';
export { linear } from './ops/linear.ts';
export { matmul } from './ops/matmul.ts';
export { argmax, confusionInto, correctCount } from './ops/metrics.ts';
export { type BatchNormOptions, batchNorm, type InstanceNormOptions, instanceNorm } from './ops/norm.ts';
export { type BatchNormMaxPoolOptions, batchNormMaxPool2d } from './ops/norm-pool.ts';
export { type Padding, reflectionPad2d, zeroPad2d } from './ops/pad.ts';
export {
  adaptiveAvgPool2d,
  avgPool2d,
  globalAvgPool2d,
  type MaxPoolOptions,
  maxPool2d,
  type PoolOptions,
} from './ops/pool.ts';
export { amax, amin, mean, sum } from './ops/reduce.ts';
export { type SeBlockOptions, seBlock } from './ops/se-block.ts';
export { type CrossEntropyOptions, crossEntropy, logSoftmax, softmax } from './ops/softmax.ts';
export { type ClampOptions, logEig, reEig, type SkipOption, sqrtEig } from './ops/spectral.ts';
export { ssim } from './ops/ssim.ts';
export { abs, affine, clamp, exp, leakyRelu, log, neg, pow, relu, sigmoid, sqrt, square, tanh } from './ops/unary.ts';
export { Adam, type AdamOptions } from './optim/adam.ts';
export { Optimizer, type OptimizerOptions } from './optim/optimizer.ts';
export { constantThenLinear, linearSchedule, type Schedule, stepSchedule } from './optim/schedule.ts';
export { SGD, type SgdOptions } from './optim/sgd.ts';
export { stiefelRetract, stiefelTangent } from './optim/stiefel.ts';
export { type Platform, platform, setPlatform } from './platform.ts';
export {
  getFloat32MatmulPrecision,
  MATMUL_PRECISIONS,
  type MatmulPrecision,
  setFloat32MatmulPrecision,
} from './precision.ts';
export { type Program, type ProgramPlan, program } from './program.ts';
export { readPytorchStateDict } from './pytorch/state-dict.ts';
export { defaultGenerator, Generator, manualSeed } from './random.ts';
export type { DeviceInfo } from './runtime/adapter.ts';
export { HostScalar, type ParamValue } from './runtime/commands.ts';
export { type DefaultsFile, LANES_DEFAULTS } from './runtime/defaults.ts';
export type { Device } from './runtime/device.ts';
export { formatBytes, type MemorySnapshot } from './runtime/memory.ts';
export { formatEntry, type ProfileEntry } from './runtime/profiler.ts';
export type { WarmProgress } from './runtime/warm.ts';
export {
  readSafetensors,
  type Safetensors,
  type StoredTensor,
  storeFloat32,
  toFloat32,
  writeSafetensors,
} from './safetensors.ts';
export { type LoggedRow, ScalarLog } from './scalar-log.ts';
export { backward, checkpoint, gradEnabled, noGrad } from './tape.ts';
export {
  currentDevice,
  type DType,
  formatShape,
  type NestedNumbers,
  openDevice,
  type Shape,
  scope,
  setDevice,
  sizeOf,
  Tensor,
  type TensorData,
  tensor,
} from './tensor.ts';
