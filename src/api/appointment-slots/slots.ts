/** Answering what is open: the facts of each location, read in as few statements as they take, and one pure function. */
import { sql } from 'kysely';
import { tooManyPerTimeslot } from '../../commands/book.ts';
import { explainSlots } from '../../domain/explanation.ts';
import {
  busyRange,
  carriesType,
  computeSlots,
  fillNextAvailableDates,
  NEXT_AVAILABLE_DAYS,
  needsNextAvailableDate,
  type SlotGroup,
  type SlotInput,
} from '../../domain/slot.ts';
import { ApiError, notFound } from '../../errors.ts';
import { prepared, type Tx } from '../../store/database.ts';
import { readAvailabilities, readBusy } from '../../store/schedule.ts';
import { type Context, getInstitution } from '../context.ts';
import { anyOf } from '../references.ts';

/** Providers times locations times days: what one answer is allowed to compute. */
const MAX_PROVIDER_DAYS = 20_000;

/** A question about slots, whichever path it came by. */
export interface Question {
  locationIds: number[];
  /** Null: everybody who can be booked at the location. */
  providerIds: number[] | null;
  /** Of everybody, only those who have hours for the type. */
  onlyOfType: boolean;
  /** Of those asked for, only those who are active and work at the location. */
  onlyActive: boolean;
  operatoryIds: number[] | null;
  appointmentTypeId: number | null;
  labelId: number | null;
  source: SlotInput['source'];
  startDate: string;
  days: number;
  slotLengthMinutes: number | null;
  slotIntervalMinutes: number | null;
  overlappingOperatorySlots: boolean;
  appointmentsPerTimeslot: number;
  explain: boolean;
}

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

/**
 * One group for each provider of each location, in the order asked, with how fresh it is and, on request, why the
 * rest is not offered. Throws `not_found` for an id that is not the institution's, and `not_supported_by_hrs` for
 * more appointments in one time than an HRS knows.
 */
export async function answerSlots(tx: Tx, context: Context, asked: Question) {
  const institutionId = getInstitution(context).id;
  const locations = await readLocations(tx, institutionId, asked);
  await checkPerTimeslot(tx, context, asked);
  await checkLabel(tx, institutionId, asked.labelId);
  const type = await readType(tx, institutionId, asked.appointmentTypeId);
  const groups = [];
  for (const location of locations) groups.push(...(await slotsOf(tx, context, asked, location, type)));
  return groups;
}

/** The locations in the order asked. Throws `not_found` when one of them, or a provider or operatory, is not there. */
async function readLocations(tx: Tx, institutionId: number, asked: Question): Promise<LocationFacts[]> {
  const ids = [...new Set(asked.locationIds)];
  const { providerIds } = asked;
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
  if (providerIds?.some((one) => !known.has(one))) throw notFound();
  if (asked.operatoryIds?.some((one) => !operatoryIds.has(one))) throw notFound();
  return ids.flatMap((locationId) => rows.find((row) => row.id === locationId) ?? []);
}

async function checkPerTimeslot(tx: Tx, context: Context, asked: Question): Promise<void> {
  if (asked.appointmentsPerTimeslot === 1) return;
  const connections = await tx
    .selectFrom('location')
    .innerJoin('connection', 'connection.id', 'location.connection_id')
    .select(['connection.id', 'connection.kind', 'connection.config', 'connection.capabilities'])
    .where('location.id', '=', anyOf(asked.locationIds))
    .execute();
  for (const connection of connections) {
    const able = context.services.capabilitiesOf(connection);
    if (asked.appointmentsPerTimeslot > able.appointmentsPerTimeslot) throw tooManyPerTimeslot(able);
  }
}

async function checkLabel(tx: Tx, institutionId: number, labelId: number | null): Promise<void> {
  if (labelId === null) return;
  const label = await tx
    .selectFrom('availability_label')
    .select('id')
    .where('institution_id', '=', institutionId)
    .where('id', '=', labelId)
    .executeTakeFirst();
  if (!label) throw notFound();
}

async function readType(tx: Tx, institutionId: number, typeId: number | null) {
  if (typeId === null) return null;
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
  asked: Question,
  location: LocationFacts,
  appointmentType: { id: number; minutes: number } | null,
) {
  const institutionId = getInstitution(context).id;
  const here = location.providers.filter(([, , worksHere]) => worksHere);
  const bookable = here.filter(([, inactive]) => !inactive).map(([providerId]) => providerId);
  // With pids: those asked for, in that order, working here or not.
  let providerIds = asked.providerIds === null ? bookable : [...new Set(asked.providerIds)];
  if (asked.onlyActive) providerIds = providerIds.filter((providerId) => bookable.includes(providerId));
  if (providerIds.length === 0) return [];
  const availabilities = await readAvailabilities(tx, location.id, providerIds);
  if (asked.onlyOfType) {
    const ofType = new Set(
      availabilities.filter((one) => carriesType(one, appointmentType)).map((one) => one.providerId),
    );
    providerIds = providerIds.filter((providerId) => ofType.has(providerId));
  }
  if (providerIds.length * asked.days > MAX_PROVIDER_DAYS) {
    throw new ApiError(
      'invalid_parameter',
      `Invalid parameter pids: must ask for at most ${MAX_PROVIDER_DAYS} days of providers at once`,
    );
  }
  const operatoryIds = [...new Set(availabilities.flatMap(({ operatoryId }) => operatoryId ?? []))];
  const input: SlotInput = {
    nowMs: context.nowMs,
    locationId: location.id,
    zone: location.tz,
    startDate: asked.startDate,
    days: asked.days,
    providerIds,
    operatoryIds: asked.operatoryIds,
    labelId: asked.labelId,
    source: asked.source,
    appointmentsPerTimeslot: asked.appointmentsPerTimeslot,
    providers: here.map(([providerId, inactive]) => ({ id: providerId, active: !inactive })),
    operatories: location.operatories.map(([operatoryId, active]) => ({ id: operatoryId, active })),
    availabilities,
    busy: [],
    appointmentType,
    slotLengthMinutes: asked.slotLengthMinutes,
    slotIntervalMinutes: asked.slotIntervalMinutes,
    overlappingOperatorySlots: asked.overlappingOperatorySlots,
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
  const { startDate, days } = asked;
  const within = await readFor({ startDate, days });
  let groups: SlotGroup[] = computeSlots(within);
  if (groups.some(needsNextAvailableDate)) {
    const wide = await readFor({ startDate, days: NEXT_AVAILABLE_DAYS + 1 });
    // The question stays about the window; only what is known reaches further.
    groups = fillNextAvailableDates(groups, { ...wide, startDate, days });
  }
  const explained = asked.explain ? explainSlots(within) : null;
  return groups.map((group, at) => ({
    ...group,
    as_of: location.synced_at,
    ...(explained && { explained: explained[at]?.explained ?? [] }),
  }));
}
