// Asks Dawn for an adapter and a device, in a process of its own: a broken driver can end the whole process.
// Prints one line of JSON, or nothing and Dawn's reason on standard error.
import { create } from 'webgpu';

const gpu = create([]);
const adapter = await gpu.requestAdapter();
if (adapter) {
  const device = await adapter.requestDevice();
  const { vendor, architecture, device: name, description, isFallbackAdapter } = adapter.info;
  console.log(JSON.stringify({ vendor, architecture, name, description, software: isFallbackAdapter }));
  device.destroy();
} else {
  process.exitCode = 1;
}
