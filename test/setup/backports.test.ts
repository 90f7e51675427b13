import { expect, it } from 'vitest';
import { copyLine, copyStanza } from '../../setup/backports.mjs';

const archive = { uri: 'http://mirror.example/debian', suite: 'bookworm' };

it('copies the deb822 stanza of the main archive with its keyring, for the new suite', () => {
  const text = [
    'Types: deb deb-src',
    '# a comment',
    'URIs: http://third.example/debian',
    'Suites: bookworm',
    'Components: main',
    '',
    'Types: deb deb-src',
    '# another',
    'URIs: http://mirror.example/debian/',
    'Suites: bookworm bookworm-updates',
    'Components: main contrib',
    'Signed-By:',
    ' -----BEGIN PGP PUBLIC KEY BLOCK-----',
    ' .',
    ' key',
  ].join('\n');
  expect(copyStanza(text, archive, 'bookworm-backports')).toBe(
    [
      'Types: deb',
      'URIs: http://mirror.example/debian/',
      'Suites: bookworm-backports',
      'Components: main',
      'Signed-By:',
      ' -----BEGIN PGP PUBLIC KEY BLOCK-----',
      ' .',
      ' key\n',
    ].join('\n'),
  );
  expect(copyStanza(text, { ...archive, suite: 'trixie' }, 'trixie-backports')).toBeUndefined();
});

it('copies the one-line entry of the main archive with its options', () => {
  const text = [
    '# deb cdrom:[Debian]/ bookworm main',
    'deb-src http://mirror.example/debian bookworm main',
    'deb http://mirror.example/debian bookworm-updates main',
    'deb [arch=amd64 signed-by=/keys/a.gpg] http://mirror.example/debian/ bookworm main contrib',
  ].join('\n');
  expect(copyLine(text, archive, 'bookworm-backports')).toBe(
    'deb [arch=amd64 signed-by=/keys/a.gpg] http://mirror.example/debian/ bookworm-backports main\n',
  );
  expect(copyLine(text, { ...archive, suite: 'trixie' }, 'trixie-backports')).toBeUndefined();
});
