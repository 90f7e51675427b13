/** The pictures of a data set folder, and reading one of them without ever leaving the folder. */
import { type Dirent, realpathSync } from 'node:fs';
import { open, readdir, realpath, stat } from 'node:fs/promises';
import { extname, join, posix, sep } from 'node:path';
import sharp from 'sharp';
import { DataError } from '../../engine/errors.ts';
import { fileErrorReason } from '../files.ts';
import { type ManifestRow, manifestName, readManifest } from '../manifest.ts';

/** What a browser shows as it is. */
const shownAsIs: Record<string, string> = {
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.png': 'image/png',
  '.webp': 'image/webp',
  '.gif': 'image/gif',
  '.avif': 'image/avif',
};
/** What is turned into WebP on the way to the browser. */
const converted = new Set(['.tif', '.tiff']);
/** What people expect to work and what does not decode here. */
const unreadable = new Set(['.heic', '.heif', '.bmp', '.raw', '.cr2', '.nef', '.dng']);

/** Bytes above which a picture is made smaller before it goes to the browser: a camera's original is too slow to load. */
const largestAsIs = 2 * 1024 * 1024;
/** Longest side of a picture that was made smaller, in pixels. */
const largestSide = 1600;

export interface PictureListing {
  /** Relative to the folder, with forward slashes, sorted. */
  paths: string[];
  /** Pictures that were left out, by reason, e.g. '.heic cannot be shown: convert it to JPEG' → 12. */
  leftOut: Map<string, number>;
}

/**
 * Lists the pictures of `folder` and its sub-folders. Names starting with a dot, and links that lead out of the folder,
 * are left out. Where a manifest lists pictures, only folders that hold one of those count, with what is below
 * them: others hold contact sheets and the like.
 * @throws DataError when the folder cannot be read or holds no picture.
 */
export async function listPictures(folder: string): Promise<PictureListing> {
  const root = await realpath(folder).catch((error: unknown) => {
    throw new DataError(`${folder} cannot be opened: ${fileErrorReason(error)}.`, {
      remedy: 'Give the folder that holds the pictures, flat or with one folder per class.',
      cause: error,
    });
  });
  const listing: PictureListing = { paths: [], leftOut: new Map() };
  await listInto(listing, root, root, '');
  keepDataFolders(listing, await readManifest(folder));
  listing.paths.sort();
  if (listing.paths.length === 0) {
    throw new DataError(`${folder} holds no picture that can be shown.${describeLeftOut(listing)}`, {
      remedy: `Readable are ${[...Object.keys(shownAsIs), ...converted].join(' ')}, in the folder or in folders below it.`,
    });
  }
  return listing;
}

async function listInto(listing: PictureListing, root: string, folder: string, prefix: string): Promise<void> {
  let entries: Dirent[];
  try {
    entries = await readdir(folder, { withFileTypes: true });
  } catch (error) {
    throw new DataError(`${folder} cannot be listed: ${fileErrorReason(error)}.`, { cause: error });
  }
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const path = prefix + entry.name;
    const extension = extname(entry.name).toLowerCase();
    if (entry.isDirectory()) await listInto(listing, root, join(folder, entry.name), `${path}/`);
    else if (unreadable.has(extension)) leaveOut(listing, `${extension} cannot be shown: convert it to JPEG`);
    else if (extension in shownAsIs || converted.has(extension)) {
      if (entry.isFile() || leadsInside(root, join(folder, entry.name))) listing.paths.push(path);
      else leaveOut(listing, 'links that lead out of the folder or to nothing');
    }
  }
}

function keepDataFolders(listing: PictureListing, rows: readonly ManifestRow[] | undefined): void {
  const folders = new Set(rows?.flatMap(({ path }) => (path === null ? [] : [posix.dirname(path)])));
  if (folders.size === 0) return;
  const { paths } = listing;
  const belongs = (folder: string): boolean =>
    folders.has(folder) || (folder.includes('/') && belongs(posix.dirname(folder)));
  listing.paths = paths.filter((path) => belongs(posix.dirname(path)));
  const other = paths.length - listing.paths.length;
  if (other > 0) listing.leftOut.set(`in folders where ${manifestName} lists no picture`, other);
}

function leaveOut(listing: PictureListing, reason: string): void {
  listing.leftOut.set(reason, (listing.leftOut.get(reason) ?? 0) + 1);
}

/** ' 12 left out (links …).', or nothing. */
export function describeLeftOut(listing: PictureListing): string {
  return [...listing.leftOut].map(([reason, count]) => ` ${count} left out (${reason}).`).join('');
}

function leadsInside(root: string, path: string): boolean {
  try {
    return realpathSync(path).startsWith(root + sep);
  } catch {
    return false;
  }
}

export interface PictureBytes {
  type: string;
  bytes: Uint8Array<ArrayBuffer>;
}

/**
 * The bytes of one listed picture for a browser: as they are, or smaller (1600 pixels on the longest side, upright, WebP)
 * when the file is large or of a kind browsers do not show.
 * @throws DataError when the picture is gone, damaged, or has become a link that leads out of the folder.
 */
export async function readPicture(folder: string, path: string): Promise<PictureBytes> {
  try {
    const root = await realpath(folder);
    // The real path is what is opened, so a link that is exchanged after this line leads nowhere new.
    const real = await realpath(join(root, path));
    if (!real.startsWith(root + sep)) throw new Error('it leads out of the folder');
    const type = shownAsIs[extname(path).toLowerCase()];
    const { size } = await stat(real);
    if (type && size <= largestAsIs) return { type, bytes: await readWhole(real) };
    const smaller = await sharp(await readWhole(real), { failOn: 'error' })
      .rotate()
      .resize(largestSide, largestSide, { fit: 'inside', withoutEnlargement: true })
      .webp({ quality: 90 })
      .toBuffer();
    return { type: 'image/webp', bytes: new Uint8Array(smaller) };
  } catch (error) {
    throw new DataError(`The picture ${path} cannot be read: ${fileErrorReason(error)}.`, { cause: error });
  }
}

async function readWhole(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const file = await open(path, 'r');
  try {
    return new Uint8Array(await file.readFile());
  } finally {
    await file.close();
  }
}
