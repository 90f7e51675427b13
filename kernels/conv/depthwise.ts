import { activationPass, isSlopeOnly } from '../elementwise/activation.ts';
import { type Pass, type Variant, wgsl, workgroupsFor } from '../kernel.ts';
import { sumPartials } from '../reduce/sum-partials.ts';
import { type ConvGeometry, type ConvParam, packed } from './geometry.ts';

export const isDepthwise = (p: ConvGeometry): boolean => p.groups === p.cin && p.cin === p.cout && p.cin % 4 === 0;

function depthwise(transposed: boolean): Variant<ConvParam> {
  const [src, dst] = transposed ? ['y', 'x'] : ['x', 'y'];
  return {
    name: 'depthwise',
    adds: 'one channel per group: four channels of one pixel per invocation',
    supports: isDepthwise,
    passes: (p, _tile, traits) => {
      const size = p.batch * (transposed ? p.h * p.w : p.oh * p.ow) * p.cin;
      const slopeOnly = isSlopeOnly(p.activation);
      const activation: Pass[] = slopeOnly
        ? []
        : [{ ...activationPass(p.activation, size, traits), bind: { out: dst } }];
      return [
        {
          source: wgsl(import.meta.url, 'depthwise.wgsl'),
          constants: { TRANSPOSED: transposed },
          bind: { src, dst },
          params: { ...packed(p), slope: slopeOnly ? p.slope : 1 },
          workgroups: workgroupsFor(size, 256),
        },
        ...activation,
      ];
    },
  };
}

export const depthwiseConv2d = depthwise(false);
export const depthwiseConv2dInputGradient = depthwise(true);

/** Lines of windows per part: about √lines, fixed by the shape. */
export const partsOf = (p: ConvGeometry): { part: number; parts: number } => {
  const part = Math.ceil(Math.sqrt(p.batch * p.oh));
  return { part, parts: Math.ceil((p.batch * p.oh) / part) };
};

export const depthwiseConv2dWeightGradient: Variant<ConvParam> = {
  name: 'depthwise',
  adds: 'one channel per group: four channels of one tap per invocation, lines in parts that are summed in order',
  supports: isDepthwise,
  scratch: (p) => ({ partials: 4 * partsOf(p).parts * p.kh * p.kw * p.cin }),
  passes: (p, _tile, traits) => {
    const { part, parts } = partsOf(p);
    const size = p.kh * p.kw * p.cin;
    return [
      {
        source: wgsl(import.meta.url, 'depthwise-weight-gradient.wgsl'),
        params: { ...packed(p), part, parts },
        workgroups: workgroupsFor(parts * size, 256),
      },
      { ...sumPartials(parts, size, traits), bind: { out: 'weight' } },
    ];
  },
};
