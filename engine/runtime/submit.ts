import { type Dispatch, patchImmediates } from './lower.ts';
import type { Profiler } from './profiler.ts';
import { encodeCopy, type TextureCopy } from './texture-copies.ts';

/** A dispatch with its buffers, and what goes into textures before it. */
export interface BoundDispatch {
  readonly dispatch: Dispatch;
  readonly bindGroup: GPUBindGroup;
  readonly copies: readonly TextureCopy[];
}

/**
 * Encodes and submits dispatches: one encoder, one pass from copy to copy; with a profiler a pass each. Of a dispatch's 4–5 µs on the host
 * nearly all are the four native calls below (docs/programs.md), so that a call is left out where it would change nothing.
 */
export function submit(gpu: GPUDevice, bound: readonly BoundDispatch[], profiler: Profiler | undefined): void {
  if (bound.length === 0) return;
  const encoder = gpu.createCommandEncoder();
  if (profiler) {
    const collect = profiler.encode(encoder, bound, (pass, one) => {
      pass.setPipeline(one.dispatch.shader.pipeline);
      encode(pass, one);
    });
    gpu.queue.submit([encoder.finish()]);
    collect();
    return;
  }
  let pass: GPUComputePassEncoder | undefined;
  let before: GPUComputePipeline | undefined;
  for (const one of bound) {
    if (one.copies.length > 0) {
      pass?.end();
      for (const copy of one.copies) encodeCopy(encoder, copy);
      pass = undefined;
    }
    if (!pass) {
      pass = encoder.beginComputePass();
      before = undefined;
    }
    const { pipeline } = one.dispatch.shader;
    if (pipeline !== before) pass.setPipeline(pipeline);
    before = pipeline;
    encode(pass, one);
  }
  pass?.end();
  gpu.queue.submit([encoder.finish()]);
}

function encode(pass: GPUComputePassEncoder, { dispatch, bindGroup }: BoundDispatch): void {
  const { immediates, dynamic, workgroups } = dispatch;
  pass.setBindGroup(0, bindGroup);
  if (immediates) {
    if (dynamic.length > 0) patchImmediates(dispatch);
    // The buffer, not a view on it: Dawn's binding takes 0.5 µs for it and 1.2–1.9 for a typed array.
    pass.setImmediates(0, immediates.buffer);
  }
  pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
}
