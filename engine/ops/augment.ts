import { augmentKernel, standardiseKernel } from '../../kernels/augment/augment.ts';
import { ConfigError, ShapeError } from '../errors.ts';
import { defaultGenerator, type Generator } from '../random.ts';
import { formatShape, sizeOf, type Tensor } from '../tensor.ts';
import { apply, defineOp } from './op.ts';

export interface AugmentOptions {
  /** Side of the pictures that come out. */
  size: number;
  /** Mirror half of the pictures, at random. Default false. */
  flip?: boolean;
  /** Largest rotation in degrees, either way, uniform at random. Default 0. */
  rotation?: number;
  /** Where the size × size window lies. Default 'centre'. */
  crop?: 'centre' | 'random';
  /** Per channel, of pictures from 0 to 1: (x − mean) / std. Default 0 and 1. */
  mean?: readonly [number, number, number];
  std?: readonly [number, number, number];
  /** Where the random draw comes from; one draw a call, a new one at every replay of a program. */
  generator?: Generator;
}

type AugmentAttributes = Required<AugmentOptions>;

const shapeOf = (images: readonly number[], size: number): number[] => {
  const [batch, height, width, channels] = images;
  if (images.length !== 4 || channels !== 3 || height !== width || size > height) {
    throw new ShapeError(`augment: ${formatShape(images)} cannot give pictures of ${size}×${size}.`, {
      remedy: 'Give [batch, side, side, 3] with a side of at least `size`.',
    });
  }
  return [batch, size, size, 3];
};

export const augmentOp = defineOp<AugmentAttributes>({
  name: 'augment',
  nondifferentiable: 'its input is 8-bit pictures, which no gradient can change',
  inputDtypes: 'any',
  outputShape: ([images], { size }) => shapeOf(images, size),
  forward: ([images], out, { size, flip, rotation, crop, mean, std, generator }) => {
    const [key0, key1] = generator.key;
    out.device.run(
      augmentKernel,
      { images: images.storage, out: out.storage },
      {
        batch: images.shape[0],
        source: images.shape[1],
        size,
        flip: Number(flip),
        rotation: (rotation * Math.PI) / 180,
        randomCrop: Number(crop === 'random'),
        call: generator.draw(),
        key0,
        key1,
        mean0: mean[0],
        mean1: mean[1],
        mean2: mean[2],
        scale0: 1 / std[0],
        scale1: 1 / std[1],
        scale2: 1 / std[2],
      },
    );
    return [];
  },
});

/**
 * 8-bit RGB pictures [batch, side, side, 3] to f32 [batch, size, size, 3] from 0 to 1, or normalised per channel: mirrored,
 * turned about the centre of the crop (bilinear, mirrored beyond the border) and cropped at random. Picture b uses words 4b
 * to 4b + 3 of the generator's draw: flip, angle, left, top.
 * @throws ShapeError when the pictures are not square RGB or smaller than `size`; ConfigError for a dtype but u8.
 */
export function augment(images: Tensor, options: AugmentOptions): Tensor {
  if (images.dtype !== 'u8') {
    throw new ConfigError(`augment: its pictures are ${images.dtype}, not u8.`, {
      remedy: 'Make the tensor from a Uint8Array.',
    });
  }
  const attributes = {
    flip: false,
    rotation: 0,
    crop: 'centre' as const,
    mean: [0, 0, 0] as const,
    std: [1, 1, 1] as const,
    generator: defaultGenerator(),
    ...options,
  };
  return apply(augmentOp, [images], attributes);
}

export const standardiseOp = defineOp<Record<string, never>>({
  name: 'standardise',
  nondifferentiable: 'it prepares pictures, which no gradient can change',
  outputShape: ([x]) => x,
  forward: ([x], out) => {
    const [batch, ...rest] = x.shape;
    out.device.run(standardiseKernel, { x: x.storage, out: out.storage }, { batch, length: sizeOf(rest) });
    return [];
  },
});

/** Each picture of f32 [batch, …] minus its own mean, divided by max(its standard deviation, 1/√N) over all its N values. */
export function standardise(x: Tensor): Tensor {
  return apply(standardiseOp, [x], {});
}
