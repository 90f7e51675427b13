import { open } from 'node:fs/promises';
import { fileErrorReason } from '../files.ts';
import { Discarded } from './reasons.ts';

/** HEIC is a photograph that many builds of sharp cannot decode. */
export type Kind = 'photo' | 'heic' | 'video';

const ascii = (head: Buffer, start: number, end: number) => head.toString('latin1', start, end);

/** Brands of the ISO base media file format that are still pictures; every other brand is a video. */
const heicBrands = new Set(['heic', 'heix', 'heim', 'heis', 'hevc', 'hevx', 'mif1', 'msf1']);
const avifBrands = new Set(['avif', 'avis']);

/** What is told from the first bytes alone, so that a wrong ending misleads nobody. */
type Content = Kind | { readonly other: string };

function contentOf(head: Buffer): Content {
  if (head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff) return 'photo'; // JPEG
  if (ascii(head, 0, 8) === '\x89PNG\r\n\x1a\n') return 'photo';
  if (/^GIF8[79]a/.test(ascii(head, 0, 6))) return 'photo';
  if (/^(II\*\0|MM\0\*|II\+\0|MM\0\+)/.test(ascii(head, 0, 4))) return 'photo'; // TIFF, BigTIFF
  if (ascii(head, 0, 4) === 'RIFF') {
    const form = ascii(head, 8, 12);
    if (form === 'WEBP') return 'photo';
    return form === 'AVI ' ? 'video' : { other: `a RIFF file of type ${form.trim()}` };
  }
  if (ascii(head, 4, 8) === 'ftyp') return isoContent(head);
  if (/^(moov|mdat|wide|free|skip)$/.test(ascii(head, 4, 8))) return 'video'; // QuickTime without ftyp
  if (head.readUInt32BE(0) === 0x1a45dfa3) return 'video'; // Matroska, WebM
  if (ascii(head, 0, 3) === 'FLV' || ascii(head, 0, 4) === 'OggS') return 'video';
  if (head.readUInt32BE(0) === 0x000001ba || head.readUInt32BE(0) === 0x000001b3) return 'video'; // MPEG-1, -2
  if (head.readUInt32BE(0) === 0x3026b275) return 'video'; // ASF, WMV
  if (head[0] === 0x47 && head[188] === 0x47) return 'video'; // MPEG transport stream
  if (head[4] === 0x47 && head[196] === 0x47) return 'video'; // the same with time codes (camcorders)
  return { other: nameOf(head) };
}

function isoContent(head: Buffer): Content {
  const size = Math.min(head.readUInt32BE(0), head.length);
  const brands = [ascii(head, 8, 12)];
  for (let at = 16; at + 4 <= size; at += 4) brands.push(ascii(head, at, at + 4));
  const [major = ''] = brands;
  if (brands.some((brand) => avifBrands.has(brand))) return 'photo';
  if (heicBrands.has(major)) return 'heic';
  if (/^(crx |M4A |M4B )/.test(major)) return { other: major === 'crx ' ? 'a camera raw file' : 'a sound file' };
  return 'video';
}

/** A word for content that cannot be used, for the report. */
function nameOf(head: Buffer): string {
  const text = ascii(head, 0, 256);
  if (text.startsWith('%PDF-')) return 'a PDF document';
  if (text.startsWith('PK\x03\x04')) return 'a ZIP archive (or an office document)';
  if (/^\s*(<\?xml|<svg|<!doctype|<html)/i.test(text)) return 'HTML, XML or SVG text';
  if (text.startsWith('ID3') || text.startsWith('fLaC')) return 'a sound file';
  if (/^[\t\n\r\x20-\x7e]+$/.test(text.replace(/\0+$/, ''))) return 'text';
  return 'unknown content';
}

/**
 * Photo or video, by content.
 * @throws Discarded for files that are empty, unreadable, or neither.
 */
export async function sniff(path: string, bytes: number): Promise<Kind> {
  if (bytes === 0) throw new Discarded('empty file');
  const head = Buffer.alloc(256);
  try {
    const file = await open(path, 'r');
    try {
      await file.read(head, 0, head.length, 0);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new Discarded('unreadable file', fileErrorReason(error));
  }
  const content = contentOf(head);
  if (typeof content === 'object') throw new Discarded('not a picture', `the content is ${content.other}`);
  return content;
}
