/** What the rest of the project knows about finding faces; any detector that fits here can stand in for ours. */

/** An RGB picture in memory: `data` holds width × height × 3 bytes, row by row, without padding. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A rectangle in pixels, from the top left corner; may reach beyond the picture. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Face {
  readonly box: Box;
  /** 0 to 1. */
  readonly confidence: number;
}

export interface FaceDetector {
  /** Stands in the manifest and in the saved options, e.g. 'tiny'. */
  readonly name: string;
  /** Side of the square the network looks at, in pixels. A picture larger than this is shrunk before it is looked at. */
  readonly inputSize: number;
  /** The upright faces of every picture, most confident first, in pixels of that picture. */
  detect(pictures: readonly Picture[]): Promise<Face[][]>;
  /** Frees what the detector holds on the device. */
  dispose(): void;
}
