import { z } from 'zod';
import { type Change, change } from '../../commands/change.ts';
import { ApiError } from '../../errors.ts';
import type { Version } from '../../views/version.ts';
import { type Context, getInstitution, inInstitution } from '../context.ts';
import { getInstant } from '../instant.ts';
import { boolean, id, instantText, optional } from '../parameters.ts';
import { MAX_NOTE_LENGTH } from './booking.ts';

/** v2 knows the first three only. */
export const changeBody = z.object({
  confirmed: optional(boolean()),
  cancelled: optional(boolean()),
  checkin_at: optional(instantText()),
  start_time: optional(instantText()).describe('v3.0.0 only. Its new start, with `end_time`.'),
  end_time: optional(instantText()).describe('v3.0.0 only. Its new end, with `start_time`.'),
  operatory_id: optional(id()).describe('v3.0.0 only. Its new operatory.'),
  // Checked where it counts: v2 passes over the note that a client sends back with the rest of what it read.
  // Null is absent, as everywhere: a client that sends its whole record back must not lose the note.
  note: z
    .preprocess((value) => value ?? undefined, z.string('must be text').meta({ maxLength: MAX_NOTE_LENGTH }).optional())
    .describe('v3.0.0 only. Its new note; an empty one takes it away.'),
});

type Body = z.output<typeof changeBody>;

const FIELDS: Record<Version, (keyof Body)[]> = {
  v2: ['confirmed', 'cancelled', 'checkin_at'],
  'v3.0.0': ['confirmed', 'cancelled', 'checkin_at', 'start_time', 'end_time', 'operatory_id', 'note'],
};

/**
 * Other fields of the body are ignored, as at NexHealth; beside none that counts they are refused, because a 200
 * would be taken for a change. In v2 that holds for time, operatory and note, which there the next sync would undo.
 */
export async function changeFromRequest(context: Context, appointmentId: number, body: Body): Promise<void> {
  const fields = FIELDS[context.version];
  if (fields.every((name) => body[name] === undefined)) {
    const names = fields.map((name) => `appt[${name}]`);
    throw new ApiError('missing_parameter', `Missing parameter ${names.slice(0, -1).join(', ')} or ${names.at(-1)}`);
  }
  const wanted: Change = {
    confirmed: body.confirmed,
    cancelled: body.cancelled,
    checkinAt: body.checkin_at === undefined ? undefined : getInstant('appt[checkin_at]', body.checkin_at, 'UTC'),
    update: context.version === 'v2' ? undefined : updateOf(body),
  };
  await inInstitution(context, (tx) =>
    change(tx, getInstitution(context).id, appointmentId, wanted, context.nowMs, context.services.capabilitiesOf),
  );
  context.afterCommit.push(() => {
    context.services.wakeups.wake('commands');
    context.services.wakeups.wake('deliveries');
  });
}

/** Times without an offset are local to the appointment's location, as in a booking. */
function updateOf({ start_time, end_time, operatory_id, note }: Body): Change['update'] {
  if ((start_time === undefined) !== (end_time === undefined)) {
    const missing = start_time === undefined ? 'start_time' : 'end_time';
    throw new ApiError('missing_parameter', `Missing parameter appt[${missing}]`);
  }
  if (note !== undefined && note.length > MAX_NOTE_LENGTH) {
    const problem = `must have at most ${MAX_NOTE_LENGTH} characters`;
    throw new ApiError('invalid_parameter', `Invalid parameter appt[note]: ${problem}`);
  }
  if (start_time === undefined && operatory_id === undefined && note === undefined) return undefined;
  return {
    times:
      start_time === undefined
        ? undefined
        : (tz) => ({
            startMs: Date.parse(getInstant('appt[start_time]', start_time, tz)),
            endMs: Date.parse(getInstant('appt[end_time]', end_time as string, tz)),
          }),
    operatoryId: operatory_id,
    note: note === '' ? null : note,
  };
}
