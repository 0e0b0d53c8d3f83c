import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { z } from 'zod';
import { type BookingRequest, book } from '../../commands/book.ts';
import { DEFAULT_SLOT_MINUTES } from '../../domain/slot.ts';
import { MINUTE_MS } from '../../domain/zone.ts';
import { ApiError, notFound } from '../../errors.ts';
import { selectAppointments } from '../../store/appointments.ts';
import type { Tx } from '../../store/database.ts';
import { type AppointmentView, viewAppointment } from '../../views/appointment.ts';
import { type Context, getInstitution, inInstitution } from '../context.ts';
import { getInstant } from '../instant.ts';
import { boolean, id, instantText, list, localDate, oneOf, optional, text } from '../parameters.ts';
import { checkDateOfBirth, clean, personName } from '../patients/creating.ts';

/** What the HRS of the reference takes; longer notes are refused rather than cut. */
export const MAX_NOTE_LENGTH = 128;

const childBody = z.object({
  first_name: personName,
  last_name: personName,
  bio: z.object({
    date_of_birth: localDate(),
    gender: optional(oneOf(['Male', 'Female', 'Other'])),
  }),
});

/** Asked even where other parameters are at fault, so that one answer names all that is missing. */
const always = { when: ({ value }: { value: unknown }) => typeof value === 'object' && value !== null };

export const bookingBody = z
  .object({
    patient_id: optional(id()),
    provider_id: optional(id()),
    operatory_id: optional(id()),
    start_time: instantText(),
    end_time: optional(instantText()),
    appointment_type_id: optional(id()),
    category_id: optional(id()),
    note: optional(text(MAX_NOTE_LENGTH).nullable()),
    unavailable: optional(boolean()),
    is_guardian: optional(boolean()),
    is_new_clients_patient: optional(boolean()),
    referrer: optional(text(255).nullable()),
    patient: optional(childBody),
    descriptor_ids: list(id()),
  })
  .refine(({ patient_id, unavailable }) => patient_id !== undefined || unavailable, { path: ['patient_id'], ...always })
  .refine(
    ({ provider_id, operatory_id, unavailable }) =>
      provider_id !== undefined || (unavailable && operatory_id !== undefined),
    { path: ['provider_id'], ...always },
  )
  .refine(({ patient, is_guardian, unavailable }) => patient !== undefined || !is_guardian || unavailable, {
    path: ['patient'],
    ...always,
  });

type Body = z.output<typeof bookingBody>;

/** Books what the body asks for and returns the appointment as it stands. Throws ApiError. */
export async function bookFromRequest(
  context: Context,
  asked: { location_id: number; appointments_per_timeslot?: number | undefined; appt: Body },
): Promise<AppointmentView> {
  const view = await inInstitution(context, async (tx) => {
    const appointmentId = await bookIn(tx, context, asked);
    const row = await selectAppointments(tx).where('appointment.id', '=', appointmentId).executeTakeFirstOrThrow();
    return viewAppointment(row);
  });
  context.afterCommit.push(() => context.services.wakeups.wake('commands'));
  return view;
}

async function bookIn(
  tx: Tx,
  context: Context,
  { location_id: locationId, appt: body, appointments_per_timeslot }: Parameters<typeof bookFromRequest>[1],
): Promise<number> {
  const unavailable = body.unavailable ?? false;
  const patientId =
    body.is_guardian && !unavailable ? await childOf(tx, context, locationId, body) : (body.patient_id ?? null);
  const request: BookingRequest = {
    institutionId: getInstitution(context).id,
    locationId,
    providerId: body.provider_id ?? null,
    operatoryId: body.operatory_id ?? null,
    patientId: unavailable ? null : patientId,
    appointmentTypeId: body.appointment_type_id ?? body.category_id ?? null,
    descriptorIds: body.descriptor_ids ?? null,
    times: (place) => timesOf(body, place),
    unavailable,
    note: body.note ?? null,
    isGuardian: body.is_guardian ?? false,
    isNewClientsPatient: body.is_new_clients_patient ?? false,
    referrer: body.referrer ?? null,
    apiUserId: context.caller.apiUserId,
    // A block closes its time, so it needs all of it.
    appointmentsPerTimeslot: unavailable ? 1 : (appointments_per_timeslot ?? 1),
  };
  return book(tx, request, context.nowMs, context.services.capabilitiesOf);
}

/** Without an end the type's minutes count, and without a type the length of a slot. */
function timesOf(body: Body, { tz, typeMinutes }: { tz: string; typeMinutes: number | null }) {
  const startMs = Date.parse(getInstant('appt[start_time]', body.start_time, tz));
  if (body.end_time === undefined)
    return { startMs, endMs: startMs + (typeMinutes ?? DEFAULT_SLOT_MINUTES) * MINUTE_MS };
  return { startMs, endMs: Date.parse(getInstant('appt[end_time]', body.end_time, tz)) };
}

/**
 * In a guardian's booking `patient_id` is the guardian's, and the appointment is the child's: a patient of the
 * same name and birthday under that guardian, or a new one that reaches the HRS with the appointment.
 */
async function childOf(tx: Tx, context: Context, locationId: number, body: Body): Promise<number> {
  const institutionId = getInstitution(context).id;
  const child = body.patient as z.output<typeof childBody>;
  // Locked, so that of two bookings for one new child the later one finds the child of the earlier.
  const guardian = await tx
    .selectFrom('patient')
    .select(['id', 'inactive', 'merged_into_id', 'email', 'phone_number'])
    .where('id', '=', body.patient_id as number)
    .where('institution_id', '=', institutionId)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (!guardian) throw new ApiError('invalid_parameter', 'patient_id was not found');
  if (guardian.inactive && guardian.merged_into_id === null) throw new ApiError('inactive', 'patient_id is inactive');
  const guarantorId = guardian.merged_into_id ?? guardian.id;
  const location = await tx
    .selectFrom('location')
    .select(['connection_id', 'tz'])
    .where('id', '=', locationId)
    .where('institution_id', '=', institutionId)
    .executeTakeFirst();
  if (!location) throw notFound();
  checkDateOfBirth('appt[patient][bio][date_of_birth]', child.bio.date_of_birth, location.tz, context.nowMs);
  const [firstName, lastName] = [clean(child.first_name), clean(child.last_name)];
  const folded = (column: string) => sql<string>`lower(normalize(${sql.ref(column)}))`;
  const known = await tx
    .selectFrom('patient')
    .select('id')
    .where('institution_id', '=', institutionId)
    .where('guarantor_id', '=', guarantorId)
    .where('date_of_birth', '=', child.bio.date_of_birth)
    .where(folded('first_name'), '=', sql<string>`lower(${firstName})`)
    .where(folded('last_name'), '=', sql<string>`lower(${lastName})`)
    .where('inactive', '=', false)
    .executeTakeFirst();
  if (known) return known.id;
  const made = await tx
    .insertInto('patient')
    .values({
      institution_id: institutionId,
      connection_id: location.connection_id,
      marker: randomUUID(),
      first_name: firstName,
      last_name: lastName,
      date_of_birth: child.bio.date_of_birth,
      gender: child.bio.gender ?? 'Female',
      email: guardian.email,
      phone_number: guardian.phone_number,
      guarantor_id: guarantorId,
      provider_id: body.provider_id ?? null,
      location_ids: [locationId],
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return made.id;
}
