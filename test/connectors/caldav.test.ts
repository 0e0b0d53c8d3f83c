/** What calendars hold that other systems do not, and what only this protocol can do to a connector. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { mapEvents, mapPatient } from '../../src/connectors/caldav/map.ts';
import { CursorRejected, HrsNonsense } from '../../src/connectors/connector.ts';
import { missingProgram } from '../harness/debian.ts';
import { collect, readAll } from './bench-actions.ts';
import { calendar, startCaldavBench } from './caldav-bench.ts';

const ZONE = 'America/New_York';
const NOW_MS = Date.parse('2040-01-01T00:00:00.000Z');

const mapped = (data: string) => mapEvents({ name: 'a.ics', etag: '"1"', data }, ZONE, NOW_MS);
const spans = (...lines: string[]) =>
  mapped(calendar('UID:a', ...lines)).records.map(
    ({ startAt, endAt }) => `${startAt.slice(0, 16)} ${endAt.slice(0, 16)}`,
  );

describe('events of a calendar', () => {
  it('have times in UTC, in a zone, on the wall, or whole days', () => {
    assert.deepEqual(spans('DTSTART:20400102T140000Z', 'DTEND:20400102T143000Z'), [
      '2040-01-02T14:00 2040-01-02T14:30',
    ]);
    assert.deepEqual(spans('DTSTART;TZID=Europe/Berlin:20400702T140000', 'DURATION:PT1H'), [
      '2040-07-02T12:00 2040-07-02T13:00',
    ]);
    assert.deepEqual(spans('DTSTART:20400102T090000', 'DTEND:20400102T093000'), ['2040-01-02T14:00 2040-01-02T14:30']);
    assert.deepEqual(spans('DTSTART;VALUE=DATE:20400704', 'DTEND;VALUE=DATE:20400706'), [
      '2040-07-04T04:00 2040-07-06T04:00',
    ]);
    assert.deepEqual(spans('DTSTART;TZID=Practice Time:20400102T090000', 'DURATION:PT15M'), [
      '2040-01-02T14:00 2040-01-02T14:15',
    ]);
  });

  it('of a series keep their wall-clock time over a change of the clocks, and leave out exceptions', () => {
    const lines = ['DTSTART;TZID=America/New_York:20400308T120000', 'DURATION:PT1H', 'RRULE:FREQ=DAILY;COUNT=4'];
    assert.deepEqual(spans(...lines, 'EXDATE;TZID=America/New_York:20400310T120000'), [
      '2040-03-08T17:00 2040-03-08T18:00',
      '2040-03-09T17:00 2040-03-09T18:00',
      '2040-03-11T16:00 2040-03-11T17:00',
    ]);
  });

  it('of a series are told apart, and one of them may be moved or called off', () => {
    const series = calendar('UID:a', 'DTSTART:20400102T140000Z', 'DURATION:PT1H', 'RRULE:FREQ=WEEKLY;COUNT=3');
    const other = (at: string, ...lines: string[]) =>
      ['BEGIN:VEVENT', 'UID:a', 'DTSTAMP:20260101T000000Z', `RECURRENCE-ID:${at}`, ...lines, 'END:VEVENT', ''].join(
        '\r\n',
      );
    const moved = other('20400109T140000Z', 'DTSTART:20400110T150000Z', 'DURATION:PT1H');
    const off = other('20400116T140000Z', 'DTSTART:20400116T140000Z', 'DURATION:PT1H', 'STATUS:CANCELLED');
    const { records, isSeries } = mapped(series.replace('END:VCALENDAR', `${moved}${off}END:VCALENDAR`));
    assert.equal(isSeries, true);
    assert.deepEqual(
      records.map(({ foreignId, startAt, cancelled }) => [foreignId, startAt.slice(0, 13), cancelled]),
      [
        ['a.ics#20400102T140000Z', '2040-01-02T14', false],
        ['a.ics#20400109T140000Z', '2040-01-10T15', false],
        ['a.ics#20400116T140000Z', '2040-01-16T14', true],
      ],
    );
  });

  it('of a series without an end are told for a year, and too many of them not at all', () => {
    const daily = mapped(calendar('UID:a', 'DTSTART:20100101T140000Z', 'DURATION:PT1H', 'RRULE:FREQ=DAILY'));
    assert.ok(daily.records.length > 365 && daily.records.length < 450, String(daily.records.length));
    const each = calendar('UID:a', 'DTSTART:20390101T140000Z', 'DURATION:PT1S', 'RRULE:FREQ=SECONDLY');
    assert.throws(() => mapped(each), HrsNonsense);
  });

  it('have an end in a zone of its own, or in one that only the item knows', () => {
    assert.deepEqual(
      spans('DTSTART;TZID=America/New_York:20400102T090000', 'DTEND;TZID=America/Denver:20400102T080000'),
      ['2040-01-02T14:00 2040-01-02T15:00'],
    );
    const rule = (name: string, from: string, to: string, month: number) =>
      [`BEGIN:${name}`, 'DTSTART:19700101T020000', `RRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=${month}`]
        .concat([`TZOFFSETFROM:${from}`, `TZOFFSETTO:${to}`, `END:${name}`])
        .join('\r\n');
    const zone = ['BEGIN:VTIMEZONE', 'TZID:Our Time', rule('STANDARD', '-0700', '-0800', 11)]
      .concat([rule('DAYLIGHT', '-0800', '-0700', 3), 'END:VTIMEZONE', ''])
      .join('\r\n');
    const event = calendar('UID:a', 'DTSTART;TZID=Our Time:20400702T090000', 'DURATION:PT1H');
    const [record] = mapped(event.replace('BEGIN:VEVENT', `${zone}BEGIN:VEVENT`)).records;
    assert.equal(record?.startAt, '2040-07-02T16:00:00.000Z');
  });

  it('last as long as they say, also when the clocks are changed meanwhile', () => {
    assert.deepEqual(spans('DTSTART;TZID=America/New_York:20400310T230000', 'DURATION:PT6H'), [
      '2040-03-11T04:00 2040-03-11T10:00',
    ]);
  });

  it('of a series may be added, left out and moved by times in other zones', () => {
    const daily = ['DTSTART;TZID=America/New_York:20400102T090000', 'DURATION:PT1H', 'RRULE:FREQ=DAILY;COUNT=4'];
    // The first two were left out before the series was moved.
    assert.deepEqual(spans(...daily, 'EXDATE:20400102T130000Z,20400103T130000Z,20400103T140000Z,20400104T140000Z'), [
      '2040-01-02T14:00 2040-01-02T15:00',
      '2040-01-05T14:00 2040-01-05T15:00',
    ]);
    assert.deepEqual(spans(daily[0] as string, 'DURATION:PT1H', 'RDATE;VALUE=PERIOD:20400109T140000Z/PT2H'), [
      '2040-01-02T14:00 2040-01-02T15:00',
      '2040-01-09T14:00 2040-01-09T16:00',
    ]);
    const until = ['DTSTART;TZID=America/New_York:20400102T200000', 'DURATION:PT1H'];
    assert.deepEqual(spans(...until, 'RRULE:FREQ=DAILY;UNTIL=20400104T000000Z'), ['2040-01-03T01:00 2040-01-03T02:00']);
    const moved = [
      'BEGIN:VEVENT',
      'UID:a',
      'RECURRENCE-ID:20400103T140000Z',
      'DTSTART:20400103T200000Z',
      'DURATION:PT1H',
    ];
    const series = calendar('UID:a', ...daily).replace(
      'END:VCALENDAR',
      [...moved, 'END:VEVENT', 'END:VCALENDAR'].join('\r\n'),
    );
    assert.deepEqual(
      mapped(series).records.map(({ startAt }) => startAt.slice(5, 13)),
      ['01-02T14', '01-03T20', '01-04T14', '01-05T14'],
    );
  });

  it('of a series that no day fits are given up on, and nobody waits long for that', () => {
    const startedMs = performance.now();
    const never = calendar('UID:a', 'DTSTART:20400102T140000Z', 'RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30');
    assert.throws(() => mapped(never), HrsNonsense);
    assert.ok(performance.now() - startedMs < 5_000);
    assert.throws(() => mapped(calendar('UID:a', 'DTSTART:20400102T140000Z', 'DURATION:P99999999999D')), HrsNonsense);
  });

  it('that take no time free it', () => {
    const [record] = mapped(
      calendar('UID:a', 'DTSTART:20400102T140000Z', 'DURATION:PT1H', 'TRANSP:TRANSPARENT'),
    ).records;
    assert.deepEqual([record?.cancelled, record?.unavailable], [true, true]);
  });

  it('that cannot be read are no events', () => {
    for (const data of ['', 'BEGIN:VCALENDAR', 'hello', calendar('UID:a'), calendar('DTSTART:99999999T990000Z')]) {
      assert.throws(() => mapped(data), HrsNonsense, data);
    }
  });
});

it('cards of old and new kinds are patients', () => {
  const card = (...lines: string[]) =>
    mapPatient({ name: 'p.vcf', etag: '"1"', data: ['BEGIN:VCARD', ...lines, 'END:VCARD', ''].join('\r\n') });
  const three = card('VERSION:3.0', 'FN:Ada Stone', 'N:Stone;Ada;M;;', 'TEL;TYPE=CELL:+12125550177', 'BDAY:19800405');
  assert.deepEqual(
    [three.firstName, three.lastName, three.cellPhoneNumber, three.phoneNumber, three.dateOfBirth],
    ['Ada', 'Stone', '+12125550177', '+12125550177', '1980-04-05'],
  );
  const four = card('VERSION:4.0', 'FN:Otis', 'GENDER:M', 'TEL;VALUE=uri;TYPE=home:tel:+1-212-555-0155', 'KIND:group');
  assert.deepEqual(
    [four.firstName, four.gender, four.homePhoneNumber, four.nonPatient],
    ['Otis', 'Male', '+1-212-555-0155', true],
  );
});

it('an address that cannot be decoded leads to a card as it is written', () => {
  const lines = ['UID:a', 'DTSTART:20400102T140000Z', 'CONTACT;ALTREP="/kim/patients/%E0%A4%A.vcf":Ada'];
  assert.equal(mapped(calendar(...lines)).records[0]?.patientForeignId, '%E0%A4%A.vcf');
});

describe('a CalDAV server', { skip: missingProgram('radicale', 'radicale') }, () => {
  let bench: Awaited<ReturnType<typeof startCaldavBench>>;
  before(async () => {
    bench = await startCaldavBench('radicale');
  });
  after(() => bench?.close());
  const now = () => AbortSignal.timeout(20_000);

  it('that no longer knows our token makes us begin again', async () => {
    const { cursor } = await readAll(bench.connector, null);
    const forgotten = { ...cursor, calendar: `http://radicale.org/ns/sync/${'0'.repeat(64)}` };
    await assert.rejects(collect(bench.connector, forgotten, []), CursorRejected);
    await assert.rejects(collect(bench.connector, { revision: 1 }, []), CursorRejected);
  });

  it('tells of a series only that it changed: then we begin again', async () => {
    const lunch = (count: number) =>
      calendar('UID:lunch', 'DTSTART:20400102T170000Z', 'DURATION:PT1H', `RRULE:FREQ=DAILY;COUNT=${count}`);
    await bench.desk.put('lunch.ics', lunch(5));
    const { cursor } = await readAll(bench.connector, null);
    await bench.desk.put('lunch.ics', lunch(3));
    await assert.rejects(collect(bench.connector, cursor, []), CursorRejected);
    const next = await readAll(bench.connector, null);
    await bench.desk.remove('lunch.ics');
    await assert.rejects(collect(bench.connector, next.cursor, []), CursorRejected);
  });

  it('keeps what people changed while we change something else', async () => {
    const time = await bench.desk.takeFreeTime();
    const [patientForeignId = ''] = await bench.desk.addPatients(['Stone']);
    const foreignId = await bench.desk.addAppointment(time, patientForeignId);
    const isPut = ({ method }: { method: string }) => method === 'PUT';
    const moved = { ...time, endAt: new Date(Date.parse(time.startAt) + 3_600_000).toISOString() };
    const act = () => bench.desk.addAppointmentAgain(foreignId, moved, patientForeignId);
    const armed = bench.proxy.arm({ kind: 'meanwhile', act }, { when: isPut });
    const confirm = { kind: 'confirm', marker: randomUUID(), foreignId } as const;
    assert.deepEqual(await bench.connector.execute(confirm, now()), { outcome: 'done', foreignId });
    assert.equal(armed.hits(), 1);
    const [found] = await bench.connector.find({ kind: 'appointment', foreignId }, now());
    assert.deepEqual(found?.kind === 'appointment' && [found.endAt, found.confirmed], [moved.endAt, true]);
  });

  it('is asked for whole days and times without a zone, too, before a time is taken', async () => {
    const [patientForeignId = ''] = await bench.desk.addPatients(['Evening']);
    // Monday evening in New York is Tuesday in UTC.
    const time = { startAt: '2039-03-02T00:00:00.000Z', endAt: '2039-03-02T00:30:00.000Z' };
    const appointment = {
      ...{ ...time, locationForeignId: 'practice', patientForeignId, providerForeignId: 'owner' },
      ...{ operatoryForeignId: null, descriptorForeignIds: [], unavailable: false, note: null },
      appointmentsPerTimeslot: 1,
    };
    for (const lines of [['DTSTART;VALUE=DATE:20390301'], ['DTSTART:20390301T190000', 'DURATION:PT1H']]) {
      await bench.desk.put('busy.ics', calendar('UID:busy', ...lines));
      const write = { kind: 'create_appointment', marker: randomUUID(), appointment } as const;
      const result = await bench.connector.execute(write, now());
      assert.equal(result.outcome === 'refused' && result.reason, 'slot_taken', lines[0]);
    }
    await bench.desk.remove('busy.ics');
  });

  it('may not bring a document type, or rows of another collection', async () => {
    const evil = (body: string) => body.replace('?>', '?><!DOCTYPE a [<!ENTITY b "c">]>');
    bench.proxy.arm({ kind: 'rewrite', rewrite: evil }, { times: 1 });
    await assert.rejects(collect(bench.connector, null, []), HrsNonsense);
    bench.proxy.arm({ kind: 'rewrite', rewrite: (body) => body.replaceAll('/kim/', '/eve/') }, { times: 1 });
    await assert.rejects(collect(bench.connector, null, []), HrsNonsense);
  });

  it('is told from a wrong address in plain words', async () => {
    const said = async (status: number) => {
      bench.proxy.arm({ kind: 'answer', status }, { times: 1 });
      return (await bench.connector.check(now())).message;
    };
    assert.match(await said(404), /nothing is at that address \(404\)/);
    assert.match(await said(405), /no answer of a calendar server \(405\)/);
    assert.match(await said(401), /refuses our credentials \(401\)/);
  });

  it('goes on where it had to break off', async () => {
    const { cursor } = await readAll(bench.connector, null);
    await bench.desk.addPatients(['Long', 'List']);
    const cut = (body: string) =>
      body.replace(/<\/(\w+:)?multistatus>/, (end, prefix = '') => {
        const status = `<${prefix}status>HTTP/1.1 507 Insufficient Storage</${prefix}status>`;
        return `<${prefix}response><${prefix}href>/kim/patients/</${prefix}href>${status}</${prefix}response>${end}`;
      });
    const armed = bench.proxy.arm({ kind: 'rewrite', rewrite: cut }, { times: 1 });
    const { records } = await readAll(bench.connector, cursor);
    assert.equal(armed.hits(), 1);
    assert.equal(records.filter(({ kind }) => kind === 'patient').length, 2);
  });
});
