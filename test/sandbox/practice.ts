import type { Seed } from '../../sandbox/seed.ts';

/** A small practice for tests of rules: two practitioners, an open and a closed room, nobody's visit yet. */
export const SMALL_PRACTICE: Seed = {
  sites: [
    { id: 1, name: 'North', zone: 'America/New_York', schedules_by: 'practitioner' },
    { id: 2, name: 'South', zone: 'America/Denver', schedules_by: 'room' },
  ],
  practitioners: [
    { id: 11, first_name: 'Ada', last_name: 'Alder', site_ids: [1] },
    { id: 12, first_name: 'Ben', last_name: 'Birch', site_ids: [1, 2] },
    { id: 13, first_name: 'Cy', last_name: 'Cedar', site_ids: [1], active: false },
  ],
  rooms: [
    { id: 21, site_id: 1, name: 'One' },
    { id: 22, site_id: 1, name: 'Closed', active: false },
    { id: 23, site_id: 2, name: 'South One' },
  ],
  codes: [{ id: 31, code: 'EXAM', kind: 'visit_type', description: 'Exam', minutes: 30 }],
  schedules: [{ id: 41, site_id: 1, practitioner_id: 11, weekday: 'mon', opens: '08:00', closes: '12:00' }],
  patients: [
    { id: 101, first_name: 'Pia', last_name: 'Pine', birth_date: '1990-02-28', home_site_id: 1 },
    { id: 102, first_name: 'Quin', last_name: 'Quince', home_site_id: 1 },
  ],
};

/** A booking that SMALL_PRACTICE takes, at `minute` of an empty day; other fields on top. */
export function booking(minute: number, fields: object = {}) {
  const at = (offset: number) => new Date(Date.parse('2030-01-07T14:00:00Z') + offset * 60_000).toISOString();
  return {
    site_id: 1,
    patient_id: 101,
    practitioner_id: 11,
    room_id: 21,
    start: at(minute),
    end: at(minute + 30),
    ...fields,
  };
}
