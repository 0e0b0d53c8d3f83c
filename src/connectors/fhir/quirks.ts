/**
 * What FHIR servers do differently, as data: one profile for each vendor, as its documentation has it (see
 * `docs/fhir-servers.md`, which also says what was tried). What the server itself says narrows it: `statement.ts`.
 *
 * Two differences have no entry, because nothing is built on them: whether a transaction is atomic (none is sent),
 * and whether If-Match is honoured (it always goes along, and what it should have kept out is looked for afterwards).
 */

/** The types of which records are made. */
export type WrittenType = 'Patient' | 'Appointment' | 'Slot';

export interface Quirks {
  /** Of which types records can be made. */
  creates: readonly WrittenType[];
  /**
   * How appointments and slots can be changed: as a whole (PUT), their status alone (JSON Patch), or not at all.
   * PATCH is only for servers that take nothing else: several ignore If-Match on it, and would lose what staff did.
   */
  update: 'put' | 'patch' | 'none';
  /** Is If-None-Exist understood? Elsewhere the marker is only looked for before and after. */
  conditionalCreate: boolean;
  /** Which status an appointment can have after which; null: the server takes any. */
  statusMoves: Readonly<Record<string, readonly string[]>> | null;
  /** Are appointments given only for a range of dates, of a practitioner, a place or a patient? */
  dateRequired: boolean;
  /** Can appointments be searched by `_lastUpdated`? Elsewhere changes are found by reading their days again. */
  lastUpdatedSearch: boolean;
  /** Does `Appointment/_history?_since=` tell of deletions? */
  typeHistory: boolean;
  /** Does it call us (`Subscription`, rest-hook)? */
  subscriptions: boolean;
}

/** A server that does what R4 says; how much of it, only its own statement tells. */
const GENERIC: Quirks = {
  creates: ['Patient', 'Appointment', 'Slot'],
  update: 'put',
  conditionalCreate: true,
  statusMoves: null,
  dateRequired: false,
  lastUpdatedSearch: true,
  typeHistory: true,
  subscriptions: true,
};

const READ_ONLY: Quirks = {
  ...GENERIC,
  creates: [],
  update: 'none',
  conditionalCreate: false,
  lastUpdatedSearch: false,
  typeHistory: false,
  subscriptions: false,
};

export const QUIRKS = {
  generic: GENERIC,
  // 404 to a type's history; PATCH ignored If-Match up to 5.0.
  medplum: { ...GENERIC, typeHistory: false },
  hapi: GENERIC,
  oracle: {
    ...READ_ONLY,
    update: 'patch',
    statusMoves: {
      proposed: ['booked', 'cancelled'],
      booked: ['arrived', 'checked-in', 'cancelled'],
      arrived: ['checked-in', 'cancelled'],
      'checked-in': ['fulfilled', 'cancelled'],
    },
    dateRequired: true,
  },
  // Booking is an operation of an older FHIR there, and changes come as HL7 v2.
  epic: READ_ONLY,
  // Its notices name the record and bring nothing of it. Booking is an API of its own.
  athenahealth: { ...READ_ONLY, subscriptions: true },
  openemr: READ_ONLY,
} as const satisfies Record<string, Quirks>;

export type Vendor = keyof typeof QUIRKS;

/** Can an appointment of this status get that one? */
export function canMove({ statusMoves }: Quirks, from: string, to: string): boolean {
  if (statusMoves === null) return true;
  return Object.hasOwn(statusMoves, from) && statusMoves[from]?.includes(to) === true;
}
