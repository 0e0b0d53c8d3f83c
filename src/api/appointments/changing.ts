import { z } from 'zod';
import { type Change, change } from '../../commands/change.ts';
import { ApiError } from '../../errors.ts';
import { type Context, getInstitution, inInstitution } from '../context.ts';
import { getInstant } from '../instant.ts';
import { boolean, instantText, optional } from '../parameters.ts';

export const changeBody = z.object({
  confirmed: optional(boolean()),
  cancelled: optional(boolean()),
  checkin_at: optional(instantText()),
});

/** Other fields of the body are ignored, as at NexHealth: in v2 the next sync would undo them. */
export async function changeFromRequest(
  context: Context,
  appointmentId: number,
  body: z.output<typeof changeBody>,
): Promise<void> {
  if (body.confirmed === undefined && body.cancelled === undefined && body.checkin_at === undefined) {
    throw new ApiError('missing_parameter', 'Missing parameter appt[confirmed], appt[cancelled] or appt[checkin_at]');
  }
  const wanted: Change = {
    confirmed: body.confirmed,
    cancelled: body.cancelled,
    checkinAt: body.checkin_at === undefined ? undefined : getInstant('appt[checkin_at]', body.checkin_at, 'UTC'),
  };
  await inInstitution(context, (tx) =>
    change(tx, getInstitution(context).id, appointmentId, wanted, context.nowMs, context.services.capabilitiesOf),
  );
  context.afterCommit.push(() => {
    context.services.wakeups.wake('commands');
    context.services.wakeups.wake('deliveries');
  });
}
