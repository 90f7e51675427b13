/** Keeps a run from being tested on the subjects that its first weights have seen. */
import { ConfigError } from '../../engine/index.ts';
import type { SplitResult } from '../dataset/split.ts';
import { type Known, knownTo, type Seen, seenBy, seenFromMetadata } from '../run/seen.ts';
import { readWeightsMetadata } from '../weights.ts';
import type { TrainConfig } from './config.ts';

/** What the weights of a run will have seen: what those it starts from have, and what it shows them. */
export async function seenWith(config: TrainConfig, split: SplitResult): Promise<Seen> {
  const metadata = config.weights === null ? {} : await readWeightsMetadata(config.weights);
  return [...(seenFromMetadata(metadata) ?? []), seenBy(split, config)];
}

/**
 * Refuses a test on subjects that the first weights have seen, unless that was asked for.
 * @returns what is to be said of the figures, where there is something.
 * @throws ConfigError naming how many subjects there are.
 */
export async function checkUnseen(config: TrainConfig, split: SplitResult, seen: Seen): Promise<string> {
  const { weights } = config;
  if (weights === null || config.overfitOneBatch) return '';
  const before = seen.slice(0, -1);
  if (before.length === 0) return (await isOfEarlierVersion(weights)) ? unknown(weights) : '';
  const all = [...split.train, ...split.val, ...split.test, ...split.leftOut];
  const tested = knownTo(before, all, ['trained', 'chosenBy'], [...split.train, ...split.val]);
  // To choose by what has chosen before teaches nothing new; to choose by what was learnt by heart does.
  const chosen = knownTo(before, all, ['trained'], split.train);
  const found = [side(split.test, tested, 'test'), side(split.val, chosen, 'validation')].filter(({ n }) => n > 0);
  if (found.length === 0) return namesakes(weights, split, tested);
  const who = found.map(({ text }) => text).join(' and ');
  const told = `${weights} was trained on, or chosen by, pictures of ${who} subjects, first ${found[0].first}: the figures`;
  if (config.seenInTest) return `${told} are those of known faces.`;
  throw new ConfigError(`${told} would be those of known faces.`, {
    remedy: `Split as the run that made it did (${tested.split || chosen.split}), train on other subjects, or pass --seen-in-test: the report then says so.`,
  });
}

/** How many subjects of one side are known. */
function side(pictures: SplitResult['test'], { subjects }: Known, name: string) {
  const own = [...new Set(pictures.map(({ subject }) => subject))];
  const known = own.filter((subject) => subjects.has(subject));
  return { n: known.length, first: known[0], text: `${known.length} of ${own.length} ${name}` };
}

function namesakes(weights: string, split: SplitResult, known: Known): string {
  const { n, first } = side(split.test, { ...known, subjects: known.namesakes }, 'test');
  if (n === 0) return '';
  const have = n === 1 ? 'subject of the test has' : 'subjects of the test have';
  return `${n} ${have} the name of one that ${weights} saw in other pictures, first ${first}: if they are the same children, the figures are those of known faces.`;
}

const isOfEarlierVersion = async (weights: string): Promise<boolean> => {
  const { state, kindergrad } = await readWeightsMetadata(weights);
  return state !== undefined || kindergrad !== undefined;
};

const unknown = (weights: string): string =>
  `${weights} was written by an earlier version and does not say whom it has seen: whether the test is one of new faces cannot be told.`;
