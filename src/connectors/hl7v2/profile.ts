/**
 * Where one sender puts what we need. Every feed fills HL7's fields a little differently; the defaults read Open
 * Dental's own feed (SIU 2.6), the older eClinicalWorks style (2.3, times in SCH-11, provider in AIG), and senders
 * that know an appointment by its placer's id alone.
 */
import { z } from 'zod';

/** What a status says of an appointment. */
export const STATES = ['booked', 'confirmed', 'arrived', 'complete', 'missed', 'cancelled'] as const;
export type State = (typeof STATES)[number];

/** Segments that can hold times, and those of SCH-11. */
export const TIME_SOURCES = ['SCH-11', 'TQ1', 'AIS', 'AIG', 'AIL', 'AIP'] as const;
export type TimeSource = (typeof TIME_SOURCES)[number];

/** A place in a message: segment, field, component, subcomponent. */
const place = z
  .string()
  .regex(/^[A-Z][A-Z0-9]{2}-\d{1,2}(\.\d{1,2}){0,2}$/, 'must be a place such as SCH-2 or AIL-3.4.2');

/** The first place that holds something counts. */
const places = z.array(place).max(10);

export const profileSchema = z.strictObject({
  /** The id by which the sender knows an appointment: SCH-2 is the scheduler's own (filler), SCH-1 the requester's. */
  appointmentId: places.min(1).default(['SCH-2', 'SCH-1']),
  patientId: places.min(1).default(['PID-3', 'PID-4', 'PID-2']),
  /** Of several ids in one field, the one of this type; without such a one, the first. */
  patientIdType: z.string().max(20).default('MR'),
  times: z
    .array(z.enum(TIME_SOURCES))
    .min(1)
    .max(TIME_SOURCES.length)
    .default([...TIME_SOURCES]),
  provider: places.default(['AIP-3', 'AIG-3', 'PV1-7']),
  room: places.default(['AIL-3.2', 'AIL-3.1']),
  /** Where the code of the site stands; read only when there are several sites. */
  site: places.default(['AIL-3.4', 'AIL-3.4.2', 'AIL-3.1', 'MSH-4']),
  /** What kind of visit it is. */
  visitType: places.default(['AIS-3', 'SCH-8']),
  /** `NTE-3` is the notes after SCH, together. */
  note: places.default(['NTE-3', 'SCH-7.2', 'SCH-7.1']),
  status: places.default(['SCH-25', 'SCH-24', 'SCH-26', 'SCH-27', 'AIS-10', 'AIL-12', 'AIP-12', 'AIG-14']),
  /** The sender's own names of statuses, beside the usual ones; capitals make no difference. */
  states: z.record(z.string().min(1).max(100), z.enum(STATES)).default({}),
});

export type Profile = z.infer<typeof profileSchema>;

/** Our own messages are read with it. */
export const OUR_PROFILE: Profile = profileSchema.parse({});

/** HL7's table 0278, what vendors write instead, and how offices name a confirmation. */
const USUAL_STATES: Record<string, State> = {
  booked: 'booked',
  pending: 'booked',
  scheduled: 'booked',
  rescheduled: 'booked',
  overbook: 'booked',
  confirmed: 'confirmed',
  'appointment confirmed': 'confirmed',
  arrived: 'arrived',
  'checked in': 'arrived',
  'checked-in': 'arrived',
  started: 'arrived',
  'in treatment room': 'arrived',
  complete: 'complete',
  completed: 'complete',
  'checked out': 'complete',
  'checked-out': 'complete',
  noshow: 'missed',
  'no show': 'missed',
  'no-show': 'missed',
  missed: 'missed',
  cancelled: 'cancelled',
  canceled: 'cancelled',
  cancel: 'cancelled',
  deleted: 'cancelled',
  dc: 'cancelled',
  discontinued: 'cancelled',
  broken: 'cancelled',
};

/** What that status means, or null for one that nobody has explained. */
export function findState({ states }: Profile, text: string): State | null {
  const wanted = text.trim().toLowerCase();
  const own = Object.entries(states).find(([name]) => name.trim().toLowerCase() === wanted);
  return own?.[1] ?? (Object.hasOwn(USUAL_STATES, wanted) ? (USUAL_STATES[wanted] as State) : null);
}
