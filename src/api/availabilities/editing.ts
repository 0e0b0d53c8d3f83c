/** What POST and PATCH may say of stored hours, what must hold of it, and writing it. */
import { z } from 'zod';
import { parseMinuteOfDay } from '../../domain/minute-of-day.ts';
import { ApiError } from '../../errors.ts';
import type { Tx } from '../../store/database.ts';
import type { AvailabilityRow, LocationRow } from '../../store/schema.ts';
import { WEEKDAYS } from '../../views/availability.ts';
import { boolean, id, integer, list, localDate, oneOf, optional } from '../parameters.ts';
import { getAllOwned, getOwned } from '../references.ts';
import type { Face } from './faces.ts';

/** Every thousandth day, week or month: beyond that a date is meant. */
const MAX_EVERY = 1_000;

const minuteFrom = (firstMinute: number, lastMinute: number, message: string) =>
  z
    .string(message)
    .refine((value) => {
      const minute = parseMinuteOfDay(value);
      return minute !== null && minute >= firstMinute && minute <= lastMinute;
    }, message)
    .transform((value) => parseMinuteOfDay(value) ?? 0);

const beginTime = minuteFrom(0, 1439, 'must be a time from 00:00 to 23:59, HH:MM');
const endTime = minuteFrom(1, 1440, 'must be a time from 00:01 to 24:00, HH:MM');

const capitalised = (value: unknown) =>
  typeof value === 'string' ? value.slice(0, 1).toUpperCase() + value.slice(1).toLowerCase() : value;

const optionalFields = {
  appointment_type_ids: list(id()),
  /** The older name of `appointment_type_ids`. */
  appointment_category_ids: list(id()),
  days: list(z.preprocess(capitalised, oneOf(WEEKDAYS))),
  specific_date: optional(localDate()),
  custom_recurrence: optional(
    z.object({ num: integer(1, MAX_EVERY), unit: oneOf(['day', 'week', 'month']), ref: localDate() }),
  ),
  active: optional(boolean()),
};

type OccurrenceFields = Pick<
  z.output<z.ZodObject<typeof optionalFields>>,
  'days' | 'specific_date' | 'custom_recurrence'
>;

/** An empty list of days says as little as none: what is read back from here carries one. */
const countRules = ({ days, specific_date, custom_recurrence }: OccurrenceFields) =>
  [days?.length, specific_date, custom_recurrence].filter(Boolean).length;

export const newHours = z
  .object({
    provider_id: id(),
    begin_time: beginTime,
    end_time: endTime,
    operatory_id: optional(id()),
    ...optionalFields,
  })
  .refine((fields) => countRules(fields) === 1, 'must have exactly one of days, specific_date and custom_recurrence');

export const hoursChanges = z
  .object({
    provider_id: optional(id()),
    begin_time: optional(beginTime),
    end_time: optional(endTime),
    /** Null takes the hours out of their operatory. */
    operatory_id: z.preprocess((value) => (value === '' ? null : value), id().nullable().optional()),
    ...optionalFields,
  })
  .refine((fields) => countRules(fields) <= 1, 'must have at most one of days, specific_date and custom_recurrence');

/** The columns that say on which days hours occur; undefined when the fields say nothing of it. */
export function occurrenceColumns({ days, specific_date, custom_recurrence }: OccurrenceFields) {
  if (countRules({ days, specific_date, custom_recurrence }) === 0) return undefined;
  const bits = (days ?? []).reduce((mask, name) => mask | (1 << WEEKDAYS.indexOf(name)), 0);
  return {
    days: bits === 0 ? null : bits,
    specific_date: specific_date ?? null,
    recurrence_num: custom_recurrence?.num ?? null,
    recurrence_unit: custom_recurrence?.unit ?? null,
    recurrence_ref: custom_recurrence?.ref ?? null,
  };
}

/**
 * Throws unless these hours make sense at the location: the provider works there, the operatory is one of its own
 * and is named where the location books by operatory, and they last some time.
 */
export async function checkHours(
  tx: Tx,
  face: Face,
  location: LocationRow,
  hours: Pick<AvailabilityRow, 'provider_id' | 'operatory_id' | 'begin_minute' | 'end_minute'>,
): Promise<void> {
  await getOwned(tx, 'provider', location.institution_id, hours.provider_id);
  const worksThere = await tx
    .selectFrom('provider_location')
    .select('provider_id')
    .where('provider_id', '=', hours.provider_id)
    .where('location_id', '=', location.id)
    .executeTakeFirst();
  if (!worksThere) throw invalid(face, 'provider_id', 'must be a provider of this location');
  if (hours.operatory_id !== null) {
    const operatory = await getOwned(tx, 'operatory', location.institution_id, hours.operatory_id);
    if (operatory.location_id !== location.id)
      throw invalid(face, 'operatory_id', 'must be an operatory of this location');
  } else if (location.map_by_operatory) {
    throw new ApiError(
      'operatory_required',
      `Missing parameter ${face.wrapper}[operatory_id]: this location books by operatory`,
    );
  }
  if (hours.begin_minute === hours.end_minute) throw invalid(face, 'end_time', 'must differ from begin_time');
}

/** Replaces the types for which hours count. Throws `not_found` for a type the institution does not have. */
export async function setTypes(tx: Tx, face: Face, hours: AvailabilityRow, typeIds: number[]): Promise<void> {
  const { id: availability_id, institution_id, location_id } = hours;
  const types = await getAllOwned(tx, 'appointment_type', institution_id, typeIds);
  if (types.some((type) => type.location_id !== null && type.location_id !== location_id)) {
    throw invalid(face, 'appointment_type_ids', 'must be appointment types of this location');
  }
  await tx.deleteFrom('availability_appointment_type').where('availability_id', '=', availability_id).execute();
  if (types.length === 0) return;
  await tx
    .insertInto('availability_appointment_type')
    .values(types.map(({ id: appointment_type_id }) => ({ institution_id, availability_id, appointment_type_id })))
    .execute();
}

const invalid = ({ wrapper }: Face, field: string, message: string) =>
  new ApiError('invalid_parameter', `Invalid parameter ${wrapper}[${field}]: ${message}`);
