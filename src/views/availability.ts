/** Stored hours as v2's availability, which is `synced` or not, and as v3.0.0's working hour with source and label. */
import { z } from 'zod';
import { minuteOfDayText } from '../domain/minute-of-day.ts';
import { tzOffset } from '../domain/zone.ts';
import type { AvailabilityRow } from '../store/schema.ts';
import { type AppointmentTypeView, appointmentTypeShape } from './appointment-type.ts';

export const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const;

export interface AvailabilityWithNames extends AvailabilityRow {
  tz: string;
  label: WorkingHourLabelView | null;
}

export const workingHourLabelShape = z
  .object({ id: z.int(), location_id: z.int().nullable(), name: z.string() })
  .meta({ id: 'WorkingHourLabel' });

export type WorkingHourLabelView = z.infer<typeof workingHourLabelShape>;

const hoursShape = z.object({
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
  appointment_types: z.array(appointmentTypeShape).optional(),
});

export const availabilityShape = hoursShape.extend({ synced: z.boolean() }).meta({ id: 'Availability' });

export const workingHourShape = hoursShape
  .extend({ source: z.enum(['manual', 'synced']), label: workingHourLabelShape.nullable() })
  .meta({ id: 'WorkingHour' });

export type AvailabilityView = z.infer<typeof availabilityShape>;
export type WorkingHourView = z.infer<typeof workingHourShape>;

/** `types` are left out of the answer when undefined. `tz_offset` is the location's at `nowMs`. */
export function viewAvailability(
  row: AvailabilityWithNames,
  nowMs: number,
  types: AppointmentTypeView[] | undefined,
): AvailabilityView {
  return { ...viewHours(row, nowMs, types), synced: row.source === 'synced' };
}

/** As `viewAvailability`, in v3.0.0's shape. */
export function viewWorkingHour(
  row: AvailabilityWithNames,
  nowMs: number,
  types: AppointmentTypeView[] | undefined,
): WorkingHourView {
  return { ...viewHours(row, nowMs, types), source: row.source, label: row.label };
}

function viewHours(row: AvailabilityWithNames, nowMs: number, types: AppointmentTypeView[] | undefined) {
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
    ...(types && { appointment_types: types }),
  };
}
