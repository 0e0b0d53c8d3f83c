/** POST /patients: what it takes, what must hold of it, and who counts as the same person. */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { z } from 'zod';
import { parsePhoneNumber } from '../../domain/phone.ts';
import { localDateOf } from '../../domain/zone.ts';
import { ApiError, notFound } from '../../errors.ts';
import type { Tx } from '../../store/database.ts';
import { hasPhone, selectPatients } from '../../store/patients.ts';
import type { LocationRow } from '../../store/schema.ts';
import type { PatientWithNames } from '../../views/patient.ts';
import { id, localDate, oneOf, optional, requiredText, text } from '../parameters.ts';
import { getOwned } from '../references.ts';

/** Health record systems cut names at 15 to 100 characters; the longest legal ones stay below. */
const MAX_NAME_LENGTH = 100;
/** RFC 5321: 64 before the @, 255 after it. */
const MAX_EMAIL_LENGTH = 320;
const MAX_ADDRESS_LENGTH = 255;
const MAX_PHONE_LENGTH = 40;
const MAX_AGE_YEARS = 130;

/** Control characters, and marks that turn the direction of what is read after them. */
const INVISIBLE = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u;
const EMAIL = /^[^\s@\p{C}<>(),;:\\"[\]]{1,64}@[^\s@\p{C}.<>(),;:\\"[\]]+(\.[^\s@\p{C}.<>(),;:\\"[\]]+)+$/u;

const visible = (value: string) => !INVISIBLE.test(value);
export const personName = requiredText(MAX_NAME_LENGTH).refine(visible, 'must be text without control characters');
const address = optional(text(MAX_ADDRESS_LENGTH).refine(visible, 'must be text without control characters'));
const otherPhone = optional(
  text(MAX_PHONE_LENGTH).refine((value) => parsePhoneNumber(value) !== null, 'must be a US phone number'),
);

export const providerOfPatient = z.object({ provider_id: id() });

/** `weight`, `height`, `insurance_name`, `ssn`, `race` and `custom_contact_number` are taken and not kept: nothing here needs them. */
export const newPatient = z.object({
  first_name: personName,
  last_name: personName,
  middle_name: optional(text(MAX_NAME_LENGTH).refine(visible, 'must be text without control characters')),
  email: requiredText(MAX_EMAIL_LENGTH).refine((value) => EMAIL.test(value.trim()), 'must be an e-mail address'),
  bio: z.object({
    date_of_birth: localDate(),
    phone_number: requiredText(MAX_PHONE_LENGTH),
    cell_phone_number: otherPhone,
    home_phone_number: otherPhone,
    work_phone_number: otherPhone,
    gender: optional(oneOf(['Male', 'Female', 'Other'])),
    street_address: address,
    address_line_1: address,
    address_line_2: address,
    city: address,
    state: address,
    zip_code: optional(text(20).refine(visible, 'must be text without control characters')),
  }),
});

export type NewPatient = z.output<typeof newPatient>;

/** Throws `invalid_parameter` for the parameter `name`. Ages are counted by the calendar of the location. */
export function checkDateOfBirth(name: string, dateOfBirth: string, zone: string, nowMs: number): void {
  const today = localDateOf(zone, nowMs);
  const earliest = `${Number(today.slice(0, 4)) - MAX_AGE_YEARS}${today.slice(4)}`;
  const wrong = (message: string) => new ApiError('invalid_parameter', `Invalid parameter ${name}: ${message}`);
  if (dateOfBirth > today) throw wrong('must not be in the future');
  if (dateOfBirth < earliest) throw wrong(`must be at most ${MAX_AGE_YEARS} years ago`);
}

/** Without spaces around it, and composed: the same name is the same text. */
export const clean = (value: string) => value.trim().normalize('NFC');

/**
 * Creates the patient as a placeholder: their first appointment writes them into the HRS, as none of those takes a
 * patient without one. Someone with the same date of birth, name and phone number is the same person, and is then
 * given back as `existing`; of two equal requests at the same time the later one finds the earlier one's patient.
 *
 * Throws `invalid_parameter`, and `not_found` for a provider that the location's HRS does not have.
 */
export async function createPatient(
  tx: Tx,
  location: LocationRow,
  providerId: number,
  fields: NewPatient,
  nowMs: number,
): Promise<{ patient: PatientWithNames; existing: boolean }> {
  const provider = await getOwned(tx, 'provider', location.institution_id, providerId);
  if (provider.connection_id !== location.connection_id) throw notFound();
  const { bio } = fields;
  checkDateOfBirth('patient[bio][date_of_birth]', bio.date_of_birth, location.tz, nowMs);
  const phoneNumber = parsePhoneNumber(bio.phone_number);
  if (phoneNumber === null) throw new ApiError('invalid_parameter', 'User phone number is invalid');
  const person = {
    first_name: clean(fields.first_name),
    last_name: clean(fields.last_name),
    date_of_birth: bio.date_of_birth,
    phone_number: phoneNumber,
  };

  const lock = `patient:${location.institution_id}:${person.date_of_birth}:${phoneNumber}`;
  await sql`select pg_advisory_xact_lock(hashtextextended(${lock}, 0))`.execute(tx);
  const existing = await findSamePerson(tx, location.institution_id, person);
  if (existing) return { patient: existing, existing: true };

  const { id: patientId } = await tx
    .insertInto('patient')
    .values({
      ...person,
      institution_id: location.institution_id,
      connection_id: location.connection_id,
      marker: randomUUID(),
      middle_name: fields.middle_name === undefined ? null : clean(fields.middle_name),
      email: fields.email.trim(),
      gender: bio.gender ?? 'Female',
      cell_phone_number: parsePhoneNumber(bio.cell_phone_number ?? ''),
      home_phone_number: parsePhoneNumber(bio.home_phone_number ?? ''),
      work_phone_number: parsePhoneNumber(bio.work_phone_number ?? ''),
      address_line_1: bio.address_line_1 ?? bio.street_address ?? null,
      address_line_2: bio.address_line_2 ?? null,
      city: bio.city ?? null,
      state: bio.state ?? null,
      zip_code: bio.zip_code ?? null,
      provider_id: provider.id,
      location_ids: [location.id],
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  const patient = await selectPatients(tx).where('patient.id', '=', patientId).executeTakeFirstOrThrow();
  return { patient, existing: false };
}

/** NexHealth's rule: date of birth, name and phone number, whichever of the patient's numbers it is. */
async function findSamePerson(
  tx: Tx,
  institutionId: number,
  person: { first_name: string; last_name: string; date_of_birth: string; phone_number: string },
): Promise<PatientWithNames | undefined> {
  const folded = (column: string) => sql<string>`lower(normalize(${sql.ref(column)}))`;
  return selectPatients(tx)
    .where('patient.institution_id', '=', institutionId)
    .where('patient.date_of_birth', '=', person.date_of_birth)
    .where(folded('patient.first_name'), '=', sql<string>`lower(${person.first_name})`)
    .where(folded('patient.last_name'), '=', sql<string>`lower(${person.last_name})`)
    .where(hasPhone(person.phone_number))
    .where('patient.deleted_at', 'is', null)
    .where('patient.merged_into_id', 'is', null)
    .orderBy('patient.id')
    .executeTakeFirst();
}
