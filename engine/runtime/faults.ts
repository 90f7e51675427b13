import { DeviceError, KernelError } from '../errors.ts';

/** What went wrong on a device between two calls; kept until the next foreground call, which raises it. */
export class Faults {
  readonly #errors: Error[] = [];
  #lost: string | undefined;
  #closed = false;

  constructor(gpu: GPUDevice) {
    gpu.addEventListener('uncapturederror', (event) => {
      event.preventDefault();
      this.add(new KernelError(`The GPU refused a command: ${event.error.message}`));
    });
    void gpu.lost.then((reason) => {
      if (!this.#closed) this.#lost = reason.message || reason.reason;
    });
  }

  add(error: Error): void {
    this.#errors.push(error);
  }

  /** The device was closed on purpose. */
  close(): void {
    this.#closed = true;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Throws what has been reported since the last call, if anything. */
  check(): void {
    if (this.#lost !== undefined) {
      throw new DeviceError(`The GPU device was lost: ${this.#lost}.`, {
        remedy: 'Start the program again; a training run continues with --resume.',
      });
    }
    if (this.#closed) throw new DeviceError('The device is closed.', { remedy: 'Open a new one with openDevice().' });
    const error = this.#errors.shift();
    if (error) {
      const more = this.#errors.splice(0).length;
      throw more > 0 ? new KernelError(`${error.message} (and ${more} more)`) : error;
    }
  }
}
