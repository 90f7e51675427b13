/**
 * Label Studio's task format, both ways (https://labelstud.io/guide/task_format): a task per picture with one annotation
 * per answer, whose result is one choice.
 */
import { z } from 'zod';
import { DataError } from '../../engine/errors.ts';
import { complaint } from '../complaint.ts';
import type { AnswerRow } from './export.ts';
import type { LabelHistory } from './history.ts';

const fromName = 'expression';
const toName = 'image';
/** Where Label Studio finds pictures when its local storage is the data set's folder. */
const localFiles = '/data/local-files/?d=';

export function toLabelStudio(history: LabelHistory, rows: readonly AnswerRow[]): unknown[] {
  const byPath = new Map<string, AnswerRow[]>();
  for (const row of rows) byPath.set(row.path, [...(byPath.get(row.path) ?? []), row]);
  return history.pictures.map(({ path }, index) => ({
    id: index + 1,
    data: { image: localFiles + path.split('/').map(encodeURIComponent).join('/') },
    meta: { path },
    annotations: (byPath.get(path) ?? []).map(({ rater, label, round, repeat, at, elapsed }) => ({
      completed_by: { email: rater },
      created_at: at,
      was_cancelled: false,
      ...(elapsed === null ? {} : { lead_time: elapsed / 1000 }),
      meta: { round, repeat },
      result: [{ type: 'choices', from_name: fromName, to_name: toName, value: { choices: [label] } }],
    })),
  }));
}

/** The labelling interface to paste into a Label Studio project before the tasks are imported. */
export function labelStudioConfig(labels: readonly string[]): string {
  const choices = labels.map((label, k) => `    <Choice value="${label}" hotkey="${k + 1}"/>`).join('\n');
  return `<View>
  <Image name="${toName}" value="$image"/>
  <Choices name="${fromName}" toName="${toName}" choice="single" required="true">
${choices}
  </Choices>
</View>
`;
}

const personSchema = z.union([
  z.number(),
  z.string(),
  z.looseObject({ id: z.number().optional(), email: z.string().optional() }),
]);
const annotationSchema = z.looseObject({
  completed_by: personSchema.nullish(),
  created_at: z.string().nullish(),
  was_cancelled: z.boolean().nullish(),
  lead_time: z.number().nullish(),
  meta: z.looseObject({ round: z.number().optional(), repeat: z.number().optional() }).nullish(),
  result: z.array(
    z.looseObject({ type: z.string(), value: z.looseObject({ choices: z.array(z.string()).optional() }) }),
  ),
});
const taskSchema = z.looseObject({
  id: z.union([z.number(), z.string()]).optional(),
  data: z.record(z.string(), z.unknown()),
  meta: z.looseObject({ path: z.string().optional() }).nullish(),
  annotations: z.array(annotationSchema).default([]),
});

/** The answers of a Label Studio export (JSON, not JSON-MIN). Cancelled annotations and those without a choice are left out. */
export function fromLabelStudio(text: string, name: string): AnswerRow[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new DataError(`${name} is not JSON (${error instanceof Error ? error.message : error}).`, { cause: error });
  }
  const result = z.array(taskSchema).safeParse(value);
  if (!result.success) {
    throw new DataError(`${name} is not a Label Studio export: ${complaint(result.error, value)}.`, {
      remedy: 'In Label Studio choose Export, then JSON.',
    });
  }
  return result.data.flatMap((task) =>
    task.annotations.flatMap((annotation): AnswerRow[] => {
      const label = annotation.result.find(({ type }) => type === 'choices')?.value.choices?.[0];
      if (annotation.was_cancelled || label === undefined) return [];
      return [
        {
          path: task.meta?.path ?? picturePath(task.data),
          rater: personName(annotation.completed_by),
          label: label.toLowerCase(),
          round: annotation.meta?.round ?? 1,
          repeat: annotation.meta?.repeat ?? 0,
          at: annotation.created_at ?? '',
          elapsed: annotation.lead_time == null ? null : Math.round(annotation.lead_time * 1000),
        },
      ];
    }),
  );
}

function personName(person: z.infer<typeof personSchema> | null | undefined): string {
  if (person == null) return 'label-studio';
  if (typeof person !== 'object') return typeof person === 'number' ? `label-studio-${person}` : person;
  return person.email ?? `label-studio-${person.id ?? 0}`;
}

/** The picture a task shows: the first text in its data that looks like a file, without server and storage prefix. */
function picturePath(data: Record<string, unknown>): string {
  const texts = Object.values(data).filter((value) => typeof value === 'string');
  const text = (typeof data.image === 'string' ? data.image : texts.find((value) => /\.\w{3,4}$/.test(value))) ?? '';
  const local = text.split('?d=')[1];
  const path = decodeURIComponent(local ?? text.replace(/^\w+:\/\/[^/]*\//, '').split('?')[0] ?? '');
  return path.replace(/^\/?data\/upload\/\d+\/(?:[0-9a-f]{8}-)?/, '').replace(/^\//, '');
}
