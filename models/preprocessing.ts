/**
 * What happens to a picture between its bytes and a network: `standardise` subtracts the picture's own mean and divides
 * by its standard deviation, max(σ, 1/√N); otherwise every channel, as a number from 0 to 1 in RGB, loses `mean` and is
 * divided by `std`. Preprocessing belongs to the weights: it is stored beside them.
 */
export type Preprocessing =
  | 'standardise'
  | { readonly mean: readonly [number, number, number]; readonly std: readonly [number, number, number] };

/** What torchvision's and timm's ImageNet weights were trained with. */
export const imageNetPreprocessing: Preprocessing = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** What VGG's original Caffe weights (and Keras') were trained with: bytes minus the mean. Their channels are BGR. */
export const caffePreprocessing: Preprocessing = {
  mean: [123.68 / 255, 116.779 / 255, 103.939 / 255],
  std: [1 / 255, 1 / 255, 1 / 255],
};
