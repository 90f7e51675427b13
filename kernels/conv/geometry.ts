/**
 * Parameters of the three convolution kernels: x [batch, h, w, cin] is the side that the window slides over,
 * y [batch, oh, ow, cout] the side with one value per window, weights [kh, kw, cin / groups, cout].
 */
export const convParams = {
  batch: 'u32',
  h: 'u32',
  w: 'u32',
  cin: 'u32',
  oh: 'u32',
  ow: 'u32',
  cout: 'u32',
  groups: 'u32',
  kh: 'u32',
  kw: 'u32',
  strideY: 'u32',
  strideX: 'u32',
  paddingY: 'u32',
  paddingX: 'u32',
  dilationY: 'u32',
  dilationX: 'u32',
  activation: 'u32',
  slope: 'f32',
} as const;

export type ConvParam = keyof typeof convParams;

/** `half` is 1 where the operands may be rounded to halves (kernels/half/half.ts), absent elsewhere: choices of variants go by it. */
export type ConvGeometry = Readonly<Record<ConvParam, number>> & { readonly half?: number };

const pack = (vertical: number, horizontal: number): number => vertical + horizontal * 65_536;

/** The pairs that common/conv.wgsl unpacks: together they fit the 64 bytes of immediates. */
export const packed = (p: ConvGeometry): Record<string, number> => ({
  window: pack(p.kh, p.kw),
  stride: pack(p.strideY, p.strideX),
  padding: pack(p.paddingY, p.paddingX),
  dilation: pack(p.dilationY, p.dilationX),
});

/** One algorithmic cost for all three: each product of x, y and weight counts once, padding included. */
export const convCost = (p: ConvGeometry): { flops: number; bytes: number } => {
  const products = p.batch * p.oh * p.ow * p.cout * p.kh * p.kw * (p.cin / p.groups);
  const x = p.batch * p.h * p.w * p.cin;
  const y = p.batch * p.oh * p.ow * p.cout;
  const weight = (p.kh * p.kw * p.cin * p.cout) / p.groups;
  return { flops: 2 * products, bytes: 4 * (x + y + weight) };
};
