import { existsSync, readFileSync } from 'node:fs';

/** @returns {Record<string, string>} /etc/os-release, e.g. { ID: 'debian', VERSION_CODENAME: 'bookworm' } */
export function osRelease() {
  if (!existsSync('/etc/os-release')) return {};
  const lines = readFileSync('/etc/os-release', 'utf8').matchAll(/^(\w+)="?(.*?)"?$/gm);
  return Object.fromEntries([...lines].map(([, key = '', value = '']) => [key, value]));
}

/** The environment for programs whose words are read. */
export const untranslated = { ...process.env, LC_ALL: 'C.UTF-8' };
