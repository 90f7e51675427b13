/**
 * A pickle reader that can build numbers, strings, lists, tuples and dictionaries, and nothing else by itself. A pickle
 * is a program that may name any function and call it; here the caller passes the few functions it answers for, and
 * every other name is refused before anything is called.
 * Source: the opcode table of CPython's Lib/pickletools.py.
 */
import { CheckpointError } from '../errors.ts';

/** What a pickle's calls may do. */
export interface PickleWorld {
  /** The functions and classes a pickle may name, by `module.name`. A string stands for a name that is never called. */
  readonly globals: ReadonlyMap<string, string | ((args: readonly unknown[]) => unknown)>;
  /** Resolves a persistent id (PyTorch: the description of a storage). */
  persistentLoad(id: unknown): unknown;
}

function refuse(what: string, remedy = 'The file is damaged: fetch or save it again.'): never {
  throw new CheckpointError(`pickle: ${what}`, { remedy });
}

const mark = Symbol('mark');

class Unpickler {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #world: PickleWorld;
  readonly #memo = new Map<number, unknown>();
  #stack: unknown[] = [];
  position: number;

  constructor(bytes: Uint8Array, position: number, world: PickleWorld) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#world = world;
    this.position = position;
  }

  #take(count: number): number {
    const at = this.position;
    if (at + count > this.#bytes.length) refuse(`it ends in the middle of a value at byte ${at}.`);
    this.position = at + count;
    return at;
  }

  #text(count: number): string {
    const at = this.#take(count);
    return new TextDecoder().decode(this.#bytes.subarray(at, at + count));
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.position);
    if (end < 0) refuse('it ends in the middle of a name.');
    const text = this.#text(end - this.position);
    this.position = end + 1;
    return text;
  }

  /** A little-endian two's-complement integer of any length, as LONG1 stores it. */
  #long(count: number): number | bigint {
    const at = this.#take(count);
    let value = 0n;
    for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[at + i] ?? 0);
    const signed = BigInt.asIntN(8 * count, value);
    return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed;
  }

  #pop(): unknown {
    if (this.#stack.length === 0) refuse('a value is missing on its stack.');
    const value = this.#stack.pop();
    return value === mark ? refuse('a mark stands where a value should be.') : value;
  }

  #popToMark(): unknown[] {
    const start = this.#stack.lastIndexOf(mark);
    if (start < 0) refuse('a mark is missing on its stack.');
    return this.#stack.splice(start).slice(1);
  }

  #top<T>(kind: abstract new (...args: never[]) => T): T {
    const value = this.#stack.at(-1);
    return value instanceof kind ? value : refuse(`a ${kind.name} is missing on its stack.`);
  }

  #remembered(key: number): unknown {
    return this.#memo.has(key) ? this.#memo.get(key) : refuse(`it recalls value ${key}, which it never stored.`);
  }

  #setItems(pairs: readonly unknown[]): void {
    const map = this.#top(Map);
    for (let i = 0; i + 1 < pairs.length; i += 2) map.set(pairs[i], pairs[i + 1]);
  }

  #global(module: string, name: string): unknown {
    const known = this.#world.globals.get(`${module}.${name}`);
    if (known !== undefined) return known;
    return refuse(
      `it asks for ${module}.${name}, which is no part of a state dictionary; nothing was run.`,
      'Do not load this file elsewhere if you do not trust its source. From your own model, save the weights alone: ' +
        'torch.save(model.state_dict(), path).',
    );
  }

  #reduce(): unknown {
    const args = this.#pop();
    const callable = this.#pop();
    if (typeof callable !== 'function' || !Array.isArray(args)) refuse('it calls something that is not a function.');
    return callable(args);
  }

  /** Runs to STOP and returns the value built. */
  run(): unknown {
    for (;;) {
      const opcode = this.#bytes[this.#take(1)];
      if (opcode === 0x2e) return this.#pop();
      this.#step(opcode ?? -1);
    }
  }

  #step(opcode: number): void {
    const push = (value: unknown) => this.#stack.push(value);
    const view = this.#view;
    switch (opcode) {
      case 0x80: // PROTO
        this.#take(1);
        return;
      case 0x95: // FRAME
        this.#take(8);
        return;
      case 0x28: // MARK
        push(mark);
        return;
      case 0x30: // POP
        this.#pop();
        return;
      case 0x4e: // NONE
        push(null);
        return;
      case 0x88: // NEWTRUE
        push(true);
        return;
      case 0x89: // NEWFALSE
        push(false);
        return;
      case 0x4b: // BININT1
        push(view.getUint8(this.#take(1)));
        return;
      case 0x4d: // BININT2
        push(view.getUint16(this.#take(2), true));
        return;
      case 0x4a: // BININT
        push(view.getInt32(this.#take(4), true));
        return;
      case 0x8a: // LONG1
        push(this.#long(view.getUint8(this.#take(1))));
        return;
      case 0x47: // BINFLOAT
        push(view.getFloat64(this.#take(8), false));
        return;
      case 0x58: // BINUNICODE
        push(this.#text(view.getUint32(this.#take(4), true)));
        return;
      case 0x8c: // SHORT_BINUNICODE
      case 0x55: // SHORT_BINSTRING
        push(this.#text(view.getUint8(this.#take(1))));
        return;
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
        push([]);
        return;
      case 0x7d: // EMPTY_DICT
        push(new Map());
        return;
      case 0x61: // APPEND
        this.#appendAll([this.#pop()]);
        return;
      case 0x65: // APPENDS
        this.#appendAll(this.#popToMark());
        return;
      case 0x73: {
        // SETITEM
        const value = this.#pop();
        this.#setItems([this.#pop(), value]);
        return;
      }
      case 0x75: // SETITEMS
        this.#setItems(this.#popToMark());
        return;
      case 0x74: // TUPLE
        push(this.#popToMark());
        return;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: {
        // TUPLE3
        const items = Array.from({ length: opcode - 0x84 }, () => this.#pop());
        push(items.reverse());
        return;
      }
      case 0x71: // BINPUT
        this.#memo.set(view.getUint8(this.#take(1)), this.#stack.at(-1));
        return;
      case 0x72: // LONG_BINPUT
        this.#memo.set(view.getUint32(this.#take(4), true), this.#stack.at(-1));
        return;
      case 0x94: // MEMOIZE
        this.#memo.set(this.#memo.size, this.#stack.at(-1));
        return;
      case 0x68: // BINGET
        push(this.#remembered(view.getUint8(this.#take(1))));
        return;
      case 0x6a: // LONG_BINGET
        push(this.#remembered(view.getUint32(this.#take(4), true)));
        return;
      case 0x63: // GLOBAL
        push(this.#global(this.#line(), this.#line()));
        return;
      case 0x93: {
        // STACK_GLOBAL
        const name = this.#pop();
        push(this.#global(String(this.#pop()), String(name)));
        return;
      }
      case 0x52: // REDUCE
        push(this.#reduce());
        return;
      case 0x62: // BUILD: the attributes of an ordered dictionary (its format version), which nothing here needs
        this.#pop();
        this.#top(Map);
        return;
      case 0x51: // BINPERSID
        push(this.#world.persistentLoad(this.#pop()));
        return;
      default:
        refuse(`opcode 0x${opcode.toString(16)} at byte ${this.position - 1} is not used by state dictionaries.`);
    }
  }

  #appendAll(values: readonly unknown[]): void {
    const list = this.#top(Array);
    for (const value of values) list.push(value);
  }
}

/** Reads one pickle that starts at `position`; `end` is where the next byte after it stands. */
export function readPickle(bytes: Uint8Array, position: number, world: PickleWorld): { value: unknown; end: number } {
  const unpickler = new Unpickler(bytes, position, world);
  const value = unpickler.run();
  return { value, end: unpickler.position };
}
