/** Appointments for a practice of which only the skeleton is known, as the sandbox keeps them. */
import { occurrenceTest } from '../domain/availability.ts';
import { parseMinuteOfDay } from '../domain/minute-of-day.ts';
import { DAY_MS, dayNumberOf, localDateOf, localMsToInstantMs, MINUTE_MS } from '../domain/zone.ts';
import { WEEKDAYS } from '../views/availability.ts';
import { visitCodeOf } from './codes.ts';
import type { SeedInstitution, SeedLocation } from './format.ts';
import { pick, type Random, shuffle } from './random.ts';

/** Without any type, a visit takes this long. */
const DEFAULT_MINUTES = 30;
/** Not so soon that it is over before somebody looks. */
const FUTURE_FROM_MS = 60 * MINUTE_MS;
const FIRST_DAYS = 30;
/** Appointments further away than this mean that the hours are too few for them. */
const LAST_DAYS = 5 * 366;
/** Of all the time that fits, at most this share is taken: a full practice has no slots to book. */
const MAX_SHARE = 0.5;

interface Candidate {
  startMs: number;
  endMs: number;
  providerId: number;
  operatoryId: number | null;
  typeId: number | null;
}

/** What is taken, by resource and UTC day. */
export type Taken = Map<string, [number, number][]>;

/**
 * The appointments of a location, as the sandbox keeps them: inside the active hours of active providers, and
 * free of overlaps with what is `taken`, which they join. Throws when the hours are too few.
 */
export function inventVisits(
  institution: SeedInstitution,
  location: SeedLocation,
  patientIds: readonly number[],
  taken: Taken,
  nowMs: number,
  random: Random,
) {
  const placed = placeAll(institution, location, taken, nowMs, random);
  for (const when of ['past', 'future'] as const) {
    const wanted = location.appointments[when];
    if (placed[when].length < wanted) {
      throw new Error(
        `OPENCHAIR_SEED: location ${location.id} has hours for ${placed[when].length} of ${wanted} ${when} appointments.`,
      );
    }
  }
  const inOrder = [...placed.past, ...placed.future].sort((a, b) => a.startMs - b.startMs);
  return inOrder.map(({ startMs, endMs, providerId, operatoryId, typeId }) => ({
    site_id: location.id,
    patient_id: pick(random, patientIds),
    practitioner_id: providerId,
    room_id: operatoryId,
    start: new Date(startMs).toISOString(),
    end: new Date(endMs).toISOString(),
    visit_code: visitCodeOf(institution, typeId),
    ...standing(startMs, endMs, nowMs, random),
  }));
}

/** As many of a location's appointments as its hours have place for. */
export function placeAll(
  institution: SeedInstitution,
  location: SeedLocation,
  taken: Taken,
  nowMs: number,
  random: Random,
): { past: Candidate[]; future: Candidate[] } {
  const { past, future } = location.appointments;
  return {
    past: place(institution, location, past, -1, taken, nowMs, random),
    future: place(institution, location, future, 1, taken, nowMs, random),
  };
}

function place(
  institution: SeedInstitution,
  location: SeedLocation,
  wanted: number,
  direction: 1 | -1,
  taken: Taken,
  nowMs: number,
  random: Random,
): Candidate[] {
  const placed: Candidate[] = [];
  const rooms = institution.operatories.filter(({ active, location_id }) => active && location_id === location.id);
  for (let from = 0, to = FIRST_DAYS; placed.length < wanted && from < LAST_DAYS; from = to, to *= 2) {
    const candidates = findCandidates(institution, location, from, to, direction, nowMs, random);
    // Further days only help when these are not enough; what they leave free stays free.
    const most = to < LAST_DAYS ? Math.ceil(candidates.length * MAX_SHARE) : candidates.length;
    let left = Math.min(most, wanted - placed.length);
    for (const candidate of shuffle(candidates, random)) {
      if (left === 0) break;
      if (!take(taken, candidate, rooms)) continue;
      placed.push(candidate);
      left -= 1;
    }
  }
  return placed;
}

/** Visits one after the other through every stretch of hours that begins `from` to `to` days away. */
function findCandidates(
  institution: SeedInstitution,
  location: SeedLocation,
  from: number,
  to: number,
  direction: 1 | -1,
  nowMs: number,
  random: Random,
): Candidate[] {
  const found: Candidate[] = [];
  const today = dayNumberOf(localDateOf(location.tz, nowMs));
  const isFit = (startMs: number, endMs: number) =>
    direction > 0 ? startMs >= nowMs + FUTURE_FROM_MS : endMs <= nowMs;
  const types = new Map(institution.appointment_types.map((type) => [type.id, type]));
  const active = new Set(institution.providers.flatMap(({ id, inactive }) => (inactive ? [] : [id])));
  const closed = new Set(institution.operatories.flatMap((room) => (room.active ? [] : [room.id])));
  for (const hours of institution.availabilities) {
    const { operatory_id: operatoryId, provider_id: providerId } = hours;
    if (!hours.active || hours.location_id !== location.id || !active.has(providerId)) continue;
    if (operatoryId !== null && closed.has(operatoryId)) continue;
    const occursOn = occurrenceTest({
      days: weekdayBits(hours.days),
      specificDate: hours.specific_date,
      recurrence: hours.custom_recurrence,
    });
    const begin = parseMinuteOfDay(hours.begin_time) ?? 0;
    const end = parseMinuteOfDay(hours.end_time) ?? 0;
    for (let away = from; away < to; away += 1) {
      const day = today + direction * away;
      if (!occursOn(day)) continue;
      const at = (minute: number) => localMsToInstantMs(location.tz, day * DAY_MS + minute * MINUTE_MS);
      const closesMs = at(end > begin ? end : end + 1440);
      for (let startMs = at(begin); startMs < closesMs; ) {
        const typeId = hours.appointment_type_ids.length > 0 ? pick(random, hours.appointment_type_ids) : null;
        const minutes = typeId === null ? DEFAULT_MINUTES : (types.get(typeId)?.minutes ?? DEFAULT_MINUTES);
        const endMs = startMs + minutes * MINUTE_MS;
        if (endMs <= closesMs && isFit(startMs, endMs)) found.push({ startMs, endMs, providerId, operatoryId, typeId });
        startMs = endMs;
      }
    }
  }
  return found;
}

/** Weekdays as bits, Sunday lowest; null for none. */
export function weekdayBits(days: readonly (typeof WEEKDAYS)[number][]): number | null {
  return days.reduce((bits, name) => bits | (1 << WEEKDAYS.indexOf(name)), 0) || null;
}

/** Takes provider and operatory, or neither. Hours without an operatory get one that is free, if there is any. */
function take(taken: Taken, candidate: Candidate, rooms: readonly { id: number }[]): boolean {
  const { startMs, endMs } = candidate;
  const keysOf = (resource: string) => {
    const keys: string[] = [];
    for (let day = Math.floor(startMs / DAY_MS); day * DAY_MS < endMs; day += 1) keys.push(`${resource} ${day}`);
    return keys;
  };
  const isFree = (resource: string) =>
    keysOf(resource).every((key) => !taken.get(key)?.some(([from, to]) => from < endMs && startMs < to));
  const hold = (resource: string) => {
    for (const key of keysOf(resource)) taken.set(key, [...(taken.get(key) ?? []), [startMs, endMs]]);
  };
  const provider = `provider ${candidate.providerId}`;
  if (!isFree(provider)) return false;
  if (candidate.operatoryId === null) {
    candidate.operatoryId = rooms.find(({ id }) => isFree(`operatory ${id}`))?.id ?? null;
  } else if (!isFree(`operatory ${candidate.operatoryId}`)) return false;
  hold(provider);
  if (candidate.operatoryId !== null) hold(`operatory ${candidate.operatoryId}`);
  return true;
}

/** How a visit stands by now: most of the past took place, some of what comes is confirmed. */
function standing(startMs: number, endMs: number, nowMs: number, random: Random) {
  const at = (ms: number) => new Date(ms).toISOString();
  const chance = random();
  if (startMs >= nowMs) {
    if (chance < 0.05) return { state: 'broken', broken_at: at(nowMs) };
    return chance < 0.35 ? { confirmation: 'confirmed', confirmed_at: at(nowMs) } : {};
  }
  if (chance < 0.08) return { state: 'noshow', broken_at: at(endMs) };
  if (chance < 0.18) return { state: 'broken', broken_at: at(startMs - DAY_MS) };
  const confirmed = chance < 0.7 ? { confirmation: 'confirmed', confirmed_at: at(startMs - DAY_MS) } : {};
  return { ...confirmed, state: 'done', arrived_at: at(startMs), done_at: at(endMs) };
}
