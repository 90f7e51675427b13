export { Classifier, type ClassifierOutput, createModel } from './classifier.ts';
export {
  type ClassifierConfigs,
  type ClassifierName,
  classifierConfig,
  classifierDefaults,
  classifierNames,
  classifierPlan,
  type DlpConfig,
  extractorPlan,
  isClassifierName,
  type SePosition,
  type TailOrder,
  type TrunkConfig,
  toClassifierName,
  type VfesoConfig,
} from './classifiers.ts';
export {
  CycleGan,
  type CycleGanConfig,
  type CycleGanLosses,
  cycleGanConfig,
  PatchDiscriminator,
  ResnetGenerator,
} from './cyclegan.ts';
export type { Layer, NetworkPlan } from './layers.ts';
export { Network } from './network.ts';
export {
  createObjective,
  Objective,
  type ObjectiveOptions,
  type ObjectiveParts,
  objectiveDefaults,
} from './objective.ts';
export { exportOnnx, type OnnxOptions } from './onnx/export.ts';
export { createOptimizer, type OptimizerConfig } from './optimizer.ts';
export { caffePreprocessing, imageNetPreprocessing, type Preprocessing } from './preprocessing.ts';
export { type LayerSummary, type NetworkSummary, summary } from './summary.ts';
export { accumulateGradients, type Batch, type StepResult, type TrainStepOptions, trainStep } from './train-step.ts';
export {
  type Vgg16Config,
  type Vgg16Pool,
  vgg16Defaults,
  vgg16Features,
  vgg16Plan,
  vgg16Pools,
} from './vgg16.ts';
export { type Vgg16State, vgg16State } from './vgg16-weights.ts';
