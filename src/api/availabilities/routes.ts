import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { toIso } from '../../clock.ts';
import { localDateOf } from '../../domain/zone.ts';
import { ApiError, notFound } from '../../errors.ts';
import { selectAvailabilities } from '../../store/availabilities.ts';
import type { Tx } from '../../store/database.ts';
import type { AvailabilityRow } from '../../store/schema.ts';
import type { WorkingHourView } from '../../views/availability.ts';
import { type NewEvent, recordEvents } from '../../webhooks/event.ts';
import { eventOfHours, readToldHours } from '../../webhooks/working-hour.ts';
import { type Context, getInstitution, inInstitution } from '../context.ts';
import { fetchPage, pageParams } from '../pagination.ts';
import { boolean, id, list, oneOf, optional, text } from '../parameters.ts';
import { getOwned } from '../references.ts';
import { defineRoute, type Route } from '../route.ts';
import { checkHours, hoursChanges, newHours, occurrenceColumns, setTypes } from './editing.ts';
import { FACES, type Face } from './faces.ts';
import { routes as labels } from './labels.ts';
import { readTypesOf } from './rows.ts';

const include = list(text(40));

/** The answer of a single one, types on request only. */
async function show(context: Context, tx: Tx, face: Face, availabilityId: number, withTypes: boolean) {
  const row = await selectAvailabilities(tx)
    .where('availability.id', '=', availabilityId)
    .where('availability.institution_id', '=', getInstitution(context).id)
    .executeTakeFirst();
  if (!row) throw notFound();
  const types = withTypes ? await readTypesOf(tx, [row.id]) : null;
  return face.view(row, context.nowMs, types ? (types.get(row.id) ?? []) : undefined);
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

/** Tells of hours, as the last thing of the transaction. */
async function tell(context: Context, tx: Tx, event: NewEvent): Promise<void> {
  const deliveries = await recordEvents(tx, getInstitution(context).id, [event]);
  if (deliveries > 0) context.afterCommit.push(() => context.services.wakeups.wake('deliveries'));
}

/** As events tell of them. */
async function getTold(context: Context, tx: Tx, availabilityId: number): Promise<WorkingHourView> {
  return (await readToldHours(tx, [availabilityId], context.nowMs)).get(availabilityId) as WorkingHourView;
}

/** Hours that are read from the HRS would come back at the next sync. Their appointment types are ours to set. */
function refuseSynced({ wrapper }: Face, row: AvailabilityRow): void {
  if (row.source !== 'synced') return;
  const name = wrapper.replace('_', ' ');
  throw new ApiError('not_editable', `Cannot change a synced ${name}: it is kept in the health record system`);
}

const TYPE_FIELDS = new Set(['appointment_type_ids', 'appointment_category_ids']);

/** The body's one key. Typed as if the other face's stood there too, so that either can be read by the face. */
const wrapped = <T extends z.ZodType>({ wrapper }: Face, fields: T) =>
  ({ [wrapper]: fields }) as Record<Face['wrapper'], T>;

export const routes: Route[] = [...FACES.flatMap(routesOf), ...labels];

function routesOf(face: Face): Route[] {
  const shared = { tag: face.tag, subdomain: 'required' } as const;
  return [
    defineRoute({
      ...shared,
      method: 'GET',
      path: face.path,
      summary: 'List the stored hours of a location.',
      paged: true,
      params: z.object({
        ...pageParams,
        location_id: id(),
        provider_id: optional(id()),
        operatory_id: optional(id()),
        label_id: optional(id()).describe('Only hours that carry this label.'),
        source: optional(oneOf(['manual', 'synced'])).describe(
          'Only hours stored here, or only those read from the health record system.',
        ),
        active: optional(boolean()).describe('Default true.'),
        ignore_past_dates: optional(boolean()),
        include,
      }),
      answer: z.array(face.shape),
      handler: (context, params) =>
        inInstitution(context, async (tx) => {
          const location = await getOwned(tx, 'location', getInstitution(context).id, params.location_id);
          let query = selectAvailabilities(tx)
            .where('availability.location_id', '=', location.id)
            .where('availability.active', '=', params.active ?? true);
          if (params.provider_id !== undefined)
            query = query.where('availability.provider_id', '=', params.provider_id);
          if (params.operatory_id !== undefined) {
            query = query.where('availability.operatory_id', '=', params.operatory_id);
          }
          if (params.label_id !== undefined) query = query.where('availability.label_id', '=', params.label_id);
          if (params.source !== undefined) query = query.where('availability.source', '=', params.source);
          if (params.ignore_past_dates) {
            const today = localDateOf(location.tz, context.nowMs);
            query = query.where(({ or, eb }) =>
              or([eb('availability.specific_date', 'is', null), eb('availability.specific_date', '>=', today)]),
            );
          }
          const page = await fetchPage(context, query, params, [
            { column: 'availability.id', type: 'bigint', value: (row) => row.id },
          ]);
          const ids = page.rows.map((row) => row.id);
          const types = params.include?.includes('appointment_types') ? await readTypesOf(tx, ids) : null;
          return {
            data: page.rows.map((row) => face.view(row, context.nowMs, types ? (types.get(row.id) ?? []) : undefined)),
            count: page.count,
            pageInfo: page.pageInfo,
          };
        }),
    }),
    defineRoute({
      ...shared,
      method: 'POST',
      path: face.path,
      summary: 'Store hours in which a provider can be booked, in wall-clock time of the location.',
      params: z.object({ location_id: id(), ...wrapped(face, newHours) }),
      body: [face.wrapper],
      answer: face.shape,
      statuses: [201],
      handler: (context, params) =>
        inInstitution(context, async (tx) => {
          const location = await getOwned(tx, 'location', getInstitution(context).id, params.location_id);
          const fields = params[face.wrapper];
          const hours = {
            provider_id: fields.provider_id,
            operatory_id: fields.operatory_id ?? null,
            begin_minute: fields.begin_time,
            end_minute: fields.end_time,
          };
          await checkHours(tx, face, location, hours);
          const row = await tx
            .insertInto('availability')
            .values({
              ...hours,
              ...occurrenceColumns(fields),
              institution_id: location.institution_id,
              location_id: location.id,
              active: fields.active ?? true,
              sequence: 1,
            })
            .returningAll()
            .executeTakeFirstOrThrow();
          const typeIds = fields.appointment_type_ids ?? fields.appointment_category_ids;
          if (typeIds) await setTypes(tx, face, row, typeIds);
          const data = await show(context, tx, face, row.id, typeIds !== undefined);
          await tell(context, tx, eventOfHours(await getTold(context, tx, row.id), row.sequence, 'created'));
          return { status: 201, data };
        }),
    }),
    defineRoute({
      ...shared,
      method: 'GET',
      path: `${face.path}/:id`,
      summary: 'Show stored hours.',
      params: z.object({ id: id(), include }),
      answer: face.shape,
      handler: (context, params) =>
        inInstitution(context, async (tx) => ({
          data: await show(context, tx, face, params.id, params.include?.includes('appointment_types') ?? false),
        })),
    }),
    defineRoute({
      ...shared,
      method: 'PATCH',
      path: `${face.path}/:id`,
      summary: 'Change stored hours. A list of appointment types replaces the one they had; an empty list clears it.',
      params: z.object({ id: id(), ...wrapped(face, hoursChanges) }),
      body: [face.wrapper],
      answer: face.shape,
      handler: (context, params) =>
        inInstitution(context, async (tx) => {
          const found = await getForChange(context, tx, params.id);
          const fields = params[face.wrapper];
          const typeIds = fields.appointment_type_ids ?? fields.appointment_category_ids;
          if (Object.entries(fields).some(([name, value]) => value !== undefined && !TYPE_FIELDS.has(name))) {
            refuseSynced(face, found);
          }
          const location = await getOwned(tx, 'location', found.institution_id, found.location_id);
          const hours = {
            provider_id: fields.provider_id ?? found.provider_id,
            operatory_id: fields.operatory_id === undefined ? found.operatory_id : fields.operatory_id,
            begin_minute: fields.begin_time ?? found.begin_minute,
            end_minute: fields.end_time ?? found.end_minute,
          };
          if (found.source === 'manual') await checkHours(tx, face, location, hours);
          const before = await getTold(context, tx, found.id);
          const { sequence } = await tx
            .updateTable('availability')
            .set((eb) => ({
              ...hours,
              ...occurrenceColumns(fields),
              active: fields.active,
              sequence: eb('sequence', '+', 1),
              updated_at: toIso(context.nowMs),
            }))
            .where('id', '=', found.id)
            .returning('sequence')
            .executeTakeFirstOrThrow();
          if (typeIds) await setTypes(tx, face, found, typeIds);
          const data = await show(context, tx, face, found.id, typeIds !== undefined);
          const now = await getTold(context, tx, found.id);
          if (!isDeepStrictEqual(now, before)) await tell(context, tx, eventOfHours(now, sequence, 'updated'));
          return { data };
        }),
    }),
    defineRoute({
      ...shared,
      method: 'DELETE',
      path: `${face.path}/:id`,
      summary: 'Delete stored hours.',
      params: z.object({ id: id() }),
      answer: z.null(),
      statuses: [204],
      handler: (context, params) =>
        inInstitution(context, async (tx) => {
          const found = await getForChange(context, tx, params.id);
          refuseSynced(face, found);
          const last = { ...(await getTold(context, tx, found.id)), active: false };
          await tx.deleteFrom('availability').where('id', '=', found.id).execute();
          await tell(context, tx, eventOfHours(last, found.sequence + 1, 'updated'));
          return { status: 204, data: null };
        }),
    }),
  ];
}
