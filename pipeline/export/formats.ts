/** What `kindergrad export` can write. Apart from the export itself, so that `--help` loads no model. */
export const exportFormats = ['safetensors', 'onnx'] as const;
export type ExportFormat = (typeof exportFormats)[number];
