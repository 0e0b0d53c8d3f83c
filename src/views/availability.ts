/**
 * Stored hours under both of their names: v2's `synced` and the later `source` and `label` say the same thing, and
 * a client reads the one it knows.
 */
import { z } from 'zod';
import { minuteOfDayText } from '../domain/minute-of-day.ts';
import { tzOffset } from '../domain/zone.ts';
import type { AvailabilityRow } from '../store/schema.ts';
import { type AppointmentTypeView, appointmentTypeShape } from './appointment-type.ts';

export const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const;

export interface AvailabilityWithZone extends AvailabilityRow {
  tz: string;
}

export const availabilityShape = z
  .object({
    id: z.int(),
    provider_id: z.int(),
    location_id: z.int(),
    operatory_id: z.int().nullable(),
    begin_time: z.string(),
    end_time: z.string(),
    days: z.array(z.enum(WEEKDAYS)),
    specific_date: z.iso.date().nullable(),
    custom_recurrence: z.object({ num: z.int(), unit: z.enum(['day', 'week', 'month']), ref: z.iso.date() }).nullable(),
    tz_offset: z.string(),
    active: z.boolean(),
    synced: z.boolean(),
    source: z.enum(['manual', 'synced']),
    label: z.null(),
    appointment_types: z.array(appointmentTypeShape).optional(),
  })
  .meta({ id: 'Availability' });

export type AvailabilityView = z.infer<typeof availabilityShape>;

/** `types` are left out of the answer when undefined. `tz_offset` is the location's at `nowMs`. */
export function viewAvailability(
  row: AvailabilityWithZone,
  nowMs: number,
  types: AppointmentTypeView[] | undefined,
): AvailabilityView {
  const { days, recurrence_num: num, recurrence_unit: unit, recurrence_ref: ref } = row;
  return {
    id: row.id,
    provider_id: row.provider_id,
    location_id: row.location_id,
    operatory_id: row.operatory_id,
    begin_time: minuteOfDayText(row.begin_minute),
    end_time: minuteOfDayText(row.end_minute),
    days: WEEKDAYS.filter((_name, weekday) => ((days ?? 0) >> weekday) & 1),
    specific_date: row.specific_date,
    custom_recurrence: num === null || unit === null || ref === null ? null : { num, unit, ref },
    tz_offset: tzOffset(row.tz, nowMs),
    active: row.active,
    synced: row.source === 'synced',
    source: row.source,
    label: null,
    ...(types && { appointment_types: types }),
  };
}
