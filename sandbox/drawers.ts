import {
  flag,
  type Input,
  integer,
  localDate,
  localTime,
  maybe,
  oneOf,
  type Reader,
  readFields,
  required,
  text,
  wholeNumber,
} from './fields.ts';
import { unmergedPatient } from './patients.ts';
import { COVERED, type Kind, RELATIONS, type Records, UNITS, WEEKDAYS } from './records.ts';
import type { Store } from './store.ts';

/** What staff file by hand and no program writes. */
export type FiledKind = 'schedule_label' | 'schedule' | 'plan' | 'coverage' | 'recall_type' | 'recall';

interface Drawer {
  fields: Record<string, Reader<unknown>>;
  /** What a new record has to say, */
  required: string[];
  /** and what it says when nobody does. */
  defaults: object;
  /** Fields that name another record, and its kind. */
  refers: Record<string, Kind>;
}

const MAX_TEXT = 100;
const optionalText = maybe(text(MAX_TEXT));
const optionalId = maybe(integer);

const DRAWERS: Record<FiledKind, Drawer> = {
  schedule_label: {
    fields: { site_id: optionalId, name: text(MAX_TEXT), active: flag },
    required: ['name'],
    defaults: { active: true },
    refers: { site_id: 'site' },
  },
  schedule: {
    fields: {
      site_id: integer,
      practitioner_id: optionalId,
      room_id: optionalId,
      weekday: maybe(oneOf(WEEKDAYS)),
      date: maybe(localDate),
      opens: localTime,
      closes: localTime,
      label_id: optionalId,
      active: flag,
    },
    required: ['site_id', 'opens', 'closes'],
    defaults: { active: true },
    refers: { site_id: 'site', practitioner_id: 'practitioner', room_id: 'room', label_id: 'schedule_label' },
  },
  plan: {
    fields: {
      name: text(MAX_TEXT),
      payer_code: optionalText,
      group_number: optionalText,
      employer: optionalText,
      street: optionalText,
      city: optionalText,
      state: optionalText,
      zip: optionalText,
      country: optionalText,
    },
    required: ['name'],
    defaults: {},
    refers: {},
  },
  coverage: {
    fields: {
      patient_id: integer,
      plan_id: optionalId,
      subscriber_id: optionalId,
      relation: oneOf(RELATIONS),
      rank: maybe(wholeNumber(1, 9)),
      member_number: optionalText,
      starts: maybe(localDate),
      ends: maybe(localDate),
      covers: maybe(oneOf(COVERED)),
      active: flag,
    },
    required: ['patient_id'],
    defaults: { relation: 'self', active: true },
    refers: { plan_id: 'plan', subscriber_id: 'patient' },
  },
  recall_type: {
    fields: {
      site_id: optionalId,
      name: text(MAX_TEXT),
      description: optionalText,
      every: wholeNumber(1, 1_000),
      unit: oneOf(UNITS),
      active: flag,
    },
    required: ['name', 'every', 'unit'],
    defaults: { active: true },
    refers: { site_id: 'site' },
  },
  recall: {
    fields: {
      patient_id: integer,
      recall_type_id: optionalId,
      site_id: optionalId,
      due: maybe(localDate),
      visit_id: optionalId,
    },
    required: ['patient_id'],
    defaults: {},
    refers: { recall_type_id: 'recall_type', site_id: 'site', visit_id: 'visit' },
  },
};
export const FILED_KINDS = Object.keys(DRAWERS) as FiledKind[];

function readRecord<K extends FiledKind>(store: Store, kind: K, input: Input): Input {
  const { fields, refers } = DRAWERS[kind];
  const read = readFields(input, fields);
  for (const [name, to] of Object.entries(refers)) if (typeof read[name] === 'number') store.get(to, read[name]);
  if (typeof read.patient_id === 'number') unmergedPatient(store, read.patient_id);
  return read;
}

/** Files a new record; what it refers to has to exist. */
export function fileRecord<K extends FiledKind>(store: Store, kind: K, input: Input): Records[K] {
  const { defaults, required: names } = DRAWERS[kind];
  const fields = required(readRecord(store, kind, input), ...names);
  const record = store.insert(kind, { ...defaults, ...fields } as Partial<Records[K]>);
  store.audit({ who: 'desk', action: 'add', kind, recordId: record.id, ref: null });
  return record;
}

export function changeRecord<K extends FiledKind>(store: Store, kind: K, id: number, input: Input): Records[K] {
  const record = store.update(kind, id, readRecord(store, kind, input) as Partial<Records[K]>);
  store.audit({ who: 'desk', action: 'change', kind, recordId: id, ref: null });
  return record;
}

/** Takes a record out for good: coverages and recalls that name it then name none, and the hours of a label go with it. */
export function eraseRecord(store: Store, kind: FiledKind, id: number): void {
  if (kind === 'plan') store.repoint('coverage', 'plan_id', id, null);
  if (kind === 'recall_type') store.repoint('recall', 'recall_type_id', id, null);
  if (kind === 'schedule_label')
    for (const hours of store.idsWhere('schedule', 'label_id', id)) store.remove('schedule', hours);
  store.remove(kind, id);
  store.audit({ who: 'desk', action: 'erase', kind, recordId: id, ref: null });
}
