// A suite more from the mirror that apt already uses.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { untranslated } from './system.mjs';
import { SetupError } from './terminal.mjs';

/** The package archives this machine already uses, as apt itself understands its files. */
export function archives() {
  const format = '$(ORIGIN)\t$(CODENAME)\t$(RELEASE)\t$(REPO_URI)\t$(SOURCESENTRY)';
  const text = execFileSync('apt-get', ['indextargets', '--format', format, 'Created-By: Packages'], {
    encoding: 'utf8',
    env: untranslated,
  });
  const rows = text
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split('\t'));
  return rows.map(([origin = '', codename = '', suite = '', uri = '', entry = '']) => ({
    origin,
    codename,
    suite,
    uri: uri.replace(/\/+$/, ''),
    file: entry.replace(/:\d+$/, ''),
  }));
}

/**
 * Adds one more suite from the mirror this machine already has: the entry of Debian's main archive is copied, its keyring
 * and options with it, and only its suite and components change. No host is named here.
 * @param {string} codename the release the machine runs, e.g. 'bookworm'
 * @param {string} suite e.g. 'bookworm-backports'
 */
export function addSuite(codename, suite) {
  const main = archives().find((archive) => archive.origin === 'Debian' && archive.codename === codename);
  const text = main && existsSync(main.file) ? readFileSync(main.file, 'utf8') : '';
  const entry = main?.file.endsWith('.sources') ? copyStanza(text, main, suite) : copyLine(text, main, suite);
  if (!entry) {
    throw new SetupError(
      `The Mesa of Debian ${codename} is too old for Dawn, and apt's sources name no Debian archive to take ${suite} from.`,
      `Add the suite ${suite} to apt's sources by hand, then run the same command again.`,
    );
  }
  const extension = main?.file.endsWith('.sources') ? 'sources' : 'list';
  writeFileSync(`/etc/apt/sources.list.d/kindergrad-${suite}.${extension}`, entry);
}

/**
 * The deb822 stanza of `archive`, for `suite`.
 * @param {string} text a .sources file @param {{ uri: string, suite: string }} archive @param {string} suite
 */
export function copyStanza(text, archive, suite) {
  for (const block of text.split(/\n\s*\n/)) {
    const lines = block.split('\n').filter((line) => line.trim() && !line.startsWith('#'));
    const words = (/** @type {string} */ key) =>
      lines
        .find((line) => line.toLowerCase().startsWith(`${key}:`))
        ?.split(/\s+/)
        .slice(1) ?? [];
    const uris = words('uris').map((uri) => uri.replace(/\/+$/, ''));
    if (!uris.includes(archive.uri) || !words('suites').includes(archive.suite)) continue;
    const replaced = lines.map((line) =>
      line
        .replace(/^suites:.*/i, `Suites: ${suite}`)
        .replace(/^components:.*/i, 'Components: main')
        .replace(/^types:.*/i, 'Types: deb'),
    );
    return `${replaced.join('\n')}\n`;
  }
  return undefined;
}

/**
 * The one-line entry of `archive`, for `suite`.
 * @param {string} text a sources.list @param {{ uri: string, suite: string } | undefined} archive @param {string} suite
 */
export function copyLine(text, archive, suite) {
  for (const line of text.split('\n')) {
    const [, options = '', uri, from] = line.match(/^\s*deb\s+(\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+\S/) ?? [];
    if (archive && uri?.replace(/\/+$/, '') === archive.uri && from === archive.suite) {
      return `deb ${options}${uri} ${suite} main\n`;
    }
  }
  return undefined;
}
