import { type Dispatch, patchImmediates } from './lower.ts';
import type { Profiler } from './profiler.ts';
import { encodeCopy, type TextureCopy } from './texture-copies.ts';

/**
 * A dispatch with its buffers, and what goes into textures before it. What the native calls take lies side by side: between
 * two runs the kernels have pushed everything out of the caches (0.4 of 6.6 µs of a dispatch of CycleGAN's step).
 */
export interface BoundDispatch {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  /** The buffer, not a view on it: Dawn's binding takes 0.5 µs for it and 1.2–1.9 for a typed array. */
  readonly immediates: ArrayBuffer | undefined;
  readonly x: number;
  readonly y: number;
  readonly z: number;
  /** Undefined where there are none. */
  readonly copies: readonly TextureCopy[] | undefined;
  /** Whether some of the immediates are known only when it runs. */
  readonly dynamic: boolean;
  readonly dispatch: Dispatch;
}

export function boundDispatch(
  dispatch: Dispatch,
  bindGroup: GPUBindGroup,
  copies: readonly TextureCopy[],
): BoundDispatch {
  const { shader, immediates, workgroups, dynamic } = dispatch;
  return {
    pipeline: shader.pipeline,
    bindGroup,
    immediates: immediates?.buffer,
    x: workgroups[0],
    y: workgroups[1],
    z: workgroups[2],
    copies: copies.length > 0 ? copies : undefined,
    dynamic: dynamic.length > 0,
    dispatch,
  };
}

/**
 * Encodes and submits dispatches: one encoder, one pass from copy to copy; with a profiler a pass each. Of a dispatch's 4–5 µs on the host
 * nearly all are the native calls below (docs/programs.md), so that a call is left out where it would change nothing.
 */
export function submit(gpu: GPUDevice, bound: readonly BoundDispatch[], profiler: Profiler | undefined): void {
  if (bound.length === 0) return;
  const encoder = gpu.createCommandEncoder();
  if (profiler) {
    const collect = profiler.encode(encoder, bound, (pass, one) => {
      pass.setPipeline(one.pipeline);
      encode(pass, one);
    });
    gpu.queue.submit([encoder.finish()]);
    collect();
    return;
  }
  let pass: GPUComputePassEncoder | undefined;
  let before: GPUComputePipeline | undefined;
  for (const one of bound) {
    if (one.copies) {
      pass?.end();
      for (const copy of one.copies) encodeCopy(encoder, copy);
      pass = undefined;
    }
    if (!pass) {
      pass = encoder.beginComputePass();
      before = undefined;
    }
    if (one.pipeline !== before) pass.setPipeline(one.pipeline);
    before = one.pipeline;
    encode(pass, one);
  }
  pass?.end();
  gpu.queue.submit([encoder.finish()]);
}

function encode(
  pass: GPUComputePassEncoder,
  { bindGroup, immediates, dynamic, dispatch, x, y, z }: BoundDispatch,
): void {
  pass.setBindGroup(0, bindGroup);
  if (immediates) {
    if (dynamic) patchImmediates(dispatch);
    pass.setImmediates(0, immediates);
  }
  pass.dispatchWorkgroups(x, y, z);
}
