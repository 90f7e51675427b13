/** What the ladder measures: shapes of the models and the comparisons, such that every kernel appears. */
import * as k from '../engine/node.ts';

/** One shape of one or more kernels. */
export interface Case {
  readonly title: string;
  /** The kernels to measure, by name. */
  readonly kernels: readonly string[];
  /** Takes many seconds on a software adapter: left out of the quick run. */
  readonly heavy?: boolean;
  /** Fills a GPU, and would take a software adapter minutes. */
  readonly gpuOnly?: boolean;
  /** Only software adapters have its kernels. */
  readonly softwareOnly?: boolean;
  /** Makes the inputs; what it returns runs the operations that call the kernels. */
  readonly make: () => () => void;
}

const generator = new k.Generator(1);
/** Of more than four million, the same again and again: to draw new ones would take longer than everything else. */
const normal = (...shape: number[]): k.Tensor => {
  const values = new Float32Array(k.sizeOf(shape));
  const block = generator.normal(Math.min(values.length, 1 << 22));
  for (let at = 0; at < values.length; at += block.length) values.set(block.subarray(0, values.length - at), at);
  return k.tensor(values, shape, { requiresGrad: true });
};
const bytes = (...shape: number[]): k.Tensor =>
  k.tensor(
    Uint8Array.from(generator.words(k.sizeOf(shape)), (word) => word & 255),
    shape,
  );
const labels = (n: number, classes: number): k.Tensor =>
  k.tensor(
    Int32Array.from({ length: n }, (_, i) => i % classes),
    [n],
  );
const counts = (n: number, classes: number): k.Tensor =>
  k.tensor(
    Uint32Array.from({ length: n }, (_, i) => (i * 7) % classes),
    [n],
  );
/** Orthonormal columns, as BiMap weights have them. */
const orthonormal = (rows: number, columns: number): k.Tensor => {
  const w = normal(rows, columns);
  k.noGrad(() => k.stiefelRetract(w));
  return w;
};
const back = (y: k.Tensor): void =>
  k.backward(
    y,
    k.noGrad(() => k.affine(y, 0.5, 0.1)),
  );
const parameters = (n: number, ...shape: number[]): [string, k.Parameter][] =>
  Array.from({ length: n }, (_, i) => {
    const p = new k.Parameter(generator.normal(k.sizeOf(shape)), shape, { label: `p${i}` });
    return [`p${i}`, p];
  });

/** Backward passes of Σ p · scale, of which all but the first add to gradients, and an optimiser's step. */
const stepping =
  (make: (p: [string, k.Parameter][]) => k.Optimizer, n: number, passes = 1) =>
  (): (() => void) => {
    const list = parameters(n, 256, 1024);
    const optimizer = make(list);
    const scale = normal(256, 1024).detach();
    return () => {
      for (let pass = 0; pass < passes; pass++) {
        const terms = list.map(([, p]) => k.mul(p, scale));
        k.backward(terms.reduce(k.add), scale);
      }
      optimizer.step();
    };
  };

const conv = (
  title: string,
  [batch, side, cin, cout, size]: readonly [number, number, number, number, number],
  options: { stride?: number; padding?: number; groups?: number },
  heavy = false,
): Case => ({
  title,
  kernels: ['conv2d', 'conv2dInputGradient', 'conv2dWeightGradient'],
  heavy,
  make: () => {
    const x = normal(batch, side, side, cin);
    const w = normal(size, size, cin / (options.groups ?? 1), cout);
    return () => back(k.conv2d(x, w, undefined, options));
  },
});

const binary = (
  title: string,
  kernel: string,
  of: (a: k.Tensor, b: k.Tensor) => unknown,
  ...shape: number[]
): Case => ({
  title,
  kernels: [kernel],
  make: () => {
    const [a, b] = [normal(...shape), normal(...shape)];
    return () => void of(a, b);
  },
});

const head = (title: string, positions: number, path: 'auto' | 'full', kernels: readonly string[]): Case => ({
  title,
  kernels,
  make: () => {
    const x = normal(32, positions, 256);
    const weights = [orthonormal(256, 128), orthonormal(128, 64)];
    return () => back(k.covarianceLogEig(x, weights, { path }));
  },
});

export const cases: readonly Case[] = [
  // What the goals on a GPU stand on comes first; its operands are larger than any cache.
  { ...binary('matmul 4096³', 'matmul', k.matmul, 4096, 4096), gpuOnly: true },
  { ...conv('conv 3×3 256@56 N32', [32, 56, 256, 256, 3], { padding: 1 }), gpuOnly: true },
  { ...binary('add 64M', 'binary', k.add, 1 << 26), gpuOnly: true },
  binary('matmul 1024³', 'matmul', k.matmul, 1024, 1024),
  {
    title: 'matmul 128×16384×2000 (FC)',
    kernels: ['matmul'],
    heavy: true,
    make: () => {
      const [a, b] = [normal(128, 16384), normal(16384, 2000)];
      return () => void k.matmul(a, b);
    },
  },
  {
    title: 'matmul 64×1568×10 (classifier)',
    kernels: ['matmul'],
    make: () => {
      const [a, b] = [normal(64, 1568), normal(1568, 10)];
      return () => void k.matmul(a, b);
    },
  },
  {
    title: 'matmul 32 × 64×144×256',
    kernels: ['matmul'],
    make: () => {
      const [a, b] = [normal(32, 64, 144), normal(32, 144, 256)];
      return () => void k.matmul(a, b);
    },
  },
  conv('conv 3×3 64@56 N8', [8, 56, 64, 64, 3], { padding: 1 }),
  conv('conv 3×3 128@28 N8', [8, 28, 128, 128, 3], { padding: 1 }),
  conv('conv 3×3 256@28 N8', [8, 28, 256, 256, 3], { padding: 1 }, true),
  conv('conv 3×3 3→64@100 N8 (first layer)', [8, 100, 3, 64, 3], { padding: 1 }),
  conv('conv 7×7 64→3@64 N1 (last layer)', [1, 64, 64, 3, 7], { padding: 3 }),
  conv('conv 4×4 stride 2 64→128@64 N4', [4, 64, 64, 128, 4], { stride: 2, padding: 1 }),
  conv('conv depthwise 3×3 128@56 N8', [8, 56, 128, 128, 3], { padding: 1, groups: 128 }),
  binary('add 4M', 'binary', k.add, 1 << 22),
  binary('add into 4M', 'accumulate', k.addInto, 1 << 22),
  binary('copy into 4M', 'scale', k.copyInto, 1 << 22),
  binary('L1 loss 4M', 'differenceGradient', (a, b) => k.backward(k.l1Loss(a, b)), 1 << 22),
  {
    title: 'relu 4M',
    kernels: ['unary', 'unaryBackward'],
    make: () => {
      const x = normal(1 << 22);
      return () => back(k.relu(x));
    },
  },
  {
    title: 'tanh 1M',
    kernels: ['unary', 'unaryBackward'],
    make: () => {
      const x = normal(1 << 20);
      return () => back(k.tanh(x));
    },
  },
  {
    title: 'linear 512→1024, batch 1024, ReLU',
    kernels: ['activationGradient'],
    make: () => {
      const [x, w] = [normal(1024, 512), normal(512, 1024)];
      return () => back(k.linear(x, w, undefined, { activation: 'relu' }));
    },
  },
  {
    title: 'dropout 4M',
    kernels: ['dropout'],
    make: () => {
      const x = normal(1 << 22);
      return () => void k.dropout(x, { p: 0.5, training: true, generator });
    },
  },
  { title: 'fill 4M', kernels: ['fill'], make: () => () => void k.fill([1 << 22], 3) },
  {
    title: 'transpose 2048×2048',
    kernels: ['stridedCopy'],
    make: () => {
      const x = normal(2048, 2048);
      return () => void k.transpose(x, 0, 1);
    },
  },
  {
    title: 'sum 4096×1024 over rows',
    kernels: ['reduce', 'expand'],
    make: () => {
      const x = normal(4096, 1024);
      return () => back(k.sum(x, [0]));
    },
  },
  {
    title: 'batch norm + ReLU 8×56×56×64',
    kernels: [
      'normStatistics',
      'runningStatistics',
      'normApply',
      'normGradientSums',
      'normGradient',
      'normVectorGradients',
    ],
    make: () => {
      const [x, bias] = [normal(8, 56, 56, 64), normal(64)];
      const running = { runningMean: k.zeros([64]), runningVar: k.ones([64]) };
      return () => back(k.batchNorm(x, { bias, ...running, training: true, activation: 'relu' }));
    },
  },
  {
    title: 'instance norm + ReLU 2×16×16×64',
    kernels: ['norm', 'normBackward'],
    make: () => {
      const x = normal(2, 16, 16, 64);
      return () => back(k.instanceNorm(x, { activation: 'relu' }));
    },
  },
  {
    title: 'batch norm + ReLU + max pool 2×2 8×56×56×64',
    kernels: ['normMaxPool', 'normMaxPoolGradientSums', 'normMaxPoolGradient'],
    make: () => {
      const [x, bias] = [normal(8, 56, 56, 64), normal(64)];
      return () => back(k.batchNormMaxPool2d(x, { bias, training: true, activation: 'relu' }));
    },
  },
  {
    title: 'conv 3×3 1→16@28 N64 + ReLU + max pool 2×2 (first layer)',
    kernels: ['conv2dMaxPool', 'conv2dMaxPoolWeightGradient'],
    // GPUs run the two one after the other.
    softwareOnly: true,
    make: () => {
      const [x, w] = [normal(64, 28, 28, 1).detach(), normal(3, 3, 1, 16)];
      return () => back(k.conv2dMaxPool2d(x, w, undefined, { padding: 1, activation: 'relu' }));
    },
  },
  {
    title: 'conv 3×3 16→32@14 N64 + ReLU + max pool 2×2',
    kernels: ['conv2dMaxPool', 'conv2dMaxPoolWeightGradient'],
    softwareOnly: true,
    make: () => {
      const [x, w] = [normal(64, 14, 14, 16), normal(3, 3, 16, 32)];
      return () => back(k.conv2dMaxPool2d(x, w, undefined, { padding: 1, activation: 'relu' }));
    },
  },
  {
    title: 'max pool 2×2 8×56×56×64',
    kernels: ['maxPool', 'maxPoolBackward'],
    make: () => {
      const x = normal(8, 56, 56, 64);
      return () => back(k.maxPool2d(x, { kernelSize: 2 }));
    },
  },
  {
    title: 'average pool 2×2 8×56×56×64',
    kernels: ['avgPool', 'avgPoolBackward'],
    make: () => {
      const x = normal(8, 56, 56, 64);
      return () => back(k.avgPool2d(x, { kernelSize: 2 }));
    },
  },
  {
    title: 'adaptive average pool to 7×7, 8×50×50×64',
    kernels: ['adaptiveAvgPool', 'adaptiveAvgPoolBackward'],
    make: () => {
      const x = normal(8, 50, 50, 64);
      return () => back(k.adaptiveAvgPool2d(x, 7));
    },
  },
  {
    title: 'reflection pad 1 8×56×56×64',
    kernels: ['pad2d', 'pad2dGradient'],
    make: () => {
      const x = normal(8, 56, 56, 64);
      return () => back(k.reflectionPad2d(x, 1));
    },
  },
  {
    title: 'SE block 32×12×12×256',
    kernels: ['seExcite', 'seGated', 'seExciteBackward'],
    make: () => {
      const [x, w1, w2] = [normal(32, 12, 12, 256), normal(256, 16), normal(16, 256)];
      return () => back(k.seBlock(x, w1, w2));
    },
  },
  {
    title: 'softmax 4096×1000',
    kernels: ['softmax', 'softmaxBackward'],
    make: () => {
      const x = normal(4096, 1000);
      return () => back(k.softmax(x));
    },
  },
  {
    title: 'cross-entropy 4096×1000',
    kernels: ['crossEntropy', 'crossEntropyBackward'],
    make: () => {
      const [x, y] = [normal(4096, 1000), labels(4096, 1000)];
      return () => k.backward(k.crossEntropy(x, y));
    },
  },
  {
    title: 'distance loss 128×128, 3 centres',
    kernels: ['distance-loss', 'distance-loss-features', 'distance-loss-centres', 'centre-update'],
    make: () => {
      const [x, y, centres] = [normal(128, 128), labels(128, 3), normal(3, 128)];
      return () => {
        k.backward(k.distanceLoss(x, y, centres, { lambda1: 10 }));
        k.noGrad(() => k.updateCentres(x, y, centres, { alpha: 0.5, lambda1: 10 }));
      };
    },
  },
  {
    title: 'metrics 4096×1000',
    kernels: ['argmax', 'correct', 'confusion'],
    make: () => {
      const [x, y] = [normal(4096, 1000), labels(4096, 8)];
      const [predicted, matrix] = [counts(4096, 8), k.tensor(new Uint32Array(64), [8, 8])];
      return () => {
        k.argmax(x);
        k.correctCount(x, y);
        k.confusionInto(matrix, predicted, y);
      };
    },
  },
  {
    title: 'log of 4 scalars',
    kernels: ['record'],
    make: () => {
      const log = new k.ScalarLog(['a', 'b', 'c', 'd']);
      const one = k.ones([]);
      return () => log.record({ a: one, b: one, c: one, d: one });
    },
  },
  { title: 'Adam 4 × 256×1024', kernels: ['adam'], make: stepping((p) => new k.Adam(p, { lr: 1e-3 }), 4) },
  {
    title: 'SGD with momentum 5 × 256×1024',
    kernels: ['momentumSgd'],
    make: stepping((p) => new k.SGD(p, { lr: 1e-3, momentum: 0.9 }), 5),
  },
  {
    title: 'gradients added and SGD, 8 × 256×1024',
    kernels: ['accumulate8', 'sgd'],
    make: stepping((p) => new k.SGD(p, { lr: 1e-3 }), 8, 2),
  },
  {
    title: 'history pool 256×256',
    kernels: ['history'],
    make: () => {
      const pool = new k.HistoryPool(4, 1, [256, 256, 3], generator);
      const x = normal(1, 256, 256, 3).detach();
      pool.decide();
      return () => void pool.query(x);
    },
  },
  {
    title: 'augment 32 × 114→100',
    kernels: ['augment'],
    make: () => {
      const x = bytes(32, 114, 114, 3);
      return () => void k.augment(x, { size: 100, flip: true, rotation: 10, crop: 'random', generator });
    },
  },
  binary('standardise 32×100×100×3', 'standardise', (x) => k.standardise(x), 32, 100, 100, 3),
  {
    title: 'SSIM of 32 pairs 256×256',
    kernels: ['ssim'],
    make: () => {
      const [a, b] = [bytes(256, 256), bytes(32, 256, 256)];
      return () => void k.ssim(a, b);
    },
  },
  head('covariance head, 32 × 144×256→128→64', 144, 'auto', [
    'centre-positions',
    'squared-norm',
    'add-diagonal',
    'add-scaled-samples',
    'certify',
    'skip-matmul',
    'spectral-scale',
    'loewner',
    'symmetrise',
  ]),
  head('covariance head in full, 32 × 144×256→128→64', 144, 'full', ['trace']),
  head('covariance head, 32 × 9×256→128→64', 9, 'auto', [
    'row-svd',
    'low-rank-log-scale',
    'low-rank-log-diagonal',
    'low-rank-log-loewner',
    'low-rank-log-add',
    'low-rank-log-floor',
    'select-samples',
  ]),
  {
    title: 'eigh 32 × 64×64, sorted',
    kernels: ['eigh', 'sort-eigen'],
    make: () => {
      const x = normal(32, 128, 64).detach();
      return () => void k.eigh(k.covariance(x, { eps: 1e-4 }));
    },
  },
  {
    title: 'eigh 32 × 128×128',
    kernels: ['eigh'],
    heavy: true,
    make: () => {
      const x = normal(32, 256, 128).detach();
      return () => void k.eigh(k.covariance(x, { eps: 1e-4 }));
    },
  },
  {
    title: 'orthonormalise 256×128',
    kernels: ['orthonormalise'],
    make: () => {
      const w = normal(256, 128).detach();
      return () => k.stiefelRetract(w);
    },
  },
];
