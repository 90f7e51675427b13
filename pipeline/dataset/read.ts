/** Finds the pictures of a data set and what is known about each: class, subject, label distribution. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../../engine/errors.ts';
import { fileErrorReason } from '../files.ts';
import { type ManifestRow, manifestName, readManifest } from '../manifest.ts';
import { plural } from '../plural.ts';
import { subjectsOf, type ToldBy } from './subject.ts';

export type Split = 'train' | 'val' | 'test';

export interface Picture {
  /** Where to read it, and its path relative to the data set. */
  file: string;
  name: string;
  /** Index into the classes. */
  label: number;
  /** Label distribution over the classes; sums to 1. */
  target: readonly number[];
  subject: string;
  /** What said so, the manifest or the path; undefined where nothing did and the file stands for itself. */
  toldBy?: 'manifest' | ToldBy;
  /** Of the file's bytes, once it has been opened: by this a picture is known again under another name. */
  sha256?: string;
  /** The same of the photograph or video that it was cut from, where the manifest says so. */
  sourceSha256?: string;
  /** Made by a model from another picture. */
  generated: boolean;
  /** Fixed by the manifest. */
  split?: Split;
}

export interface Skipped {
  name: string;
  reason: string;
}

export interface DataSet {
  folder: string;
  /** In alphabetical order. */
  classes: readonly string[];
  /** In order of their names. */
  pictures: readonly Picture[];
  /** Files that were found but cannot be used, with the reason. */
  skipped: readonly Skipped[];
}

export type Targets = 'soft' | 'majority';

/** What raters choose for pictures that show no expression to judge; never a class. */
const errorLabel = 'error';

/**
 * Reads a folder per class, with manifest.jsonl when there. Where the manifest gives labels it decides which pictures
 * belong and to what class; otherwise the folders do. `targets: 'soft'` takes the raters' votes as the distribution.
 * No picture is opened yet.
 * @throws DataError for a missing folder, an empty class, or fewer than two classes.
 */
export async function readDataSet(folder: string, options: { targets?: Targets } = {}): Promise<DataSet> {
  const found = await findFiles(folder);
  const rows = await readManifest(folder);
  const byPath = new Map((rows ?? []).flatMap((row) => (row.path === null ? [] : [[row.path, row] as const])));
  const labelled = [...byPath.values()].some((row) => row.label !== undefined);
  if (labelled) found.files.push(...(await filesElsewhere(folder, [...byPath.keys()], found.files)));
  const skipped: Skipped[] = [];
  const named: { path: string; className: string; row: ManifestRow | undefined }[] = [];
  for (const path of found.files) {
    const row = byPath.get(path);
    byPath.delete(path);
    const className = labelled ? row?.label : path.split('/')[0];
    if (className === errorLabel) skipped.push({ name: path, reason: 'raters labelled it "error"' });
    else if (className) named.push({ path, className, row });
    else skipped.push({ name: path, reason: row ? 'has no label yet' : `is not listed in ${manifestName}` });
  }
  for (const path of byPath.keys()) skipped.push({ name: path, reason: `is listed in ${manifestName} but missing` });

  const classes = [...new Set(named.map(({ className }) => className))].sort();
  if (!labelled) checkFolders(folder, found.folders, classes);
  checkClasses(folder, classes, found.files.length);
  // A folder of a class that the raters gave to no picture is a class's folder all the same.
  const asked = (rows ?? []).flatMap(({ votes }) => Object.keys(votes ?? {}));
  const told = subjectsOf(
    named.map(({ path }) => path),
    [...new Set([...classes, ...asked, errorLabel])],
  );
  const pictures = named.map(({ path, className, row }) => {
    const { subject, toldBy } = row?.subject
      ? { subject: row.subject, toldBy: 'manifest' as const }
      : told(path, className);
    const picture: Picture = {
      file: join(folder, path),
      name: path,
      label: classes.indexOf(className),
      target: distribution(classes, className, options.targets === 'soft' ? row?.votes : undefined),
      subject,
      toldBy,
      generated: row?.generatedBy !== undefined,
    };
    if (row?.split) picture.split = row.split;
    if (row?.sourceSha256) picture.sourceSha256 = row.sourceSha256;
    return picture;
  });
  return { folder, classes, pictures, skipped };
}

/** Files in the class folders and in the folders inside them, as paths with forward slashes, in order. */
async function findFiles(folder: string): Promise<{ folders: string[]; files: string[] }> {
  const folders: string[] = [];
  const files: string[] = [];
  const list = async (path: string) => {
    try {
      const names = await readdir(join(folder, path));
      return names.filter((name) => !name.startsWith('.')).sort();
    } catch (error) {
      throw new DataError(`${join(folder, path)} cannot be read: ${fileErrorReason(error)}.`, {
        remedy: 'A data set is a folder with one folder of pictures per class, such as faces/happy and faces/sad.',
      });
    }
  };
  const isFolder = async (path: string) =>
    (await stat(join(folder, path)).catch(() => undefined))?.isDirectory() ?? false;
  for (const className of await list('')) {
    if (!(await isFolder(className))) continue;
    folders.push(className);
    for (const name of await list(className)) {
      const path = `${className}/${name}`;
      if (await isFolder(path)) files.push(...(await list(path)).map((inner) => `${path}/${inner}`));
      else files.push(path);
    }
  }
  return { folders, files };
}

/** Listed pictures that lie beside the class folders or deeper: there the manifest's labels are all there is to go by. */
async function filesElsewhere(folder: string, listed: readonly string[], known: readonly string[]): Promise<string[]> {
  const seen = new Set(known);
  const files: string[] = [];
  for (const path of listed) {
    if (seen.has(path)) continue;
    const status = await stat(join(folder, path)).catch(() => undefined);
    if (status?.isFile()) files.push(path);
  }
  return files;
}

function checkFolders(folder: string, folders: readonly string[], classes: readonly string[]): void {
  const empty = folders.find((name) => !classes.includes(name) && name !== errorLabel);
  if (empty === undefined) return;
  throw new DataError(`The class folder ${join(folder, empty)} holds no picture.`, {
    remedy: 'Put pictures of that class into it, or remove the folder.',
  });
}

function checkClasses(folder: string, classes: readonly string[], files: number): void {
  if (classes.length >= 2) return;
  const found =
    classes.length === 1 ? `only one class, "${classes[0]}"` : `no class (${plural(files, 'file')} in its folders)`;
  throw new DataError(`${folder} has ${found}; telling expressions apart needs at least two.`, {
    remedy: 'Make one folder of pictures per class, such as happy, sad and normal.',
  });
}

function distribution(classes: readonly string[], className: string, votes?: Record<string, number>): number[] {
  const counts = classes.map((name) => votes?.[name] ?? 0);
  const total = counts.reduce((a, b) => a + b, 0);
  if (total === 0) return classes.map((name) => (name === className ? 1 : 0));
  return counts.map((count) => count / total);
}
