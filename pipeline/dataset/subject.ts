/**
 * Who a picture shows, told from its file name, for data sets without a manifest. Pictures of one subject resemble each
 * other far more than pictures of two, so a split that tears a subject apart measures memory, not recognition.
 */
import { basename, dirname, extname } from 'node:path';

/** First words that cameras, phones and export tools give to every file; they name nobody. */
const nobody =
  /^(img|image|dsc[nf]?|pxl|vid|mvimg|photo|picture|pic|frame|face|crop|screenshot|whatsapp|signal|p|train|test)\b|^$/i;

/**
 * The rule, for a path relative to its class folder, or to what else stands for everybody:
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

/** Folders that tools make for pictures of everybody. */
const everybody = /^(faces?|crops?|imag(e|es)|pictures?|photos?|data|all|train|val|valid|validation|test)$/i;

/** How a picture's subject was told from its path; undefined where nothing told it and the file stands for itself. */
export type ToldBy = 'folder' | 'name' | undefined;

/**
 * Whose pictures those of a data set are, by their paths in it. A first folder with the name of a class is the class's own.
 * Any other one is there where a manifest gives the labels, and names a child as a folder inside a class folder does:
 * `anna/01.jpg` shows Anna. Folders that all pictures share, and those that tools make, name nobody.
 */
export function subjectsOf(paths: readonly string[], classes: readonly string[]) {
  const known = new Set(classes.map((name) => name.toLowerCase()));
  const shared = sharedFolders(paths);
  return (path: string, className: string): { subject: string; toldBy: ToldBy } => {
    const parts = path.split('/');
    let start = 0;
    if (parts.length > 1 && known.has(parts[0].toLowerCase())) start = 1;
    else while (start < parts.length - 1 && (start < shared || everybody.test(parts[start]))) start += 1;
    const own = parts.slice(start);
    const subject = subjectFromPath(own.join('/'), className, classes);
    const alone = own.length === 1 && subject.startsWith(`${className}/`);
    return { subject, toldBy: own.length > 1 ? 'folder' : alone ? undefined : 'name' };
  };
}

/** How many leading folders all paths have in common. */
function sharedFolders(paths: readonly string[]): number {
  const folders = paths.map((path) => path.split('/').slice(0, -1));
  const [first = []] = folders;
  const differs = first.findIndex((name, i) => folders.some((other) => other[i] !== name));
  return differs < 0 ? first.length : differs;
}
