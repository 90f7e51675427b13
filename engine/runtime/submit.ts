import { type Dispatch, patchImmediates } from './lower.ts';
import type { Profiler } from './profiler.ts';

/**
 * Encodes and submits dispatches: one encoder, one pass; with a profiler a pass each. Of a dispatch's 4–5 µs on the host
 * nearly all are the four native calls below (docs/programs.md), so that a call is left out where it would change nothing.
 */
export function submit(
  gpu: GPUDevice,
  dispatches: readonly Dispatch[],
  bindGroups: readonly GPUBindGroup[],
  profiler: Profiler | undefined,
): void {
  if (dispatches.length === 0) return;
  const encoder = gpu.createCommandEncoder();
  if (profiler) {
    const collect = profiler.encode(encoder, dispatches, (pass, i) => {
      pass.setPipeline(dispatches[i].shader.pipeline);
      encode(pass, dispatches[i], bindGroups[i]);
    });
    gpu.queue.submit([encoder.finish()]);
    collect();
    return;
  }
  const pass = encoder.beginComputePass();
  let before: GPUComputePipeline | undefined;
  for (let i = 0; i < dispatches.length; i++) {
    const dispatch = dispatches[i];
    const { pipeline } = dispatch.shader;
    if (pipeline !== before) pass.setPipeline(pipeline);
    before = pipeline;
    encode(pass, dispatch, bindGroups[i]);
  }
  pass.end();
  gpu.queue.submit([encoder.finish()]);
}

function encode(pass: GPUComputePassEncoder, dispatch: Dispatch, bindGroup: GPUBindGroup): void {
  const { immediates, dynamic, workgroups } = dispatch;
  pass.setBindGroup(0, bindGroup);
  if (immediates) {
    if (dynamic.length > 0) patchImmediates(dispatch);
    // The buffer, not a view on it: Dawn's binding takes 0.5 µs for it and 1.2–1.9 for a typed array.
    pass.setImmediates(0, immediates.buffer);
  }
  pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
}
