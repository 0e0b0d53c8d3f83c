/**
 * What a FHIR server may answer to a read, in all the ways it may be wrong or strange: nothing of it ends the program,
 * passes for the whole when it is not, or is stored as something that it does not say.
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { HrsNonsense, Unavailable } from '../../src/connectors/connector.ts';
import type { Foreign } from './fhir-bench.ts';
import {
  END,
  practice,
  type Reading,
  type Script,
  type ScriptedServer,
  START,
  startScriptedServer,
  TYPES,
} from './scripted-fhir.ts';

/** What a reader may take of an answer before it lets go; a socket's buffers come on top. */
const MOST_SENT_BYTES = 64 * 1024 * 1024;

let server: ScriptedServer;
let sentBytes = 0;

before(async () => {
  server = await startScriptedServer();
});
after(() => server?.close());

const read: ScriptedServer['read'] = (edit, more) => server.read(edit, more);

const page = (type: string, edit: (bundle: Foreign) => unknown) => (one: Script) => {
  one.bundle = (bundle, of) => (of === type ? edit(bundle) : bundle);
};
const row = (type: string, edit: (resource: Foreign) => Foreign) => (one: Script) => {
  one.rows[type] = (one.rows[type] ?? []).map(edit);
};
const visit = (more: object) => row('Appointment', (resource) => ({ ...resource, ...more }));
const patient = (more: object) => row('Patient', (resource) => ({ ...resource, ...more }));
const slots =
  (...more: object[]) =>
  (one: Script) => {
    const [slot] = one.rows.Slot as [Foreign];
    one.rows.Slot = more.map((other, i) => ({ ...slot, id: `s${i + 1}`, ...other }));
  };
const outcome = (severity: string) => ({
  resourceType: 'OperationOutcome',
  issue: [{ severity, code: 'processing', diagnostics: 'Stone' }],
});
const nested = (depth: number): object =>
  depth === 0 ? {} : { resourceType: 'Patient', id: 'x', contained: [nested(depth - 1)] };
const extended = (depth: number): object =>
  depth === 0 ? { url: 'u' } : { url: 'u', extension: [extended(depth - 1)] };
const next = (link: unknown) => page('Patient', (bundle) => ({ ...bundle, link: [{ relation: 'next', url: link }] }));

it('reads the practice itself', async () => {
  const { complete, visit, ada, hours } = await read(() => {});
  assert.ok(complete);
  assert.deepEqual(
    [visit?.patientForeignId, visit?.providerForeignId, ada?.lastName, hours.length],
    ['ada', 'dr', 'Stone', 1],
  );
});

describe('fhir: answers that are none', () => {
  const REFUSED: Record<string, (script: Script) => void> = {
    'a row without its type': row('Patient', ({ resourceType: _, ...rest }) => rest),
    'a row of another type': row('Patient', (one) => ({ ...one, resourceType: 'Observation' })),
    'a row that is null': row('Patient', () => null),
    'an id that would leave its type': row('Patient', (one) => ({ ...one, id: '../Appointment/visit' })),
    'an id that is a number': row('Patient', (one) => ({ ...one, id: 7 })),
    'no bundle': page('Patient', () => practice().Patient?.[0]),
    'a bundle of another kind': page('Patient', (bundle) => ({ ...bundle, type: 'history' })),
    'entries that are no list': page('Patient', (bundle) => ({ ...bundle, entry: { 0: bundle.entry[0] } })),
    'a total below nothing': page('Patient', (bundle) => ({ ...bundle, total: -1 })),
    'a total in words': page('Patient', (bundle) => ({ ...bundle, total: '1' })),
    'a total that is null': page('Patient', (bundle) => ({ ...bundle, total: null })),
    'an OperationOutcome with 200': page('Patient', () => outcome('error')),
    'an error among the rows': page('Patient', (bundle) => ({
      ...bundle,
      entry: [...bundle.entry, { search: { mode: 'outcome' }, resource: outcome('error') }],
    })),
    'an error among the rows that says nothing of its severity': page('Patient', (bundle) => ({
      ...bundle,
      entry: [...bundle.entry, { resource: { resourceType: 'OperationOutcome', issue: [{}] } }],
    })),
    'a next page elsewhere': next('https://elsewhere.example.org/Patient?page=2'),
    'a next page on another port': next('http://127.0.0.1:9/Patient'),
    'a next page that is this one': page('Patient', (bundle) => ({
      ...bundle,
      link: [{ relation: 'next', url: '?page=1' }],
    })),
    'a next page in a file': next('file:///etc/passwd'),
    'a next page of 10 kB': (one) => next(`${server.url}/Patient?${'x'.repeat(10_240)}`)(one),
    'a next page that is no address': next('http://[x'),
    'a next page that is a number': next(2),
    'contained resources a thousand deep': patient({ contained: [nested(1_000)] }),
    'extensions a hundred deep': patient({ extension: [extended(100)] }),
    'another FHIR than R4': (one) => {
      one.fhirVersion = '5.0.0';
    },
    XML: (one) => {
      one.answer = (path, response) => {
        if (path !== '/Patient') return false;
        response
          .writeHead(200, { 'content-type': 'application/fhir+xml' })
          .end('<Bundle xmlns="http://hl7.org/fhir"/>');
        return true;
      };
    },
    'a gigabyte': (one) => {
      one.answer = (path, response) => {
        if (path !== '/Patient') return false;
        response.writeHead(200, { 'content-type': 'application/fhir+json' });
        const chunk = Buffer.alloc(1024 * 1024, ' ');
        const more = () => {
          while (!response.destroyed && sentBytes < 1024 ** 3) {
            sentBytes += chunk.length;
            if (!response.write(chunk)) return response.once('drain', more);
          }
          return response.end('{}');
        };
        more();
        return true;
      };
    },
  };
  for (const [what, edit] of Object.entries(REFUSED)) {
    it(`refuses ${what}`, async () => {
      const { complete, error, ada } = await read(edit);
      assert.ok(error instanceof HrsNonsense || error instanceof Unavailable, String(error));
      assert.equal(complete, false);
      // A page that was good before paging went wrong stays true.
      if (!/never ends/.test(error.message)) assert.equal(ada, undefined);
      assert.ok(!/Stone|Ada/.test(error.message), error.message);
    });
  }

  it('lets go of a gigabyte early', () => {
    assert.ok(sentBytes > 0 && sentBytes < MOST_SENT_BYTES, `${sentBytes} bytes sent`);
  });

  it('is not complete while a billion rows are missing', async () => {
    const { complete, error } = await read(page('Patient', (bundle) => ({ ...bundle, total: 1e9 })));
    assert.deepEqual([complete, error], [false, null]);
  });
});

describe('fhir: answers that are strange and true', () => {
  const second = { resourceType: 'Patient', id: 'bob', name: [{ family: 'Brook' }] };
  const ACCEPTED: Record<
    string,
    [edit: (script: Script) => void, check: (reading: Reading) => unknown, expected: unknown]
  > = {
    'a bundle without entries': [
      page('Patient', ({ entry: _, ...bundle }) => ({ ...bundle, total: 0 })),
      ({ ada }) => ada,
      undefined,
    ],
    'a total below what it sends': [
      page('Patient', (bundle) => ({ ...bundle, total: 0 })),
      ({ ada }) => ada?.foreignId,
      'ada',
    ],
    'no total': [page('Patient', ({ total: _, ...bundle }) => bundle), ({ ada }) => ada?.foreignId, 'ada'],
    'included rows and warnings': [
      page('Patient', (bundle) => ({
        ...bundle,
        entry: [
          ...bundle.entry,
          { search: { mode: 'include' }, resource: { resourceType: 'Organization', id: 'o' } },
          { search: { mode: 'outcome' }, resource: outcome('warning') },
        ],
      })),
      ({ state }) => state.has('patient ada'),
      true,
    ],
    'a next page without its server': [
      (one) => {
        one.bundle = (bundle, type, at) => {
          if (type !== 'Patient') return bundle;
          if (at === '2') return { ...bundle, total: 2, entry: [{ resource: second }] };
          return {
            ...bundle,
            total: 2,
            link: [
              { relation: 'self', url: 'x' },
              { relation: 'next', url: '/Patient?page=2' },
            ],
          };
        };
      },
      ({ state }) => [state.has('patient ada'), state.has('patient bob')],
      [true, true],
    ],
    'a row twice, the newer first': [
      (one) => {
        const [ada] = one.rows.Patient as [Foreign];
        const newer = {
          ...ada,
          name: [{ family: 'Steele' }],
          meta: { versionId: '2', lastUpdated: '2026-02-01T00:00:00Z' },
        };
        one.rows.Patient = [newer, ada];
        page('Patient', (bundle) => ({ ...bundle, total: 1 }))(one);
      },
      ({ ada }) => ada?.lastName,
      'Steele',
    ],
    'a row contained in itself': [
      patient({ contained: [{ resourceType: 'Patient', id: 'ada', name: [{ family: 'Wrong' }] }] }),
      ({ ada }) => ada?.lastName,
      'Stone',
    ],
    'extensions ten deep': [patient({ extension: [extended(10)] }), ({ ada }) => ada?.lastName, 'Stone'],
    'an appointment without a start': [
      visit({ status: 'proposed', start: undefined, end: undefined }),
      ({ visit }) => visit,
      undefined,
    ],
    'an appointment that ends before it begins': [
      visit({ end: '2040-01-02T13:00:00Z' }),
      ({ visit }) => visit,
      undefined,
    ],
    'an appointment entered in error': [visit({ status: 'entered-in-error' }), ({ visit }) => visit?.cancelled, true],
    'a status that nobody knows': [
      visit({ status: 'teleported' }),
      ({ visit }) => [visit?.cancelled, visit?.startAt],
      [false, '2040-01-02T14:00:00.000Z'],
    ],
    'participants without an actor': [
      visit({ participant: [{ status: 'accepted' }, null, 5, {}] }),
      ({ visit }) => [visit?.patientForeignId, visit?.providerForeignId],
      [null, null],
    ],
    'five hundred participants': [
      visit({ participant: Array.from({ length: 500 }, (_, n) => ({ actor: { reference: `Patient/p${n}` } })) }),
      ({ visit }) => visit?.patientForeignId,
      'p0',
    ],
    'a start with nanoseconds': [
      visit({ start: '2040-01-02T14:00:00.123456789Z' }),
      ({ visit }) => visit?.startAt,
      '2040-01-02T14:00:00.123Z',
    ],
    'a start without a zone': [visit({ start: '2040-01-02T14:00:00' }), ({ visit }) => visit, undefined],
    'a start that is a day': [visit({ start: '2040-01-02' }), ({ visit }) => visit, undefined],
    'a start that is a year': [visit({ start: '2040' }), ({ visit }) => visit, undefined],
    'a start that never was': [visit({ start: '2040-02-30T14:00:00Z' }), ({ visit }) => visit, undefined],
    'a birthday that is a month': [patient({ birthDate: '1980-04' }), ({ ada }) => ada?.dateOfBirth, null],
    'a duration with a fraction': [
      visit({ end: undefined, minutesDuration: 22.5 }),
      ({ visit }) => visit?.endAt,
      '2040-01-02T14:22:30.000Z',
    ],
    'a duration in words': [visit({ end: undefined, minutesDuration: '30' }), ({ visit }) => visit, undefined],
    'a duration without end': [visit({ end: undefined, minutesDuration: 1e300 }), ({ visit }) => visit, undefined],
    'slots that overlap, are empty, and are both free and busy': [
      slots({}, { start: END, end: END }, { status: 'busy', end: '2040-01-02T15:00:00Z' }, { start: END, end: START }),
      ({ hours }) => hours.map(({ foreignId, beginLocal, endLocal }) => [foreignId, beginLocal, endLocal]),
      [['s1', '09:00', '10:00']],
    ],
    'a schedule without actors': [row('Schedule', ({ actor: _, ...rest }) => rest), ({ hours }) => hours.length, 0],
    'a schedule whose period is open': [
      row('Schedule', (one) => ({ ...one, planningHorizon: { start: '2026' } })),
      ({ hours }) => hours.length,
      1,
    ],
    'no stamps': [
      (one) => {
        for (const type of TYPES) row(type, ({ meta: _, ...rest }) => rest)(one);
      },
      ({ state }) => [...state.keys()].length,
      5,
    ],
    'stamps from the future': [
      (one) => {
        for (const type of TYPES)
          row(type, (resource) => ({ ...resource, meta: { versionId: '1', lastUpdated: '2199-01-01T00:00:00Z' } }))(
            one,
          );
      },
      ({ state }) => [...state.keys()].length,
      5,
    ],
    'versions that are no texts': [
      patient({ meta: { versionId: 7, lastUpdated: 5 } }),
      ({ ada }) => ada?.lastName,
      'Stone',
    ],
    'one version with two contents': [
      (one) => {
        const [ada] = one.rows.Patient as [Foreign];
        one.rows.Patient = [ada, { ...ada, name: [{ family: 'Twin' }] }];
        page('Patient', (bundle) => ({ ...bundle, total: 1 }))(one);
      },
      ({ ada }) => ada?.lastName,
      'Stone',
    ],
    'script in a narrative and in a name': [
      patient({
        text: { status: 'generated', div: '<div><script>alert(1)</script></div>' },
        name: [{ family: '<svg onload=alert(1)>' }],
      }),
      ({ ada }) => ada?.lastName,
      '<svg onload=alert(1)>',
    ],
    'names and their extensions out of step': [
      patient({
        name: [{ family: 'Stone', given: [null, 'Ada'], _given: [{ extension: [{ url: 'u' }] }, null, null] }],
      }),
      ({ ada }) => ada?.firstName,
      'Ada',
    ],
    'a value that is only an extension': [
      patient({ birthDate: undefined, _birthDate: { extension: [{ url: 'u' }] } }),
      ({ ada }) => ada?.dateOfBirth,
      null,
    ],
    'nulls in every list': [
      patient({
        name: [null, { family: 'Stone' }],
        telecom: [null],
        address: [null],
        link: [null],
        identifier: [null],
        communication: [null],
        generalPractitioner: [null],
      }),
      ({ ada }) => ada?.lastName,
      'Stone',
    ],
    R4B: [
      (one) => {
        one.fhirVersion = '4.3.0';
      },
      ({ complete }) => complete,
      true,
    ],
    'a row as R5 has it': [
      visit({
        subject: { reference: 'Patient/ada' },
        reason: [{ concept: { text: 'pain' } }],
        cancellationDate: START,
        previousAppointment: { reference: 'Appointment/x' },
      }),
      ({ visit }) => [visit?.startAt, visit?.patientForeignId, visit?.cancelled],
      ['2040-01-02T14:00:00.000Z', 'ada', false],
    ],
  };
  for (const [what, [edit, check, expected]] of Object.entries(ACCEPTED)) {
    it(`understands ${what}`, async () => {
      const reading = await read(edit);
      assert.deepEqual([reading.error, reading.complete], [null, true]);
      assert.deepEqual(check(reading), expected);
    });
  }

  const WHO: [form: object, patientForeignId: string | null][] = [
    [{ reference: 'Patient/ada' }, 'ada'],
    [{ reference: 'Patient/ada/_history/3' }, 'ada'],
    [{ reference: 'BASE/Patient/ada' }, 'ada'],
    [{ reference: 'https://elsewhere.example.org/Patient/ada' }, null],
    [{ reference: 'urn:uuid:0b7a0f3e-7f0a-4c39-8c1e-2f6d1f0a9b11' }, null],
    [{ reference: '#ada' }, null],
    [{ reference: '#' }, null],
    [{ reference: 'Patient/' }, null],
    [{ reference: 'Patient/ada?x=1' }, null],
    [{ reference: ['Patient/ada'] }, null],
    [{ identifier: { system: 'urn:x', value: 'ada' }, type: 'Patient' }, null],
    [{ display: 'Ada Stone' }, null],
  ];
  for (const [form, expected] of WHO) {
    it(`knows who ${JSON.stringify(form)} is`, async () => {
      const actor = JSON.parse(JSON.stringify(form).replace('BASE', server.url));
      const { visit: found } = await read(
        visit({ participant: [{ actor }], contained: [{ resourceType: 'Patient', id: 'ada' }] }),
      );
      assert.equal(found?.patientForeignId, expected);
    });
  }
});

describe('fhir: what we do not know how to read', () => {
  const modifier = { modifierExtension: [{ url: 'urn:unknown', valueBoolean: true }] };
  it('keeps the time of an appointment, and nobody in it', async () => {
    const part = { participant: [{ actor: { reference: 'Patient/ada' }, status: 'accepted', ...modifier }] };
    for (const more of [modifier, part, { implicitRules: 'urn:rules' }]) {
      const { visit: found } = await read(visit(more));
      assert.deepEqual(
        [found?.unavailable, found?.patientForeignId, found?.startAt],
        [true, null, '2040-01-02T14:00:00.000Z'],
      );
    }
  });

  it('offers no hours, and takes no bookings for a person', async () => {
    assert.deepEqual((await read(row('Slot', (one) => ({ ...one, ...modifier })))).hours, []);
    assert.deepEqual((await read(row('Schedule', (one) => ({ ...one, ...modifier })))).hours, []);
    assert.equal((await read(patient(modifier))).ada?.inactive, true);
  });
});

describe('fhir: tokens of strange lives', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const auth = {
    type: 'smart',
    clientId: 'c',
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  } as const;
  for (const expires of [undefined, null, -1, 0, 1e9, 1e300, '300', 'soon', {}]) {
    it(`reads with expires_in ${JSON.stringify(expires)}`, async () => {
      const answer: Script['answer'] = (path, response) => {
        const send = (body: object) =>
          response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
        if (path === '/.well-known/smart-configuration')
          send({ issuer: 'https://other.example.org', token_endpoint: `${server.url}/token` });
        else if (path === '/token') send({ access_token: 'a-token', token_type: 'Bearer', expires_in: expires });
        else return false;
        return true;
      };
      assert.ok((await read((one) => Object.assign(one, { answer }), { auth })).complete);
    });
  }

  it('asks for nothing when it is sent in circles', async () => {
    const answer: Script['answer'] = (path, response) => {
      if (path !== '/.well-known/smart-configuration') return false;
      response.writeHead(302, { location: `${server.url}${path}` }).end();
      return true;
    };
    const { error } = await read((one) => Object.assign(one, { answer }), { auth });
    assert.match(String(error), /no access token.*redirect/);
  });
});
