import { existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readDataSet } from '../../../pipeline/dataset/read.ts';
import { answerRows } from '../../../pipeline/label/export.ts';
import { importAnswers, readAnswers } from '../../../pipeline/label/import.ts';
import { fromLabelStudio } from '../../../pipeline/label/label-studio.ts';
import { LabelStore } from '../../../pipeline/label/store.ts';
import { readManifest } from '../../../pipeline/manifest.ts';
import { cleanUpAfterEach, historyOnDisk, kindergrad, pictureFolder, temporaryFolder } from './fixtures.ts';

cleanUpAfterEach();

const paths = ['happy/1.png', 'sad/1.png', 'sad/zwei, "drei".png', 'ünïcode.png'];

/** A data set with answers of three raters, given through an import; `.` is no answer. */
async function answeredFolder(): Promise<string> {
  const folder = await pictureFolder(paths);
  const lines = { Ann: 'hsn.', 'Zoë-B.': 'hhn.', Carla: 'hss.' };
  const letters: Record<string, string> = { h: 'happy', s: 'sad', n: 'normal' };
  const rows = Object.entries(lines).flatMap(([rater, line]) =>
    [...line].flatMap((letter, index) => {
      const path = paths[index] ?? '';
      const at = `2026-01-0${index + 1}T10:00:00.000Z`;
      return letter === '.' ? [] : [{ path, rater, label: letters[letter], at, elapsed: 100 * index }];
    }),
  );
  const file = join(temporaryFolder(), 'answers.jsonl');
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  expect((await kindergrad('import-labels', folder, file)).text).toContain('9 answers added');
  return folder;
}

describe('exporting and importing answers', () => {
  it.each(['csv', 'jsonl', 'label-studio'])('%s brings every answer back into an empty set, once', async (format) => {
    const folder = await answeredFolder();
    const file = join(temporaryFolder(), `answers.${format === 'label-studio' ? 'json' : format}`);
    const { text } = await kindergrad('export-labels', folder, '--format', format, '--out', file);
    expect(text).toContain('9 answers in');
    const original = answerRows(await historyOnDisk(folder));
    const copy = await pictureFolder(paths);
    const store = new LabelStore(join(copy, '.kindergrad'), paths);
    expect(importAnswers(store, await readAnswers(file))).toEqual({ added: 9, known: 0, answered: 0 });
    expect(importAnswers(store, await readAnswers(file))).toEqual({ added: 0, known: 9, answered: 0 });
    store.close();
    const byKey = (rows: typeof original) => rows.map((row) => JSON.stringify(row)).sort();
    expect(byKey(answerRows(await historyOnDisk(copy)))).toEqual(byKey(original));
    // Into the set it came from: those raters have answered already, and their answers stand.
    const again = await kindergrad('import-labels', folder, file);
    expect(again.text).toMatch(/0 answers added; (9 were imported before|9 left out)/);
  });

  it('a folder per class holds copies or links, the votes, and no name twice', async () => {
    const folder = await answeredFolder();
    const out = join(temporaryFolder(), 'by-class');
    expect((await kindergrad('export-labels', folder, '--format', 'folders', '--out', out)).text).toContain(
      '3 pictures in',
    );
    expect(readFileSync(join(out, 'happy/happy__1.png'))).toEqual(readFileSync(join(folder, 'happy/1.png')));
    const data = await readDataSet(out, { targets: 'soft' });
    expect(data.classes).toEqual(['happy', 'normal', 'sad']);
    expect(data.pictures.map(({ name, target }) => [name, target.map((p) => Math.round(100 * p))])).toEqual([
      ['happy/happy__1.png', [100, 0, 0]],
      ['normal/sad__zwei, "drei".png', [0, 67, 33]],
      ['sad/sad__1.png', [33, 0, 67]],
    ]);
    expect(await readManifest(out)).toHaveLength(3);
    expect((await kindergrad('export-labels', folder, '--format', 'folders', '--out', out)).text).toContain(
      'is not empty',
    );
    const links = join(temporaryFolder(), 'links');
    await kindergrad('export-labels', folder, '--format', 'folders', '--out', links, '--links');
    expect(lstatSync(join(links, 'sad/sad__1.png')).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(links, 'sad/sad__1.png'))).toEqual(readFileSync(join(folder, 'sad/1.png')));
  });

  it('a folder per class keeps whose pictures they are, told by a folder or by the name', async () => {
    const shown = ['happy/anna/01.png', 'sad/anna/02.png', 'happy/Ben_1.png', 'sad/Ben_2.png', 'sad/IMG_7.png'];
    const folder = await pictureFolder(shown);
    const before = new Map((await readDataSet(folder)).pictures.map(({ name, subject }) => [name, subject]));
    const file = join(temporaryFolder(), 'answers.jsonl');
    const answers = shown.map((path) => ({ path, rater: 'Ann', label: path.split('/')[0] }));
    writeFileSync(file, answers.map((row) => `${JSON.stringify(row)}\n`).join(''));
    await kindergrad('import-labels', folder, file);
    const out = join(temporaryFolder(), 'by-class');
    await kindergrad('export-labels', folder, '--format', 'folders', '--out', out);
    for (const { name, subject } of (await readDataSet(out)).pictures) {
      const [, flat = ''] = name.split('/');
      expect(subject, name).toBe(before.get(flat.replaceAll('__', '/')));
    }
  });

  it("reads Label Studio's own export: uploads, users by number, cancelled tasks", () => {
    const task = (image: string, ...annotations: object[]) => ({ id: 7, data: { image }, annotations });
    const choice = (label: string, more: object = {}) => ({
      completed_by: 10,
      created_at: '2021-03-09T22:16:08.728353Z',
      lead_time: 4.288,
      was_cancelled: false,
      result: [{ id: 'Dx_aB91ISN', from_name: 'tag', to_name: 'img', type: 'choices', value: { choices: [label] } }],
      ...more,
    });
    const rows = fromLabelStudio(
      JSON.stringify([
        task(
          '/data/upload/3/0a1b2c3d-face%201.png',
          choice('Happy'),
          choice('Sad', { completed_by: { id: 4, email: 'b@lab.org' } }),
        ),
        task('/data/local-files/?d=sub/face%202.png', choice('Normal', { was_cancelled: true }), { result: [] }),
        task('https://example.com/set/face3.png?x=1', choice('Error')),
      ]),
      'export.json',
    );
    expect(rows.map(({ path, rater, label, elapsed }) => [path, rater, label, elapsed])).toEqual([
      ['face 1.png', 'label-studio-10', 'happy', 4288],
      ['face 1.png', 'b@lab.org', 'sad', 4288],
      ['set/face3.png', 'label-studio-10', 'error', 4288],
    ]);
    expect(() => fromLabelStudio('{"a":1}', 'x.json')).toThrow(/not a Label Studio export/);
    expect(() => fromLabelStudio('[', 'x.json')).toThrow(/not JSON/);
  });

  it('writes the labelling interface beside the tasks', async () => {
    const folder = await answeredFolder();
    const file = join(temporaryFolder(), 'tasks.json');
    await kindergrad('export-labels', folder, '--format', 'label-studio', '--out', file);
    expect(readFileSync(file.replace('.json', '.config.xml'), 'utf8')).toContain('<Choice value="happy" hotkey="1"/>');
    const tasks = JSON.parse(readFileSync(file, 'utf8'));
    expect(tasks).toHaveLength(4);
    expect(tasks[2].data.image).toBe('/data/local-files/?d=sad/zwei%2C%20%22drei%22.png');
    expect(tasks[2].annotations[0].result[0]).toEqual({
      type: 'choices',
      from_name: 'expression',
      to_name: 'image',
      value: { choices: ['normal'] },
    });
  });

  it('reads what programs on Windows write: a byte order mark, and carriage returns', async () => {
    const answers = {
      'a.csv': 'path,rater,label\r\nhappy/1.png,Ann,happy\r\n',
      'a.jsonl': '{"path":"happy/1.png","rater":"Ben","label":"happy"}\r\n',
      'a.json':
        '[{"data":{"image":"happy/1.png"},"annotations":[{"completed_by":3,"result":[{"type":"choices","value":{"choices":["sad"]}}]}]}]',
    };
    const folder = await pictureFolder(paths);
    for (const [name, text] of Object.entries(answers)) {
      const file = join(temporaryFolder(), name);
      writeFileSync(file, `\uFEFF${text}`);
      expect((await kindergrad('import-labels', folder, file)).text, name).toContain('1 answer added');
    }
  });

  it('takes all rows or none, and names the one at fault', async () => {
    const folder = await pictureFolder(paths);
    const wrong = {
      'a picture there is not': [
        'path,rater,label\nhappy/1.png,Ann,happy\nnone.png,Ann,sad\n',
        'Row 2 (none.png, Ann, sad): there is no such picture',
      ],
      'a name two pictures have': ['path,rater,label\n1.png,Ann,sad\n', '2 pictures have that file name'],
      'an unknown label': [
        'path,rater,label\nhappy/1.png,Ann,angry\n',
        '"angry" is not one of happy, sad, normal, error',
      ],
      'a missing column': ['path,label\nhappy/1.png,sad\n', 'has no column "rater"; its first line is: path,label'],
      'columns separated by semicolons': ['path;rater;label\r\nhappy/1.png;Ann;sad\r\n', 'no column "path"'],
      'a name that cannot be': ['path,rater,label\nhappy/1.png,Ann,sad\nsad/1.png,<Ben>,sad\n', 'A name has 1 to 40'],
      'a rater twice': [
        'path,rater,label\nhappy/1.png,Ann,sad\nhappy/1.png,Ann,happy\n',
        'second answer of that rater',
      ],
      'a round there is not': ['path,rater,label,round\nhappy/1.png,Ann,sad,3\n', 'row 1: round ("3"): '],
      'a torn quote': ['path,rater,label\n"happy/1.png,Ann,sad\n', 'is not CSV'],
    };
    for (const [what, [csv, message]] of Object.entries(wrong)) {
      const file = join(temporaryFolder(), 'answers.csv');
      writeFileSync(file, csv ?? '');
      const { code, text } = await kindergrad('import-labels', folder, file);
      expect(code, what).toBe(1);
      expect(text, what).toContain(message);
    }
    expect(answerRows(await historyOnDisk(folder))).toEqual([]);
    expect((await historyOnDisk(folder)).raters).toEqual([]);
    expect(existsSync(join(folder, 'manifest.jsonl'))).toBe(false);
    expect((await kindergrad('import-labels', folder, join(folder, 'ünïcode.png'))).text).toContain(
      'no kind that can be imported',
    );
  });
});
