/**
 * Every error a user can meet. The message says what was asked, what was found and how to mend it; the command line
 * prints it without a stack trace (set DEBUG=1 to see the trace).
 */
export class KindergradError extends Error {
  override name = 'KindergradError';
  /** What the user can do about it: one sentence, shown after the message. */
  readonly remedy: string | undefined;

  constructor(message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(options.remedy ? `${message}\n  → ${options.remedy}` : message, { cause: options.cause });
    this.remedy = options.remedy;
  }
}

/** Shapes that do not fit an operation. Names the op, the shapes found and the shapes allowed. */
export class ShapeError extends KindergradError {
  override name = 'ShapeError';
}

/** No adapter, a lost device, a limit or memory exceeded. */
export class DeviceError extends KindergradError {
  override name = 'DeviceError';
}

/** A kernel that does not compile or does not match its declaration, or a validation error raised by the GPU. */
export class KernelError extends KindergradError {
  override name = 'KernelError';
}

/** A weights or run file that is truncated, malformed, or does not fit the model. */
export class CheckpointError extends KindergradError {
  override name = 'CheckpointError';
}

/** An option with a value that is not allowed. */
export class ConfigError extends KindergradError {
  override name = 'ConfigError';
}

/** Pictures, folders, labels or videos that cannot be used as asked. */
export class DataError extends KindergradError {
  override name = 'DataError';
}
