import { defineConfig } from 'vitest/config';

// One fork: every test file shares the machine's one (software) adapter, and two processes on it only slow each other.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: process.env.TEST_FULL ? [] : ['test/**/*.full.test.ts'],
    reporters: ['default', './test/reporter.ts'],
    // What was measured on this machine before must not decide which kernels are tested.
    env: { TUNE: process.env.TUNE ?? '0' },
    pool: 'forks',
    maxWorkers: 1,
    isolate: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
