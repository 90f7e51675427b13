import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Device, openDevice } from '../../../engine/node.ts';
import { readManifest } from '../../../pipeline/manifest.ts';
import { loadDetector } from '../../../pipeline/prepare/detectors.ts';
import { type Ffmpeg, findFfmpeg } from '../../../pipeline/prepare/ffmpeg.ts';
import { resolveOptions } from '../../../pipeline/prepare/options.ts';
import { prepare } from '../../../pipeline/prepare/prepare.ts';
import { Discarded } from '../../../pipeline/prepare/reasons.ts';
import { type VideoReport, videoFrames } from '../../../pipeline/prepare/video.ts';
import { kindergrad, noFace, oneFace, otherFace, temporaryFolder } from './fixtures.ts';

const ffmpeg: Ffmpeg | undefined = await findFfmpeg().catch(() => undefined);
const missing = 'ffmpeg is not installed';
/** Where ffmpeg is absent, one skipped test stands in the count and says so. */
function describeWithFfmpeg(name: string, body: () => void): void {
  describe(name, () => {
    if (ffmpeg) body();
    else it('needs ffmpeg', (test) => test.skip(missing));
  });
}

let folder: string;

beforeAll(async () => {
  folder = await temporaryFolder();
});

/** Makes a video with ffmpeg from whatever inputs and options; returns its path. */
function make(name: string, ...options: string[]): string {
  const path = join(folder, name);
  execFileSync(ffmpeg?.path ?? 'ffmpeg', ['-v', 'error', '-y', ...options, `file:${path}`]);
  return path;
}

/** `testsrc` draws a different picture every frame. */
const testsrc = (seconds: number, size = '320x180') => [
  '-f',
  'lavfi',
  '-i',
  `testsrc=size=${size}:rate=25:duration=${seconds}`,
];

async function frames(path: string, sampling: { every: number } | { fps: number }) {
  if (!ffmpeg) throw new Error(missing);
  const report: VideoReport = {};
  const found = [];
  for await (const { picture, ...frame } of videoFrames(ffmpeg, path, sampling, report)) {
    found.push({ ...frame, size: `${picture.width}×${picture.height}`, bytes: picture.data.length });
  }
  return { found, report };
}

describeWithFfmpeg('frames of a video', () => {
  it('are every n-th, with their number and time', async () => {
    const path = make('-odd name ü.mp4', ...testsrc(4), '-pix_fmt', 'yuv420p');
    const { found, report } = await frames(path, { every: 30 });
    expect(found.map(({ frame, timestamp }) => [frame, timestamp])).toEqual([
      [0, 0],
      [30, 1.2],
      [60, 2.4],
      [90, 3.6],
    ]);
    expect(found[0]).toMatchObject({ size: '320×180', bytes: 320 * 180 * 3 });
    expect(report.damage).toBeUndefined();
  });

  it('are so many a second where asked', async () => {
    const { found } = await frames(make('fps.mp4', ...testsrc(2), '-pix_fmt', 'yuv420p'), { fps: 5 });
    expect(found.map(({ frame }) => frame)).toEqual([0, 5, 10, 15, 20, 25, 30, 35, 40, 45]);
  });

  it('keep true times where the frame rate varies', async () => {
    // Frames 0–24 a 25th of a second apart, the others a fifth.
    const slow = "setpts='if(lt(N,25),N/25,1+(N-25)/5)/TB'";
    const path = make('vfr.mkv', ...testsrc(2), '-vf', slow, '-vsync', 'vfr', '-c:v', 'mpeg4');
    const { found } = await frames(path, { every: 10 });
    const times = found.map(({ frame, timestamp }) => [frame, Math.round(timestamp * 100) / 100]);
    expect(times).toEqual([
      [0, 0],
      [10, 0.4],
      [20, 0.8],
      [30, 2],
      [40, 4],
    ]);
  });

  it('are turned upright by the rotation the camera wrote', async () => {
    const plain = make('plain.mp4', ...testsrc(1), '-pix_fmt', 'yuv420p');
    const turned = make('turned.mp4', '-i', plain, '-c', 'copy', '-metadata:s:v:0', 'rotate=90');
    const { found } = await frames(turned, { every: 30 });
    expect(found[0]?.size).toBe('180×320');
  });

  it('leave out cover art and sound, and a file with nothing else has none', async () => {
    const sound = make('sound.mp4', '-f', 'lavfi', '-i', 'sine=duration=1');
    await expect(frames(sound, { every: 30 })).rejects.toThrow(Discarded);
    await expect(frames(sound, { every: 30 })).rejects.toThrow('no frames');
    const empty = join(folder, 'empty.mkv');
    await writeFile(empty, Buffer.from([0x1a, 0x45, 0xdf, 0xa3, 0, 0, 0, 0]));
    await expect(frames(empty, { every: 30 })).rejects.toThrow('no frames');
  });

  it('are salvaged up to the damage, which is reported', async () => {
    const whole = make('whole.ts', ...testsrc(6), '-c:v', 'mpeg2video', '-q:v', '3');
    const bytes = await readFile(whole);
    const cut = join(folder, 'cut.ts');
    await writeFile(cut, bytes.subarray(0, Math.floor(bytes.length / 2)));
    const { found } = await frames(cut, { every: 30 });
    const all = (await frames(whole, { every: 30 })).found.length;
    expect(found.length).toBeGreaterThan(0);
    expect(found.length).toBeLessThan(all);
    const hit = join(folder, 'hit.ts');
    await writeFile(
      hit,
      Buffer.concat([
        bytes.subarray(0, bytes.length / 2),
        Buffer.alloc(40_000, 0x5a),
        bytes.subarray(bytes.length / 2 + 40_000),
      ]),
    );
    const damaged = await frames(hit, { every: 5 });
    expect(damaged.found.length).toBeGreaterThan(5);
    expect(damaged.report.damage).toMatch(/\w/);
  });

  it('stop ffmpeg when nobody wants more, and never fill the memory', async () => {
    if (!ffmpeg) return;
    const path = make('long.mp4', ...testsrc(20, '1280x720'), '-pix_fmt', 'yuv420p', '-preset', 'ultrafast');
    const before = process.memoryUsage().rss;
    let peak = 0;
    let count = 0;
    for await (const frame of videoFrames(ffmpeg, path, { every: 1 }, {})) {
      if (count++ === 0) await new Promise((resolve) => setTimeout(resolve, 1500)); // ffmpeg would run ahead if it could
      peak = Math.max(peak, process.memoryUsage().rss - before);
      if (frame.frame === 60) break;
    }
    expect(count).toBe(61);
    expect(peak).toBeLessThan(400e6); // 500 frames of 2.8 MB are 1.4 GB
  });
});

describeWithFfmpeg('a clip', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice();
  });
  afterAll(() => device.close());

  it('gives faces without repeats, each with frame, time and reason', async () => {
    const input = join(folder, 'clips');
    await mkdir(input);
    // One second each of a face, nobody, the face again a little brighter, and another face.
    await oneFace().png().toFile(join(folder, '0.png'));
    await noFace(500, 600).png().toFile(join(folder, '1.png'));
    await oneFace().linear(1, 3).png().toFile(join(folder, '2.png'));
    await otherFace().png().toFile(join(folder, '3.png'));
    make(
      'clips/clip.mp4',
      '-framerate',
      '1',
      '-i',
      join(folder, '%d.png'),
      '-r',
      '10',
      '-pix_fmt',
      'yuv420p',
      '-crf',
      '10',
    );
    const detector = await loadDetector(resolveOptions({}));
    const pairs: string[] = [];
    const output = join(folder, 'clip faces');
    const options = resolveOptions({ every: 5 });
    const onPair = (source: string, { name, other }: { name: string; other: string }) =>
      pairs.push(`${source}: ${name} like ${other}`);
    const dry = await prepare(input, output, options, { detector, dryRun: true, onPair });
    expect(dry.counts.faces).toBe(2);
    expect(await readManifest(output)).toBeUndefined();
    const listed = [...pairs];
    await prepare(input, output, options, { detector, onPair });
    detector.dispose();
    const rows = (await readManifest(output)) ?? [];
    expect(rows.map((row) => [row.frame, row.timestamp, row.discarded ?? 'kept'])).toEqual([
      [0, 0, 'kept'],
      [5, 0.5, 'similar frame'],
      [10, 1, 'no face'],
      [15, 1.5, 'no face'],
      [20, 2, 'similar frame'],
      [25, 2.5, 'similar frame'],
      [30, 3, 'kept'],
      [35, 3.5, 'similar frame'],
    ]);
    // One subject for the whole clip, so that no split parts its frames.
    expect(new Set(rows.flatMap((row) => (row.path ? [row.subject] : []))).size).toBe(1);
    expect(rows[1]?.detail).toMatch(/^SSIM (0\.9|1\.0)\d+ with frame 0$/);
    expect(listed).toEqual(pairs.slice(0, listed.length));
    expect(listed).toEqual(
      ['frame 5 like frame 0', 'frame 20 like frame 0', 'frame 25 like frame 0', 'frame 35 like frame 30'].map(
        (pair) => `clip.mp4: ${pair}`,
      ),
    );
  });

  it('says what to do where there is no ffmpeg, does the photographs, and the clips later', async () => {
    const input = join(folder, 'mixed');
    await mkdir(input);
    await oneFace().png().toFile(join(input, 'photo.png'));
    make('mixed/clip.mp4', '-i', join(folder, '3.png'), '-pix_fmt', 'yuv420p');
    const output = join(folder, 'mixed faces');
    const first = await kindergrad(['prepare', input, output], { env: { FFMPEG_BIN: '/nowhere/ffmpeg' } });
    expect(first.status, first.stderr).toBe(0);
    expect(first.stdout).toContain('FFMPEG_BIN');
    expect((await readManifest(output))?.map((row) => row.discarded ?? 'kept')).toEqual(['no ffmpeg', 'kept']);
    const second = await kindergrad(['prepare', input, output]);
    expect(second.status, second.stderr).toBe(0);
    expect(second.stdout).toContain('2 faces from 2 files');
  });
});
