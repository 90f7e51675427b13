import { expect, test } from 'vitest';
import { z } from 'zod';
import { complaint } from '../../pipeline/complaint.ts';

const schema = z.strictObject({ loss: z.object({ alpha: z.number().max(1) }), name: z.string() });
const said = (value: unknown): string => {
  const { error } = schema.safeParse(value);
  return error ? complaint(error, value, 'options') : '';
};

test('names the place, what was found there and what is needed', () => {
  expect(said({ loss: { alpha: 2 }, name: 'a' })).toBe('loss.alpha (2): Too big: expected number to be <=1');
  expect(said({ loss: { alpha: 1 }, name: 7 })).toBe('name (7): Invalid input: expected string, received number');
  expect(said({ loss: { alpha: 1 } })).toBe('name: Invalid input: expected string, received undefined');
  expect(said({ loss: null, name: 'a' })).toBe('loss: Invalid input: expected object, received null');
  expect(said(7)).toBe('options (7): Invalid input: expected object, received number');
  expect(said({ loss: { alpha: 1 }, name: 'a', other: 1 })).toBe('options: Unrecognized key: "other"');
});
