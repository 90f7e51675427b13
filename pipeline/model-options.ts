import { ConfigError } from '../engine/index.ts';
import { type ClassifierConfigs, type ClassifierName, classifierConfig } from '../models/index.ts';

/**
 * Model options from the command line: `['width=0.25', 'biMap=[128]', 'sePosition=after-conv4']`. Values are JSON where
 * they parse as JSON and strings otherwise; the model checks names and values.
 * @throws ConfigError for text that is not name=value.
 */
export function parseModelOptions(pairs: readonly string[]): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at < 1) throw new ConfigError(`--set ${pair} is not name=value.`, { remedy: 'For example: --set width=0.25' });
    const text = pair.slice(at + 1);
    try {
      options[pair.slice(0, at)] = JSON.parse(text);
    } catch {
      options[pair.slice(0, at)] = text;
    }
  }
  return options;
}

/** A model's whole configuration from its name and `--set` pairs. */
export function modelConfig<N extends ClassifierName>(name: N, pairs: readonly string[]): ClassifierConfigs[N] {
  return classifierConfig(name, parseModelOptions(pairs) as Partial<ClassifierConfigs[N]>);
}
