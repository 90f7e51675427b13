import type { Face, FaceDetector, Picture } from '../../models/face-detector/detector.ts';

interface Request {
  readonly picture: Picture;
  readonly resolve: (faces: Face[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Lets many files be worked on at once while the detector sees batches: whatever has come in while it was busy makes
 * the next batch, so a lone picture never waits and a busy queue fills the device.
 */
export class DetectionQueue {
  private readonly waiting: Request[] = [];
  private running = false;
  private readonly detector: FaceDetector;
  readonly batchSize: number;
  /** Seconds the detector was busy. */
  seconds = 0;
  /** Pictures it has looked at; a turned picture counts again. */
  seen = 0;

  constructor(detector: FaceDetector, batchSize: number) {
    this.detector = detector;
    this.batchSize = batchSize;
  }

  get inputSize(): number {
    return this.detector.inputSize;
  }

  detect(picture: Picture): Promise<Face[]> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ picture, resolve, reject });
      if (!this.running) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.running = true;
    await new Promise(setImmediate); // let pictures that are ready at the same moment share the first batch
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, this.batchSize);
      const start = performance.now();
      try {
        const faces = await this.detector.detect(batch.map((request) => request.picture));
        for (const [i, request] of batch.entries()) request.resolve(faces[i] ?? []);
      } catch (error) {
        for (const request of batch) request.reject(error);
      }
      this.seen += batch.length;
      this.seconds += (performance.now() - start) / 1000;
    }
    this.running = false;
  }
}
