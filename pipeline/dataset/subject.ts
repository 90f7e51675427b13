/**
 * Who a picture shows, told from its file name, for data sets without a manifest. Pictures of one subject resemble each
 * other far more than pictures of two, so a split that tears a subject apart measures memory, not recognition.
 */
import { basename, dirname, extname } from 'node:path';

/** First words that cameras, phones and export tools give to every file; they name nobody. */
const nobody =
  /^(img|image|dsc[nf]?|pxl|vid|mvimg|photo|picture|pic|frame|face|crop|screenshot|whatsapp|signal|p|train|test)\b|^$/i;

/**
 * The rule, for a path relative to its class folder:
 * 1. `anna/01.jpg`: a folder inside the class folder names the subject.
 * 2. `Anna_Lind_0003.jpg`: what stands before the trailing numbers names the subject, unless it is a word that cameras
 *    give (`IMG_2041.jpg`) or a class (`happy_17.jpg`, also where raters have called it sad since).
 * 3. Otherwise every file is a subject of its own.
 */
export function subjectFromPath(path: string, className: string, classes: readonly string[] = [className]): string {
  const folder = dirname(path);
  if (folder !== '.') return folder;
  const stem = basename(path, extname(path));
  const name = stem.replace(/([ _.-]+\(?\d+\)?)+$/, '');
  const generic =
    name === stem ||
    nobody.test(name.replaceAll('_', ' ')) ||
    classes.some((known) => name.toLowerCase() === known.toLowerCase());
  return generic ? `${className}/${stem}` : name;
}

/** The subject of a picture by its path in the data set, whose first folder is that of its class. */
export const subjectInDataSet = (path: string, className: string, classes: readonly string[]): string =>
  subjectFromPath(path.split('/').slice(1).join('/') || path, className, classes);
