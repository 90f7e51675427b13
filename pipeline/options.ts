/** Readers for command-line values, so that a typing error is named before any work starts. */
import { InvalidArgumentError } from 'commander';

export function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(Number(text)))
    throw new InvalidArgumentError('A whole number is needed.');
  return Number(text);
}

/** A whole number from 1. */
export function oneOrMore(text: string): number {
  if (wholeNumber(text) === 0) throw new InvalidArgumentError('A whole number from 1 is needed.');
  return Number(text);
}

/** The number of a port to listen on; 0 lets the system choose. */
export function portNumber(text: string): number {
  if (wholeNumber(text) > 65_535) throw new InvalidArgumentError('A port has a number from 0 to 65535.');
  return Number(text);
}

export function positiveNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0)
    throw new InvalidArgumentError('A number above 0 is needed.');
  return value;
}

export function nonNegativeNumber(text: string): number {
  return text.trim() === '0' ? 0 : positiveNumber(text);
}

/** A share strictly between 0 and 1. */
export function share(text: string): number {
  const value = positiveNumber(text);
  if (value >= 1) throw new InvalidArgumentError('A share between 0 and 1 is needed, such as 0.2.');
  return value;
}

/** A share from 0 up to, not including, 1. */
export function shareOrNothing(text: string): number {
  return text.trim() === '0' ? 0 : share(text);
}

/** A number above 0, up to and including 1. */
export function upToOne(text: string): number {
  const value = positiveNumber(text);
  if (value > 1) throw new InvalidArgumentError('A number above 0, at most 1, is needed, such as 0.9.');
  return value;
}

export function atLeastOne(text: string): number {
  const value = positiveNumber(text);
  if (value < 1) throw new InvalidArgumentError('A number from 1 is needed.');
  return value;
}
