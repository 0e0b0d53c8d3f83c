/** What POST and PATCH may say of an appointment type, and writing it. */
import { z } from 'zod';
import { ApiError, notFound } from '../../errors.ts';
import type { Tx } from '../../store/database.ts';
import type { AppointmentTypeRow, InstitutionRow } from '../../store/schema.ts';
import { boolean, id, integer, list, oneOf, optional, requiredText } from '../parameters.ts';
import { getAllOwned, getOwned } from '../references.ts';

/** A day: longer than any visit, and what the slot engine can place. */
const MAX_MINUTES = 1_440;
const MAX_NAME_LENGTH = 255;

const name = requiredText(MAX_NAME_LENGTH);
const minutes = integer(1, MAX_MINUTES);

const optionalFields = {
  parent_type: optional(oneOf(['Institution', 'Location'])),
  parent_id: optional(id()),
  bookable_online: optional(boolean()),
  emr_appt_descriptor_ids: list(id()),
};

export const newType = z.object({ name, minutes, ...optionalFields });
export const typeChanges = z.object({ name: optional(name), minutes: optional(minutes), ...optionalFields });

export async function readInstitution(tx: Tx, id: number): Promise<InstitutionRow> {
  return tx.selectFrom('institution').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
}

/** Where types belong to locations, no list or new type makes sense without one: throws `missing_parameter`. */
export function requireLocation(institution: InstitutionRow, locationId: number | undefined): void {
  if (institution.appointment_types_location_scoped && locationId === undefined) {
    throw new ApiError('missing_parameter', 'Missing parameter location_id');
  }
}

/**
 * The location a type shall belong to: null for the whole institution, undefined when nothing was said of it.
 * Throws `missing_parameter` for a Location without its id, `not_found` for one the institution does not have.
 */
export async function resolveParent(
  tx: Tx,
  institutionId: number,
  fields: { parent_type?: 'Institution' | 'Location' | undefined; parent_id?: number | undefined },
): Promise<number | null | undefined> {
  if (fields.parent_type === 'Location') {
    if (fields.parent_id === undefined) {
      throw new ApiError('missing_parameter', 'Missing parameter appointment_type[parent_id]');
    }
    return (await getOwned(tx, 'location', institutionId, fields.parent_id)).id;
  }
  if (fields.parent_type === undefined) return undefined;
  if (fields.parent_id !== undefined && fields.parent_id !== institutionId) throw notFound();
  return null;
}

/** Throws `already_exists` when another type of the same institution or location has the name, in any case. */
export async function insertType(
  tx: Tx,
  type: { institution_id: number; location_id: number | null; name: string; minutes: number; bookable_online: boolean },
): Promise<AppointmentTypeRow> {
  const row = await tx
    .insertInto('appointment_type')
    .values(type)
    .onConflict((conflict) => conflict.doNothing())
    .returningAll()
    .executeTakeFirst();
  if (!row) throw nameTaken();
  return row;
}

const UNIQUE_VIOLATION = '23505';

/** Like `insertType`, for a type that exists. */
export async function updateType(
  tx: Tx,
  id: number,
  changes: Partial<Pick<AppointmentTypeRow, 'location_id' | 'name' | 'minutes' | 'bookable_online' | 'updated_at'>>,
): Promise<AppointmentTypeRow> {
  try {
    return await tx
      .updateTable('appointment_type')
      .set(changes)
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirstOrThrow();
  } catch (error) {
    if ((error as { code?: string }).code === UNIQUE_VIOLATION) throw nameTaken();
    throw error;
  }
}

const nameTaken = () => new ApiError('already_exists', 'Name has already been taken');

/** Replaces the descriptors of a type. Throws `not_found` for one the institution does not have. */
export async function setDescriptors(tx: Tx, type: AppointmentTypeRow, descriptorIds: number[]): Promise<void> {
  const descriptors = await getAllOwned(tx, 'descriptor', type.institution_id, descriptorIds);
  await tx.deleteFrom('appointment_type_descriptor').where('appointment_type_id', '=', type.id).execute();
  if (descriptors.length === 0) return;
  const { id: appointment_type_id, institution_id } = type;
  await tx
    .insertInto('appointment_type_descriptor')
    .values(descriptors.map(({ id: descriptor_id }) => ({ institution_id, appointment_type_id, descriptor_id })))
    .execute();
}
