import { z } from 'zod';
import type { CommandRow } from '../../store/schema.ts';

const STATES = [
  'queued',
  'sent',
  'unknown',
  'settling',
  'searched',
  'complete',
  'failed',
  'timed_out',
  'incomplete',
] as const;

export const writeShape = z
  .object({
    id: z.int(),
    kind: z.enum(['create', 'update', 'confirm', 'cancel', 'check_in', 'create_alert', 'change_alert']),
    state: z.enum(STATES),
    states: z.array(z.object({ state: z.enum(STATES), at: z.string() })),
    attempts: z.int(),
    reason_code: z.string().nullable(),
    message: z.string().nullable(),
    retryable: z.boolean().nullable(),
    hrs_said: z.string().nullable(),
    created_at: z.iso.datetime(),
    finished_at: z.iso.datetime().nullable(),
    next_attempt_at: z.iso.datetime().nullable(),
  })
  .meta({ id: 'Write' });

/** One command as its maker may see it: what was wanted, where it stands, and why it ended as it did. */
export function viewWrite(row: CommandRow): z.infer<typeof writeShape> {
  return {
    id: row.id,
    kind: row.kind,
    state: row.state,
    states: row.history,
    attempts: row.attempts,
    reason_code: row.reason_code,
    message: row.message,
    retryable: row.retryable,
    hrs_said: row.hrs_said,
    created_at: row.created_at,
    finished_at: row.finished_at,
    next_attempt_at: row.finished_at === null ? row.due_at : null,
  };
}
