import { type NetworkPlan, ruleOf, sizeOf } from './layers.ts';

export interface LayerSummary {
  readonly name: string;
  readonly kind: string;
  /** Of one picture. */
  readonly outputShape: readonly number[];
  readonly parameters: number;
  /** Forward operations for one picture; a multiplication and an addition count two. */
  readonly flops: number;
}

export interface NetworkSummary {
  readonly input: readonly number[];
  readonly layers: readonly LayerSummary[];
  readonly parameters: number;
  readonly flops: number;
  /** Bytes of all activations of one picture in 32-bit floats: what training has to keep. */
  readonly activationBytes: number;
}

/** Layers, shapes, parameters and operations of a network; arithmetic only, no GPU. */
export function summary(plan: NetworkPlan): NetworkSummary {
  let shape = plan.input;
  const layers = plan.layers.map((layer): LayerSummary => {
    const rule = ruleOf(layer);
    const parameters = Object.values(rule.parameters(layer, shape)).reduce((sum, size) => sum + sizeOf(size), 0);
    const flops = rule.flops(layer, shape);
    shape = rule.output(layer, shape);
    return { name: layer.name, kind: layer.kind, outputShape: shape, parameters, flops };
  });
  const total = (of: (layer: LayerSummary) => number): number => layers.reduce((sum, layer) => sum + of(layer), 0);
  return {
    input: plan.input,
    layers,
    parameters: total((layer) => layer.parameters),
    flops: total((layer) => layer.flops),
    activationBytes: total((layer) => 4 * sizeOf(layer.outputShape)),
  };
}
