import type { Reporter, TestCase, TestModule, Vitest } from 'vitest/node';
import type { ToleranceMeta } from './expect-close.ts';

/**
 * Adds to vitest's own output: one line per test file with the share of the tolerances used (see expect-close.ts), why
 * tests were skipped, and as the very last line `N passed, N failed` (`, N skipped`).
 */
export default class KindergradReporter implements Reporter {
  private vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.vitest = vitest;
  }

  onTestModuleEnd(module: TestModule): void {
    let comparisons = 0;
    let worst = { share: -1, label: '', test: '' };
    for (const test of module.children.allTests()) {
      const { tolerance: used }: ToleranceMeta = test.meta();
      if (!used) continue;
      comparisons += used.comparisons;
      if (used.share > worst.share) worst = { share: used.share, label: used.label, test: test.fullName };
    }
    if (comparisons === 0) return;
    const share = (worst.share * 100).toFixed(1);
    this.print(
      `   ${comparisons} comparisons, at most ${share} % of the tolerance used: ${worst.label} (${worst.test})`,
    );
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const count = (state: ReturnType<TestCase['result']>['state']) =>
      tests.filter((test) => test.result().state === state).length;
    // A file that does not load has no test that could fail: it counts as one failure, like an error outside any test.
    const broken = modules.filter((module) => module.errors().length > 0).length;
    const failed = count('failed') + broken + unhandledErrors.length;
    const skipped = count('skipped');
    if (skipped > 0) this.print(`Skipped:\n${reasons(tests)}\n`);
    this.print(`${count('passed')} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  }

  private print(line: string): void {
    this.vitest?.logger.log(line);
  }
}

/** The reasons given for skipped tests, each with its number of tests. */
function reasons(tests: readonly TestCase[]): string {
  const byReason = new Map<string, number>();
  for (const test of tests) {
    const result = test.result();
    if (result.state !== 'skipped') continue;
    const reason = result.note ?? `no reason given: ${test.fullName}`;
    byReason.set(reason, (byReason.get(reason) ?? 0) + 1);
  }
  return [...byReason].map(([reason, n]) => `  ${n} × ${reason}`).join('\n');
}
