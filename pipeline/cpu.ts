import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** With its family and model where the system tells them: of one name, Zen 5 does twice as many f32 operations a cycle as Zen 4. */
export function cpuName(): string {
  const name = cpus()[0]?.model ?? 'unknown';
  if (!existsSync('/proc/cpuinfo')) return name;
  const text = readFileSync('/proc/cpuinfo', 'utf8');
  const [family, model] = ['cpu family', 'model'].map((key) => new RegExp(`^${key}\\s*: (\\d+)`, 'm').exec(text)?.[1]);
  return family && model ? `${name} (family ${family}, model ${model})` : name;
}
