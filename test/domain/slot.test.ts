import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import { type Availability, occurrenceTest } from '../../src/domain/availability.ts';
import { explainSlots } from '../../src/domain/explanation.ts';
import { type Interval, intersectIntervals, mergeIntervals, subtractIntervals } from '../../src/domain/interval.ts';
import {
  type BusyInterval,
  busyRange,
  checkBookable,
  computeSlots,
  fillNextAvailableDates,
  type SlotGroup,
  type SlotInput,
} from '../../src/domain/slot.ts';
import { addDays, dateOfDayNumber, dayNumberOf, localToInstantMs, MINUTE_MS } from '../../src/domain/zone.ts';

const NEW_YORK = 'America/New_York';
const EVERY_DAY = 0b1111111;
const MONDAY = '2026-06-01';
const CLEANING = 27;
const EXAM = 28;

function minuteOf(text: string): number {
  return Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
}

function hours(begin: string, end: string, rest: Partial<Availability> = {}): Availability {
  return {
    id: 1,
    providerId: 20,
    operatoryId: null,
    beginMinute: minuteOf(begin),
    endMinute: minuteOf(end),
    days: EVERY_DAY,
    specificDate: null,
    recurrence: null,
    active: true,
    source: 'manual',
    labelId: null,
    appointmentTypeIds: [],
    ...rest,
  };
}

function ask(rest: Partial<SlotInput> = {}): SlotInput {
  return {
    nowMs: 0,
    zone: NEW_YORK,
    locationId: 10,
    startDate: MONDAY,
    days: 1,
    providerIds: [20],
    operatoryIds: null,
    labelId: null,
    source: null,
    appointmentsPerTimeslot: 1,
    providers: [20, 21, 22].map((id) => ({ id, active: true })),
    operatories: [181, 182].map((id) => ({ id, active: true })),
    availabilities: [],
    busy: [],
    appointmentType: null,
    slotLengthMinutes: 30,
    slotIntervalMinutes: null,
    overlappingOperatorySlots: false,
    ...rest,
  };
}

function at(local: string, zone = NEW_YORK): number {
  return Temporal.PlainDateTime.from(local).toZonedDateTime(zone).epochMilliseconds;
}

function busy(from: string, to: string, rest: Partial<BusyInterval> = {}): BusyInterval {
  return {
    startMs: at(`${MONDAY}T${from}`),
    endMs: at(`${MONDAY}T${to}`),
    appointmentId: 1,
    providerId: 20,
    operatoryId: null,
    reason: 'appointment',
    ...rest,
  };
}

/** The first group's starts, as hours and minutes. */
function startsOf(input: SlotInput): string[] {
  return (computeSlots(input)[0] as SlotGroup).slots.map((slot) => slot.time.slice(11, 16));
}

describe('slots', () => {
  it('answer in the documented shape', () => {
    const input = ask({ availabilities: [hours('09:00', '09:30', { operatoryId: 181 })], startDate: '2026-12-01' });
    assert.deepEqual(computeSlots(input), [
      {
        lid: 10,
        pid: 20,
        slots: [
          { time: '2026-12-01T09:00:00.000-05:00', end_time: '2026-12-01T09:30:00.000-05:00', operatory_id: 181 },
        ],
        next_available_date: null,
      },
    ]);
  });

  it('follow the documented example: cleaning from 9 to 12, a block from 9 to 11, exams in the afternoon', () => {
    const availabilities = [
      hours('09:00', '12:00', { appointmentTypeIds: [CLEANING] }),
      hours('13:00', '17:00', { appointmentTypeIds: [EXAM] }),
    ];
    const block = busy('09:00', '11:00', { reason: 'block' });
    const input = ask({ availabilities, busy: [block], appointmentType: { id: CLEANING, minutes: 30 } });
    assert.deepEqual(startsOf(input), ['11:00', '11:30']);
  });

  it('step by the interval while the length still fits: length 60, interval 45', () => {
    const input = ask({ availabilities: [hours('09:00', '12:00')], slotLengthMinutes: 60, slotIntervalMinutes: 45 });
    assert.deepEqual(startsOf(input), ['09:00', '09:45', '10:30']);
  });

  it('last a quarter of an hour when nothing is asked', () => {
    const input = ask({ availabilities: [hours('09:00', '09:40')], slotLengthMinutes: null });
    assert.deepEqual(startsOf(input), ['09:00', '09:15']);
  });

  it('take their length from the type, not from slot_length', () => {
    const availabilities = [hours('09:00', '12:00', { appointmentTypeIds: [CLEANING] })];
    const input = ask({ availabilities, appointmentType: { id: CLEANING, minutes: 90 }, slotLengthMinutes: 15 });
    assert.deepEqual(startsOf(input), ['09:00', '10:30']);
  });

  it('need hours that carry the type: hours without types serve none', () => {
    const input = ask({ availabilities: [hours('09:00', '12:00')], appointmentType: { id: CLEANING, minutes: 30 } });
    assert.deepEqual(startsOf(input), []);
  });

  it('leave out lunch told as two records', () => {
    const input = ask({ availabilities: [hours('13:00', '14:00'), hours('11:00', '12:00')] });
    assert.deepEqual(startsOf(input), ['11:00', '11:30', '13:00', '13:30']);
  });

  it('run across records that adjoin or overlap', () => {
    const availabilities = [hours('09:00', '10:00'), hours('10:00', '10:40'), hours('10:20', '11:15')];
    assert.deepEqual(startsOf(ask({ availabilities, slotLengthMinutes: 45 })), ['09:00', '09:45', '10:30']);
  });

  it('begin again where busy time ends, even off the grid', () => {
    const input = ask({ availabilities: [hours('09:00', '11:00')], busy: [busy('09:30', '09:50')] });
    assert.deepEqual(startsOf(input), ['09:00', '09:50', '10:20']);
  });

  it('are not touched by busy time that only meets them, or that holds no time at all', () => {
    const around = [busy('08:00', '09:00'), busy('10:00', '11:00'), busy('09:30', '09:30'), busy('09:45', '09:15')];
    assert.deepEqual(startsOf(ask({ availabilities: [hours('09:00', '10:00')], busy: around })), ['09:00', '09:30']);
  });

  it('are not offered once they have begun, nor at the very moment', () => {
    const availabilities = [hours('09:00', '10:30')];
    assert.deepEqual(startsOf(ask({ availabilities, nowMs: at(`${MONDAY}T09:30`) })), ['10:00']);
    assert.deepEqual(startsOf(ask({ availabilities, nowMs: at(`${MONDAY}T09:30`) - 1 })), ['09:30', '10:00']);
  });

  it('come from the days of the window only', () => {
    const input = ask({ availabilities: [hours('09:00', '09:30')], days: 2 });
    assert.deepEqual(
      computeSlots(input)[0]?.slots.map((slot) => slot.time.slice(0, 10)),
      ['2026-06-01', '2026-06-02'],
    );
  });

  it('skip records that are not active, providers and operatories that are not active or not known', () => {
    const open = [hours('09:00', '10:00', { operatoryId: 181 })];
    assert.deepEqual(startsOf(ask({ availabilities: [hours('09:00', '10:00', { active: false })] })), []);
    assert.deepEqual(startsOf(ask({ availabilities: open, providers: [{ id: 20, active: false }] })), []);
    assert.deepEqual(startsOf(ask({ availabilities: open, providers: [] })), []);
    assert.deepEqual(startsOf(ask({ availabilities: open, operatories: [{ id: 181, active: false }] })), []);
    assert.deepEqual(startsOf(ask({ availabilities: open, operatories: [] })), []);
  });

  it('are grouped in the order the providers were asked, each once', () => {
    const input = ask({ availabilities: [hours('09:00', '10:00')], providerIds: [22, 20, 22] });
    assert.deepEqual(
      computeSlots(input).map((group) => [group.pid, group.slots.length]),
      [
        [22, 0],
        [20, 2],
      ],
    );
  });

  it('refuse a length or an interval that would never end', () => {
    for (const minutes of [0, -15, 7.5, 1441, Number.NaN]) {
      assert.throws(() => computeSlots(ask({ slotLengthMinutes: minutes })), RangeError);
      if (minutes !== 1441) assert.throws(() => computeSlots(ask({ slotIntervalMinutes: minutes })), RangeError);
    }
  });
});

describe('slots and rooms', () => {
  const bothRooms = [hours('09:00', '10:00', { operatoryId: 182 }), hours('09:00', '10:00', { operatoryId: 181 })];
  const timesAndRooms = (input: SlotInput) =>
    computeSlots(input)[0]?.slots.map((slot) => `${slot.time.slice(11, 16)} ${slot.operatory_id ?? 'any'}`);

  it('in both rooms at once are offered in the lower room only', () => {
    assert.deepEqual(timesAndRooms(ask({ availabilities: bothRooms })), ['09:00 181', '09:30 181']);
  });

  it('in both rooms at once are offered twice when overlapping slots are asked', () => {
    const input = ask({ availabilities: bothRooms, overlappingOperatorySlots: true });
    assert.deepEqual(timesAndRooms(input), ['09:00 181', '09:00 182', '09:30 181', '09:30 182']);
  });

  it('move to the other room while another provider is in the first', () => {
    const other = busy('09:00', '09:30', { providerId: 21, operatoryId: 181 });
    assert.deepEqual(timesAndRooms(ask({ availabilities: bothRooms, busy: [other] })), ['09:00 182', '09:30 181']);
  });

  it('are gone from every room while the provider is in one of them', () => {
    const own = busy('09:00', '09:30', { operatoryId: 182 });
    assert.deepEqual(timesAndRooms(ask({ availabilities: bothRooms, busy: [own] })), ['09:30 181']);
  });

  it('are gone from the room a block without provider stands in', () => {
    const block = busy('09:00', '10:00', { providerId: null, operatoryId: 181, reason: 'block' });
    assert.deepEqual(timesAndRooms(ask({ availabilities: bothRooms, busy: [block] })), ['09:00 182', '09:30 182']);
    assert.deepEqual(timesAndRooms(ask({ availabilities: [hours('09:00', '10:00')], busy: [block] })), [
      '09:00 any',
      '09:30 any',
    ]);
  });

  it('are gone everywhere while a block without provider and room closes the location', () => {
    const block = busy('09:00', '09:30', { providerId: null, reason: 'block' });
    assert.deepEqual(timesAndRooms(ask({ availabilities: bothRooms, busy: [block] })), ['09:30 181']);
    assert.deepEqual(timesAndRooms(ask({ availabilities: [hours('09:00', '10:00')], busy: [block] })), ['09:30 any']);
  });

  it('come only from hours bound to the rooms asked', () => {
    const availabilities = [...bothRooms, hours('11:00', '12:00')];
    assert.deepEqual(timesAndRooms(ask({ availabilities, operatoryIds: [182] })), ['09:00 182', '09:30 182']);
  });

  it('in adjoining hours of two rooms do not run from one into the other', () => {
    const availabilities = [
      hours('09:00', '09:20', { operatoryId: 181 }),
      hours('09:20', '10:00', { operatoryId: 182 }),
    ];
    assert.deepEqual(timesAndRooms(ask({ availabilities })), ['09:20 182']);
  });

  it('grouped by room stand in one group for each', () => {
    const groups = computeSlots(ask({ availabilities: bothRooms, groupByOperatory: true, providerIds: [20, 21] }));
    assert.deepEqual(
      groups.map((group) => [group.pid, group.operatory_id, group.slots.length]),
      [
        [20, 181, 2],
        [20, 182, 2],
        [21, undefined, 0],
      ],
    );
  });
});

describe('slots under labels', () => {
  const NEW_PATIENTS = 5;
  const EMERGENCIES = 6;
  const labels = (rest: Partial<SlotInput>) => computeSlots(ask(rest))[0]?.slots.map((slot) => slot.label_id ?? null);
  const availabilities = [
    hours('09:00', '10:00'),
    hours('10:00', '11:15', { labelId: NEW_PATIENTS }),
    hours('11:15', '12:00', { labelId: EMERGENCIES }),
  ];

  it('carry the label of the hours they lie in, and none across two', () => {
    assert.deepEqual(startsOf(ask({ availabilities })), ['09:00', '09:30', '10:00', '10:30', '11:00', '11:30']);
    assert.deepEqual(labels({ availabilities }), [null, null, 5, 5, null, 6]);
  });

  it('are those within its hours when one label is asked for', () => {
    assert.deepEqual(startsOf(ask({ availabilities, labelId: NEW_PATIENTS })), ['10:00', '10:30']);
    assert.deepEqual(startsOf(ask({ availabilities, labelId: EMERGENCIES })), ['11:15']);
    assert.deepEqual(labels({ availabilities, labelId: EMERGENCIES }), [6]);
  });

  it('keep their label where hours without one, or with a higher one, cover them as well', () => {
    const others = [hours('09:00', '12:00'), hours('10:00', '10:30', { labelId: EMERGENCIES })];
    assert.deepEqual(labels({ availabilities: [...others, ...availabilities] }), [null, null, 5, 5, null, 6]);
  });

  it('come from hours of one source when that is asked for', () => {
    const both = [hours('09:00', '10:00'), hours('13:00', '14:00', { source: 'synced' })];
    assert.deepEqual(startsOf(ask({ availabilities: both, source: 'synced' })), ['13:00', '13:30']);
    assert.deepEqual(startsOf(ask({ availabilities: both, source: 'manual' })), ['09:00', '09:30']);
  });
});

describe('slots for several appointments in one time', () => {
  const day = { availabilities: [hours('09:00', '11:00')], appointmentsPerTimeslot: 2 };

  it('stay open until that many are there', () => {
    const first = busy('09:00', '09:30', { appointmentId: 1 });
    assert.deepEqual(startsOf(ask({ ...day, busy: [first] })), ['09:00', '09:30', '10:00', '10:30']);
    const second = busy('09:00', '09:30', { appointmentId: 2 });
    assert.deepEqual(startsOf(ask({ ...day, busy: [first, second] })), ['09:30', '10:00', '10:30']);
    assert.deepEqual(startsOf(ask({ ...day, busy: [first, second], appointmentsPerTimeslot: 3 }))[0], '09:00');
  });

  it('count an appointment and its claim once', () => {
    const twice = [busy('09:00', '09:30', { reason: 'pending' }), busy('09:00', '09:30', { reason: 'claim' })];
    assert.deepEqual(startsOf(ask({ ...day, busy: twice })), ['09:00', '09:30', '10:00', '10:30']);
  });

  it('count whatever overlaps the slot, also one after the other', () => {
    const inTurn = [busy('09:00', '09:15', { appointmentId: 1 }), busy('09:15', '09:30', { appointmentId: 2 })];
    assert.deepEqual(startsOf(ask({ ...day, busy: inTurn })), ['09:30', '10:00', '10:30']);
    const explained = explainSlots(ask({ ...day, busy: inTurn }))[0]?.explained.map(({ from, reason }) => [
      from.slice(11, 16),
      reason,
    ]);
    assert.deepEqual(explained?.slice(0, 3), [
      ['00:00', 'outside_hours'],
      ['09:00', 'appointment'],
      ['11:00', 'outside_hours'],
    ]);
  });

  it('begin again where the time is no longer full', () => {
    const full = [1, 2].map((appointmentId) => busy('09:00', '09:40', { appointmentId }));
    assert.deepEqual(startsOf(ask({ ...day, busy: full })), ['09:40', '10:10']);
  });

  it('are closed by a block, and by anything in their operatory', () => {
    assert.deepEqual(startsOf(ask({ ...day, busy: [busy('09:00', '10:30', { reason: 'block' })] })), ['10:30']);
    const inRoom = { ...day, availabilities: [hours('09:00', '11:00', { operatoryId: 181 })] };
    assert.deepEqual(startsOf(ask({ ...inRoom, busy: [busy('09:00', '10:30', { operatoryId: 181 })] })), ['10:30']);
    assert.equal(startsOf(ask({ ...inRoom, busy: [busy('09:00', '10:30', { operatoryId: 182 })] })).length, 4);
  });
});

describe('slots by the clock on the wall', () => {
  it('cross midnight, and the morning part needs no window of its own', () => {
    const night = [hours('22:10', '00:50', { days: 0b0000010 })];
    assert.deepEqual(startsOf(ask({ availabilities: night })), ['22:10', '22:40', '23:10', '23:40']);
    assert.deepEqual(startsOf(ask({ availabilities: night, startDate: '2026-06-02' })), ['00:10']);
  });

  it('run from a record that ends at 24:00 into one that begins at 00:00', () => {
    const input = ask({
      availabilities: [hours('23:00', '24:00', { days: 2 }), hours('00:00', '01:00', { days: 4 })],
      slotLengthMinutes: 45,
    });
    assert.deepEqual(startsOf(input), ['23:00', '23:45']);
  });

  it('last a whole day when begin and end are the same', () => {
    const input = ask({
      availabilities: [hours('09:00', '09:00', { specificDate: MONDAY })],
      slotLengthMinutes: 720,
      days: 2,
    });
    assert.deepEqual(startsOf(input), ['09:00', '21:00']);
  });

  it('of a practice that never closes stand on a grid that begins with the day before', () => {
    const allWeek = { availabilities: [hours('00:00', '24:00')], slotLengthMinutes: 50 };
    assert.equal(startsOf(ask(allWeek))[0], '00:10');
    const overMidnight = { ...busy('00:00', '00:00'), startMs: at('2026-05-30T23:00'), endMs: at('2026-05-31T00:20') };
    assert.equal(startsOf(ask({ ...allWeek, busy: [overMidnight] }))[0], '00:30');
  });

  it('of 24 hours reach over a day of 23 into the one after it', () => {
    const evening = hours('23:30', '24:00', { days: null, specificDate: '2026-03-07' });
    const after = hours('00:00', '24:00', { days: 0b0000011 });
    const input = ask({ availabilities: [evening, after], startDate: '2026-03-07', slotLengthMinutes: 1440 });
    assert.deepEqual(startsOf(input), ['23:30']);
    const morning = { ...busy('00:00', '00:00'), startMs: at('2026-03-09T00:15'), endMs: at('2026-03-09T00:30') };
    assert.ok(morning.startMs < busyRange(input).endMs);
    assert.deepEqual(startsOf({ ...input, busy: [morning] }), []);
  });

  it('stand on both sides of an hour that happens twice', () => {
    const input = ask({ availabilities: [hours('01:00', '04:00')], startDate: '2026-11-01', slotLengthMinutes: 60 });
    assert.deepEqual(
      computeSlots(input)[0]?.slots.map((slot) => slot.time.slice(11)),
      ['01:00:00.000-04:00', '01:00:00.000-05:00', '02:00:00.000-05:00', '03:00:00.000-05:00'],
    );
  });

  it('never stand in an hour that never happens', () => {
    const input = ask({ availabilities: [hours('01:00', '04:00')], startDate: '2026-03-08' });
    assert.deepEqual(startsOf(input), ['01:00', '01:30', '03:00', '03:30']);
  });

  it('lose only the part of their hours that never happens', () => {
    const day = { startDate: '2026-03-08' };
    assert.deepEqual(startsOf(ask({ ...day, availabilities: [hours('02:30', '04:00')] })), ['03:00', '03:30']);
    assert.deepEqual(startsOf(ask({ ...day, availabilities: [hours('01:00', '02:30')] })), ['01:00', '01:30']);
    assert.deepEqual(startsOf(ask({ ...day, availabilities: [hours('02:00', '03:00')] })), []);
  });

  it('keep their wall time over a clock change between two days', () => {
    const input = ask({ availabilities: [hours('09:00', '09:30')], startDate: '2026-03-07', days: 2 });
    assert.deepEqual(
      computeSlots(input)[0]?.slots.map((slot) => slot.time),
      ['2026-03-07T09:00:00.000-05:00', '2026-03-08T09:00:00.000-04:00'],
    );
  });

  it('fill a day of 25 hours and one of 23', () => {
    const allDay = { availabilities: [hours('00:00', '24:00')], slotLengthMinutes: 60 };
    assert.equal(startsOf(ask({ ...allDay, startDate: '2026-11-01' })).length, 25);
    assert.equal(startsOf(ask({ ...allDay, startDate: '2026-03-08' })).length, 23);
  });

  it('skip the day Samoa left out', () => {
    const input = ask({
      zone: 'Pacific/Apia',
      availabilities: [hours('09:00', '10:00')],
      startDate: '2011-12-29',
      days: 3,
    });
    assert.deepEqual(
      computeSlots(input)[0]?.slots.map((slot) => slot.time.slice(0, 16)),
      ['2011-12-29T09:00', '2011-12-29T09:30', '2011-12-31T09:00', '2011-12-31T09:30'],
    );
  });
});

describe('recurrence', () => {
  const daysOf = (rule: Partial<Availability>, from: string, count: number) => {
    const test = occurrenceTest(hours('09:00', '10:00', rule));
    return Array.from({ length: count }, (_, i) => dayNumberOf(from) + i)
      .filter(test)
      .map(dateOfDayNumber);
  };

  it('by weekday has Sunday as its lowest bit', () => {
    assert.deepEqual(daysOf({ days: 0b1000001 }, '2026-05-31', 8), ['2026-05-31', '2026-06-06', '2026-06-07']);
    assert.deepEqual(daysOf({ days: null }, '2026-05-31', 8), []);
  });

  it('on one date is that date', () => {
    assert.deepEqual(daysOf({ specificDate: '2026-06-03', days: null }, '2026-05-31', 8), ['2026-06-03']);
  });

  it('every third day or fifth week counts from its reference and not before it', () => {
    assert.deepEqual(daysOf({ recurrence: { num: 3, unit: 'day', ref: '2026-06-02' } }, '2026-05-28', 12), [
      '2026-06-02',
      '2026-06-05',
      '2026-06-08',
    ]);
    assert.deepEqual(daysOf({ recurrence: { num: 5, unit: 'week', ref: '2026-02-25' } }, '2026-01-01', 100), [
      '2026-02-25',
      '2026-04-01',
    ]);
  });

  it('monthly on the 31st leaves out the months without one', () => {
    assert.deepEqual(daysOf({ recurrence: { num: 1, unit: 'month', ref: '2025-12-31' } }, '2025-09-01', 261), [
      '2025-12-31',
      '2026-01-31',
      '2026-03-31',
    ]);
    assert.deepEqual(daysOf({ recurrence: { num: 2, unit: 'month', ref: '2025-11-29' } }, '2025-09-01', 261), [
      '2025-11-29',
      '2026-01-29',
      '2026-03-29',
    ]);
    assert.deepEqual(daysOf({ recurrence: { num: 12, unit: 'month', ref: '2024-02-29' } }, '2024-01-01', 2000), [
      '2024-02-29',
      '2028-02-29',
    ]);
  });
});

describe('the next available date', () => {
  const nextOf = (input: SlotInput) =>
    fillNextAvailableDates(computeSlots(input), input).map((group) => group.next_available_date);

  it('is the first date after the window that has a slot, and only for groups that have none', () => {
    const availabilities = [
      hours('09:00', '10:00', { specificDate: '2026-06-20' }),
      hours('09:00', '10:00', { providerId: 21 }),
    ];
    assert.deepEqual(nextOf(ask({ availabilities, providerIds: [20, 21, 22] })), ['2026-06-20', null, null]);
  });

  it('passes over dates that are busy, and stays within 180 days of the start', () => {
    const lastDay = addDays(MONDAY, 180);
    const onLast = [hours('09:00', '10:00', { specificDate: lastDay })];
    assert.deepEqual(nextOf(ask({ availabilities: onLast })), [lastDay]);
    assert.deepEqual(
      nextOf(ask({ availabilities: [hours('09:00', '10:00', { specificDate: addDays(lastDay, 1) })] })),
      [null],
    );
    const taken = [{ ...busy('09:00', '10:00'), startMs: at('2026-06-09T09:00'), endMs: at('2026-06-09T09:45') }];
    const tuesdays = [
      hours('09:00', '10:00', { days: 0b100, recurrence: { num: 1, unit: 'week', ref: '2026-06-09' } }),
    ];
    assert.deepEqual(nextOf(ask({ availabilities: tuesdays, busy: taken })), ['2026-06-16']);
  });

  it('belongs to each room of its own when grouped by room', () => {
    const availabilities = [
      hours('09:00', '10:00', { operatoryId: 181, specificDate: '2026-06-20' }),
      hours('09:00', '10:00', { operatoryId: 182, specificDate: '2026-06-10' }),
    ];
    assert.deepEqual(nextOf(ask({ availabilities, groupByOperatory: true })), ['2026-06-20', '2026-06-10']);
  });
});

describe('explained time', () => {
  const explain = (rest: Partial<SlotInput>) =>
    explainSlots(ask(rest))[0]?.explained.map(
      ({ from, to, reason }) => `${from.slice(11, 16)} ${to.slice(11, 16)} ${reason}`,
    );

  it('gives the reason for each stretch without slots', () => {
    assert.deepEqual(
      explain({
        availabilities: [
          hours('08:00', '12:10', { appointmentTypeIds: [CLEANING] }),
          hours('13:00', '14:00'),
          hours('15:00', '16:00', { appointmentTypeIds: [CLEANING], operatoryId: 181 }),
        ],
        operatories: [{ id: 181, active: false }],
        appointmentType: { id: CLEANING, minutes: 30 },
        nowMs: at(`${MONDAY}T08:40`),
        busy: [
          busy('07:30', '08:00'),
          busy('09:30', '10:00'),
          busy('10:00', '10:30', { providerId: null, reason: 'block' }),
          busy('10:30', '10:45', { reason: 'claim' }),
          busy('10:45', '11:00', { reason: 'pending' }),
          busy('11:20', '11:40'),
          busy('16:00', '17:00'),
        ],
      }),
      [
        '00:00 09:00 past',
        '09:30 10:00 appointment',
        '10:00 10:30 block',
        '10:30 11:00 claim',
        '11:00 11:20 shorter_than_length',
        '11:20 11:40 appointment',
        '12:10 13:00 outside_hours',
        '13:00 14:00 no_hours_for_type',
        '14:00 15:00 outside_hours',
        '15:00 16:00 inactive_operatory',
        '16:00 00:00 outside_hours',
      ],
    );
  });

  it('is the whole window for a provider who is not active', () => {
    assert.deepEqual(explain({ availabilities: [hours('09:00', '10:00')], providers: [] }), [
      '00:00 00:00 inactive_provider',
    ]);
  });

  it('tells free time between two starts from time too short for a slot', () => {
    assert.deepEqual(explain({ availabilities: [hours('09:00', '10:10')], slotIntervalMinutes: 40 }), [
      '00:00 09:00 outside_hours',
      '09:30 09:40 between_starts',
      '10:10 00:00 outside_hours',
    ]);
  });

  it('tells what came nearest to a slot when two rooms differ', () => {
    const availabilities = [
      hours('09:00', '10:00', { operatoryId: 181 }),
      hours('09:00', '09:30', { operatoryId: 182 }),
    ];
    const taken = busy('09:00', '10:00', { providerId: 21, operatoryId: 181 });
    assert.deepEqual(explain({ availabilities, busy: [taken] })?.slice(1, 2), ['09:30 10:00 appointment']);
  });
});

describe('a booking is checked against hours', () => {
  const check = (from: string, to: string, rest: Partial<Parameters<typeof checkBookable>[0]> = {}) =>
    checkBookable({
      ...ask({
        availabilities: [hours('09:00', '10:00', { appointmentTypeIds: [CLEANING] }), hours('10:00', '12:00')],
      }),
      startMs: at(`${MONDAY}T${from}`),
      endMs: at(`${MONDAY}T${to}`),
      providerId: 20,
      operatoryId: null,
      appointmentType: null,
      ...rest,
    });

  it('fits inside records that adjoin, and not past their end', () => {
    assert.equal(check('09:30', '10:30'), 'ok');
    assert.equal(check('09:00', '12:00'), 'ok');
    assert.equal(check('11:30', '12:01'), 'outside_hours');
    assert.equal(check('08:59', '09:30'), 'outside_hours');
    assert.equal(check('09:30', '09:30'), 'outside_hours');
  });

  it('needs the type on all of its time', () => {
    const appointmentType = { id: CLEANING };
    assert.equal(check('09:30', '10:00', { appointmentType }), 'ok');
    assert.equal(check('09:30', '10:01', { appointmentType }), 'type_not_configured');
    assert.equal(check('12:30', '13:00', { appointmentType }), 'outside_hours');
  });

  it('needs a provider and an operatory that are active', () => {
    assert.equal(check('09:00', '10:00', { providerId: 99 }), 'inactive_provider');
    assert.equal(check('09:00', '10:00', { operatoryId: 99 }), 'inactive_operatory');
    assert.equal(check('09:00', '10:00', { providerId: 21 }), 'outside_hours');
  });

  it('without a room may not use the hours of a room that is not active', () => {
    const availabilities = [hours('09:00', '10:00', { operatoryId: 181 })];
    assert.equal(check('09:00', '10:00', { availabilities }), 'ok');
    assert.equal(
      check('09:00', '10:00', { availabilities, operatories: [{ id: 181, active: false }] }),
      'outside_hours',
    );
  });

  it('in a room may use hours of that room and of no room; without a room, all hours', () => {
    const availabilities = [
      hours('09:00', '10:00', { operatoryId: 181 }),
      hours('10:00', '11:00', { operatoryId: 182 }),
      hours('11:00', '12:00'),
    ];
    assert.equal(check('09:00', '10:00', { availabilities, operatoryId: 181 }), 'ok');
    assert.equal(check('09:00', '10:00', { availabilities, operatoryId: 182 }), 'outside_hours');
    assert.equal(check('10:30', '11:30', { availabilities, operatoryId: 182 }), 'ok');
    assert.equal(check('09:00', '12:00', { availabilities }), 'ok');
  });

  it('may lie across midnight', () => {
    const availabilities = [hours('22:00', '02:00', { days: 0b0000001 })];
    const night = { availabilities, startMs: at('2026-05-31T23:30'), endMs: at(`${MONDAY}T00:30`) };
    assert.equal(check('00:00', '00:00', night), 'ok');
    assert.equal(check('01:00', '02:00', { availabilities }), 'ok');
    assert.equal(check('22:00', '23:00', { availabilities }), 'outside_hours');
  });
});

// Random practices around clock changes, against a slow and obvious oracle.

const ZONES = [
  NEW_YORK,
  'America/St_Johns',
  'America/Sao_Paulo',
  'America/Havana',
  'America/Nuuk',
  'Antarctica/Troll',
  'Africa/Casablanca',
  'Africa/Cairo',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'Pacific/Chatham',
  'UTC',
];

const CLOCK_CHANGES = new Map(
  ZONES.map((zone) => {
    const dates: string[] = ['2026-06-01'];
    let change = Temporal.ZonedDateTime.from(`2010-01-01T00:00[${zone}]`).getTimeZoneTransition('next');
    while (change !== null && change.year < 2028) {
      dates.push(change.toPlainDate().toString());
      change = change.getTimeZoneTransition('next');
    }
    return [zone, dates];
  }),
);

const anyDay = fc.constantFrom(...ZONES).chain((zone) =>
  fc.record({
    zone: fc.constant(zone),
    startDate: fc
      .tuple(fc.constantFrom(...(CLOCK_CHANGES.get(zone) as string[])), fc.integer({ min: -2, max: 1 }))
      .map(([date, days]) => addDays(date, days)),
  }),
);

const anyMinute = fc.oneof(
  fc.integer({ min: 0, max: 95 }).map((n) => n * 15),
  fc.integer({ min: 0, max: 1439 }),
);

function anyAvailability(startDate: string, minutes: fc.Arbitrary<[number, number]>): fc.Arbitrary<Availability> {
  const nearby = fc.integer({ min: -40, max: 3 }).map((days) => addDays(startDate, days));
  const rule = fc.oneof(
    { weight: 3, arbitrary: fc.record({ days: fc.integer({ min: 1, max: 127 }) }) },
    fc.record({ specificDate: nearby }),
    fc.record({
      recurrence: fc.record({
        num: fc.integer({ min: 1, max: 3 }),
        unit: fc.constantFrom('day', 'week', 'month'),
        ref: nearby,
      }),
    }),
  );
  return fc
    .tuple(
      rule,
      minutes,
      fc.record({
        providerId: fc.constantFrom(20, 21),
        operatoryId: fc.constantFrom(null, 181, 182, 183),
        active: fc.constantFrom(true, true, true, false),
        source: fc.constantFrom('manual', 'synced'),
        labelId: fc.constantFrom(null, null, 5, 6),
        appointmentTypeIds: fc.constantFrom([], [CLEANING], [CLEANING, EXAM]),
      }),
    )
    .map(([when, [beginMinute, endMinute], rest]) =>
      hours('00:00', '00:00', { days: null, ...(when as Partial<Availability>), ...rest, beginMinute, endMinute }),
    );
}

const anyHours = fc.tuple(anyMinute, fc.oneof(anyMinute, fc.constant(1440)));
/** A practice that is closed for some hours of every night. */
const hoursWithANight = fc
  .tuple(fc.integer({ min: 420, max: 1200 }), fc.integer({ min: 20, max: 600 }))
  .map(([begin, length]): [number, number] => [begin, begin + length > 1440 ? begin + length - 1440 : begin + length]);

function anyQuestion(minutes: fc.Arbitrary<[number, number]> = anyHours): fc.Arbitrary<SlotInput> {
  return anyDay.chain(({ zone, startDate }) => {
    const fromMs = localToInstantMs(zone, startDate, 0);
    const anyBusy = fc
      .record({
        startMs: fc.integer({ min: -2 * 288, max: 4 * 288 }).map((n) => fromMs + n * 5 * MINUTE_MS),
        lengthMinutes: fc.constantFrom(0, 5, 15, 30, 60, 200, 700),
        appointmentId: fc.integer({ min: 1, max: 8 }),
        providerId: fc.constantFrom(null, 20, 20, 21),
        operatoryId: fc.constantFrom(null, 181, 182),
        reason: fc.constantFrom('appointment', 'block', 'claim', 'pending'),
      })
      .map(
        ({ lengthMinutes, ...rest }): BusyInterval => ({ ...rest, endMs: rest.startMs + lengthMinutes * MINUTE_MS }),
      );
    return fc
      .record({
        nowMs: fc.oneof(
          fc.constant(0),
          fc.integer({ min: -1440, max: 4000 }).map((n) => fromMs + n * MINUTE_MS),
        ),
        days: fc.integer({ min: 1, max: 3 }),
        providerIds: fc.constantFrom([20], [21, 20]),
        operatoryIds: fc.constantFrom(null, null, null, [182], [181, 183]),
        labelId: fc.constantFrom(null, null, null, null, 5),
        source: fc.constantFrom(null, null, null, 'manual' as const, 'synced' as const),
        appointmentsPerTimeslot: fc.constantFrom(1, 1, 2, 3),
        providers: fc.constant([20, 21].map((id) => ({ id, active: true }))),
        operatories: fc.constant([181, 182, 183].map((id) => ({ id, active: id !== 183 }))),
        availabilities: fc.array(anyAvailability(startDate, minutes), { minLength: 1, maxLength: 5 }),
        busy: fc.array(anyBusy, { maxLength: 12 }),
        appointmentType: fc.constantFrom(null, null, { id: CLEANING, minutes: 40 }),
        slotLengthMinutes: fc.constantFrom(null, 7, 30, 60, 1440),
        slotIntervalMinutes: fc.constantFrom(null, null, 5, 45),
        overlappingOperatorySlots: fc.boolean(),
        groupByOperatory: fc.constantFrom(false, false, true),
      })
      .map((rest) => ask({ zone, startDate, ...rest }));
  });
}

/** When the wall clock first shows that minute of that date or, where it jumps over it, the moment of the jump. */
function oracleInstant(zone: string, date: string, minute: number): number {
  const wall = Temporal.PlainDate.from(date).toPlainDateTime().add({ minutes: minute });
  const earlier = wall.toZonedDateTime(zone, { disambiguation: 'earlier' });
  if (earlier.toPlainDateTime().equals(wall)) return earlier.epochMilliseconds;
  return (earlier.getTimeZoneTransition('next') as Temporal.ZonedDateTime).epochMilliseconds;
}

function oracleOccurs({ days, specificDate, recurrence }: Availability, date: string): boolean {
  if (specificDate) return date === specificDate;
  const day = Temporal.PlainDate.from(date);
  if (!recurrence) return (((days ?? 0) >> (day.dayOfWeek % 7)) & 1) === 1;
  const ref = Temporal.PlainDate.from(recurrence.ref);
  for (let n = 0; ; n += recurrence.num) {
    const next = ref.add({ [`${recurrence.unit}s`]: n });
    if (Temporal.PlainDate.compare(next, day) > 0) return false;
    if (next.equals(day) && (recurrence.unit !== 'month' || next.day === ref.day)) return true;
  }
}

interface OracleStart {
  startMs: number;
  operatoryId: number | null;
  labelId: number | null;
}

/** Minute by minute: is the provider there, is nothing else, and where do the free runs begin? */
function oracleStarts(input: SlotInput, providerId: number): OracleStart[] {
  const lengthMinutes = input.appointmentType?.minutes ?? input.slotLengthMinutes ?? 15;
  const step = input.slotIntervalMinutes ?? lengthMinutes;
  const windowStartMs = oracleInstant(input.zone, input.startDate, 0);
  const windowEndMs = oracleInstant(input.zone, addDays(input.startDate, input.days), 0);
  const firstMs = oracleInstant(input.zone, addDays(input.startDate, -1), 0);
  const minuteCount = (input.days + 5) * 1440;

  const found: OracleStart[] = [];
  for (const operatoryId of [181, 182, null]) {
    if (input.operatoryIds && !input.operatoryIds.includes(operatoryId as number)) continue;
    const free = new Uint8Array(minuteCount);
    const underLabel = new Map([5, 6].map((id) => [id, new Uint8Array(minuteCount)]));
    const there = new Map<number, Set<number>>();
    const minuteOf = (instantMs: number) => Math.max(0, (instantMs - firstMs) / MINUTE_MS);
    const paint = (fromMs: number, toMs: number, value: number, minutes = free) =>
      minutes.fill(value, minuteOf(fromMs), minuteOf(toMs));
    for (const record of input.availabilities) {
      if (!record.active || record.providerId !== providerId || record.operatoryId !== operatoryId) continue;
      if (input.labelId !== null && record.labelId !== input.labelId) continue;
      if (input.source !== null && record.source !== input.source) continue;
      if (input.appointmentType && !record.appointmentTypeIds.includes(input.appointmentType.id)) continue;
      for (let day = -1; day < input.days + 2; day++) {
        const date = addDays(input.startDate, day);
        if (!oracleOccurs(record, date)) continue;
        const endDate = record.endMinute <= record.beginMinute ? addDays(date, 1) : date;
        const fromMs = oracleInstant(input.zone, date, record.beginMinute);
        const toMs = oracleInstant(input.zone, endDate, record.endMinute);
        paint(fromMs, toMs, 1);
        if (record.labelId !== null) paint(fromMs, toMs, 1, underLabel.get(record.labelId));
      }
    }
    for (const taken of input.busy) {
      const everywhere = taken.providerId === null && taken.operatoryId === null;
      const inRoom = operatoryId !== null && taken.operatoryId === operatoryId;
      if (everywhere || inRoom || (taken.providerId === providerId && taken.reason === 'block'))
        paint(taken.startMs, taken.endMs, 0);
      else if (taken.providerId === providerId) {
        for (let minute = minuteOf(taken.startMs); minute < minuteOf(taken.endMs); minute++)
          there.set(minute, new Set(there.get(minute)).add(taken.appointmentId));
      }
    }
    for (const [minute, ids] of there) if (ids.size >= input.appointmentsPerTimeslot) free[minute] = 0;
    for (let minute = 0; minute < minuteCount; minute++) {
      if (!free[minute] || free[minute - 1]) continue;
      for (let start = minute; ; start += step) {
        const time = free.subarray(start, start + lengthMinutes);
        if (time.length < lengthMinutes || free.subarray(minute, start + lengthMinutes).includes(0)) break;
        const met = new Set<number>();
        for (let at = start; at < start + lengthMinutes; at++) for (const one of there.get(at) ?? []) met.add(one);
        if (met.size >= input.appointmentsPerTimeslot) continue;
        const startMs = firstMs + start * MINUTE_MS;
        const labels = [...underLabel].filter(
          ([, minutes]) => !minutes.subarray(start, start + lengthMinutes).includes(0),
        );
        if (startMs >= windowStartMs && startMs < windowEndMs && startMs > input.nowMs)
          found.push({ startMs, operatoryId, labelId: labels[0]?.[0] ?? null });
      }
    }
  }
  return found.sort((a, b) => a.startMs - b.startMs);
}

describe('over random practices', () => {
  it('slots are those of the minute by minute oracle', () => {
    let offered = 0;
    fc.assert(
      fc.property(anyQuestion(), (input) => {
        for (const group of computeSlots(input)) {
          let expected = oracleStarts(input, group.pid);
          if (input.groupByOperatory) expected = expected.filter((e) => e.operatoryId === group.operatory_id);
          else if (!input.overlappingOperatorySlots)
            expected = expected.filter((e, i) => e.startMs !== expected[i - 1]?.startMs);
          const lengthMinutes = input.appointmentType?.minutes ?? input.slotLengthMinutes ?? 15;
          const text = (ms: number) =>
            Temporal.Instant.fromEpochMilliseconds(ms)
              .toZonedDateTimeISO(input.zone)
              .toString({ fractionalSecondDigits: 3, timeZoneName: 'never' });
          assert.deepEqual(
            group.slots,
            expected.map(({ startMs, operatoryId, labelId }) => ({
              time: text(startMs),
              end_time: text(startMs + lengthMinutes * MINUTE_MS),
              ...(operatoryId !== null && { operatory_id: operatoryId }),
              ...(labelId !== null && { label_id: labelId }),
            })),
          );
          offered += group.slots.length;
        }
      }),
      { numRuns: 1000 },
    );
    assert.ok(offered > 2000, `only ${offered} slots were compared`);
  });

  it('slots and explained time never overlap and together are the window', () => {
    const read = (from: string, to: string): Interval => ({ startMs: Date.parse(from), endMs: Date.parse(to) });
    fc.assert(
      fc.property(anyQuestion(), (input) => {
        const window = {
          startMs: oracleInstant(input.zone, input.startDate, 0),
          endMs: oracleInstant(input.zone, addDays(input.startDate, input.days), 0),
        };
        const groups = computeSlots(input);
        const explanations = explainSlots(input);
        assert.deepEqual(
          explanations.map((e) => [e.pid, e.operatory_id]),
          groups.map((g) => [g.pid, g.operatory_id]),
        );
        for (const [i, { explained }] of explanations.entries()) {
          const slots = mergeIntervals((groups[i] as SlotGroup).slots.map((slot) => read(slot.time, slot.end_time)));
          const parts = explained.map((part) => ({ ...read(part.from, part.to), reason: part.reason }));
          for (const [j, part] of parts.entries()) {
            const before = parts[j - 1];
            assert.ok(part.startMs < part.endMs, 'a part holds time');
            assert.ok(!before || before.endMs <= part.startMs, 'parts are in order');
            assert.ok(!before || before.endMs < part.startMs || before.reason !== part.reason, 'equal reasons merge');
            if (part.reason === 'between_starts' && input.slotIntervalMinutes === null)
              assert.equal(
                part.startMs,
                window.startMs,
                'without a wider step only a slot from before is between starts',
              );
          }
          const inWindow = window.startMs < window.endMs ? [window] : [];
          assert.deepEqual(intersectIntervals(slots, mergeIntervals(parts)), []);
          assert.deepEqual(intersectIntervals(mergeIntervals([...slots, ...parts]), inWindow), inWindow);
          assert.deepEqual(subtractIntervals(mergeIntervals(parts), inWindow), []);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('the slots of some days are those of each day, for practices that close at night', () => {
    fc.assert(
      fc.property(anyQuestion(hoursWithANight), (input) => {
        const whole = computeSlots({ ...input, groupByOperatory: false });
        const eachDay = Array.from({ length: input.days }, (_, i) =>
          computeSlots({ ...input, groupByOperatory: false, startDate: addDays(input.startDate, i), days: 1 }),
        );
        for (const [i, group] of whole.entries())
          assert.deepEqual(
            group.slots,
            eachDay.flatMap((groups) => groups[i]?.slots ?? []),
          );
      }),
      { numRuns: 200 },
    );
  });

  it('only busy time inside busyRange matters', () => {
    fc.assert(
      fc.property(anyQuestion(), (input) => {
        const { startMs, endMs } = busyRange(input);
        const inside = input.busy.filter((taken) => taken.startMs < endMs && taken.endMs > startMs);
        assert.deepEqual(computeSlots({ ...input, busy: inside }), computeSlots(input));
      }),
      { numRuns: 100 },
    );
  });

  it('the next available date is the first of the days, asked one by one', () => {
    fc.assert(
      fc.property(anyQuestion(hoursWithANight), (input) => {
        const quick = fillNextAvailableDates(computeSlots(input), input);
        for (const group of quick) {
          if (group.slots.length > 0) continue;
          let expected: string | null = null;
          for (let day = input.days; day <= 180 && expected === null; day++) {
            const startDate = addDays(input.startDate, day);
            const groups = computeSlots({ ...input, startDate, days: 1 });
            if (groups.some((g) => g.pid === group.pid && g.operatory_id === group.operatory_id && g.slots.length > 0))
              expected = startDate;
          }
          assert.equal(group.next_available_date, expected);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('every slot can be booked', () => {
    fc.assert(
      fc.property(anyQuestion(), (input) => {
        for (const group of computeSlots(input))
          for (const slot of group.slots.slice(0, 20))
            assert.equal(
              checkBookable({
                ...input,
                startMs: Date.parse(slot.time),
                endMs: Date.parse(slot.end_time),
                providerId: group.pid,
                operatoryId: slot.operatory_id ?? null,
              }),
              'ok',
            );
      }),
      { numRuns: 150 },
    );
  });
});
