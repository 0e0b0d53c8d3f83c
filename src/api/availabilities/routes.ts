import { z } from 'zod';
import { toIso } from '../../clock.ts';
import { localDateOf } from '../../domain/zone.ts';
import { ApiError, notFound } from '../../errors.ts';
import type { Tx } from '../../store/database.ts';
import type { AvailabilityRow } from '../../store/schema.ts';
import { type AvailabilityView, availabilityShape, viewAvailability } from '../../views/availability.ts';
import { type Context, getInstitution, inInstitution } from '../context.ts';
import { fetchPage, pageParams } from '../pagination.ts';
import { boolean, id, list, optional, text } from '../parameters.ts';
import { getOwned } from '../references.ts';
import { defineRoute, type Route } from '../route.ts';
import { checkHours, hoursChanges, newHours, occurrenceColumns, setTypes } from './editing.ts';
import { readTypesOf, selectAvailabilities } from './rows.ts';

const include = list(text(40));

/** The answer of a single one, types on request only. */
async function show(context: Context, tx: Tx, availabilityId: number, withTypes: boolean): Promise<AvailabilityView> {
  const row = await selectAvailabilities(tx)
    .where('availability.id', '=', availabilityId)
    .where('availability.institution_id', '=', getInstitution(context).id)
    .executeTakeFirst();
  if (!row) throw notFound();
  const types = withTypes ? await readTypesOf(tx, [row.id]) : null;
  return viewAvailability(row, context.nowMs, types ? (types.get(row.id) ?? []) : undefined);
}

/** Locks the row. Throws `not_found`. */
async function getForChange(context: Context, tx: Tx, availabilityId: number): Promise<AvailabilityRow> {
  const row = await tx
    .selectFrom('availability')
    .selectAll()
    .where('id', '=', availabilityId)
    .where('institution_id', '=', getInstitution(context).id)
    .forUpdate()
    .executeTakeFirst();
  if (!row) throw notFound();
  return row;
}

/** Hours that are read from the HRS would come back at the next sync. Their appointment types are ours to set. */
function refuseSynced(row: AvailabilityRow): void {
  if (row.source !== 'synced') return;
  throw new ApiError('not_editable', 'Cannot change a synced availability: it is kept in the health record system');
}

const TYPE_FIELDS = new Set(['appointment_type_ids', 'appointment_category_ids']);

const shared = { tag: 'Availabilities', subdomain: 'required' } as const;

export const routes: Route[] = [
  defineRoute({
    ...shared,
    method: 'GET',
    path: '/availabilities',
    summary: 'List the stored hours of a location.',
    paged: true,
    params: z.object({
      ...pageParams,
      location_id: id(),
      provider_id: optional(id()),
      operatory_id: optional(id()),
      active: optional(boolean()),
      ignore_past_dates: optional(boolean()),
      include,
    }),
    answer: z.array(availabilityShape),
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const location = await getOwned(tx, 'location', getInstitution(context).id, params.location_id);
        let query = selectAvailabilities(tx)
          .where('availability.location_id', '=', location.id)
          .where('availability.active', '=', params.active ?? true);
        if (params.provider_id !== undefined) query = query.where('availability.provider_id', '=', params.provider_id);
        if (params.operatory_id !== undefined) {
          query = query.where('availability.operatory_id', '=', params.operatory_id);
        }
        if (params.ignore_past_dates) {
          const today = localDateOf(location.tz, context.nowMs);
          query = query.where(({ or, eb }) =>
            or([eb('availability.specific_date', 'is', null), eb('availability.specific_date', '>=', today)]),
          );
        }
        const page = await fetchPage(query, params, [
          { column: 'availability.id', type: 'bigint', value: (row) => row.id },
        ]);
        const ids = page.rows.map((row) => row.id);
        const types = params.include?.includes('appointment_types') ? await readTypesOf(tx, ids) : null;
        return {
          data: page.rows.map((row) =>
            viewAvailability(row, context.nowMs, types ? (types.get(row.id) ?? []) : undefined),
          ),
          count: page.count,
          pageInfo: page.pageInfo,
        };
      }),
  }),
  defineRoute({
    ...shared,
    method: 'POST',
    path: '/availabilities',
    summary: 'Store hours in which a provider can be booked, in wall-clock time of the location.',
    params: z.object({ location_id: id(), availability: newHours }),
    body: ['availability'],
    answer: availabilityShape,
    statuses: [201],
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const location = await getOwned(tx, 'location', getInstitution(context).id, params.location_id);
        const fields = params.availability;
        const hours = {
          provider_id: fields.provider_id,
          operatory_id: fields.operatory_id ?? null,
          begin_minute: fields.begin_time,
          end_minute: fields.end_time,
        };
        await checkHours(tx, location, hours);
        const row = await tx
          .insertInto('availability')
          .values({
            ...hours,
            ...occurrenceColumns(fields),
            institution_id: location.institution_id,
            location_id: location.id,
            active: fields.active ?? true,
          })
          .returningAll()
          .executeTakeFirstOrThrow();
        const typeIds = fields.appointment_type_ids ?? fields.appointment_category_ids;
        if (typeIds) await setTypes(tx, row, typeIds);
        return { status: 201, data: await show(context, tx, row.id, typeIds !== undefined) };
      }),
  }),
  defineRoute({
    ...shared,
    method: 'GET',
    path: '/availabilities/:id',
    summary: 'Show stored hours.',
    params: z.object({ id: id(), include }),
    answer: availabilityShape,
    handler: (context, params) =>
      inInstitution(context, async (tx) => ({
        data: await show(context, tx, params.id, params.include?.includes('appointment_types') ?? false),
      })),
  }),
  defineRoute({
    ...shared,
    method: 'PATCH',
    path: '/availabilities/:id',
    summary: 'Change stored hours. A list of appointment types replaces the one they had; an empty list clears it.',
    params: z.object({ id: id(), availability: hoursChanges }),
    body: ['availability'],
    answer: availabilityShape,
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const found = await getForChange(context, tx, params.id);
        const fields = params.availability;
        const typeIds = fields.appointment_type_ids ?? fields.appointment_category_ids;
        if (Object.entries(fields).some(([name, value]) => value !== undefined && !TYPE_FIELDS.has(name))) {
          refuseSynced(found);
        }
        const location = await getOwned(tx, 'location', found.institution_id, found.location_id);
        const hours = {
          provider_id: fields.provider_id ?? found.provider_id,
          operatory_id: fields.operatory_id === undefined ? found.operatory_id : fields.operatory_id,
          begin_minute: fields.begin_time ?? found.begin_minute,
          end_minute: fields.end_time ?? found.end_minute,
        };
        if (found.source === 'manual') await checkHours(tx, location, hours);
        await tx
          .updateTable('availability')
          .set({
            ...hours,
            ...occurrenceColumns(fields),
            active: fields.active,
            updated_at: toIso(context.nowMs),
          })
          .where('id', '=', found.id)
          .execute();
        if (typeIds) await setTypes(tx, found, typeIds);
        return { data: await show(context, tx, found.id, typeIds !== undefined) };
      }),
  }),
  defineRoute({
    ...shared,
    method: 'DELETE',
    path: '/availabilities/:id',
    summary: 'Delete stored hours.',
    params: z.object({ id: id() }),
    answer: z.null(),
    statuses: [204],
    handler: (context, params) =>
      inInstitution(context, async (tx) => {
        const found = await getForChange(context, tx, params.id);
        refuseSynced(found);
        await tx.deleteFrom('availability').where('id', '=', found.id).execute();
        return { status: 204, data: null };
      }),
  }),
];
