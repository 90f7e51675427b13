import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';

const root = process.env.KINDERGRAD_SHARED_DATA ?? join(import.meta.dirname, '..', '..', 'shared', 'data');

/**
 * Tests on real pictures, which are never part of the repository. `folder` (e.g. 'babies/faces') is looked for in
 * KINDERGRAD_SHARED_DATA, else in ../shared/data beside the checkout; `body` gets its path. Where it is absent, one
 * skipped test stands in the count and says what is missing.
 */
export function withSharedData(name: string, folder: string, body: (path: string) => void): void {
  const path = join(root, folder);
  describe(name, () => {
    if (existsSync(path)) body(path);
    else
      it(`needs ${folder}`, (test) =>
        test.skip(`${folder} is not in the shared data folder; set KINDERGRAD_SHARED_DATA`));
  });
}
