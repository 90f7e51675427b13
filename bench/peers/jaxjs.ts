import { type Comparison, convolutions, type Peer, ready } from './contenders.ts';

/** jax-js on WebGPU. NCHW. */
export async function jaxjs(gpu: GPU): Promise<Peer> {
  const navigator = { gpu, userAgent: 'node', platform: 'node' };
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true, writable: true });
  const jax = await import('@jax-js/jax');
  const { numpy: np, lax, grad, jit, nn, defaultDevice, init } = jax;
  await init('webgpu');
  defaultDevice('webgpu');
  type Array = ReturnType<typeof np.array>;
  const normal = (...shape: number[]): Array =>
    np.array(Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, () => Math.random() - 0.5)).reshape(shape);
  const wait = async (a: Array): Promise<void> => {
    await a.blockUntilReady();
    a.dispose();
  };
  const contenders = new Map<Comparison, () => Promise<unknown>>();
  const [a, b] = [normal(1024, 1024), normal(1024, 1024)];
  contenders.set('matmul 1024³', () => wait(np.matmul(a.ref, b.ref)));
  for (const [c, side] of convolutions) {
    const x = normal(8, c, side, side);
    const w = normal(c, c, 3, 3);
    const conv = (u: Array, v: Array): Array => lax.convGeneralDilated(u, v, [1, 1], 'SAME');
    const name = `conv ${c}@${side}`;
    contenders.set(`${name} forward`, () => wait(conv(x.ref, w.ref)));
    const dx = jit(grad((v: Array) => np.sum(np.square(conv(v, w.ref)))));
    contenders.set(`${name} forward + input gradient`, () => wait(dx(x.ref) as Array));
    const dw = jit(grad((v: Array) => np.sum(np.square(conv(x.ref, v)))));
    contenders.set(`${name} forward + weight gradient`, () => wait(dw(w.ref) as Array));
  }
  const m = normal(32, 64, 64);
  const spd = np.matmul(m.ref, np.matrixTranspose(m));
  contenders.set('eigh 32 × 64×64', async () => {
    const result = np.linalg.eigh(spd.ref) as unknown as [Array, Array] | { eigenvalues: Array; eigenvectors: Array };
    const [values, vectors] = 'eigenvalues' in result ? [result.eigenvalues, result.eigenvectors] : result;
    await wait(values);
    await wait(vectors);
  });
  const x = normal(64, 1, 28, 28);
  const y = normal(64, 10);
  let parameters = { c1: normal(16, 1, 3, 3), c2: normal(32, 16, 3, 3), dense: normal(32 * 49, 10) };
  type Parameters = typeof parameters;
  const pool = (h: Array, c: number, side: number): Array =>
    np.max(np.max(h.reshape([64, c, side / 2, 2, side / 2, 2]), 5), 3);
  const forward = (p: Parameters, input: Array): Array => {
    const h1 = pool(nn.relu(lax.convGeneralDilated(input, p.c1, [1, 1], 'SAME')), 16, 28);
    const h2 = pool(nn.relu(lax.convGeneralDilated(h1, p.c2, [1, 1], 'SAME')), 32, 14);
    return np.matmul(h2.reshape([64, 32 * 49]), p.dense);
  };
  const loss = (p: Parameters, input: Array, target: Array): Array => np.mean(np.square(forward(p, input).sub(target)));
  const step = jit((p: Parameters, input: Array, target: Array) => {
    const g = grad(loss)({ c1: p.c1.ref, c2: p.c2.ref, dense: p.dense.ref }, input, target) as Parameters;
    return { c1: p.c1.sub(g.c1.mul(0.01)), c2: p.c2.sub(g.c2.mul(0.01)), dense: p.dense.sub(g.dense.mul(0.01)) };
  });
  contenders.set('small CNN step', async () => {
    parameters = step(parameters, x.ref, y.ref) as Parameters;
    await parameters.dense.blockUntilReady();
  });
  return { name: 'jax-js 0.1.25 (WebGPU)', contenders: ready(contenders) };
}
