/** Shared by the tests of labelling: folders of drawn pictures, the real command as a process, a rater over HTTP. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterEach, vi } from 'vitest';
import { main } from '../../../pipeline/cli.ts';
import { answersFolder, historyOf, type LabelHistory } from '../../../pipeline/label/history.ts';
import { listPictures } from '../../../pipeline/label/pictures.ts';
import { serveLabels } from '../../../pipeline/label/server.ts';
import { LabelStore } from '../../../pipeline/label/store.ts';

const folders: string[] = [];
const processes: ChildProcess[] = [];
const closers: (() => Promise<void>)[] = [];

/** Removes what a test made, even when it failed. */
export function cleanUpAfterEach(): void {
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
    for (const child of processes.splice(0)) await stop(child, 'SIGKILL');
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'kindergrad-label-'));
  folders.push(folder);
  return folder;
}

/** A folder of small drawn faces at these paths; each has a colour of its own. */
export async function pictureFolder(paths: readonly string[]): Promise<string> {
  const folder = temporaryFolder();
  for (const [index, path] of paths.entries()) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    writeFileSync(join(folder, path), await drawnFace(index));
  }
  return folder;
}

export const numbered = (count: number) =>
  Array.from({ length: count }, (_, i) => `face-${String(i).padStart(3, '0')}.png`);

async function drawnFace(index: number): Promise<Buffer> {
  const skin = `hsl(${20 + ((index * 7) % 30)} 55% ${45 + ((index * 13) % 35)}%)`;
  const mouth = ['M70 125q30 30 60 0', 'M70 140q30 -30 60 0', 'M72 132h56'][index % 3];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="200" height="200"><rect width="200" height="200" fill="hsl(${(index * 47) % 360} 35% 75%)"/><circle cx="100" cy="100" r="70" fill="${skin}"/><circle cx="75" cy="90" r="8"/><circle cx="125" cy="90" r="8"/><path d="${mouth}" stroke="#000" stroke-width="5" fill="none" stroke-linecap="round"/></svg>`;
  return sharp(Buffer.from(svg)).png().toBuffer();
}

const bin = join(import.meta.dirname, '../../../bin/kindergrad.mjs');

export interface RunningServer {
  url: string;
  origin: string;
  port: number;
  /** The coordinator's token. */
  results: string;
  /** Rater → token, where raters have links. */
  tokens: Map<string, string>;
  child: ChildProcess;
  output: () => string;
}

/** A command line as a process of its own; resolves when it has printed `until`. */
export async function startCommand(args: readonly string[], until: string) {
  const child = spawn(process.execPath, [bin, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  processes.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      output += chunk;
    });
  }
  const ended = new Promise<never>((_, reject) =>
    child.once('close', (code) => reject(new Error(`kindergrad ${args[0]} ended with ${code}:\n${output}`))),
  );
  ended.catch(() => undefined);
  const ready = async () => {
    while (!output.includes(until)) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  await Promise.race([ready(), ended]);
  return { child, output: () => output };
}

/** `kindergrad label` as a process of its own; resolves when it has printed its addresses. */
export async function startServer(folder: string, ...options: string[]): Promise<RunningServer> {
  const args = ['label', folder, ...(options.includes('--port') ? [] : ['--port', '0']), ...options];
  const { child, output: printed } = await startCommand(args, 'Ctrl-C stops');
  const output = printed();
  const results = /(http\S+)\/results#token=(\S+)/.exec(output);
  const origin = results?.[1] ?? '';
  const tokens = new Map(
    [...output.matchAll(/^ {2}(\S+) +http\S+\/label#token=(\S+)/gm)].map(([, name = '', token = '']) => [name, token]),
  );
  return {
    origin,
    url: `${origin}/label`,
    port: Number(new URL(origin).port),
    results: results?.[2] ?? '',
    tokens,
    child,
    output: printed,
  };
}

interface RawOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

/** A request with headers and paths that fetch would not let through. */
export function raw(port: number, path: string, { method = 'GET', headers = {}, body = '' }: RawOptions = {}) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const sent = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Ends a process and waits until it is gone. */
export async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('close', resolve));
  child.kill(signal);
  await gone;
}

/** Runs one command line in this process; resolves with what it printed, whatever its exit status. */
export async function kindergrad(...args: string[]): Promise<{ code: number; text: string }> {
  const lines: unknown[] = [];
  const spies = (['log', 'error'] as const).map((name) =>
    vi.spyOn(console, name).mockImplementation((line) => {
      lines.push(line);
    }),
  );
  try {
    const code = await main(args);
    return { code, text: lines.join('\n') };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** The page of a folder, served by this process: quicker to start than a process of its own. */
export async function serveHere(folder: string, options: { host?: string; raters?: string[]; repeat?: number } = {}) {
  const answers = answersFolder(folder);
  const store = new LabelStore(answers, (await listPictures(folder)).paths, { repeat: options.repeat ?? 0 });
  for (const name of options.raters ?? []) store.addRater(name);
  const printed: string[] = [];
  const print = (line: string) => printed.push(line);
  const server = await serveLabels({ folder, answers, store, host: options.host ?? '127.0.0.1', port: 0, print });
  const origin = new URL(server.url).origin;
  const close = async () => {
    await server.close();
    store.close();
  };
  closers.push(close);
  const token = (url: string) => new URL(url).hash.replace('#token=', '');
  return {
    origin,
    url: server.url,
    port: Number(new URL(origin).port),
    results: token(server.resultsUrl),
    tokens: new Map(server.raterLinks.map(({ name, url }) => [name, token(url)])),
    printed,
    close,
  };
}

export interface View {
  seq: number;
  again: boolean;
  slot: string;
  rounds: Record<1 | 2, { done: number; total: number; skipped: number }>;
  last: { seq: number; label: string | null } | null;
  next: { id: string; answer: { seq: number; label: string } | null }[];
  trail: { id: string; answer: { seq: number; label: string } }[];
}

export const uniqueAct = () => crypto.randomUUID();

/** A rater as the server sees one: requests with a token. */
export class HttpRater {
  readonly origin: string;
  readonly token: string;

  constructor(origin: string, token: string) {
    this.origin = origin;
    this.token = token;
  }

  static async signIn(origin: string, name: string): Promise<HttpRater> {
    const response = await fetch(`${origin}/api/label/sign-in`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ name }),
    });
    if (!response.ok) throw new Error(await response.text());
    return new HttpRater(origin, ((await response.json()) as { token: string }).token);
  }

  async ask(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(this.origin + path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { Authorization: `Bearer ${this.token}`, 'Content-Type': 'application/json', ...headers },
      body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
    });
  }

  async sheet(round: 1 | 2 = 1): Promise<View> {
    return (await (await this.ask(`/api/label/sheet?round=${round}`)).json()) as View;
  }

  async label(
    slot: string,
    label: string,
    { previous = null as number | null, act = uniqueAct(), round = 1 } = {},
  ): Promise<View> {
    const response = await this.ask('/api/label/act', {
      act,
      round,
      kind: 'label',
      slot,
      label,
      previous,
      elapsed: 800,
    });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return (await response.json()) as View;
  }
}

/** The history as it lies on the disk after the server has ended. */
export async function historyOnDisk(folder: string): Promise<LabelHistory> {
  const store = new LabelStore(join(folder, '.kindergrad'), undefined);
  try {
    return await historyOf(store);
  } finally {
    store.close();
  }
}
