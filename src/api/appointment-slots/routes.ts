import { sql } from 'kysely';
import { z } from 'zod';
import { EXPLANATION_REASONS, explainSlots } from '../../domain/explanation.ts';
import {
  busyRange,
  computeSlots,
  fillNextAvailableDates,
  MAX_SLOT_MINUTES,
  NEXT_AVAILABLE_DAYS,
  needsNextAvailableDate,
  type SlotGroup,
  type SlotInput,
} from '../../domain/slot.ts';
import { ApiError, notFound } from '../../errors.ts';
import { prepared, type Tx } from '../../store/database.ts';
import { readAvailabilities, readBusy } from '../../store/schedule.ts';
import { type Context, getInstitution, inInstitution } from '../context.ts';
import { boolean, id, integer, list, localDate, optional, requiredList } from '../parameters.ts';
import { defineRoute, type Route } from '../route.ts';

/** NexHealth discourages more than 14; a quarter is what a calendar can show and one answer can carry. */
const MAX_DAYS = 92;
/** Providers times locations times days: what one answer is allowed to compute. */
const MAX_PROVIDER_DAYS = 20_000;

const slotShape = z
  .object({ time: z.string(), end_time: z.string(), operatory_id: z.int().optional() })
  .meta({ id: 'AppointmentSlot' });

const groupShape = z
  .object({
    lid: z.int(),
    pid: z.int(),
    operatory_id: z.int().nullable().optional(),
    slots: z.array(slotShape),
    next_available_date: z.iso.date().nullable(),
    as_of: z.iso.datetime().nullable().describe('When this location was last read from its health record system.'),
    explained: z
      .array(z.object({ from: z.string(), to: z.string(), reason: z.enum(EXPLANATION_REASONS) }))
      .optional()
      .describe('With explain=true: why the rest of the window is not offered.'),
  })
  .meta({ id: 'AppointmentSlots' });

const params = z.object({
  start_date: localDate(),
  days: integer(1, MAX_DAYS),
  lids: requiredList(id()),
  pids: list(id()),
  operatory_ids: list(id()),
  appointment_type_id: optional(id()),
  category_id: optional(id()),
  slot_length: optional(integer(1, MAX_SLOT_MINUTES)),
  slot_interval: optional(integer(1, MAX_SLOT_MINUTES)),
  overlapping_operatory_slots: optional(boolean()),
  explain: optional(boolean()),
});

type Params = z.output<typeof params>;

/** A location that is asked about; pairs and triples instead of objects, because JSON of thousands is read faster. */
interface LocationFacts {
  id: number;
  tz: string;
  synced_at: string | null;
  /** [id, inactive, works here]: those asked for, or all of the institution. */
  providers: [number, boolean, boolean][];
  /** [id, active] */
  operatories: [number, boolean][];
}

export const routes: Route[] = [
  defineRoute({
    method: 'GET',
    path: '/appointment_slots',
    summary: 'Bookable times of providers at locations',
    tag: 'Appointment slots',
    subdomain: 'required',
    params,
    answer: z.array(groupShape),
    handler: async (context, asked) => ({ data: await inInstitution(context, (tx) => answer(tx, context, asked)) }),
  }),
];

async function answer(tx: Tx, context: Context, asked: Params) {
  const institutionId = getInstitution(context).id;
  const locations = await readLocations(tx, institutionId, asked);
  const type = await readType(tx, institutionId, asked.appointment_type_id ?? asked.category_id);
  const groups = [];
  for (const location of locations) groups.push(...(await slotsOf(tx, context, asked, location, type)));
  return groups;
}

/** The locations in the order asked. Throws `not_found` when one of them, or a provider or operatory, is not there. */
async function readLocations(tx: Tx, institutionId: number, asked: Params): Promise<LocationFacts[]> {
  const ids = [...new Set(asked.lids)];
  const providerIds = asked.pids ?? null;
  const { rows } = await sql<LocationFacts>`${prepared}
    select location.id, location.tz, connection.synced_at,
      coalesce((select json_agg(json_build_array(p.id, p.inactive, exists (
          select 1 from provider_location l where l.provider_id = p.id and l.location_id = location.id)) order by p.id)
        from provider p where p.institution_id = ${institutionId}
          and (${providerIds}::bigint[] is null or p.id = any(${providerIds}::bigint[]))), '[]') as providers,
      coalesce((select json_agg(json_build_array(o.id, o.active)) from operatory o
        where o.location_id = location.id), '[]') as operatories
    from location left join connection on connection.id = location.connection_id
    where location.institution_id = ${institutionId} and location.id = any(${ids}::bigint[])`.execute(tx);
  const operatoryIds = new Set(rows.flatMap(({ operatories }) => operatories.map(([operatoryId]) => operatoryId)));
  const known = new Set(rows.flatMap(({ providers }) => providers.map(([providerId]) => providerId)));
  if (rows.length !== ids.length) throw notFound();
  if (asked.pids?.some((one) => !known.has(one))) throw notFound();
  if (asked.operatory_ids?.some((one) => !operatoryIds.has(one))) throw notFound();
  return ids.flatMap((locationId) => rows.find((row) => row.id === locationId) ?? []);
}

async function readType(tx: Tx, institutionId: number, typeId: number | undefined) {
  if (typeId === undefined) return null;
  const type = await tx
    .selectFrom('appointment_type')
    .select(['id', 'minutes'])
    .where('institution_id', '=', institutionId)
    .where('id', '=', typeId)
    .executeTakeFirst();
  if (!type) throw notFound();
  return type;
}

async function slotsOf(
  tx: Tx,
  context: Context,
  asked: Params,
  location: LocationFacts,
  appointmentType: { id: number; minutes: number } | null,
) {
  const institutionId = getInstitution(context).id;
  const here = location.providers.filter(([, , worksHere]) => worksHere);
  // Without pids: everybody who can be booked here. With: those asked for, in that order, working here or not.
  const providerIds = asked.pids
    ? [...new Set(asked.pids)]
    : here.filter(([, inactive]) => !inactive).map(([providerId]) => providerId);
  if (providerIds.length === 0) return [];
  if (providerIds.length * asked.days > MAX_PROVIDER_DAYS) {
    throw new ApiError(
      'invalid_parameter',
      `Invalid parameter pids: must ask for at most ${MAX_PROVIDER_DAYS} days of providers at once`,
    );
  }
  const availabilities = await readAvailabilities(tx, location.id, providerIds);
  const operatoryIds = [...new Set(availabilities.flatMap(({ operatoryId }) => operatoryId ?? []))];
  const input: SlotInput = {
    nowMs: context.nowMs,
    locationId: location.id,
    zone: location.tz,
    startDate: asked.start_date,
    days: asked.days,
    providerIds,
    operatoryIds: asked.operatory_ids ?? null,
    providers: here.map(([providerId, inactive]) => ({ id: providerId, active: !inactive })),
    operatories: location.operatories.map(([operatoryId, active]) => ({ id: operatoryId, active })),
    availabilities,
    busy: [],
    appointmentType,
    slotLengthMinutes: asked.slot_length ?? null,
    slotIntervalMinutes: asked.slot_interval ?? null,
    overlappingOperatorySlots: asked.overlapping_operatory_slots ?? false,
  };
  const readFor = async (window: { startDate: string; days: number }) => ({
    ...input,
    ...window,
    busy: await readBusy(tx, {
      institutionId,
      locationId: location.id,
      providerIds,
      operatoryIds,
      ...busyRange({ zone: location.tz, ...window }),
    }),
  });
  const within = await readFor({ startDate: asked.start_date, days: asked.days });
  let groups: SlotGroup[] = computeSlots(within);
  if (groups.some(needsNextAvailableDate)) {
    const wide = await readFor({ startDate: asked.start_date, days: NEXT_AVAILABLE_DAYS + 1 });
    // The question stays about the window; only what is known reaches further.
    groups = fillNextAvailableDates(groups, { ...wide, startDate: asked.start_date, days: asked.days });
  }
  const explained = asked.explain ? explainSlots(within) : null;
  return groups.map((group, at) => ({
    ...group,
    as_of: location.synced_at,
    ...(explained && { explained: explained[at]?.explained ?? [] }),
  }));
}
