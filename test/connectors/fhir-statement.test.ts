/** What a server says of itself, and what is left of its vendor's profile then. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { canMove, QUIRKS, type Quirks, type Vendor } from '../../src/connectors/fhir/quirks.ts';
import { narrow, readStatement } from '../../src/connectors/fhir/statement.ts';
import { writesOf } from '../../src/connectors/fhir/write.ts';
import { capabilityStatement } from '../peers/fhir-definitions.ts';

const TYPES = ['Location', 'Practitioner', 'Schedule', 'Slot', 'Patient', 'Appointment'];
type Stated = Record<string, unknown>;

/** A statement that lists nothing but its types, and of some of them what is given. */
function statement(more: Record<string, Stated | null> = {}, rest: Stated = {}) {
  const types = [...new Set([...TYPES, ...Object.keys(more)])].filter((type) => more[type] !== null);
  const resource = types.map((type) => ({ type, ...more[type] }));
  const server = { mode: 'server', resource, ...rest };
  return readStatement({ resourceType: 'CapabilityStatement', fhirVersion: '4.0.1', rest: [server] });
}
const codes = (...list: string[]) => ({ interaction: list.map((code) => ({ code })) });
const params = (...list: string[]) => ({ searchParam: list.map((name) => ({ name })) });

describe('fhir, a statement', () => {
  it('that says little changes nothing but what has to be said', () => {
    const narrowed = narrow(QUIRKS.generic, statement());
    assert.deepEqual(narrowed, { ...QUIRKS.generic, typeHistory: false, subscriptions: false });
  });

  it('never gives back what the profile takes away', () => {
    const all = readStatement(
      capabilityStatement({
        ...{ conditionalCreate: true, lastUpdated: true, typeHistory: true, statusOnly: false, subscriptions: true },
      }),
    );
    assert.deepEqual(narrow(QUIRKS.generic, all), QUIRKS.generic);
    for (const vendor of Object.keys(QUIRKS) as Vendor[]) assert.deepEqual(narrow(QUIRKS[vendor], all), QUIRKS[vendor]);
  });

  const CASES: Record<string, [more: Record<string, Stated | null>, expected: Partial<Quirks>, rest?: Stated]> = {
    'without create of patients': [{ Patient: codes('read', 'update') }, { creates: ['Appointment', 'Slot'] }],
    'without a search by identifier': [{ Patient: params('name') }, { creates: ['Appointment', 'Slot'] }],
    'without a search for who else is there': [
      { Appointment: params('identifier', 'date', 'slot') },
      { creates: ['Patient', 'Slot'], lastUpdatedSearch: false },
    ],
    'with parameters for all types': [
      { Appointment: params('identifier', 'actor', 'date', 'slot') },
      {},
      params('_lastUpdated'),
    ],
    'without conditional creates': [{ Slot: { conditionalCreate: false } }, { conditionalCreate: false }],
    'with PATCH and no PUT': [{ Appointment: codes('create', 'patch') }, { update: 'patch' }],
    'whose slots cannot be changed': [
      { Slot: codes('read', 'search-type') },
      { update: 'none', creates: ['Patient', 'Appointment'] },
    ],
    'without slots': [{ Slot: null }, { creates: ['Patient', 'Appointment'] }],
    'with a history': [{ Appointment: codes('create', 'update', 'history-type') }, { typeHistory: true }],
    'with the history of single records': [{ Appointment: codes('create', 'update', 'history-instance') }, {}],
    'with subscriptions': [{ Subscription: codes('create') }, { subscriptions: true }],
    'with subscriptions that others make': [{ Subscription: codes('read') }, {}],
  };
  for (const [what, [more, expected, rest]] of Object.entries(CASES)) {
    it(`${what} leaves what it should`, () => {
      const base = { ...QUIRKS.generic, typeHistory: false, subscriptions: false };
      assert.deepEqual(narrow(QUIRKS.generic, statement(more, rest)), { ...base, ...expected });
    });
  }

  it('of any other shape is nonsense or says nothing', () => {
    for (const other of [null, [], {}, { resourceType: 'Bundle' }, 'x']) {
      assert.throws(() => readStatement(other), { name: 'HrsNonsense' });
    }
    for (const rest of [undefined, null, 5, [null], [{ resource: 'x' }], [{ resource: [null, 5, {}] }]]) {
      const { types } = readStatement({ resourceType: 'CapabilityStatement', rest });
      assert.equal(types.has('Patient'), false);
    }
  });
});

describe('fhir, the vendors', () => {
  const writable = (vendor: Vendor) =>
    Object.entries(writesOf(QUIRKS[vendor]))
      .filter(([, can]) => can)
      .map(([name]) => name);

  it('let be written what they document', () => {
    for (const vendor of ['generic', 'medplum', 'hapi'] as const) assert.equal(writable(vendor).length, 8, vendor);
    assert.deepEqual(writable('oracle'), ['cancel']);
    for (const vendor of ['epic', 'athenahealth', 'openemr'] as const) assert.deepEqual(writable(vendor), [], vendor);
  });

  it('move a status as they document', () => {
    assert.equal(canMove(QUIRKS.oracle, 'booked', 'cancelled'), true);
    assert.equal(canMove(QUIRKS.oracle, 'fulfilled', 'cancelled'), false);
    assert.equal(canMove(QUIRKS.oracle, 'constructor', 'cancelled'), false);
    assert.equal(canMove(QUIRKS.generic, 'waitlist', 'cancelled'), true);
  });

  it('lose single abilities by what they say of themselves', () => {
    const noPut = narrow(QUIRKS.generic, statement({ Appointment: codes('create', 'patch'), Slot: codes('patch') }));
    assert.deepEqual(writesOf(noPut).createAppointment, false);
    assert.deepEqual(writesOf(noPut).cancel, true);
  });
});
