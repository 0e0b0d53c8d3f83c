import type { Block, Schedule, Weekday } from './records.ts';
import type { Seed } from './seed.ts';
import { addDays, instantOf, wallClock, weekdayIndex } from './zone.ts';

const EAST = 'America/New_York';
const WEST = 'America/Denver';

/** Two rows a day: the time between them is lunch. */
type Day = [opens: string, lunch: string, back: string, closes: string];
const EIGHT_TO_FIVE: Day = ['08:00', '12:00', '13:00', '17:00'];

interface Week {
  site_id: number;
  practitioner_id?: number;
  room_id?: number;
  weekdays: Weekday[];
  day: Day;
}

const WEEKS: Week[] = [
  { site_id: 1, practitioner_id: 11, weekdays: ['mon', 'wed', 'fri'], day: EIGHT_TO_FIVE },
  { site_id: 1, practitioner_id: 12, weekdays: ['mon', 'tue', 'wed', 'thu'], day: EIGHT_TO_FIVE },
  {
    site_id: 1,
    practitioner_id: 13,
    weekdays: ['tue', 'wed', 'thu', 'fri'],
    day: ['09:00', '12:30', '13:30', '18:00'],
  },
  {
    site_id: 1,
    practitioner_id: 14,
    weekdays: ['mon', 'tue', 'wed', 'thu', 'fri'],
    day: ['08:00', '12:00', '13:00', '16:00'],
  },
  { site_id: 1, practitioner_id: 15, weekdays: ['mon', 'wed', 'fri'], day: ['09:00', '12:00', '12:30', '15:30'] },
  { site_id: 2, room_id: 24, weekdays: ['tue', 'thu'], day: EIGHT_TO_FIVE },
  { site_id: 2, room_id: 25, weekdays: ['tue', 'thu'], day: ['09:00', '12:00', '13:00', '16:00'] },
];

/** Hours kept for something: each when its practitioner has no ordinary hours. */
const LABELLED: Partial<Schedule>[] = [
  { label_id: 91, site_id: 1, practitioner_id: 12, weekday: 'fri', opens: '09:00', closes: '12:00' },
  { label_id: 91, site_id: 1, practitioner_id: 13, weekday: 'mon', opens: '13:00', closes: '17:00' },
  { label_id: 92, site_id: 1, practitioner_id: 14, weekday: 'tue', opens: '16:30', closes: '19:00' },
  { label_id: 92, site_id: 1, practitioner_id: 14, weekday: 'thu', opens: '16:30', closes: '19:00' },
  { label_id: 92, site_id: 2, room_id: 24, weekday: 'thu', opens: '17:30', closes: '19:30' },
];

/** The first such weekday at least `days` after `today`. */
function comingWeekday(today: string, days: number, weekday: number): string {
  const date = addDays(today, days);
  return addDays(date, (weekday - weekdayIndex(date) + 7) % 7);
}

function schedules(today: string): Partial<Schedule>[] {
  const weekly = WEEKS.flatMap(({ weekdays, day: [opens, lunch, back, closes], ...owner }) =>
    weekdays.flatMap((weekday) => [
      { ...owner, weekday, opens, closes: lunch },
      { ...owner, weekday, opens: back, closes },
    ]),
  );
  const saturday = {
    site_id: 1,
    practitioner_id: 12,
    date: comingWeekday(today, 7, 5),
    opens: '09:00',
    closes: '13:00',
  };
  return [...weekly, saturday, ...LABELLED].map((row, index) => ({ id: 41 + index, ...row }));
}

function blocks(today: string): Partial<Block>[] {
  const span = (zone: string, fromDate: string, from: string, toDate: string, to: string) => ({
    start: instantOf(fromDate, from, zone).toISOString(),
    end: instantOf(toDate, to, zone).toISOString(),
  });
  const wednesday = comingWeekday(today, 1, 2);
  const thursday = comingWeekday(today, 3, 3);
  const monday = comingWeekday(today, 21, 0);
  const meeting = [11, 12, 13, 14, 15].map((practitionerId) => ({
    site_id: 1,
    practitioner_id: practitionerId,
    reason: 'Staff meeting',
    ...span(EAST, wednesday, '11:00', wednesday, '12:00'),
  }));
  return [
    ...meeting,
    { site_id: 1, room_id: 22, reason: 'Chair repair', ...span(EAST, thursday, '13:00', thursday, '15:00') },
    { site_id: 1, practitioner_id: 13, reason: 'Holiday', ...span(EAST, monday, '00:00', addDays(monday, 7), '00:00') },
    { site_id: 2, room_id: 25, reason: 'Deep cleaning', ...span(WEST, thursday, '09:00', thursday, '12:00') },
  ].map((block, index) => ({ id: 3_001 + index, ...block }));
}

/** Cedar Grove: two invented sites around `now`, the second of which keeps its hours by room. */
export function demoPractice(now: Date): Seed {
  const today = wallClock(now, EAST).toISOString().slice(0, 10);
  return {
    sites: [
      {
        id: 1,
        name: 'Cedar Grove Dental',
        zone: EAST,
        schedules_by: 'practitioner',
        phone: '(212) 555-0100',
        street: '12 Cedar Grove',
        city: 'New York',
        state: 'NY',
        zip: '10001',
      },
      {
        id: 2,
        name: 'Cedar Grove West',
        zone: WEST,
        schedules_by: 'room',
        phone: '(303) 555-0101',
        street: '240 Spruce Terrace',
        city: 'Denver',
        state: 'CO',
        zip: '80202',
      },
    ],
    practitioners: [
      { id: 11, first_name: 'Amara', last_name: 'Finch', title: 'DDS', site_ids: [1, 2] },
      { id: 12, first_name: 'Bruno', last_name: 'Heron', title: 'DDS', site_ids: [1] },
      { id: 13, first_name: 'Celeste', last_name: 'Wagtail', title: 'DMD', site_ids: [1] },
      { id: 14, first_name: 'Dmitri', last_name: 'Plover', title: 'RDH', site_ids: [1] },
      { id: 15, first_name: 'Esra', last_name: 'Kestrel', title: 'RDH', site_ids: [1, 2] },
    ],
    rooms: [
      { id: 21, site_id: 1, name: 'Room 1' },
      { id: 22, site_id: 1, name: 'Room 2' },
      { id: 23, site_id: 1, name: 'Old X-ray room', active: false },
      { id: 24, site_id: 2, name: 'West 1' },
      { id: 25, site_id: 2, name: 'West 2' },
    ],
    codes: [
      { id: 31, code: 'EXAM', description: 'Exam', minutes: 30 },
      { id: 32, code: 'NEWPT', description: 'New patient exam', minutes: 60 },
      { id: 33, code: 'CLEAN', description: 'Cleaning', minutes: 60 },
      { id: 34, code: 'CHILD', description: 'Cleaning, child', minutes: 40 },
      { id: 35, code: 'FILL', description: 'Filling', minutes: 60 },
      { id: 36, code: 'CROWN', description: 'Crown preparation', minutes: 90 },
      { id: 37, code: 'URGENT', description: 'Urgent visit', minutes: 30 },
      { id: 38, code: 'CONSULT', description: 'Consultation', minutes: 30 },
      { id: 39, code: 'P-XRAY', kind: 'procedure', description: 'X-ray pictures', minutes: 10 },
      { id: 40, code: 'P-FLUOR', kind: 'procedure', description: 'Fluoride', minutes: 10 },
      { id: 41, code: 'P-SEAL', kind: 'procedure', description: 'Sealant', minutes: 20 },
      { id: 42, code: 'P-GUARD', kind: 'procedure', description: 'Night guard', minutes: 30 },
    ],
    schedule_labels: [
      { id: 91, site_id: 1, name: 'New patients' },
      { id: 92, name: 'Evenings' },
    ],
    schedules: schedules(today),
    plans: [
      {
        id: 201,
        name: 'Heron Mutual PPO',
        payer_code: 'HERON1',
        group_number: 'HM-4410',
        employer: 'Larkspur Mills',
        street: '9 Quill Row',
        city: 'Albany',
        state: 'NY',
        zip: '12207',
        country: 'US',
      },
      { id: 202, name: 'Evergreen Dental Care', payer_code: 'EVGRN', group_number: '77120', country: 'US' },
      { id: 203, name: 'Kestrel Basic', payer_code: 'KSTRL' },
      { id: 204, name: 'Old Mill Indemnity', payer_code: 'OLDML', group_number: 'OM-1', country: 'US' },
    ],
    recall_types: [
      { id: 301, name: 'Check-up', description: 'Exam and cleaning', every: 6, unit: 'month' },
      { id: 302, name: 'X-ray pictures', description: 'Full set', every: 1, unit: 'year' },
      { id: 303, site_id: 1, name: 'Gum care', every: 12, unit: 'week' },
    ],
    blocks: blocks(today),
    generate: [
      { site_id: 1, patients: 80, visits: 270, coverages: 60, recalls: 24, alerts: 8 },
      { site_id: 2, patients: 24, visits: 80, coverages: 12, recalls: 6, alerts: 2 },
    ],
  };
}
