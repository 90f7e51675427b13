/**
 * Recall of the face detectors on a folder of photographs that show one face each, as they are and turned by 90°, 180°
 * and 270°, and the time a picture takes:
 *
 *     npx tsx bench/detector.ts FOLDER [--detector ssd] [--input-size 416] [--confidence 0.5] [--limit N]
 */
import { parseArgs } from 'node:util';
import { openDevice } from '../engine/node.ts';
import { loadDetector } from '../pipeline/prepare/detectors.ts';
import { openPhoto } from '../pipeline/prepare/photo.ts';
import { rotate } from '../pipeline/prepare/still.ts';
import { walk } from '../pipeline/prepare/walk.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    detector: { type: 'string', default: 'tiny' },
    'input-size': { type: 'string', default: '416' },
    confidence: { type: 'string', default: '0.5' },
    limit: { type: 'string', default: '1000000' },
  },
});
const [folder] = positionals;
if (!folder) throw new Error('Name a folder of photographs.');

const device = await openDevice();
const detector = await loadDetector({
  detector: values.detector === 'ssd' ? 'ssd' : 'tiny',
  confidence: Number(values.confidence),
  inputSize: Number(values['input-size']),
});
const turns = [0, 90, 180, 270] as const;
const found = turns.map(() => ({ one: 0, several: 0 }));
/** What prepare keeps of the photographs turned by 0°, 90°, 180° and 270°, and how many of those come out upright. */
const searches = {
  first: turns.map(() => ({ kept: 0, upright: 0 })),
  best: turns.map(() => ({ kept: 0, upright: 0 })),
};
let seconds = 0;
const { files } = await walk(folder);
const photos = files.slice(0, Number(values.limit));
for (const { path } of photos) {
  const small = await (await openPhoto(path, 268)).shrunk(detector.inputSize);
  const start = performance.now();
  const faces = await detector.detect(turns.map((turn) => rotate(small, turn)));
  seconds += (performance.now() - start) / 1000;
  for (const [i, list] of faces.entries()) {
    const counts = found[i];
    if (counts && list.length === 1) counts.one++;
    if (counts && list.length > 1) counts.several++;
  }
  const best = faces.reduce((a, b) => ((b[0]?.confidence ?? 0) > (a[0]?.confidence ?? 0) ? b : a));
  for (const start of turns.keys()) {
    const inOrder = turns.map((_, i) => faces[(start + i) % 4] ?? []);
    const first = inOrder.find((list) => list.length > 0);
    for (const [which, chosen] of [
      ['first', first],
      ['best', best],
    ] as const) {
      const counts = searches[which][start];
      if (!counts || chosen?.length !== 1) continue;
      counts.kept++;
      if (chosen === faces[0]) counts.upright++;
    }
  }
}
const share = (n: number) => `${n} (${((100 * n) / photos.length).toFixed(0)} %)`;
console.log(
  `${detector.name}, ${detector.inputSize} px, confidence ${values.confidence}: ${photos.length} photographs`,
);
for (const [i, turn] of turns.entries()) {
  console.log(
    `turned ${turn}°: exactly one face ${share(found[i]?.one ?? 0)}, several ${share(found[i]?.several ?? 0)}`,
  );
}
for (const [which, list] of Object.entries(searches)) {
  for (const [i, { kept, upright }] of list.entries()) {
    console.log(
      `--turns ${which}, photographs turned ${turns[i]}°: ${share(kept)} kept, ${share(upright)} of all upright`,
    );
  }
}
console.log(
  `${(seconds / photos.length / turns.length).toFixed(3)} s a picture in batches of ${turns.length}, on ${device.info.description}`,
);
detector.dispose();
device.close();
