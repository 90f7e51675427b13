/** Upload chunk: 1–4 MiB chunks reach 10–11 GB/s on lavapipe, one large call 1.6–7. */
const CHUNK = 2 * 2 ** 20;

/** Copies host bytes to the start of a buffer, in order with what was submitted before. */
export function writeBytes(queue: GPUQueue, buffer: GPUBuffer, bytes: Uint8Array<ArrayBuffer>): void {
  const whole = bytes.byteLength - (bytes.byteLength % 4);
  for (let at = 0; at < whole; at += CHUNK) {
    queue.writeBuffer(buffer, at, bytes, at, Math.min(CHUNK, whole - at));
  }
  if (whole < bytes.byteLength) {
    const tail = new Uint8Array(4);
    tail.set(bytes.subarray(whole));
    queue.writeBuffer(buffer, whole, tail);
  }
}
