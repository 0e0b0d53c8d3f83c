/**
 * Taking a booking. One transaction decides whether the time is free and, when it is, makes the appointment, its
 * claims and the command that will carry it into the HRS. Free or taken is the database's decision alone: sorted
 * advisory locks per resource and day, a look at what the HRS already has, and claims under an exclusion
 * constraint, inserted with ON CONFLICT DO NOTHING. A plain INSERT that waits for the constraint deadlocks; a
 * check without the lock double-books.
 */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { toIso } from '../clock.ts';
import type { Capabilities } from '../connectors/connector.ts';
import { type Bookable, checkBookable } from '../domain/slot.ts';
import { DAY_MS } from '../domain/zone.ts';
import { ApiError } from '../errors.ts';
import { prepared, type Tx } from '../store/database.ts';
import { readAvailabilities } from '../store/schedule.ts';
import type { ConnectionRow } from '../store/schema.ts';
import { conflicts, countClaims, insertClaims, isTaken, lockDays, type Place, taken } from './claims.ts';

/** What the HRS behind a connection can do. */
export type CapabilitiesOf = (connection: ConnectionOfCapabilities) => Capabilities;
type ConnectionOfCapabilities = Pick<ConnectionRow, 'id' | 'kind' | 'config' | 'capabilities'>;

/** The longest a booking may be; a block may last a month. More is a typing error. */
const LONGEST_APPOINTMENT = { ms: DAY_MS, text: '24 hours' };
const LONGEST_BLOCK = { ms: 31 * DAY_MS, text: '31 days' };

/** A booking as it is asked for: when exactly is known once the location's zone and the type's minutes are. */
export interface BookingRequest extends Omit<Booking, 'startMs' | 'endMs'> {
  times: (place: { tz: string; typeMinutes: number | null }) => { startMs: number; endMs: number };
}

export interface Booking extends Place {
  /** Null only for a block. */
  patientId: number | null;
  appointmentTypeId: number | null;
  descriptorIds: number[] | null;
  unavailable: boolean;
  note: string | null;
  isGuardian: boolean;
  isNewClientsPatient: boolean;
  referrer: string | null;
  apiUserId: number;
}

interface Facts {
  tz: string;
  map_by_operatory: boolean;
  location_inactive: boolean;
  connection_id: number | null;
  connection: ConnectionOfCapabilities | null;
  provider: { inactive: boolean; works_here: boolean } | null;
  operatory: { active: boolean; location_id: number } | null;
  patient: { id: number; inactive: boolean; is_new: boolean } | null;
  type: { id: number; minutes: number } | null;
  descriptor_ids: number[];
}

/**
 * Books, and returns the new appointment's id. Throws ApiError with NexHealth's own texts: `in_the_past`,
 * `operatory_required`, `inactive`, `outside_hours`, `type_not_configured`, `slot_taken`, and `invalid_parameter`
 * for ids that are not the institution's. The caller wakes `commands` after its commit.
 */
export async function book(
  tx: Tx,
  request: BookingRequest,
  nowMs: number,
  capabilitiesOf: CapabilitiesOf,
): Promise<number> {
  const facts = await readFacts(tx, request);
  const { times, ...asked } = request;
  const booking: Booking = { ...asked, ...times({ tz: facts.tz, typeMinutes: facts.type?.minutes ?? null }) };
  checkSpan(booking, nowMs);
  check(booking, facts);
  checkCapable(booking, facts, capabilitiesOf);
  if (await isTaken(tx, booking)) throw taken();
  if (!booking.unavailable) await checkHours(tx, booking, facts);
  await lockDays(tx, booking);
  return insert(tx, booking, facts, nowMs);
}

/** Throws ApiError unless it lies in the future, ends after it begins and is not absurdly long. */
export function checkSpan(
  { startMs, endMs, unavailable }: Pick<Booking, 'startMs' | 'endMs' | 'unavailable'>,
  nowMs: number,
): void {
  if (startMs <= nowMs) throw new ApiError('in_the_past', 'start_time must be in the future');
  if (endMs <= startMs)
    throw new ApiError('invalid_parameter', 'Invalid parameter appt[end_time]: must be after start_time');
  const longest = unavailable ? LONGEST_BLOCK : LONGEST_APPOINTMENT;
  if (endMs - startMs > longest.ms) {
    throw new ApiError(
      'invalid_parameter',
      `Invalid parameter appt[end_time]: must be at most ${longest.text} after start_time`,
    );
  }
}

async function readFacts(tx: Tx, booking: BookingRequest): Promise<Facts> {
  const { institutionId: institution, providerId, operatoryId, patientId, appointmentTypeId, descriptorIds } = booking;
  const result = await sql<Facts>`${prepared}
    select location.tz, location.map_by_operatory, location.inactive as location_inactive, location.connection_id,
      (select json_build_object('id', id, 'kind', kind, 'config', config, 'capabilities', capabilities) from connection
        where id = location.connection_id) as connection,
      (select json_build_object('inactive', inactive, 'works_here', exists (select 1 from provider_location l
          where l.provider_id = provider.id and l.location_id = ${booking.locationId})) from provider
        where id = ${providerId} and institution_id = ${institution}) as provider,
      (select json_build_object('active', active, 'location_id', location_id) from operatory
        where id = ${operatoryId} and institution_id = ${institution}) as operatory,
      (select json_build_object('id', coalesce(merged_into_id, id), 'inactive', inactive and merged_into_id is null,
          'is_new', foreign_id is null)
        from patient where id = ${patientId} and institution_id = ${institution}
          and connection_id is not distinct from location.connection_id) as patient,
      (select json_build_object('id', id, 'minutes', minutes) from appointment_type
        where id = ${appointmentTypeId} and institution_id = ${institution}) as type,
      coalesce(
        (select json_agg(id) from descriptor where institution_id = ${institution} and id = any(${descriptorIds})
          and connection_id is not distinct from location.connection_id),
        (select json_agg(descriptor_id) from appointment_type_descriptor join descriptor on descriptor.id = descriptor_id
          where appointment_type_id = ${appointmentTypeId} and ${descriptorIds === null}
          and descriptor.connection_id is not distinct from location.connection_id),
        '[]'::json) as descriptor_ids
    from location where location.id = ${booking.locationId} and location.institution_id = ${institution}
  `.execute(tx);
  const facts = result.rows[0];
  if (!facts) throw new ApiError('not_found', 'Resource not found');
  return facts;
}

const notFoundIn = (name: string) => new ApiError('invalid_parameter', `${name} was not found`);

function check(booking: Booking, facts: Facts): void {
  if (facts.connection_id === null) {
    throw new ApiError('not_supported_by_hrs', 'This location is not connected to a health record system.');
  }
  if (facts.location_inactive) throw new ApiError('inactive', 'location_id is inactive');
  if (booking.providerId !== null && !facts.provider) throw notFoundIn('provider_id');
  if (facts.provider && !facts.provider.works_here) throw notFoundIn('provider_id at this location');
  if (facts.provider?.inactive) throw new ApiError('inactive', 'provider_id is inactive');
  if (booking.operatoryId !== null && facts.operatory?.location_id !== booking.locationId)
    throw notFoundIn('operatory_id');
  if (facts.operatory && !facts.operatory.active) throw new ApiError('inactive', 'operatory_id is inactive');
  if (booking.patientId !== null && !facts.patient) throw notFoundIn('patient_id');
  if (facts.patient?.inactive) throw new ApiError('inactive', 'patient_id is inactive');
  if (booking.appointmentTypeId !== null && !facts.type) throw notFoundIn('appointment_type_id');
  if (booking.descriptorIds !== null && facts.descriptor_ids.length !== new Set(booking.descriptorIds).size) {
    throw notFoundIn('descriptor_ids');
  }
  if (facts.map_by_operatory && booking.operatoryId === null && !booking.unavailable) {
    throw new ApiError('operatory_required', 'Missing parameter appt[operatory_id]');
  }
}

/** For whoever asks for more appointments in one time than the HRS knows. */
export const tooManyPerTimeslot = ({ appointmentsPerTimeslot: most }: Pick<Capabilities, 'appointmentsPerTimeslot'>) =>
  new ApiError(
    'not_supported_by_hrs',
    `This health record system takes at most ${most} ${most === 1 ? 'appointment' : 'appointments'} per timeslot.`,
  );

/** What the HRS cannot take is refused before anything is stored. */
function checkCapable(booking: Booking, facts: Facts, capabilitiesOf: CapabilitiesOf): void {
  if (!facts.connection) return;
  const able = capabilitiesOf(facts.connection);
  const refuse = (what: string) => new ApiError('not_supported_by_hrs', `This health record system takes no ${what}.`);
  if (!able.createAppointment) throw refuse('appointments');
  if (booking.unavailable && !able.createBlock) throw refuse('blocks');
  if (facts.patient?.is_new && !able.createPatient) throw refuse('new patients');
  if (booking.appointmentsPerTimeslot > able.appointmentsPerTimeslot) throw tooManyPerTimeslot(able);
}

const HOURS_REFUSALS: Record<Exclude<Bookable, 'ok'>, ApiError> = {
  outside_hours: new ApiError('outside_hours', 'Time slot is not during working hours'),
  type_not_configured: new ApiError(
    'type_not_configured',
    'appointment_type_id was not found to be configured for the requested slot',
  ),
  inactive_provider: new ApiError('inactive', 'provider_id is inactive'),
  inactive_operatory: new ApiError('inactive', 'operatory_id is inactive'),
};

/** Throws ApiError unless the provider's stored hours have room for it, and for its type. */
export async function checkHours(
  tx: Tx,
  booking: Pick<Booking, 'locationId' | 'providerId' | 'operatoryId' | 'startMs' | 'endMs'>,
  facts: Pick<Facts, 'tz' | 'type'>,
): Promise<void> {
  const providerId = booking.providerId as number;
  const availabilities = await readAvailabilities(tx, booking.locationId, [providerId]);
  // Hours bound to operatories that are not asked for stay usable: which of them are open is the HRS's affair.
  const operatoryIds = new Set([...availabilities.map((one) => one.operatoryId), booking.operatoryId]);
  const verdict = checkBookable({
    zone: facts.tz,
    providers: [{ id: providerId, active: true }],
    operatories: [...operatoryIds].flatMap((id) => (id === null ? [] : [{ id, active: true }])),
    availabilities,
    startMs: booking.startMs,
    endMs: booking.endMs,
    providerId,
    operatoryId: booking.operatoryId,
    appointmentType: facts.type,
  });
  if (verdict !== 'ok') throw HOURS_REFUSALS[verdict];
}

async function insert(tx: Tx, booking: Booking, facts: Facts, nowMs: number): Promise<number> {
  const startAt = toIso(booking.startMs);
  const endAt = toIso(booking.endMs);
  const { institutionId, providerId, operatoryId } = booking;
  const marker = randomUUID();
  const result = await sql<{ id: number; claims: number }>`${prepared}
    with free as (select 1 where not exists (${conflicts(booking)})),
    made as (
      insert into appointment (institution_id, connection_id, location_id, patient_id, provider_id, operatory_id,
        appointment_type_id, descriptor_ids, marker, start_at, end_at, unavailable, note, is_guardian,
        is_new_clients_patient, referrer, appointments_per_timeslot, created_by_user_id, command_sequence)
      select ${institutionId}, ${facts.connection_id}, ${booking.locationId}, ${facts.patient?.id ?? null}, ${providerId},
        ${operatoryId}, ${facts.type?.id ?? null}, cast(${facts.descriptor_ids} as bigint[]), ${marker}, ${startAt}, ${endAt},
        ${booking.unavailable}, ${booking.note}, ${booking.isGuardian}, ${booking.isNewClientsPatient},
        ${booking.referrer}, ${booking.appointmentsPerTimeslot}, ${booking.apiUserId}, 1
      from free returning id),
    claimed as (${insertClaims(booking, sql`select id from made`)}),
    commanded as (
      insert into command (institution_id, connection_id, appointment_id, sequence, kind, marker, expires_at, history)
      select ${institutionId}, ${facts.connection_id}, made.id, 1, 'create', ${marker}, ${startAt},
        jsonb_build_array(jsonb_build_object('state', 'queued', 'at', ${toIso(nowMs)}::text)) from made)
    select made.id, (select count(*) from claimed) as claims from made
  `.execute(tx);
  const made = result.rows[0];
  // Claims that met another's fewer than wanted: the transaction ends here and takes the appointment with it.
  if (!made || Number(made.claims) !== countClaims(booking)) throw taken();
  return made.id;
}
