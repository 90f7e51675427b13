/**
 * Why a file, a photograph or a video frame did not become a face, as it stands in the manifest's `discarded` and in
 * the report, with what it means and what can be done.
 */
export const reasons = {
  'no face': 'No face was found, upright or turned by 90°, 180° or 270°. Lower --confidence or try --detector ssd.',
  'several faces': 'Two or more faces were found; whose expression counts cannot be known. Crop the photo by hand.',
  'small face': 'The face is smaller than --min-face; it would be blown up from too few pixels.',
  'similar frame': 'The face looks the same as one already kept from this clip (SSIM above --similarity).',
  'near duplicate': 'The face looks the same as one kept from another file (--near-duplicates).',
  'duplicate file': 'Byte for byte the same as another file.',
  'empty file': 'The file has no bytes: a copy or a download that was broken off.',
  'truncated file': 'The picture ends before its last row. Copy it again from the phone.',
  'damaged file': 'The file says it is a picture but cannot be decoded.',
  'not a picture': 'Neither a picture nor a video by its content, whatever its name says.',
  'heic picture':
    'HEIC needs a decoder that may not be shipped here. Convert with `heif-convert in.heic out.jpg`, or share from the ' +
    'phone as JPEG (iPhone: Settings › Camera › Formats › Most Compatible).',
  'too large': 'More pixels than --max-megapixels allows.',
  'no frames': 'No frame of the video could be decoded.',
  'no ffmpeg': 'Videos need ffmpeg: install it, or set FFMPEG_BIN to its path. Run again afterwards.',
  'unreadable file': 'The file may not be read. Mend its permissions and run again.',
  'unreadable folder':
    'The folder may not be read, so nothing in it was looked at. Mend its permissions and run again.',
  'unreadable name': 'The name is not valid Unicode and cannot be written down. Rename the file and run again.',
  'broken link': 'A link that points to nothing.',
  'link loop': 'A link that leads back to a folder that contains it, or to one already looked at.',
  'not a file': 'A pipe, a socket or a device.',
} as const;

export type Reason = keyof typeof reasons;

/** Reasons that a user can remove without touching the file: such a file is tried again by every later run. */
export const transientReasons: ReadonlySet<Reason> = new Set<Reason>([
  'no ffmpeg',
  'unreadable file',
  'unreadable folder',
]);

/** A file, photograph or frame that is discarded, thrown by the step that found out. */
export class Discarded extends Error {
  readonly reason: Reason;
  /** What exactly was found, e.g. 'content is PDF'. */
  readonly detail: string | undefined;

  constructor(reason: Reason, detail?: string) {
    super(detail ? `${reason}: ${detail}` : reason);
    this.reason = reason;
    this.detail = detail;
  }
}
