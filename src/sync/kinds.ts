/** Every kind of record there is, and what holds for all of them on their way to a row. */
import type { HrsRecord, RecordKind } from '../domain/records.ts';
import type { IncomingValues } from '../store/mirror.ts';
import { appointment } from './appointment-kind.ts';
import { insuranceCoverage, insurancePlan } from './insurance-kinds.ts';
import type { KindOf } from './kind.ts';
import { patient, patientAlert, patientRecall, recallType } from './patient-kinds.ts';
import { availability, availabilityLabel, descriptor, location, operatory, provider } from './practice-kinds.ts';

const MAX_FOREIGN_ID_LENGTH = 255;
const DATE = /^\d{4}-\d\d-\d\d$/;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** In the order in which they are applied: what is referred to comes before what refers to it. */
export const KINDS: { readonly [K in RecordKind]: KindOf<Extract<HrsRecord, { kind: K }>> } = {
  location,
  provider,
  operatory,
  descriptor,
  availability_label: availabilityLabel,
  availability,
  patient,
  patient_alert: patientAlert,
  insurance_plan: insurancePlan,
  insurance_coverage: insuranceCoverage,
  recall_type: recallType,
  appointment,
  patient_recall: patientRecall,
};

export const RECORD_KINDS = Object.keys(KINDS) as RecordKind[];

/**
 * The columns of a record. Characters that no text of PostgreSQL can hold (NUL, half a surrogate pair) are
 * replaced here, before anything is compared: a record must come out the same each time it is read.
 */
export function valuesOf(record: HrsRecord): IncomingValues {
  const values = kindOf(record.kind).values(record);
  for (const [column, value] of Object.entries(values)) {
    if (typeof value === 'string') values[column] = storable(value);
    else if (column === 'data') values[column] = JSON.parse(JSON.stringify(value), (_, part) => storable(part));
  }
  return values;
}

function storable<T>(value: T): T {
  if (typeof value !== 'string' || (value.isWellFormed() && !value.includes('\0'))) return value;
  return value.toWellFormed().replaceAll('\0', '\ufffd') as T;
}

/** The kind without the type of its records: for code that treats them all alike. */
export function kindOf(kind: RecordKind): KindOf<HrsRecord> {
  return KINDS[kind] as unknown as KindOf<HrsRecord>;
}

/** A record that cannot be a row, found before it can fail the batch that it came in. */
export function problemOf(record: HrsRecord, values: IncomingValues): string | null {
  const { length } = record.foreignId;
  if (length === 0 || length > MAX_FOREIGN_ID_LENGTH) return 'its id is empty or longer than 255 characters';
  const { mirror, problem } = kindOf(record.kind);
  for (const [column, type] of Object.entries(mirror.columns)) {
    const value = values[column];
    if (value === null || !(type in READABLE)) continue;
    if (!READABLE[type as keyof typeof READABLE](String(value))) return `its ${column} is not a ${type}`;
  }
  return problem?.(record) ?? null;
}

const READABLE = {
  timestamptz: (text: string) => INSTANT.test(text) && isInCalendar(text, text),
  date: (text: string) => DATE.test(text) && isInCalendar(`${text}T00:00:00.000Z`, text),
};

/** 30 February is read as 2 March by Date and refused by PostgreSQL; the year 0 is only refused there. */
function isInCalendar(instant: string, text: string): boolean {
  const ms = Date.parse(instant);
  return !Number.isNaN(ms) && new Date(ms).toISOString() === instant && text >= '0001';
}
