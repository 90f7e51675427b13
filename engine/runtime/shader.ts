import type { Constants, WgslSource } from '../../kernels/kernel.ts';
import { KernelError } from '../errors.ts';
import { platform } from '../platform.ts';

export interface Binding {
  readonly index: number;
  readonly name: string;
  readonly readOnly: boolean;
  /** Reads a copy in a texture (kernels/common/vec4-input.ts). */
  readonly texture: boolean;
}

/** What the WGSL text says of itself; the bind-group layout is built from it. */
export interface ShaderInterface {
  readonly bindings: readonly Binding[];
  readonly params: readonly { readonly name: string; readonly type: string; readonly offset: number }[];
}

export interface CompiledShader extends ShaderInterface {
  readonly key: string;
  /** The final text. */
  readonly code: string;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  readonly immediateBytes: number;
}

const BINDING =
  /@group\(0\)\s*@binding\((\d+)\)\s*var(?:<storage(?:\s*,\s*(\w+))?>)?\s*(\w+)\s*:\s*(texture_storage_2d)?/g;
const INCLUDE = /^[ \t]*\/\/\s*#include\s+"([^"]+)"[^\n]*$/gm;

const withoutComments = (text: string): string => text.replace(/\/\/[^\n]*/g, '').replace(/\/\*[\s\S]*?\*\//g, '');

/** Reads the bindings and the `Params` struct out of WGSL text. */
export function parseInterface(text: string): ShaderInterface {
  const code = withoutComments(text);
  const bindings = [...code.matchAll(BINDING)]
    .map((m) => ({
      index: Number(m[1]),
      name: m[3],
      readOnly: (m[2] ?? 'read') === 'read',
      texture: m[4] !== undefined,
    }))
    .sort((a, b) => a.index - b.index);
  const struct = /struct\s+Params\s*\{([^}]*)\}/.exec(code)?.[1] ?? '';
  const params = struct
    .split(',')
    .map((field) => field.trim())
    .filter(Boolean)
    .map((field, i) => {
      const [name, type] = field.split(':').map((s) => s.trim());
      return { name, type, offset: 4 * i };
    });
  return { bindings, params };
}

/** Writes values into the text's `const NAME = …;` lines, keeping each literal's type, and `alias NAME = …;` lines. */
export function applyConstants(text: string, constants: Constants, name: string): string {
  let out = text;
  for (const [key, value] of Object.entries(constants)) {
    if (typeof value === 'string') {
      const alias = new RegExp(`^(alias\\s+${key}\\s*=\\s*)([^;]+);`, 'm');
      if (!alias.test(out)) throw new KernelError(`${name} has no line \`alias ${key} = …;\` to set to ${value}.`);
      out = out.replace(alias, `$1${value};`);
      continue;
    }
    const line = new RegExp(`^(const\\s+${key}\\s*(?::\\s*\\w+)?\\s*=\\s*)([^;]+);`, 'm');
    const match = line.exec(out);
    if (!match) throw new KernelError(`${name} has no line \`const ${key} = …;\` to set to ${value}.`);
    const old = match[2].trim();
    let literal = String(value);
    if (typeof value === 'number') {
      if (/u$/.test(old)) literal += 'u';
      else if (/[.f]/.test(old) && Number.isInteger(value)) literal += '.0';
    }
    out = out.replace(line, `${match[1]}${literal};`);
  }
  return out;
}

/**
 * The text with the buffer `output` in the place of `input`: one binding, read and written. Correct where each invocation
 * reads an element of the input before it writes that of the output, and no other reads it (`Kernel.inPlace`).
 */
export function inPlaceText(code: string, output: string, input: string): string {
  const declaration = (name: string): RegExp =>
    new RegExp(`@group\\(0\\)\\s*@binding\\(\\d+\\)\\s*var<storage(?:\\s*,\\s*\\w+)?>\\s*${name}\\s*:[^;]*;`);
  const taken = declaration(input).exec(code)?.[0];
  if (!taken || !declaration(output).test(code)) {
    throw new KernelError(`No bindings ${output} and ${input} in the text that should work in place:\n${code}`);
  }
  return code
    .replace(declaration(output), '')
    .replace(taken, taken.replace(/var<storage[^>]*>/, 'var<storage, read_write>'))
    .replace(new RegExp(`\\b${output}(?=\\s*\\[)`, 'g'), input);
}

/** Loads, completes and compiles WGSL; each text once per device. */
export class Shaders {
  readonly #device: GPUDevice;
  readonly #compiled = new Map<string, Promise<CompiledShader>>();
  readonly #texts = new Map<string, Promise<string>>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  static key(source: WgslSource, constants: Constants | undefined): string {
    const name = source.kind === 'file' ? source.url.href : `${source.base.href}#${source.key}`;
    return constants ? `${name} ${JSON.stringify(constants)}` : name;
  }

  get(source: WgslSource, constants: Constants | undefined): Promise<CompiledShader> {
    const key = Shaders.key(source, constants);
    return this.#once(key, async () => this.#compile(key, shaderName(source), await this.text(source, constants)));
  }

  /** `shader` with its output `output` in the place of its input `input`. */
  inPlace({ key, code }: CompiledShader, output: string, input: string): Promise<CompiledShader> {
    const own = `${key} ${output} in place of ${input}`;
    return this.#once(own, () => this.#compile(own, own, inPlaceText(code, output, input)));
  }

  #once(key: string, compile: () => Promise<CompiledShader>): Promise<CompiledShader> {
    let shader = this.#compiled.get(key);
    if (!shader) {
      shader = compile();
      shader.catch(() => this.#compiled.delete(key));
      this.#compiled.set(key, shader);
    }
    return shader;
  }

  /** The final text, includes and constants in place: what the tuner hashes and errors quote. */
  async text(source: WgslSource, constants: Constants | undefined): Promise<string> {
    const raw = source.kind === 'file' ? await this.#file(source.url) : source.generate();
    const whole = await this.#include(raw, source.kind === 'file' ? source.url : source.base);
    return constants ? applyConstants(whole, constants, shaderName(source)) : whole;
  }

  #file(url: URL): Promise<string> {
    let text = this.#texts.get(url.href);
    if (!text) {
      text = platform().readText(url);
      this.#texts.set(url.href, text);
    }
    return text;
  }

  async #include(text: string, base: URL): Promise<string> {
    let out = text;
    for (const match of text.matchAll(INCLUDE)) {
      const url = new URL(match[1], base);
      out = out.replace(match[0], (await this.#include(await this.#file(url), url)).replaceAll('$', '$$$$'));
    }
    return out;
  }

  async #compile(key: string, name: string, code: string): Promise<CompiledShader> {
    const { bindings, params } = parseInterface(code);
    const immediateBytes = params.length * 4;
    const limit = this.#device.limits.maxImmediateSize ?? 0;
    if (immediateBytes > limit) {
      throw new KernelError(`${name}: Params takes ${immediateBytes} bytes, above the limit of ${limit}.`);
    }
    // The scope swallows Dawn's own report of the same error, which would be raised a second time later.
    this.#device.pushErrorScope('validation');
    const module = this.#device.createShaderModule({ label: name, code });
    const scoped = this.#device.popErrorScope();
    const errors = (await module.getCompilationInfo()).messages.filter((m) => m.type === 'error');
    await scoped;
    if (errors.length > 0)
      throw new KernelError(`${name} does not compile:\n${errors.map((e) => quote(code, e)).join('\n')}`);
    const { layout, pipelineLayout } = layoutsOf(this.#device, { bindings, immediateBytes, label: name });
    try {
      const pipeline = await this.#device.createComputePipelineAsync({
        label: name,
        layout: pipelineLayout,
        compute: { module },
      });
      return { key, code, pipeline, layout, bindings, params, immediateBytes };
    } catch (cause) {
      throw new KernelError(`${name}: no pipeline: ${cause instanceof Error ? cause.message : String(cause)}`, {
        cause,
      });
    }
  }
}

/** The layouts of a shader's pipeline, explicit: a binding that the text does not use would be missing from `auto`. */
export function layoutsOf(
  gpu: GPUDevice,
  { bindings, immediateBytes, label = '' }: Pick<CompiledShader, 'bindings' | 'immediateBytes'> & { label?: string },
): { layout: GPUBindGroupLayout; pipelineLayout: GPUPipelineLayout } {
  const layout = gpu.createBindGroupLayout({
    label,
    entries: bindings.map(({ index, readOnly, texture }) => ({
      binding: index,
      visibility: GPUShaderStage.COMPUTE,
      ...(texture
        ? { storageTexture: { access: 'read-only', format: 'rgba32float' } }
        : { buffer: { type: readOnly ? 'read-only-storage' : 'storage' } }),
    })),
  });
  return {
    layout,
    pipelineLayout: gpu.createPipelineLayout({ bindGroupLayouts: [layout], immediateSize: immediateBytes }),
  };
}

export function shaderName(source: WgslSource): string {
  if (source.kind === 'generated') return source.key;
  const parts = source.url.pathname.split('/');
  return parts.slice(-2).join('/');
}

/** A compiler message with its source line and a caret under the place. */
function quote(code: string, message: GPUCompilationMessage): string {
  const line = code.split('\n')[message.lineNum - 1] ?? '';
  const from = Math.max(0, message.linePos - 80);
  return `  line ${message.lineNum}: ${message.message}\n  | ${line.slice(from, from + 160)}\n  | ${' '.repeat(Math.max(0, message.linePos - 1 - from))}^`;
}
