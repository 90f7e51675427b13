import { expect, it } from 'vitest';
import { ConfigError } from '../../engine/index.ts';
import { formatFlops } from '../../pipeline/summary.ts';
import { modelSummary } from '../../pipeline/verbs/summary.ts';

it('prints layers, shapes, parameters and totals', () => {
  const text = modelSummary('so-dlse', ['width=0.25', 'imageSize=48']);
  expect(text).toContain('so-dlse, input 48×48×3');
  expect(text).toMatch(/trunk\.conv1 +│ conv2d +│ 48×48×16 +│ +432 /);
  expect(text).toContain('223,315 parameters');
});

it("prints VFESO-DLSE's extractor before what is trained", () => {
  const [extractor, own] = modelSummary('vfeso-dlse', []).split('\n\n');
  expect(extractor).toContain('7,635,264 parameters');
  expect(own).toContain('vfeso-dlse, input 14×14×512');
});

it.each([
  ['vgg', [], /Choose one of dlp, baseline/],
  ['vgg16', ['widht=1'], /Give only classes, imageSize/],
  ['vgg16', ['dropout=1'], /below 1/],
  ['so-dlse', ['width'], /is not name=value/],
  ['so-dlse', ['width="wide"'], /a number above 0/],
])('refuses %s --set %j', (name, pairs, message) => {
  expect(() => modelSummary(name, pairs)).toThrow(ConfigError);
  expect(() => modelSummary(name, pairs)).toThrow(message);
});

it('writes operations with three digits', () => {
  expect([0, 771, 34_560_000, 30.96e9].map(formatFlops)).toEqual(['0 FLOP', '771 FLOP', '34.6 MFLOP', '31 GFLOP']);
});
