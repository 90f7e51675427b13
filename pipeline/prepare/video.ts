import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Picture } from '../../models/face-detector/detector.ts';
import type { Ffmpeg } from './ffmpeg.ts';
import { Discarded } from './reasons.ts';

export interface VideoFrame {
  /** Number of the frame in the video, from 0, in the order of presentation. */
  readonly frame: number;
  /** Its true time in seconds from the start, also where the frame rate varies. */
  readonly timestamp: number;
  /** Turned upright by the rotation the camera wrote into the file. */
  readonly picture: Picture;
}

export type Sampling = { readonly every: number } | { readonly fps: number };

/** What ffmpeg said went wrong; filled while the frames are read. */
export interface VideoReport {
  damage?: string;
}

/**
 * The sampled frames of a video, one after the other. ffmpeg writes each as a PPM picture into a pipe that it can fill
 * no faster than frames are taken, so memory stays at a few frames however long the video is. A damaged file gives the
 * frames that can be decoded, and `report.damage` says what was found.
 * @throws Discarded ('no frames') when not one frame could be decoded.
 */
export async function* videoFrames(
  ffmpeg: Ffmpeg,
  path: string,
  sampling: Sampling,
  report: VideoReport,
): AsyncGenerator<VideoFrame> {
  const child = spawn(ffmpeg.path, commandLine(ffmpeg, path, sampling), { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((done) => child.on('close', done));
  const log = new FrameLog(child.stderr);
  let count = 0;
  try {
    for await (const picture of ppmPictures(child.stdout)) {
      const { frame, timestamp } = await log.next();
      yield { frame, timestamp, picture };
      count++;
    }
    const status = await ended;
    const problem = log.problem ?? (status === 0 ? undefined : `ffmpeg ended with status ${status}`);
    if (count === 0) throw new Discarded('no frames', problem ?? 'the file has no picture track');
    if (problem) report.damage = problem;
  } finally {
    child.kill('SIGKILL'); // does nothing when it has ended; else nobody wants the rest
    await ended;
  }
}

function commandLine(ffmpeg: Ffmpeg, path: string, sampling: Sampling): string[] {
  const choice =
    'every' in sampling
      ? `not(mod(n,${sampling.every}))`
      : `isnan(prev_selected_t)+gte(t-prev_selected_t+0.0001,1/${sampling.fps})`;
  // The first showinfo tells every frame's number, the second which were chosen; both their time.
  const filters = `showinfo=checksum=0,select='${choice}',showinfo=checksum=0,format=rgb24`;
  const passthrough = ffmpeg.version === 0 || ffmpeg.version >= 6 ? '-fps_mode' : '-vsync';
  return [
    ...['-hide_banner', '-nostdin', '-loglevel', 'level+info', '-nostats'],
    // Nothing but local files, whatever a hostile file asks for; frames with visible decoding errors are left out.
    ...['-protocol_whitelist', 'file,pipe', '-flags:v', '-output_corrupt', '-i', `file:${resolve(path)}`],
    // The first track of moving pictures (capital V: no cover art).
    ...['-map', '0:V:0', '-an', '-sn', '-dn', '-vf', filters, passthrough, 'passthrough'],
    ...['-f', 'image2pipe', '-c:v', 'ppm', 'pipe:1'],
  ];
}

interface LoggedFrame {
  readonly frame: number;
  readonly timestamp: number;
}

/** Reads ffmpeg's log: the chosen frames' numbers and times, and the first complaint. */
class FrameLog {
  problem: string | undefined;
  private readonly chosen: LoggedFrame[] = [];
  private waiting: (() => void) | undefined;
  private ended = false;
  private firstFilter: string | undefined;
  private latest: LoggedFrame | undefined;

  constructor(stderr: Readable) {
    const lines = createInterface({ input: stderr });
    lines.on('line', (line) => this.read(line));
    lines.on('close', () => {
      this.ended = true;
      this.waiting?.();
    });
  }

  /** The next chosen frame. Its line may arrive after its pixels. */
  async next(): Promise<LoggedFrame> {
    while (this.chosen.length === 0 && !this.ended) {
      await new Promise<void>((resume) => {
        this.waiting = resume;
      });
    }
    const frame = this.chosen.shift();
    if (!frame) throw new Discarded('no frames', 'ffmpeg gave a frame without its time');
    return frame;
  }

  private read(line: string): void {
    const shown = /^\[(Parsed_showinfo_\d+) .*\] n: *(\d+) pts: *\S+ pts_time:(\S+)/.exec(line);
    if (!shown) {
      if (/\[(error|fatal|panic)\]/.test(line)) this.problem ??= line.replace(/\[[^\]]*\] */g, '').trim();
      return;
    }
    const [, filter, number, time] = shown;
    this.firstFilter ??= filter;
    if (filter === this.firstFilter) {
      this.latest = { frame: Number(number), timestamp: Math.max(0, Number(time)) };
    } else if (this.latest) {
      this.chosen.push(this.latest);
      this.waiting?.();
    }
  }
}

/** Splits a stream of binary PPM pictures (`P6 width height 255` and the pixels), each of its own size. */
async function* ppmPictures(stream: Readable): AsyncGenerator<Picture> {
  let head = Buffer.alloc(0);
  let data: Buffer | undefined;
  let size = { width: 0, height: 0 };
  let filled = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let rest: Buffer = chunk;
    while (rest.length > 0) {
      if (!data) {
        head = Buffer.concat([head, rest]);
        const match = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(head.toString('latin1', 0, 64));
        if (!match) {
          if (head.length >= 64) throw new Discarded('no frames', 'ffmpeg wrote something that is not a picture');
          break;
        }
        size = { width: Number(match[1]), height: Number(match[2]) };
        data = Buffer.alloc(size.width * size.height * 3);
        filled = 0;
        rest = head.subarray(match[0].length);
        head = Buffer.alloc(0);
      }
      const taken = rest.copy(data, filled);
      filled += taken;
      rest = rest.subarray(taken);
      if (filled === data.length) {
        yield { ...size, data };
        data = undefined;
      }
    }
  }
}
